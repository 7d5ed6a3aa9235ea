import SwiftletEngine
public import SwiftletTensor

/// Makes up cases that fill a number of tokens.
///
/// Everything follows from the seed, the task, the length, the depth and the number of the sample, whatever else is
/// made.
public struct TaskGenerator: Sendable {
    /// Where and how big a case is.
    public struct Place: Hashable, Sendable {
        /// Tokens of the prompt and of the longest answer together, at most.
        public var length: Int
        /// Where the answer lies, from 0 to 1; `nil` is anywhere.
        public var depth: Double?
        /// Tells cases apart that are otherwise the same.
        public var sample: Int

        /// Describes a place.
        public init(length: Int, depth: Double? = nil, sample: Int = 0) {
            self.length = length
            self.depth = depth
            self.sample = sample
        }
    }

    private let prompts: PromptWriter
    private let haystack: Haystack
    private let seed: UInt64

    /// - Parameters:
    ///   - prompts: writes cases for the model; facts follow its style.
    ///   - haystack: the text among which facts are hidden.
    public init(_ prompts: PromptWriter, haystack: Haystack = .tale, seed: UInt64 = 1) {
        self.prompts = prompts
        self.haystack = haystack
        self.seed = seed
    }

    /// The cases of one document: one, or several that ask about the same context.
    ///
    /// - Throws: `.limit` if not even a document without filler fits the length.
    /// - Complexity: the text is tokenised about `log2(sentences)` times.
    public func cases(_ task: GeneratedTask, _ place: Place) throws(SwiftletError) -> [TaskCase] {
        let draft = draft(of: task, place)
        guard let document = largest(that: place.length, draft) else {
            let least = length(draft.case(0, id: "", place))
            throw SwiftletError(
                .limit,
                "a case of the task '\(task.rawValue)' needs at least \(least) tokens with its answer, so it cannot "
                    + "be \(place.length) long; ask for a greater length or another task")
        }
        let id = [
            task.rawValue, "\(place.length)", place.depth.map { "\(Int(($0 * 100).rounded()))%" },
            "\(place.sample)",
        ].compactMap { $0 }.joined(separator: "-")
        guard draft.questions.count > 1 else { return [draft.case(0, id: id, place, context: document)] }
        return draft.questions.indices.map { draft.case($0, id: "\(id)-\($0 + 1)", place, context: document) }
    }

    /// Tokens in which cases of a task are sure to find room.
    ///
    /// - Complexity: makes up a few cases without filler.
    public func minimumLength(of task: GeneratedTask) -> Int {
        let samples = (0..<4).map { sample in
            let draft = draft(of: task, Place(length: 0, sample: sample))
            return draft.questions.indices.reduce(0) {
                max($0, length(draft.case($1, id: "", Place(length: 0))))
            }
        }
        return (samples.max() ?? 0) + Self.spread
    }

    /// Tokens by which cases without filler may differ.
    private static let spread = 16

    /// The longest context with which every question fits.
    private func largest(that limit: Int, _ draft: TaskDraft) -> String? {
        func fits(_ size: Int) -> Bool {
            let context = draft.context(size)
            return draft.questions.indices.allSatisfy {
                length(draft.case($0, id: "", Place(length: limit), context: context)) <= limit
            }
        }
        guard fits(0) else { return nil }
        var (low, high) = (0, 8)
        while fits(high) { (low, high) = (high, high * 2) }
        while high - low > 1 {
            let middle = (low + high) / 2
            if fits(middle) { low = middle } else { high = middle }
        }
        return draft.context(low)
    }

    private func length(_ taskCase: TaskCase) -> Int {
        prompts.prompt(taskCase).length
    }

    private func draft(of task: GeneratedTask, _ place: Place) -> TaskDraft {
        var random = Xoshiro256(seed: seed)
        let index = GeneratedTask.allCases.firstIndex(of: task) ?? 0
        for number in [index, place.length, Int((place.depth ?? -1) * 1e6), place.sample] {
            random = Xoshiro256(seed: random.next() ^ UInt64(bitPattern: Int64(number)))
        }
        switch task {
        case .single, .multikey, .multivalue, .multiquery:
            return NeedleDraft(task, depth: place.depth, prompts.style, haystack, &random).draft
        case .variables: return BoxDraft(haystack, &random).draft
        case .count: return CountDraft(haystack, &random).draft
        case .common: return WordListDraft(commonOf: &random).draft
        case .frequent: return WordListDraft(frequentOf: &random).draft
        }
    }
}

/// A case whose context can have any size.
struct TaskDraft {
    /// A question about the context.
    struct Question {
        var text: String
        var answers: [String]
        var needsAll = false
        var metric = AnswerMetric.contains
        var depth: Double?
    }

    let task: GeneratedTask
    let questions: [Question]
    let maxTokens: Int
    /// The context with so much filler; grows with it.
    let context: (_ size: Int) -> String

    func `case`(
        _ index: Int, id: String, _ place: TaskGenerator.Place, context: String? = nil
    ) -> TaskCase {
        let question = questions[index]
        return TaskCase(
            id: id, task: task.rawValue, context: context ?? self.context(0), question: question.text,
            answers: question.answers, needsAll: question.needsAll, metric: question.metric,
            maxTokens: maxTokens,
            length: place.length, depth: question.depth)
    }
}
