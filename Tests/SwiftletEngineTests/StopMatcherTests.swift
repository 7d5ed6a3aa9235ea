import SwiftletTestSupport
import Testing

@testable import SwiftletEngine

@Suite struct StopMatcherTests {
    /// What should come of a text: up to the stop string that is complete first, the longest of several.
    private static func naive(_ text: String, _ stops: [String]) -> StopMatcher.Output {
        let bytes = Array(text.utf8)
        for end in bytes.indices {
            let complete = stops.filter {
                !$0.isEmpty && bytes[...end].suffix($0.utf8.count).elementsEqual($0.utf8)
            }
            if let stop = complete.max(by: { $0.utf8.count < $1.utf8.count }) {
                return .init(
                    text: String(decoding: bytes[..<(end + 1 - stop.utf8.count)], as: UTF8.self), stop: stop)
            }
        }
        return .init(text: text, stop: nil)
    }

    /// What comes of the pieces, and whether text came out that a stop string takes back.
    private static func streamed(_ pieces: [String], _ stops: [String]) -> StopMatcher.Output {
        var matcher = StopMatcher(stops)
        var text = ""
        for piece in pieces {
            let output = matcher.append(piece)
            text += output.text
            if output.stop != nil { return .init(text: text, stop: output.stop) }
        }
        return .init(text: text + matcher.finish(), stop: nil)
    }

    /// All texts of up to `length` letters.
    private static func words(_ alphabet: [Character], upTo length: Int) -> [String] {
        var all = [""]
        var last = [""]
        for _ in 0..<length {
            last = last.flatMap { word in alphabet.map { word + String($0) } }
            all += last
        }
        return all
    }

    @Test(
        "texts of two letters, whole, letter by letter and cut once anywhere",
        arguments: [["a", "b"], ["é", "è"]])
    func exhaustive(letters: [String]) {
        let alphabet = letters.map(Character.init)
        let texts = Self.words(alphabet, upTo: 6)
        let (a, b) = (letters[0], letters[1])
        let lists = [
            [], [""], [a], [a + b], [a + a], [a + b + a], [a + a + b, b], [b, a + a + b], [a + b, b + a],
            [a + b, a + b + b], [a + b + b, a + b], [a + b + a + b, b + a], [a + a + a, "", b + b],
        ]
        for stops in lists {
            for text in texts {
                let expected = Self.naive(text, stops)
                #expect(Self.streamed([text], stops) == expected, "\(text) \(stops)")
                #expect(Self.streamed(text.map(String.init), stops) == expected, "\(text) \(stops)")
                for cut in 1..<max(text.count, 1) {
                    let pieces = [String(text.prefix(cut)), "", String(text.dropFirst(cut))]
                    #expect(Self.streamed(pieces, stops) == expected, "\(pieces) \(stops)")
                }
            }
        }
    }

    @Test("random texts, stops and cuts", arguments: 0..<20 as Range<UInt64>)
    func random(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let alphabet: [Character] = ["a", "b", "ß", "😀", "\n"]
        func word(_ most: Int) -> String {
            String(
                (0..<Int.random(in: 0...most, using: &random)).map { _ in
                    alphabet.randomElement(using: &random) ?? "a"
                })
        }
        for _ in 0..<50 {
            let stops = (0..<3).map { _ in word(4) }
            let pieces = (0..<8).map { _ in word(4) }
            #expect(Self.streamed(pieces, stops) == Self.naive(pieces.joined(), stops), "\(pieces) \(stops)")
        }
    }

    @Test("nothing is held back longer than it may begin a stop string")
    func prompt() {
        var matcher = StopMatcher(["<|end|>"])
        #expect(matcher.append("one <").text == "one ")
        #expect(matcher.append("|e").text == "")
        #expect(matcher.append("x").text == "<|ex")
        #expect(matcher.append("two<|end").text == "two")
        #expect(matcher.append("|>three") == .init(text: "", stop: "<|end|>"))
        #expect(matcher.finish() == "")
    }

    @Test("a stop string that is the whole text")
    func whole() {
        var matcher = StopMatcher(["stop"])
        #expect(matcher.append("stop") == .init(text: "", stop: "stop"))
    }

    @Test("composed and decomposed letters are different")
    func canonical() {
        #expect(Self.streamed(["caf\u{65}\u{301}"], ["\u{E9}"]).stop == nil)
    }
}
