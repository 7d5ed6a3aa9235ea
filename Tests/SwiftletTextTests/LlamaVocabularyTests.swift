import Foundation
import SwiftletFormats
import SwiftletTensor
import SwiftletText
import Testing

/// The vocabularies that llama.cpp tests itself with, from a folder named by `SWIFTLET_LLAMA_VOCABS`.
///
/// That folder is `models/` of llama.cpp. `NAME.gguf.inp` holds texts and `NAME.gguf.out` their ids.
struct LlamaVocabularyTests {
    static let folder = ProcessInfo.processInfo.environment["SWIFTLET_LLAMA_VOCABS"]

    @Test("encodes what llama.cpp encodes", .enabled(if: folder != nil))
    func vocabularies() throws {
        let folder = try #require(Self.folder)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        for name in names where name.hasSuffix(".gguf.inp") {
            let path = "\(folder)/\(name.dropLast(4))"
            guard FileManager.default.fileExists(atPath: path) else { continue }
            try check(path)
        }
    }

    private func check(_ path: String) throws {
        let tokenizer = try Tokenizer.load(gguf: GGUFFile(path: path))
        let input = try String(contentsOfFile: path + ".inp", encoding: .utf8)
        let texts = input.components(separatedBy: "\n__ggml_vocab_test__\n").dropLast(0)
        let lines = try String(contentsOfFile: path + ".out", encoding: .utf8).split(
            separator: "\n", omittingEmptySubsequences: false)
        for (text, line) in zip(texts, lines) {
            let expected = line.split(separator: " ").compactMap { TokenID($0) }
            let ids = tokenizer.encode(text, addSpecial: false, parseSpecial: false)
            #expect(ids == expected, "\(path): \(text.debugDescription)")
            if ids != expected { continue }
            let decoded: String = tokenizer.decode(ids)
            if !path.contains("bert") {
                #expect(decoded == text, "\(path)")
            }
        }
    }
}
