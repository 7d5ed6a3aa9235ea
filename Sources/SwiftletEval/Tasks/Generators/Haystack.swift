import Foundation
import SwiftletEngine

/// Sentences of no importance among which a task hides what it asks for.
public struct Haystack: Sendable {
    private let sentences: [String]?  // nil: made up

    /// Made-up sentences of a plain tale, without end; no two documents are alike.
    public static let tale = Haystack(sentences: nil)

    /// The sentences of a text, from a random one on and over again from the start.
    ///
    /// - Returns: `nil` if the text holds no sentence.
    public init?(text: String) {
        let sentences = Self.sentences(of: text)
        guard !sentences.isEmpty else { return nil }
        self.init(sentences: sentences)
    }

    private init(sentences: [String]?) { self.sentences = sentences }

    /// Tells it from other texts.
    var fingerprint: String {
        guard let sentences else { return "tale" }
        var hash = Fingerprint()
        for sentence in sentences { hash.combine(sentence) }
        return hash.hexadecimal
    }

    /// Cuts a text behind full stops, question and exclamation marks, at empty lines and after 64 words; line ends
    /// become spaces.
    static func sentences(of text: String) -> [String] {
        var sentences: [String] = []
        var words: [Substring] = []
        func finish() {
            if !words.isEmpty { sentences.append(words.joined(separator: " ")) }
            words = []
        }
        let spaced = ["。", "！", "？"].reduce(text) { $0.replacing($1, with: $1 + " ") }
        for line in spaced.split(separator: "\n", omittingEmptySubsequences: false) {
            let found = line.split(whereSeparator: \.isWhitespace)
            if found.isEmpty { finish() }
            for word in found {
                words.append(word)
                let mark = word.last { !"\"'”’)]*_".contains($0) }
                if words.count == longestSentence || mark.map(".!?。！？".contains) == true { finish() }
            }
        }
        finish()
        return sentences
    }

    /// Words after which a sentence is cut, so that the filler can be measured out.
    private static let longestSentence = 64

    /// A stream of sentences.
    struct Stream {
        private let sentences: [String]?
        private var next: Int
        private var tale: TaleWriter

        init(_ haystack: Haystack, _ random: inout Xoshiro256) {
            sentences = haystack.sentences
            next = sentences.map { Int.random(in: $0.indices, using: &random) } ?? 0
            tale = TaleWriter(random: Xoshiro256(seed: random.next()))
        }

        mutating func sentence() -> String {
            guard let sentences else { return tale.sentence() }
            defer { next = (next + 1) % sentences.count }
            return sentences[next]
        }
    }

    func stream(_ random: inout Xoshiro256) -> Stream { Stream(self, &random) }
}
