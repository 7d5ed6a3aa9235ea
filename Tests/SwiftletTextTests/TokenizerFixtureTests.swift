import Foundation
import SwiftletFormats
import SwiftletTensor
import SwiftletText
import Testing

/// Where `Fixtures/tokens` is, and what it holds.
enum TokenFixtures {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(
        path: "Fixtures/tokens"
    ).path

    static func directory(_ name: String) -> String { "\(folder)/\(name)" }

    static let texts: [[UInt8]] = {
        let json = try? JSON.parse(contentsOf: "\(folder)/texts.json")
        return json?.elements.compactMap(\.bytes) ?? []
    }()

    static func vectors(_ name: String) throws -> [JSON] {
        Array(try JSON.parse(contentsOf: "\(folder)/\(name)/vectors.json").elements)
    }

    static let jsonCases = [
        "gpt2", "roberta", "llama3", "qwen2", "llama2-prepend", "llama2-first", "llama2-always",
        "llama2-never",
        "classic-bpe", "prefix-bpe", "bert", "word-level", "unigram", "unigram-bytes", "precompiled",
    ]
    static let sentencePieceCases = [
        "spm-bpe", "spm-bpe-rules", "spm-unigram", "spm-unigram-bytes", "spm-suffix",
    ]
    /// Cases that keep every byte: those of ``lossless`` any text, the rest all but what they normalise.
    static let lossless = ["gpt2", "llama3", "llama2-prepend", "spm-bpe"]
}

extension JSON {
    /// A list of token ids; `nil` for `null`.
    fileprivate var ids: [TokenID]? {
        kind == .array ? elements.compactMap { $0.int.map { TokenID($0) } } : nil
    }
}

struct TokenizerFixtureTests {
    @Test("gives the ids and texts of tokenizers", arguments: TokenFixtures.jsonCases)
    func huggingFace(name: String) throws {
        let tokenizer = try Tokenizer.load(directory: TokenFixtures.directory(name))
        let vectors = try TokenFixtures.vectors(name)
        #expect(vectors.count == TokenFixtures.texts.count)
        for (text, vector) in zip(TokenFixtures.texts, vectors) {
            let shown = "\(name): \(String(decoding: text, as: UTF8.self).debugDescription)"
            guard let ids = vector["ids"]?.ids else { continue }
            #expect(tokenizer.encode(text) == ids, "\(shown)")
            if let plain = (vector["plain"] ?? vector["ids"])?.ids {
                #expect(tokenizer.encode(text, addSpecial: false, parseSpecial: false) == plain, "\(shown)")
            }
            expect(tokenizer, ids, vector["decoded"], text, skipSpecial: false, shown)
            expect(tokenizer, ids, vector["skipped"], text, skipSpecial: true, shown)
        }
    }

    @Test("gives the ids and texts of sentencepiece", arguments: TokenFixtures.sentencePieceCases)
    func sentencePiece(name: String) throws {
        let tokenizer = try Tokenizer.load(directory: TokenFixtures.directory(name))
        for (text, vector) in zip(TokenFixtures.texts, try TokenFixtures.vectors(name)) {
            let shown = "\(name): \(String(decoding: text, as: UTF8.self).debugDescription)"
            guard let plain = vector["plain"]?.ids else { continue }
            #expect(tokenizer.encode(text, addSpecial: false, parseSpecial: false) == plain, "\(shown)")
            if plain.allSatisfy({ !tokenizer.isSpecial($0) }) {
                expect(tokenizer, plain, vector["decoded"], text, skipSpecial: false, shown)
            }
        }
    }

    private func expect(
        _ tokenizer: Tokenizer, _ ids: [TokenID], _ expected: JSON?, _ text: [UInt8], skipSpecial: Bool,
        _ shown: String
    ) {
        if let expected, expected.isNull { return }
        let decoded: [UInt8] = tokenizer.decode(ids, skipSpecial: skipSpecial)
        let wanted = expected?.bytes ?? text
        #expect(
            String(decoding: decoded, as: UTF8.self).utf8.elementsEqual(wanted),
            "\(shown) decoded, skipSpecial \(skipSpecial)")
    }
}
