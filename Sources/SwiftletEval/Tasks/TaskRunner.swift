public import SwiftletCache
public import SwiftletEngine
import SwiftletModels
public import SwiftletTensor
import SwiftletText

/// When a cache is compressed.
public enum QuestionMode: String, CaseIterable, Sendable {
    /// After context and question, which are one prompt: the policy sees what is asked.
    case aware
    /// After the context; the question follows as a later turn.
    case agnostic
}

/// What became of a case.
public struct TaskOutcome: Hashable, Sendable {
    /// The case.
    public let taskCase: TaskCase
    /// What the model said.
    public let answer: String
    /// How right that is, from 0 to 1.
    public let score: Double
    /// Tokens of the prompt.
    public let promptTokens: Int
    /// Tokens of the answer.
    public let answerTokens: Int
}

/// Puts cases to a model whose cache is compressed.
public struct TaskRunner {
    /// The model.
    public let model: Model
    /// How cases are put to it.
    public var style: PromptStyle { prompts.style }
    private let options: Session.Options
    private let prompts: PromptWriter
    private let writer: AnswerWriter

    /// - Parameters:
    ///   - options: of the sessions; their policy is the one that is measured.
    ///   - style: `nil` is what suits the model.
    /// - Throws: as ``PromptWriter/init(_:style:)``.
    public init(_ model: Model, _ options: Session.Options, style: PromptStyle? = nil) throws(SwiftletError) {
        self.model = model
        self.options = options
        prompts = try PromptWriter(model, style: style)
        writer = AnswerWriter(model, prompts)
    }

    /// A generator of cases for this model.
    public func generator(haystack: Haystack = .tale, seed: UInt64 = 1) -> TaskGenerator {
        TaskGenerator(prompts, haystack: haystack, seed: seed)
    }

    /// Those of some lengths that have room for cases of every task; the greatest if none has.
    public func lengths(_ lengths: [Int], for tasks: [GeneratedTask]) -> [Int] {
        let generator = generator()
        let least = tasks.reduce(0) { max($0, generator.minimumLength(of: $1)) }
        let fitting = lengths.filter { $0 >= least }
        return fitting.isEmpty ? Array(lengths.suffix(1)) : fitting
    }

    /// The tokens of a case.
    ///
    /// - Throws: `.limit` if they do not fit the context, with the case and both numbers.
    public func prompt(_ taskCase: TaskCase) throws(SwiftletError) -> TaskPrompt {
        let prompt = prompts.prompt(taskCase)
        let limit = options.contextLength ?? model.configuration.contextLength
        guard prompt.length <= limit else {
            throw SwiftletError(
                .limit,
                "case '\(taskCase.id)' has \(prompt.tokens.count) tokens and \(taskCase.maxTokens) for its answer, the "
                    + "context holds \(limit); shorten it or raise -c")
        }
        return prompt
    }

    /// Puts cases about one context to the model, under one policy and several budgets.
    ///
    /// The context is read once, if the mode and the policy allow it, or else each prompt once.
    ///
    /// - Parameters:
    ///   - cases: with the same context.
    ///   - budgets: bounds of the policy; `nil` is its default.
    ///   - isCancelled: asked between steps.
    /// - Returns: for every budget, an outcome for every case, or why the policy refused the budget; `nil` if it was
    ///   cancelled.
    /// - Throws: `.limit` for a case that does not fit the context.
    public func run(
        _ cases: [TaskCase], _ mode: QuestionMode, budgets: [KVBudget?], isCancelled: () -> Bool = { false }
    ) throws(SwiftletError) -> [Result<[TaskOutcome], SwiftletError>]? {
        var round = Round(count: budgets.count)
        var prompts: [TaskPrompt] = []
        for taskCase in cases { prompts.append(try prompt(taskCase)) }
        if mode == .agnostic, let first = prompts.first, first.contextCount > 0,
            prompts.allSatisfy({ $0.context == first.context })
        {
            guard
                let shared = try SharedPrompt(model, options, prompt: first.context, isCancelled: isCancelled)
            else { return nil }
            for (index, budget) in budgets.enumerated() {
                if isCancelled() { return nil }
                try round.attempt(index) { () throws(SwiftletError) in
                    let start = try shared.start(budget: budget)
                    var outcomes: [TaskOutcome] = []
                    for (taskCase, prompt) in zip(cases, prompts) {
                        let session = start.session.fork()
                        let logits = try session.feed(prompt.question) ?? []
                        outcomes.append(try outcome(taskCase, prompt, session, logits))
                    }
                    return outcomes
                }
            }
            return round.results
        }
        for (taskCase, prompt) in zip(cases, prompts) {
            guard
                let shared = try SharedPrompt(model, options, prompt: prompt.tokens, isCancelled: isCancelled)
            else { return nil }
            for (index, budget) in budgets.enumerated() {
                if isCancelled() { return nil }
                try round.attempt(index) { () throws(SwiftletError) in
                    let start = try shared.start(budget: budget)
                    return [try outcome(taskCase, prompt, start.session, start.logits)]
                }
            }
        }
        return round.results
    }

    /// The outcomes of several budgets, of which some may be refused.
    private struct Round {
        var results: [Result<[TaskOutcome], SwiftletError>]

        init(count: Int) { results = Array(repeating: .success([]), count: count) }

        mutating func attempt(
            _ index: Int, _ body: () throws(SwiftletError) -> [TaskOutcome]
        ) throws(SwiftletError) {
            guard case .success(let before) = results[index] else { return }
            do {
                results[index] = .success(before + (try body()))
            } catch  where error.code == .invalidArgument {
                results[index] = .failure(error)
            }
        }
    }

    private func outcome(
        _ taskCase: TaskCase, _ prompt: TaskPrompt, _ session: Session, _ logits: [Float]
    ) throws(SwiftletError) -> TaskOutcome {
        let answer = try writer.answer(session, after: logits, maxTokens: taskCase.maxTokens)
        return TaskOutcome(
            taskCase: taskCase, answer: answer.text, score: taskCase.score(answer.text),
            promptTokens: prompt.tokens.count, answerTokens: answer.tokenCount)
    }
}
