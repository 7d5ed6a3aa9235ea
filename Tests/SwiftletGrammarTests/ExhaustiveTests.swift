import SwiftletTensor
import Testing

@testable import SwiftletGrammar

/// All short texts against the slow matcher.
@Suite struct ExhaustiveTests {
    /// Grammars that are hard in one way each.
    static let grammars = [
        #"root ::= "a" | "b" "a"*"#,
        #"root ::= "a"? "b"{2,3} | ("ab")+"#,
        #"root ::= "" | "a" root "b""#,
        // Left recursion: direct, hidden behind something empty, and through another rule.
        #"root ::= root "a" | "b""#,
        #"root ::= e root "a" | "b""# + "\n" + #"e ::= "b"?"#,
        #"root ::= x "a" | "a""# + "\n" + #"x ::= root "b" | "b""#,
        // Ambiguity.
        #"root ::= root root | "a" | "b""#,
        #"root ::= root root root | root root | "a" | """#,
        #"root ::= "a" root "a" | "b" root "b" | "a" | "b" | """#,
        #"root ::= x x x"# + "\n" + #"x ::= "a"* "b"? x? | "a""#,
        // Loops without content.
        #"root ::= ("" | "a")*"#,
        #"root ::= (("a"*)* ("b"*)+)*"#,
        #"root ::= x*"# + "\n" + #"x ::= y?"# + "\n" + #"y ::= "a" | x"#,
        #"root ::= x{3} "b""# + "\n" + #"x ::= "a" | """#,
        // Empty calls in front of and behind others.
        #"root ::= e "a" e e | e root e"# + "\n" + #"e ::= e e | "b" | """#,
        // Dead ends that must not count.
        #"root ::= "a" dead | "b" | "a" "b""# + "\n" + #"dead ::= "a" dead"#,
        #"root ::= ("a" | "aa"){2,4}"#,
        #"root ::= ("a" | "ab" | "ba"){2,3}"#,
        #"root ::= ("a"{2}){1,2} "b"{0}"#,
        #"root ::= x x"# + "\n" + #"x ::= "a" y | "b""# + "\n" + #"y ::= x "b" | x"#,
    ]

    @Test(arguments: grammars) func `agrees with the slow matcher`(_ text: String) throws {
        try compare(GBNFParser.parse(text, source: "test"), upTo: 6)
    }

    @Test(arguments: 0..<100) func `agrees with the slow matcher on random grammars`(_ seed: Int) throws {
        var random = TestRandom(seed: UInt64(seed))
        try compare(randomRules(&random), upTo: 4)
    }

    @Test(arguments: [
        #"root ::= [ab]{3,70}"#, #"root ::= ("a" | "b" "b"){2,90} "a"?"#, #"root ::= ([ab]{0,80} "a"){1,70}"#,
        #"root ::= (x{2,70} "b"){1,80}"# + "\n" + #"x ::= "a" | "b" x "b""#, #"root ::= ("a"? "b"?){65,}"#,
        #"root ::= ("a" | "aa"){3,100}"#, #"root ::= "b" x{2,66} | x{1,66} "b""# + "\n" + #"x ::= "a""#,
    ]) func `counts as the slow matcher does`(_ text: String) throws {
        try compare(GBNFParser.parse(text, source: "test"), upTo: 6)
    }

    private func compare(_ rules: GrammarRules, upTo length: Int) throws {
        let all = texts(over: Array("ab".utf8), upTo: length)
        let expected = all.filter { ReferenceMatcher.matches(rules, $0) }
        guard let automaton = try? AutomatonBuilder.build(rules, source: "test") else {
            #expect(expected.isEmpty)
            return
        }
        var graph = StackGraph(automaton)
        let found = all.filter { text in
            var place = graph.start()
            for byte in text where place != StackGraph.dead { place = graph.step(place, byte) }
            return place != StackGraph.dead && graph.canEnd(place)
        }
        #expect(found == expected)
        // Whatever can become one of the short matches must be alive.
        for text in expected {
            var place = graph.start()
            for byte in text {
                place = graph.step(place, byte)
                try #require(place != StackGraph.dead)
            }
        }
    }

    /// Up to four rules with random bodies.
    private func randomRules(_ random: inout TestRandom) -> GrammarRules {
        var rules = GrammarRules()
        let count = random.next(below: 4) + 1
        for _ in 0..<count { _ = rules.add() }
        for rule in 0..<count { rules.bodies[rule] = randomNode(&random, count, 3) }
        return rules
    }

    private func randomNode(_ random: inout TestRandom, _ rules: Int, _ depth: Int) -> GrammarNode {
        switch random.next(below: depth > 0 ? 10 : 4) {
        case 0: return .literal([UInt8(ascii: "a")])
        case 1: return .literal([UInt8(ascii: "b")])
        case 2: return .set(ScalarSet([0x61...0x62]))
        case 3: return random.next(below: 4) == 0 ? .empty : .rule(random.next(below: rules))
        case 4, 5, 6:
            return .sequence(
                (0..<random.next(below: 3) + 1).map { _ in randomNode(&random, rules, depth - 1) })
        case 7, 8:
            return .choice((0..<random.next(below: 3) + 1).map { _ in randomNode(&random, rules, depth - 1) })
        default:
            let low = random.next(below: 3)
            let high = random.next(below: 3)
            return .repetition(
                randomNode(&random, rules, depth - 1), low,
                high == 0 ? nil : low + high + (high == 2 ? 60 : 0))
        }
    }
}

/// A small generator that gives the same numbers everywhere.
struct TestRandom {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 ^ 0x1234_5678_9ABC_DEF1 }

    mutating func next(below bound: Int) -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Int((state >> 11) % UInt64(bound))
    }
}
