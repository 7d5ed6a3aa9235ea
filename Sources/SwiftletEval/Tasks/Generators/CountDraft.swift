import SwiftletEngine

/// Aggregation: facts about many, of which those that agree have to be counted.
struct CountDraft {
    private static let people = 8
    let draft: TaskDraft

    init(_ haystack: Haystack, _ random: inout Xoshiro256) {
        let names = FactWriter.names.shuffled(using: &random).prefix(Self.people)
        let places = FactWriter.places.shuffled(using: &random)
        let count = Int.random(in: 2...6, using: &random)
        let facts = names.enumerated().map { index, name in
            let place = index < count ? places[0] : places[1 + index % 3]
            return FactDocument.Placed(sentence: "\(name) lives in the \(place).", depth: random.nextUnit())
        }
        let document = FactDocument(facts, haystack, &random)
        let words = ["two", "three", "four", "five", "six"]
        draft = TaskDraft(
            task: .count,
            questions: [
                .init(
                    text: "How many of those who are named live in the \(places[0])? Answer with a number.",
                    answers: ["\(count)", words[count - 2]])
            ], maxTokens: 24, context: document.text)
    }
}
