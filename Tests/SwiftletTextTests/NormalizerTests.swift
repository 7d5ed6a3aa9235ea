import SwiftletFormats
import SwiftletTensor
import Testing

@testable import SwiftletText

extension Normalizer {
    init(_ json: String) throws {
        try self.init(json: JSON.parse(Array(json.utf8), source: "test"), source: "test")
    }
}

@Suite("Normalizers")
struct NormalizerTests {
    @Test("rewrite as tokenizers does")
    func matchesTokenizers() throws {
        for entry in try PretokFixture.cases("normalizers") {
            let normalizer = try Normalizer(json: entry.config, source: "test")
            let found = normalizer.normalize(Array(entry.text.utf8))
            let shown = String(decoding: found, as: UTF8.self).debugDescription
            #expect(
                found == Array(entry.expected.utf8),
                "\(entry.name): \(entry.text.debugDescription) became \(shown), not \(entry.expected.debugDescription)"
            )
        }
    }
}
