import SwiftletFormats
import SwiftletGrammar
import SwiftletTensor
import Testing

@Suite struct RegularExpressionTests {
    @Test func `matches what Python's re matches`() throws {
        for fixture in try fixture("expressions.json").elements {
            let pattern = fixture["pattern"]?.string ?? ""
            let grammar = try Grammar(regex: pattern)
            for text in fixture["matches"]?.strings ?? [] {
                #expect(grammar.matches(text), "\(pattern) should match '\(text)'")
            }
            for text in fixture["others"]?.strings ?? [] {
                #expect(!grammar.matches(text), "\(pattern) should not match '\(text)'")
            }
        }
    }

    @Test(arguments: [
        (#"a\b"#, "word boundary"), (#"(a)\1"#, "back reference"), ("(?=a)", "look-ahead (?=…)"),
        ("(?!a)", "look-ahead (?!…)"), ("(?<=a)", "look-behind"), ("(?<!a)b", "look-behind"),
        ("(?i)a", "flags"), (#"\p{L}"#, "Unicode property"), ("a*+", "possessive"),
        ("[[:alpha:]]", "class name"),
        ("a^b", "anchor ^"), ("a$b", "anchor $"), ("(^a)*", "anchor ^ or $"), (#"\cA"#, "control character"),
        (#"\q"#, #"escape \q"#),
    ]) func `refuses by name what is not supported`(_ pattern: String, _ name: String) {
        let error = #expect(throws: SwiftletError.self) { try Grammar(regex: pattern) }
        #expect(error?.code == .unsupported)
        #expect(error?.message.contains(name) == true, "\(error?.message ?? "")")
    }

    @Test(arguments: [
        "(a", "a)", "[a", "*a", "a**", "a{3,1}", "[z-a]", #"\"#, #"\x4"#, #"\ud800"#, "a{2", "(?<n",
    ])
    func `refuses what is malformed`(_ pattern: String) {
        let error = #expect(throws: SwiftletError.self) { try Grammar(regex: pattern) }
        #expect(error?.code == .malformed)
    }
}
