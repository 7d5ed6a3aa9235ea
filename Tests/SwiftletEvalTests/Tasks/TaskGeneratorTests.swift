import SwiftletEngine
import SwiftletTensor
import SwiftletText
import Testing

@testable import SwiftletEval

@Suite struct TaskGeneratorTests {
    private static let model = Result { try Model.load(nil) }

    private func generator(
        _ style: PromptStyle = .facts, seed: UInt64 = 1, haystack: Haystack = .tale
    ) throws -> TaskGenerator {
        TaskGenerator(
            try PromptWriter(try Self.model.get(), style: style), haystack: haystack, seed: seed)
    }

    private func prompt(_ taskCase: TaskCase, _ style: PromptStyle) throws -> TaskPrompt {
        try PromptWriter(try Self.model.get(), style: style).prompt(taskCase)
    }

    @Test("a prompt is cut where the question begins")
    func cut() throws {
        let taskCase = TaskCase(
            id: "", task: "", context: "Anna lives in the red mill.", question: "Where does Anna live?",
            answers: [""],
            metric: .exact, maxTokens: 5)
        let tokenizer = try #require(try Self.model.get().tokenizer)
        let text = { (tokens: [TokenID]) -> String in tokenizer.decode(tokens) }
        let facts = try prompt(taskCase, .facts)
        #expect(text(facts.context) == "<|bos|><|user|>Anna lives in the red mill.")
        #expect(text(facts.question) == " Where does Anna live?<|end|><|assistant|>")
        #expect(facts.length == facts.tokens.count + 5)
        let plain = try prompt(taskCase, .plain)
        #expect(text(plain.tokens).hasSuffix("mill.\n\nQuestion: Where does Anna live?\nAnswer:"))
        let chat = try prompt(taskCase, .chat)
        #expect(text(chat.context).hasPrefix("<|bos|><|user|>Read this text."))
        #expect(text(chat.context).hasSuffix("red mill.") && text(chat.question).hasSuffix("<|assistant|>"))
        var bare = taskCase
        bare.context = ""
        #expect(
            text(try prompt(bare, .facts).tokens)
                == "<|bos|><|user|>Where does Anna live?<|end|><|assistant|>")
    }

    @Test(
        "cases fill the length, hold their answers and follow from the seed",
        arguments: GeneratedTask.allCases)
    func cases(task: GeneratedTask) throws {
        for style in PromptStyle.allCases {
            for length in [task == .common ? 1_500 : 500] {
                let place = TaskGenerator.Place(length: length, depth: 0.5, sample: 3)
                let cases = try generator(style).cases(task, place)
                #expect(cases.count == (task == .multiquery && style == .facts ? 4 : 1))
                if style == .facts {
                    let again = try generator(style).cases(task, place)
                    let other = try generator(style, seed: 2).cases(task, place)
                    #expect(again == cases && other != cases)
                }
                for found in cases {
                    let tokens = try prompt(found, style).length
                    // lists of words grow in larger steps than sentences
                    let slack = task == .common ? 300 : task == .frequent ? 60 : 60
                    #expect(
                        (length - slack...length).contains(tokens), "\(task) \(style) \(length): \(tokens)")
                    if task != .count {
                        for answer in found.answers {
                            let stem = answer.split(separator: " ").last ?? ""
                            #expect(
                                found.context.lowercased().contains(stem.lowercased().dropLast()), "\(answer)"
                            )
                        }
                    }
                }
            }
        }
    }

    @Test("ids and documents differ by length, depth and sample")
    func distinct() throws {
        var seen: Set<String> = []
        var ids: Set<String> = []
        for sample in 0..<2 {
            for depth in [0, 0.5, 1] {
                for length in [200, 300] {
                    let found = try generator().cases(
                        .single, .init(length: length, depth: depth, sample: sample))[0]
                    #expect(found.length == length && found.depth == depth)
                    seen.insert(found.context)
                    ids.insert(found.id)
                }
            }
        }
        #expect(seen.count == 12 && ids.count == 12 && ids.contains("single-200-50%-1"))
    }

    @Test("a needle lies where it was asked to", arguments: [0, 0.25, 0.5, 0.75, 1])
    func depth(depth: Double) throws {
        let found = try generator(.chat).cases(.single, .init(length: 900, depth: depth))[0]
        let place = try #require(found.context.firstRange(of: found.answers[0])).lowerBound
        let offset = found.context.utf8.distance(from: found.context.startIndex, to: place)
        let share = Double(offset) / Double(found.context.utf8.count)
        #expect(abs(share - depth) < 0.06, "\(share)")
    }

    @Test("what cannot be made so short is refused")
    func tooShort() throws {
        let error = #expect(throws: SwiftletError.self) {
            try generator(.chat).cases(.multiquery, .init(length: 60))
        }
        #expect(error?.code == .limit && error?.message.contains("'multiquery' needs at least") == true)
    }

    @Test("cases of every task fit the length that is said to suffice", arguments: GeneratedTask.allCases)
    func minimumLength(task: GeneratedTask) throws {
        let least = try generator().minimumLength(of: task)
        for sample in 0..<6 { _ = try generator().cases(task, .init(length: least, sample: sample)) }
        #expect(throws: SwiftletError.self) { try generator().cases(task, .init(length: least - 60)) }
    }

    @Test("a user's text is cut into sentences and used in order, over and over")
    func haystack() throws {
        let text = "One  is here. Two,\nis (also) here?\n\n“Three.” Four"
        #expect(Haystack.sentences(of: text) == ["One is here.", "Two, is (also) here?", "“Three.”", "Four"])
        #expect(Haystack(text: " \n ") == nil)
        #expect(Haystack.sentences(of: "一。二！三") == ["一。", "二！", "三"])
        #expect(Haystack.sentences(of: String(repeating: "x ", count: 130)).count == 3)
        let own = try #require(Haystack(text: text))
        let found = try generator(haystack: own).cases(.single, .init(length: 150))[0]
        for word in ["One is here. ", "“Three.” Four One"] { #expect(found.context.contains(word)) }
    }

    @Test("answers of the four needles are all different, and other keys have other values")
    func multikey() throws {
        for sample in 0..<5 {
            let found = try generator().cases(.multiquery, .init(length: 400, sample: sample))
            #expect(Set(found.map(\.context)).count == 1)
            #expect(Set(found.map(\.answers)).count == 4 && Set(found.map(\.question)).count == 4)
        }
    }

    @Test("many facts stay apart even when words run out")
    func exhaustion() {
        var writer = FactWriter(random: Xoshiro256(seed: 3))
        let facts = (0..<300).map { _ in writer.fact(.home) }
        #expect(Set(facts.map(\.question)).count == 300 && Set(facts.map(\.answer)).count == 300)
    }

    @Test("words of a list are all different")
    func words() {
        var random = Xoshiro256(seed: 1)
        let words = WordList(&random)
        #expect(Set((0..<20_000).map(words.word)).count == 20_000)
    }

    @Test("the common and the frequent words are so")
    func frequencies() throws {
        for sample in 0..<2 {
            for task in [GeneratedTask.common, .frequent] {
                for length in [1_200] {
                    let found = try generator(.plain).cases(task, .init(length: length, sample: sample))[0]
                    var counts: [Substring: Int] = [:]
                    for word in found.context.dropLast().split(separator: " ").dropFirst(6) {
                        counts[word, default: 0] += 1
                    }
                    let least = try #require(found.answers.map { counts[Substring($0)] ?? 0 }.min())
                    let others = counts.filter { !found.answers.contains(String($0.key)) }
                    #expect(least > (others.values.max() ?? 0))
                }
            }
        }
    }
}
