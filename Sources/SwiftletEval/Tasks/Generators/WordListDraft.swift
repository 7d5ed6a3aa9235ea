import Foundation
import SwiftletEngine

/// Made-up words in any order, of which some occur more often than others.
struct WordListDraft {
    private static let commonWords = 10
    private static let rarity = 10  // how much more often a common word occurs than another
    private static let topWords = 3
    let draft: TaskDraft

    /// Ten words that are repeated, and many that hardly are; two in five words are common ones.
    init(commonOf random: inout Xoshiro256) {
        let words = WordList(&random)
        let order = Xoshiro256(seed: random.next())
        draft = TaskDraft(
            task: .common,
            questions: [
                .init(
                    text: "Which \(Self.commonWords) words occur most often in the list?",
                    answers: (0..<Self.commonWords).map(words.word), needsAll: true)
            ], maxTokens: 128
        ) { size in
            let repeats = size + 2
            let rare = max(repeats / Self.rarity, 1)
            let others = Self.commonWords * repeats * 3 / 2 / rare
            var list = (0..<Self.commonWords).flatMap { Array(repeating: words.word($0), count: repeats) }
            list += (0..<others).flatMap {
                Array(repeating: words.word(Self.commonWords + $0), count: rare)
            }
            return Self.text(list, order)
        }
    }

    /// Words whose numbers fall with the square of their rank.
    init(frequentOf random: inout Xoshiro256) {
        let words = WordList(&random)
        let order = Xoshiro256(seed: random.next())
        draft = TaskDraft(
            task: .frequent,
            questions: [
                .init(
                    text: "Which \(Self.topWords) words occur most often in the list?",
                    answers: (0..<Self.topWords).map(words.word), needsAll: true)
            ], maxTokens: 48
        ) { size in
            let most = Double(size + 24)  // so that ranks 3 and 4 differ
            var list: [String] = []
            var rank = 0
            while rank == 0 || most / pow(Double(rank + 1), 2) >= 0.5 {
                let count = Int((most / pow(Double(rank + 1), 2)).rounded())
                list += Array(repeating: words.word(rank), count: max(count, 1))
                rank += 1
            }
            return Self.text(list, order)
        }
    }

    private static func text(_ words: [String], _ order: Xoshiro256) -> String {
        var order = order
        return "This is a list of words: " + words.shuffled(using: &order).joined(separator: " ") + "."
    }
}

/// Words of three syllables, all different.
struct WordList: Sendable {
    private static let syllables = "bcdfghklmnprstvz".flatMap { consonant in
        "aeiou".map { "\(consonant)\($0)" }
    }
    private let offset: Int
    private let step: Int

    init(_ random: inout Xoshiro256) {
        let count = Self.syllables.count
        offset = Int.random(in: 0..<count * count * count, using: &random)
        // Prime to the number of words (80³ = 2¹²·5³), so that no word comes back before all were used.
        step = [111_111, 222_223, 333_331, 77_777, 198_733].randomElement(using: &random) ?? 111_111
    }

    /// A word by its number; numbers that differ by less than half a million give different words.
    func word(_ index: Int) -> String {
        let count = Self.syllables.count
        var code = (offset + index % (count * count * count) * step) % (count * count * count)
        var word = ""
        for _ in 0..<3 {
            word += Self.syllables[code % count]
            code /= count
        }
        return word
    }
}
