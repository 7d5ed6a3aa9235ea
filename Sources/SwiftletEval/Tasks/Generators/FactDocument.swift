import SwiftletEngine

/// Facts among sentences of no importance.
final class FactDocument {
    /// A sentence and its place, from 0, the beginning, to 1.
    struct Placed {
        let sentence: String
        let depth: Double
    }

    private let facts: [Placed]  // by depth
    private var stream: Haystack.Stream
    private var filler: [String] = []

    /// - Parameter facts: those of the same depth stay in this order.
    init(_ facts: [Placed], _ haystack: Haystack, _ random: inout Xoshiro256) {
        self.facts = facts.enumerated().sorted {
            ($0.element.depth, $0.offset) < ($1.element.depth, $1.offset)
        }.map(\.element)
        stream = haystack.stream(&random)
    }

    /// The document with `count` sentences of filler.
    func text(_ count: Int) -> String {
        while filler.count < count { filler.append(stream.sentence()) }
        let sentences = filler[..<count]
        let total = Double(sentences.reduce(0) { $0 + $1.utf8.count + 1 })
        var pieces: [String] = []
        var (next, done) = (0, 0.0)
        for sentence in sentences {
            let half = Double(sentence.utf8.count + 1) / 2
            while next < facts.count, facts[next].depth * total <= done + half, facts[next].depth < 1 {
                pieces.append(facts[next].sentence)
                next += 1
            }
            pieces.append(sentence)
            done += 2 * half
        }
        pieces += facts[next...].map(\.sentence)
        return pieces.joined(separator: " ")
    }
}
