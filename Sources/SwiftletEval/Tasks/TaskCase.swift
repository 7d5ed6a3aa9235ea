/// A question about a text, and how its answer is judged.
public struct TaskCase: Hashable, Sendable {
    /// Tells it from the others of its set.
    public var id: String
    /// The set that it belongs to; scores are averaged over it.
    public var task: String
    /// What the question is about; may be empty.
    public var context: String
    /// The question.
    public var question: String
    /// Right answers, at least one.
    public var answers: [String]
    /// Whether an answer has to give all of ``answers`` rather than any.
    public var needsAll: Bool
    /// How answers are compared.
    public var metric: AnswerMetric
    /// The most tokens of an answer.
    public var maxTokens: Int
    /// Tokens that the prompt and the answer were made to fit, for generated cases.
    public var length: Int?
    /// Where in the context the answer lies, from 0, the beginning, to 1; `nil` if it is spread or unknown.
    public var depth: Double?

    /// The most tokens of an answer, where a case does not say.
    public static let defaultMaxTokens = 32

    /// Describes a case.
    public init(
        id: String, task: String, context: String, question: String, answers: [String],
        needsAll: Bool = false, metric: AnswerMetric, maxTokens: Int = defaultMaxTokens, length: Int? = nil,
        depth: Double? = nil
    ) {
        self.id = id
        self.task = task
        self.context = context
        self.question = question
        self.answers = answers
        self.needsAll = needsAll
        self.metric = metric
        self.maxTokens = maxTokens
        self.length = length
        self.depth = depth
    }

    /// How right an answer is, from 0 to 1.
    public func score(_ answer: String) -> Double {
        metric.score(answer, against: answers, needsAll: needsAll)
    }
}
