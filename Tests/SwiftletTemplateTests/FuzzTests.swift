import SwiftletFormats
import SwiftletTemplate
import SwiftletTensor
import Testing

/// Templates made of damaged pieces of others: whatever they do, nothing crashes or hangs.
@Suite struct FuzzTests {
    @Test(arguments: [1, 2, 3] as [UInt64]) func survivesMutations(_ seed: UInt64) throws {
        let fixture = try Fixture.json("cases.json")
        let values = try #require(fixture["values"].flatMap { TemplateValue($0).object })
        let sources = try #require(fixture["cases"]).elements.compactMap { $0["template"]?.bytes }
        let limits = TemplateLimits(steps: 20_000, outputBytes: 1 << 16, valueBytes: 1 << 20)
        var random = SplitMix(state: seed)
        var rendered = 0
        for _ in 0..<1500 {
            let source = Self.mutated(sources, &random)
            let outcome = Fixture.outcome(String(decoding: source, as: UTF8.self), values, limits: limits)
            rendered += outcome.text == nil ? 0 : 1
        }
        #expect(rendered > 100)
    }

    private static let pieces = [
        "{{", "}}", "{%", "%}", "{#", "#}", "-", "+", "(", ")", "[", "]", "{", "}", "|", ".", ",", ":", "'",
        "\"", "\\",
        " if ", " else ", " in ", " is ", " not ", " and ", "loop", "for x in ", "endfor", "set x = ",
        "endset",
        "macro f()", "endmacro", "call f()", "recursive", "**", "//", "~", "==", "<", "9223372036854775807",
        "1e308", "\n",
        "é", "\u{0}", "🎉", "messages", "namespace()", "|tojson", "|map('upper')", "|list", "[::-1]", "*l",
        "**d", "%s",
    ]

    private static func mutated(_ sources: [[UInt8]], _ random: inout SplitMix) -> [UInt8] {
        var result = sources[random.below(sources.count)]
        for _ in 0...random.below(4) {
            let place = random.below(result.count + 1)
            switch random.below(5) {
            case 0: result.insert(contentsOf: pieces[random.below(pieces.count)].utf8, at: place)
            case 1: result.removeSubrange(place..<min(result.count, place + random.below(6)))
            case 2:
                let other = sources[random.below(sources.count)]
                result.insert(contentsOf: other, at: place)
            case 3:
                let other = sources[random.below(sources.count)]
                result = Array(result[..<place] + other[min(place, other.count)...])
            default: if place < result.count { result[place] = UInt8(truncatingIfNeeded: random.next()) }
            }
        }
        return result
    }
}

/// A small generator whose sequence depends on its seed alone.
struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(max(bound, 1))) }
}
