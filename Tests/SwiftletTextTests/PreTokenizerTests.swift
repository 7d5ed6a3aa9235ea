import Foundation
import SwiftletFormats
import SwiftletTensor
import Testing

@testable import SwiftletText

/// What Hugging Face `tokenizers` made of generated texts; see Fixtures/pretok/make_pretok.py.
struct PretokFixture {
    struct Case: Sendable {
        var config: JSON
        var text: String
        var expected: String

        /// What a failure shows of the configuration.
        var name: String {
            let pattern = config["pattern"]?["Regex"]?.string ?? config["pattern"]?["String"]?.string ?? ""
            return "\(config["type"]?.string ?? "") \(pattern) \(config["behavior"]?.string ?? "")"
        }
    }

    static func cases(_ key: String) throws -> [Case] {
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
        let data = try Data(contentsOf: folder.appending(path: "Fixtures/pretok/pretok.json"))
        let json = try JSON.parse(Array(data), source: "pretok.json")
        let texts = try #require(json["texts"]).elements.map { $0.string ?? "" }
        var cases: [Case] = []
        for entry in try #require(json[key]).elements {
            let config = try #require(entry["config"])
            for item in try #require(entry["cases"]).elements {
                let place = try #require(item[0]?.int)
                cases.append(
                    Case(config: config, text: texts[place], expected: try #require(item[1]?.string)))
            }
        }
        return cases
    }
}

extension PreTokenizer {
    init(_ json: String) throws {
        try self.init(json: JSON.parse(Array(json.utf8), source: "test"), source: "test")
    }

    func pieces(_ text: String, isFirst: Bool = true) -> [String] {
        pieces(Array(text.utf8), isFirst: isFirst).map { String(decoding: $0, as: UTF8.self) }
    }

    func pieces(_ text: [UInt8], isFirst: Bool = true) -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        split(text, isFirst: isFirst) { pieces.append($0) }
        return pieces
    }
}

@Suite("Pre-tokenizers")
struct PreTokenizerTests {
    @Test("split as tokenizers does")
    func matchesTokenizers() throws {
        for entry in try PretokFixture.cases("pre_tokenizers") {
            let splitter = try PreTokenizer(json: entry.config, source: "test")
            let pieces = splitter.pieces(Array(entry.text.utf8)).map { piece in
                String(decoding: splitter.isByteLevel ? ByteAlphabet.encode(piece) : piece, as: UTF8.self)
            }
            let found = pieces.joined(separator: "␞")
            #expect(
                found.utf8.elementsEqual(entry.expected.utf8), "\(entry.name): \(entry.text.debugDescription)"
            )
        }
    }
}
