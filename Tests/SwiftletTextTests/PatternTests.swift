import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletText

@Suite("Patterns")
struct PatternTests {
    private func matches(_ pattern: String, _ text: [UInt8]) throws -> [Range<Int>] {
        let pattern = try Pattern(pattern, source: "test")
        var found: [Range<Int>] = []
        text.withUnsafeBufferPointer { buffer in pattern.forEachMatch(in: buffer) { found.append($0) } }
        return found
    }

    private func matches(_ pattern: String, _ text: String) throws -> [String] {
        let bytes = Array(text.utf8)
        return try matches(pattern, bytes).map { String(decoding: bytes[$0], as: UTF8.self) }
    }

    @Test(
        "match as backtracking engines do",
        arguments: [
            ("a|ab", "ab", ["a"]), ("(?:a|ab)c", "abc", ["abc"]), ("a+?b?", "aab", ["a", "ab"]),
            ("a{2,3}", "aaaaa", ["aaa", "aa"]), ("a{,2}b", "aaab", ["aab"]), ("a{x", "a{x", ["a{x"]),
            ("a++a", "aaa", []), ("(?>a|ab)c", "abc", []), ("(a*)*b", "aab", ["aab"]),
            ("(a|b*)*c", "abbc", ["abbc"]),
            ("(?i)STRASSE", "strasse Straſſe", ["strasse", "Straſſe"]),
            ("(?i:k)", "kK\u{212A}", ["k", "K", "\u{212A}"]),
            ("(?<=a)b", "abcb", ["b"]), ("(?<!a|cd)b", "abcdbb", ["b"]), ("a(?=b)", "abac", ["a"]),
            ("[a-c&&[^b]]+", "abcc", ["a", "cc"]), ("[^\\W\\d_]+", "ab1_é", ["ab", "é"]),
            ("[]a]+", "]a", ["]a"]),
            ("\\bfoo\\b", "foo food", ["foo"]), ("^a|b$", "a\nab", ["a", "a", "b"]),
            ("\\Aa|b\\z", "aab", ["a", "b"]),
            ("\\p{Han}+", "a漢字b", ["漢字"]), ("\\P{L}", "a1", ["1"]), ("\\p{^L}", "a1", ["1"]),
            ("\\x41\\u0042\\x{43}", "ABC", ["ABC"]),
            ("(?x) a b # c", "ab", ["ab"]), ("a(?i)b|c", "aB aC", ["aB", "aC"]),
            ("(?<n>a)(?P<m>b)(?'o'c)", "abc", ["abc"]),
            (".", "a\nb", ["a", "b"]), ("(?m).", "a\n", ["a", "\n"]), ("", "ab", ["", "", ""]),
        ])
    func examples(_ example: (pattern: String, text: String, matches: [String])) throws {
        #expect(try matches(example.pattern, example.text) == example.matches)
    }

    @Test(
        "cut clusters and know emoji as Oniguruma does",
        arguments: [
            (
                "\\X",
                "e\u{301}\u{323}|\r\n|\n|가|각|\u{1100}\u{1161}\u{11A8}|\u{915}\u{94D}|\u{937}\u{93F}|"
                    + "\u{1F469}\u{200D}\u{1F469}\u{200D}\u{1F467}|🇩🇪|\u{1F1EB}|x|👍🏽|❤\u{FE0F}|#\u{FE0F}\u{20E3}|"
                    + "1|\u{600}a\u{200D}|\u{E01}\u{E47}"
            ),
            (
                "\\X{2}",
                "e\u{301}\u{323}\r\n|\n가|각\u{1100}\u{1161}\u{11A8}|\u{915}\u{94D}\u{937}\u{93F}|"
                    + "\u{1F469}\u{200D}\u{1F469}\u{200D}\u{1F467}🇩🇪|\u{1F1EB}x|👍🏽❤\u{FE0F}|#\u{FE0F}\u{20E3}1|"
                    + "\u{600}a\u{200D}\u{E01}\u{E47}"
            ),
            ("\\p{Emoji}+", "\u{1F469}|\u{1F469}|\u{1F467}🇩🇪\u{1F1EB}|👍🏽❤|#|1"),
            ("\\p{Extended_Pictographic}", "\u{1F469}|\u{1F469}|\u{1F467}|👍|❤"),
            ("[\\p{Emoji_Presentation}x]+", "\u{1F469}|\u{1F469}|\u{1F467}🇩🇪\u{1F1EB}x👍🏽"),
            ("\\p{Emoji_Modifier_Base}", "\u{1F469}|\u{1F469}|\u{1F467}|👍"),
        ])
    func clusters(pattern: String, wanted: String) throws {
        let text =
            "e\u{301}\u{323}\r\n\n가각\u{1100}\u{1161}\u{11A8}\u{915}\u{94D}\u{937}\u{93F}"
            + "\u{1F469}\u{200D}\u{1F469}\u{200D}\u{1F467}🇩🇪\u{1F1EB}x👍🏽❤\u{FE0F}#\u{FE0F}\u{20E3}1\u{600}a"
            + "\u{200D}\u{E01}\u{E47}"
        let found = try matches(pattern, text).joined(separator: "|")
        #expect(found.utf8.elementsEqual(wanted.utf8), "\(found)")
    }

    @Test("stay fast on one long cluster and many short ones")
    func longClusters() throws {
        let marks = "e" + String(repeating: "\u{301}", count: 2_000)
        #expect(try matches("\\X", marks + "x").count == 2)
        #expect(try matches("\\X", String(repeating: "漢字", count: 2_000)).count == 4_000)
    }

    @Test(
        "name what they cannot read",
        arguments: [
            "(a", "a)", "[a", "a**b{2}{3}{4}{5}{6}{7}{8}{9}", "*a", "(?<=a*)b", "\\p{Klingon}", "\\p{L",
            "\\1", "\\q", "\\", "(?y:a)",
            "[b-a]", "a{3,2}", "a{1001}", "((a{1000}){1000}){1000}", "\\x{110000}", "(?#", "(?<a",
        ])
    func errors(_ pattern: String) {
        #expect(throws: SwiftletError.self) { _ = try Pattern(pattern, source: "tokenizer.json") }
        do {
            _ = try Pattern(pattern, source: "tokenizer.json")
        } catch {
            #expect(error.message.contains("tokenizer.json") && error.code == .unsupported)
        }
    }

    @Test("refuse deep nesting without overflowing the stack")
    func deepNesting() {
        for open in ["(", "[", "(?=", "(?i)(", "a|("] {
            #expect(throws: SwiftletError.self) {
                _ = try Pattern(String(repeating: open, count: 100_000), source: "test")
            }
        }
        #expect(throws: Never.self) {
            _ = try Pattern("(((((){1000}){1000}){1000}){1000}){1000}", source: "test")
        }
    }

    @Test(
        "finish on text that makes naive backtracking explode",
        arguments: [
            ("(a|aa)+b", 0), ("(a+)+b", 0), ("(a*)*b", 0), ("(?:a|a)*b", 0), ("a*a*a*a*b", 0),
            ("(?=(a|aa)+b)a", 0),
            ("a+$b", 0), ("(a?){30}a{30}b", 0), ("(?:a|a?)+", 1), ("[ab]+", 1),
        ])
    func explosions(_ example: (pattern: String, count: Int)) throws {
        let text = [UInt8](repeating: 0x61, count: 5000)
        #expect(try matches(example.pattern, text).count == example.count)
    }

    @Test("treat each byte that is not UTF-8 as a character of no class")
    func invalidBytes() throws {
        let text: [UInt8] = [0x61, 0xFF, 0xE2, 0x82, 0x62, 0xED, 0xA0, 0x80, 0xC3, 0xA9]
        #expect(try matches("\\p{L}+", text) == [0..<1, 4..<5, 8..<10])
        #expect(try matches("[^\\s\\p{L}\\p{N}]", text) == [1..<2, 2..<3, 3..<4, 5..<6, 6..<7, 7..<8])
        #expect(try matches("[\\s\\p{L}\\p{N}\\p{M}\\p{P}\\p{S}\\p{C}]", text) == [0..<1, 4..<5, 8..<10])
        #expect(try matches("(?<=.)b(?=.)", text) == [4..<5])
        #expect(try matches(".+b", text) == [0..<5])
    }

    @Test("never crash on patterns made of the pieces of patterns", arguments: 0..<300 as Range<UInt64>)
    func randomPatterns(seed: UInt64) {
        let parts = [
            "(", ")", "(?:", "(?=", "(?!", "(?<=", "(?>", "(?i)", "[", "]", "^", "-", "&&", "|", "*", "+",
            "?", "{2}", "{,3}",
            "a", "b", "\\s", "\\p{L}", "[:alpha:]", "\\", ".", "$", "é", "\\b", "\\R",
        ]
        var random = SplitMix64(seed: seed)
        let pattern = (0..<Int.random(in: 1...12, using: &random))
            .map { _ in parts.randomElement(using: &random) ?? "" }.joined()
        guard let compiled = try? Pattern(pattern, source: "test") else { return }
        let text = MixedText.make(seed: seed, count: 60, invalid: true)
        var last = 0
        text.withUnsafeBufferPointer { buffer in
            compiled.forEachMatch(in: buffer) { match in
                #expect(match.lowerBound >= last && match.upperBound <= text.count)
                last = match.upperBound
            }
        }
    }
}
