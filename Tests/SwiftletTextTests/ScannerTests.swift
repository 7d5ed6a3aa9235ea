import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletText

/// Text that mixes everything the patterns tell apart.
struct MixedText {
    static let characters: [String] = {
        let words = "a b s t r e v l m d S T LL ſ é ß Ω я Я 中 文 あ ア 한 ก ב ع ǅ ʰ 0 1 ٣ ५ ½ Ⅷ ² 𝟘"
        let others = "\u{301} \u{5B0} \u{93F} \u{20DD} ' ' ’ . , ! - _ ( ) / \\ \" $ + € ^ ~ 。 、 « » 😀 👩‍👩‍👧"
        let controls = "\u{200D} \u{AD} \u{E000} \u{378} \u{0} \u{1B}"
        let spaces = [
            " ", " ", " ", "  ", "\n", "\r", "\r\n", "\t", "\u{B}", "\u{C}", "\u{85}", "\u{A0}", "\u{1680}",
            "\u{2003}", "\u{2028}", "\u{3000}",
        ]
        return "\(words) \(others) \(controls)".split(separator: " ").map(String.init) + spaces
    }()
    static let invalid: [[UInt8]] = [
        [0x80], [0xFF], [0xC3], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xC0, 0xAF],
    ]

    /// About `count` characters; one in 40 is not UTF-8 if `invalid`.
    static func make(seed: UInt64, count: Int, invalid isInvalid: Bool) -> [UInt8] {
        var random = SplitMix64(seed: seed)
        var text: [UInt8] = []
        while text.count < count {
            let repeats =
                Int.random(in: 0..<10, using: &random) == 0 ? Int.random(in: 1...6, using: &random) : 1
            let piece: [UInt8]
            if isInvalid, Int.random(in: 0..<40, using: &random) == 0 {
                piece = invalid.randomElement(using: &random) ?? []
            } else {
                piece = Array((characters.randomElement(using: &random) ?? "").utf8)
            }
            for _ in 0..<repeats { text += piece }
        }
        return text
    }
}

@Suite("Scanner")
struct ScannerTests {
    @Test("agrees with the general matcher on every pattern it knows", arguments: 0..<4 as Range<UInt64>)
    func scannersMatchPatterns(seed: UInt64) throws {
        for (text, scanner) in Scanner.known {
            let pattern = try Pattern(text, source: "test")
            for round in 0..<6 as Range<UInt64> {
                let input = MixedText.make(seed: seed * 1000 + round, count: 150, invalid: round % 2 == 1)
                input.withUnsafeBufferPointer { input in
                    var expected: [Range<Int>] = []
                    var found: [Range<Int>] = []
                    pattern.forEachMatch(in: input) { expected.append($0) }
                    scanner.forEachPiece(of: input) { found.append($0) }
                    #expect(found == expected, "\(text) on \(Array(input))")
                    #expect(found.first?.lowerBound == 0 && found.last?.upperBound == input.count)
                }
            }
        }
    }

    @Test("agrees with the general matcher on all short texts of a small alphabet")
    func scannersMatchPatternsOnShortTexts() throws {
        let alphabet: [[UInt8]] = ["a", "B", "1", " ", "\n", "'", "s", "\u{301}", "/"].map { Array($0.utf8) }
        let scanners = [Scanner.gpt2, .llama3, .qwen2, .qwen35, .o200k, .tekken]
        for scanner in scanners {
            let text = try #require(Scanner.known.first { $0.value == scanner }?.key)
            let pattern = try Pattern(text, source: "test")
            for number in 0..<9 * 9 * 9 * 9 {
                let input = [number % 9, number / 9 % 9, number / 81 % 9, number / 729].flatMap {
                    alphabet[$0]
                }
                input.withUnsafeBufferPointer { input in
                    var expected: [Range<Int>] = []
                    var found: [Range<Int>] = []
                    pattern.forEachMatch(in: input) { expected.append($0) }
                    scanner.forEachPiece(of: input) { found.append($0) }
                    #expect(found == expected, "\(text) on \(Array(input))")
                }
            }
        }
    }

    @Test("cuts off contractions in either case, the long s too")
    func contractions() {
        #expect(
            pieces("it's IT'S we'll A'ſ b'x", .llama3) == [
                "it", "'s", " IT", "'S", " we", "'ll", " A", "'ſ", " b", "'x",
            ])
        #expect(pieces("it's IT'S", .gpt2) == ["it", "'s", " IT", "'", "S"])
    }

    private func pieces(_ text: String, _ scanner: Scanner) -> [String] {
        var pieces: [String] = []
        let bytes = Array(text.utf8)
        bytes.withUnsafeBufferPointer { buffer in
            scanner.forEachPiece(of: buffer) { pieces.append(String(decoding: buffer[$0], as: UTF8.self)) }
        }
        return pieces
    }
}
