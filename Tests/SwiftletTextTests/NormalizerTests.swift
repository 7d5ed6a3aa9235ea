import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
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

@Suite("Normalizer options")
struct NormalizerOptionTests {
    @Test("pass bytes that are not UTF-8 through", arguments: 0..<20 as Range<UInt64>)
    func invalidBytes(seed: UInt64) throws {
        let text = MixedText.make(seed: seed, count: 300, invalid: true)
        #expect(Normalizer.nfd(Normalizer.nfc(text)) == Normalizer.nfd(text))
        #expect(Normalizer.nfkc(Normalizer.nfkd(text)) == Normalizer.nfkc(text))
        let bytes: [UInt8] = [0x41, 0xFF, 0xCC, 0xC3, 0x89, 0xCC, 0x81, 0x80]
        #expect(Normalizer.nfc(bytes) == bytes)
        let bert = try Normalizer(#"{"type":"BertNormalizer"}"#)
        #expect(bert.normalize(bytes) == [0x61, 0xFF, 0xCC, 0x65, 0x80])
    }

    @Test("order and compose marks")
    func composition() {
        func nfc(_ text: String) -> [UInt32] { UTF8Text.values(Normalizer.nfc(Array(text.utf8))) }
        #expect(nfc("a\u{301}\u{323}") == [0x1EA1, 0x301])
        #expect(nfc("\u{1100}\u{1161}\u{11A8}") == [0xAC01])
        #expect(nfc("\u{AC00}\u{11A8}") == [0xAC01])
        #expect(nfc("\u{212B}\u{344}\u{958}") == [0xC5, 0x308, 0x301, 0x915, 0x93C])
        let marks = "a" + String(repeating: "\u{301}\u{323}", count: 50_000)
        #expect(nfc(marks).count == 100_000)
    }

    @Test(
        "name what is wrong",
        arguments: [
            #"{"type":"Nonsense"}"#, "[]", #"{"type":"Sequence"}"#, #"{"type":"Replace","content":"a"}"#,
            #"{"type":"Prepend"}"#, #"{"type":"Precompiled","precompiled_charsmap":"AAA"}"#,
            #"{"type":"Precompiled","precompiled_charsmap":"/////w=="}"#,
            #"{"type":"Strip","strip_left":"yes"}"#,
        ])
    func errors(_ json: String) {
        #expect(throws: SwiftletError.self) { _ = try Normalizer(json) }
    }

    @Test("read damaged character maps without crashing", arguments: 0..<200 as Range<UInt64>)
    func damagedMaps(seed: UInt64) throws {
        let entry = try #require(
            try PretokFixture.cases("normalizers").first { $0.config["type"]?.string == "Precompiled" })
        let text = try #require(entry.config["precompiled_charsmap"]?.bytes)
        var bytes = try #require(Base64.decode(text))
        var random = SplitMix64(seed: seed)
        for _ in 0..<20 {
            bytes[Int.random(in: 4..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        guard let map = PrecompiledCharacterMap(bytes) else { return }
        let input = MixedText.make(seed: seed, count: 100, invalid: true)
        _ = map.normalize(input)
        _ = map.normalizeByLongestKeys(input)
    }

    @Test("replace the longest keys for SentencePiece and the shortest for tokenizers")
    func longestKeys() throws {
        let entry = try #require(
            try PretokFixture.cases("normalizers").first { $0.config["type"]?.string == "Precompiled" })
        let text = try #require(entry.config["precompiled_charsmap"]?.bytes)
        let bytes = try #require(Base64.decode(text))
        let longest = try Normalizer(precompiledCharacterMap: bytes, source: "test")
        #expect(String(decoding: longest.normalize(Array("xab中文中\u{301}".utf8)), as: UTF8.self) == "xXY国")
        let shortest = try Normalizer(json: entry.config, source: "test")
        #expect(String(decoding: shortest.normalize(Array("xab中文".utf8)), as: UTF8.self) == "xbb国文")
    }

    @Test("base 64 is exact about its padding")
    func base64() {
        #expect(Base64.decode(Array("aGVsbG8=".utf8)) == Array("hello".utf8))
        #expect(Base64.decode(Array("aGVsbA==".utf8)) == Array("hell".utf8))
        for text in ["aGVsbG8", "aGVsbG8==", "a=Vs", "aG*s", "===="] {
            #expect(Base64.decode(Array(text.utf8)) == nil)
        }
    }
}
