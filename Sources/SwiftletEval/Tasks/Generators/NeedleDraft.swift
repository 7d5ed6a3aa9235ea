import SwiftletEngine

/// Facts to be found again: one, one of several, several values, several at once.
struct NeedleDraft {
    private static let needles = 4
    let draft: TaskDraft

    init(
        _ task: GeneratedTask, depth: Double?, _ style: PromptStyle, _ haystack: Haystack,
        _ random: inout Xoshiro256
    ) {
        var writer = FactWriter(random: Xoshiro256(seed: random.next()))
        let depths = (0..<Self.needles).map {
            $0 == 0 ? depth ?? random.nextUnit() : random.nextUnit()
        }
        let needle: Needle
        switch task {
        case .multivalue: needle = .values(&writer, depths)
        case .multiquery where style == .facts: needle = .separately(&writer, depths)
        case .multiquery: needle = .together(&writer, depths)
        case .multikey: needle = .one(of: Self.needles, &writer, depths, style)
        default: needle = .one(of: 1, &writer, depths, style)
        }
        let document = FactDocument(needle.facts, haystack, &random)
        draft = TaskDraft(
            task: task, questions: needle.questions, maxTokens: needle.maxTokens, context: document.text)
    }

    private struct Needle {
        var facts: [FactDocument.Placed]
        var questions: [TaskDraft.Question]
        var maxTokens = 24

        /// A fact about which a question is asked, among others of its kind.
        ///
        /// In the built-in model's style all are of different kinds: of one kind it confuses them.
        static func one(
            of count: Int, _ writer: inout FactWriter, _ depths: [Double], _ style: PromptStyle
        ) -> Needle {
            let kinds = style == .facts ? writer.kinds(count) : Array(repeating: .number, count: count)
            let facts = kinds.map { writer.fact($0) }
            return Needle(
                facts: zip(facts, depths).map { .init(sentence: $0.sentence, depth: $1) },
                questions: [question(facts[0], style, depth: depths[0])])
        }

        /// Facts of different kinds, each with its own question.
        static func separately(_ writer: inout FactWriter, _ depths: [Double]) -> Needle {
            let facts = writer.kinds(depths.count).map { writer.fact($0) }
            return Needle(
                facts: zip(facts, depths).map { .init(sentence: $0.sentence, depth: $1) },
                questions: zip(facts, depths).map { question($0, .facts, depth: $1) })
        }

        private static func question(_ fact: Fact, _ style: PromptStyle, depth: Double) -> TaskDraft.Question
        {
            TaskDraft.Question(
                text: fact.question, answers: [fact.answer], metric: style == .facts ? .exact : .contains,
                depth: depth)
        }

        /// Four numbers of one holder.
        static func values(_ writer: inout FactWriter, _ depths: [Double]) -> Needle {
            let who = writer.somebody()
            let numbers = depths.map { _ in writer.number(digits: 5) }
            return Needle(
                facts: zip(numbers, depths).map {
                    .init(sentence: "One of the secret numbers of \(who) is \($0).", depth: $1)
                },
                questions: [
                    .init(
                        text: "What are all the secret numbers of \(who)?", answers: numbers, needsAll: true)
                ], maxTokens: 64)
        }

        /// The numbers of four holders, in one question.
        static func together(_ writer: inout FactWriter, _ depths: [Double]) -> Needle {
            let holders = depths.map { _ in writer.somebody() }
            let numbers = depths.map { _ in writer.number(digits: 5) }
            let list = holders.dropLast().joined(separator: ", ") + " and " + (holders.last ?? "")
            return Needle(
                facts: zip(zip(holders, numbers), depths).map {
                    .init(sentence: "The secret number of \($0.0) is \($0.1).", depth: $1)
                },
                questions: [
                    .init(text: "What are the secret numbers of \(list)?", answers: numbers, needsAll: true)
                ], maxTokens: 96)
        }
    }
}
