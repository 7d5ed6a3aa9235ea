/// The scores of outcomes, by task.
public struct TaskScores: Sendable {
    /// The mean over the cases of one task.
    public struct Row: Sendable {
        /// Name of the task.
        public let task: String
        /// Cases.
        public let count: Int
        /// Mean score, with 95 % of resampled means.
        public let score: Bootstrap.Interval
    }

    /// A row per task, in the order in which they first occur.
    public let rows: [Row]
    /// The mean over all cases.
    public let all: Row

    /// Averages outcomes.
    public init(_ outcomes: [TaskOutcome], seed: UInt64 = 1) {
        var order: [String] = []
        var scores: [String: [Double]] = [:]
        for outcome in outcomes {
            if scores[outcome.taskCase.task] == nil { order.append(outcome.taskCase.task) }
            scores[outcome.taskCase.task, default: []].append(outcome.score)
        }
        func row(_ task: String, _ scores: [Double]) -> Row {
            Row(task: task, count: scores.count, score: Bootstrap(seed: seed).interval(ofMean: scores))
        }
        rows = order.map { row($0, scores[$0] ?? []) }
        all = row("all", outcomes.map(\.score))
    }
}
