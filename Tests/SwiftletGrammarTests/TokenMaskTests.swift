import SwiftletTensor
import Testing

@testable import SwiftletGrammar

@Suite struct TokenMaskTests {
    /// Bytes, parts of characters, words, JSON in pieces, texts that occur twice, long runs, control tokens.
    static let texts: [[UInt8]?] = {
        var texts: [[UInt8]?] = (0..<256).map { [UInt8($0)] }
        let words = [
            "a", "b", "ab", "ba", "aab", "the", " the", "\"", "\",", "\", \"", "\":", "\": ", "{\"", "{}",
            "[]", "},",
            "}}", "]}", "],", "true", "false", "null", "tr", "ue", "12", "345", "0", "-1", ".5", "e+", "\\n",
            "\\\"",
            "\\u00", "\n", "\n  ", "\n    ", "  ", "name", "\"name\"", "\"name\": \"", "a\"", "a\",", "a\"}",
            "é", "éa",
            "日本", "😀", "- ", "x = ", ")", "()", "(a)", "+", "a+b", "===", "age", "\"age\":", "item", "1,",
            "2]", "3}",
            "abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyzabcdef\"",
            String(repeating: "a", count: 40),
            String(repeating: " ", count: 30), String(repeating: "ab", count: 30) + "\"}",
        ]
        texts += words.map { Array($0.utf8) }
        texts += [[0xE6, 0x97], [0xA5], [0xF0, 0x9F], [0x98, 0x80], [0xC3], nil, nil, nil, []]
        return texts
    }()
    static let end: Int32 = 256 + 66

    static func trie() -> TokenTrie {
        let count = texts.count
        let end = Int32(count - 3)
        return TokenTrie(
            count: count, endTokens: [end], findToken: { $0 == "<think>" ? Int32(count - 2) : nil },
            bytes: { texts[Int($0)] })
    }

    static let schemas = [
        #"{"type": "object", "properties": {"name": {"type": "string", "maxLength": 60}, "age": {"type": "integer"}}}"#,
        #"{}"#,
        #"{"type": "array", "items": {"type": "string", "minLength": 30, "maxLength": 31}, "maxItems": 90}"#,
        #"{"type": "string", "pattern": "^(ab)*a?$"}"#,
    ]
    static let grammars = [
        #"root ::= ("- " [^\n]+ "\n")+"#,
        #"root ::= e"# + "\n" + #"e ::= e "+" e | "(" e ")" | [a-z]+ | [0-9]+"#,
        #"root ::= [ぁ-ゟ一-鿿]{2,70} | "é"+"#, #"root ::= "a"{30} ("b" | "a"){0,100} "\"""#,
        #"root ::= ("a" | "ab" | "aab"){3,80} "\"""#, #"root ::= .*"#, #"root ::= "a"? "#,
        #"root ::= ([ab]{2,70} "\"" | "a"{1,3}){1,70} "}""#,
    ]

    @Test(arguments: grammars.indices) func `masks are what single tokens say`(_ index: Int) throws {
        try compare(Grammar(gbnf: Self.grammars[index]), seed: index)
    }

    @Test(arguments: schemas.indices) func `masks are what single tokens say for schemas`(_ index: Int) throws
    {
        try compare(Grammar(jsonSchema: Self.schemas[index]), seed: index + 50)
    }

    /// Walks at random; at each step every token is tried by itself.
    private func compare(_ grammar: Grammar, seed: Int) throws {
        var random = TestRandom(seed: UInt64(seed))
        let masks = try TokenMasks(grammar, Self.trie())
        for _ in 0..<2 {
            var matcher = GrammarMatcher(masks)
            var text: [UInt8] = []
            for _ in 0..<24 {
                let words = matcher.allowedTokens()
                var allowed: [Int32] = []
                for token in 0..<Int32(Self.texts.count) {
                    let isSet = words[Int(token) / 64] >> UInt64(token % 64) & 1 == 1
                    let isTaken = matcher.accept(token)
                    if isTaken { matcher.rollback(1) }
                    let expected = masks.trie.endTokens.contains(token) ? matcher.canEnd : isTaken
                    guard isSet != expected || isSet else { continue }
                    #expect(
                        isSet == expected, "token \(token) behind \(String(decoding: text, as: UTF8.self))")
                    if isSet, !masks.trie.endTokens.contains(token) { allowed.append(token) }
                }
                #expect(matcher.canEnd == grammar.matches(text))
                guard !allowed.isEmpty else { break }
                // Longer tokens more often, as they are where it is hard.
                let picks = (0..<3).map { _ in allowed[random.next(below: allowed.count)] }
                let token = picks.max {
                    (Self.texts[Int($0)]?.count ?? 0) < (Self.texts[Int($1)]?.count ?? 0)
                }
                matcher.accept(token ?? 0)
                text += Self.texts[Int(token ?? 0)] ?? []
            }
            #expect(grammar.matchingPrefix(of: text) == text.count)
            #expect(!matcher.hasOverflowed)
        }
    }

    @Test func `goes back and forks`() throws {
        let masks = try TokenMasks(Grammar(gbnf: #"root ::= "ab"{3} | "aab""#), Self.trie())
        var matcher = GrammarMatcher(masks)
        let start = matcher.allowedTokens()
        #expect(accepted([97, 98, 98], by: &matcher) == 2)
        var fork = matcher
        #expect(accepted([97, 98, 97, 98], by: &fork) == 4)
        #expect(fork.canEnd && fork.isFinished && !matcher.canEnd)
        matcher.rollback(2)
        let again = matcher.allowedTokens()
        #expect(again == start)
        let length = matcher.prefix(of: [97, 97, 98, 98])
        #expect(length == 3)
        #expect(matcher.tokens.isEmpty)
    }

    @Test func `takes tokens by name and by number`() throws {
        let count = Int32(Self.texts.count)
        let think = count - 2
        let masks = try TokenMasks(
            Grammar(gbnf: "root ::= <think> (!<[97]>)* <[\(think)]> \"a\"?"), Self.trie())
        var matcher = GrammarMatcher(masks)
        let first = matcher.allowedTokens()
        #expect(first.reduce(0) { $0 + $1.nonzeroBitCount } == 1)
        #expect(accepted([98], by: &matcher) == 0)
        #expect(accepted([think, 97], by: &matcher) == 1)
        #expect(accepted([98, count - 1], by: &matcher) == 2)
        let words = matcher.allowedTokens()
        #expect(words.reduce(0) { $0 + $1.nonzeroBitCount } == Int(count) - 2)  // not <[97]>, not the end
        #expect(accepted([think, 97], by: &matcher) == 2)
        #expect(matcher.canEnd)
        #expect(throws: SwiftletError.self) { try TokenMasks(Grammar(gbnf: "root ::= <none>"), Self.trie()) }
        #expect(throws: SwiftletError.self) {
            try TokenMasks(Grammar(gbnf: "root ::= <[99999]>"), Self.trie())
        }
    }

    /// How many of some tokens the matcher takes.
    private func accepted(_ tokens: [Int32], by matcher: inout GrammarMatcher) -> Int {
        for (count, token) in tokens.enumerated() {
            if !matcher.accept(token) { return count }
        }
        return tokens.count
    }

    @Test func `masks logits`() throws {
        var matcher = GrammarMatcher(try TokenMasks(Grammar(gbnf: #"root ::= "a""#), Self.trie()))
        var logits = [Float](repeating: 1, count: Self.texts.count + 10)
        logits.withUnsafeMutableBufferPointer { matcher.apply(to: $0) }
        let open = logits.indices.filter { logits[$0] == 1 }
        #expect(open == [97, 256])
    }
}
