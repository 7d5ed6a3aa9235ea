public import SwiftletCache
public import SwiftletTensor

/// How well a model finds what is hidden in contexts of several lengths, at several depths.
public struct NeedleGrid: Sendable {
    /// What is measured.
    public struct Plan: Sendable {
        /// The task.
        public var task = GeneratedTask.single
        /// Lengths in tokens, prompt and answer together.
        public var lengths: [Int]
        /// Depths from 0, the beginning, to 1; without effect on tasks whose answers lie everywhere.
        public var depths: [Double] = [0, 0.25, 0.5, 0.75, 1]
        /// Documents per cell.
        public var samples = 5
        /// Seed of the documents.
        public var seed: UInt64 = 1
        /// Whether the policy sees the question.
        public var mode = QuestionMode.agnostic
        /// What the facts are hidden in.
        public var haystack = Haystack.tale

        /// Everything at its default but the lengths.
        public init(lengths: [Int]) { self.lengths = lengths }

        /// The four largest powers of two that fit a context, but none above 4096, nor above the 1024 tokens on which
        /// the built-in model was trained if its style is used.
        public static func lengths(forContext context: Int, style: PromptStyle) -> [Int] {
            let largest = min(context, style == .facts ? 1_024 : 4_096)
            let powers = (5...12).map { 1 << $0 }.filter { $0 <= largest }
            return powers.isEmpty ? [max(largest, 1)] : Array(powers.suffix(4))
        }

        /// Depths of the rows; one of unknown depth if the task has none.
        public var rows: [Double?] { task.isPlaced ? depths : [nil] }

        /// Documents in all.
        public var documentCount: Int { lengths.count * rows.count * samples }

        /// The cases of one cell, by document.
        func documents(
            _ generator: TaskGenerator, length: Int, depth: Double?
        ) throws(SwiftletError) -> [[TaskCase]] {
            var documents: [[TaskCase]] = []
            for sample in 0..<samples {
                documents.append(
                    try generator.cases(
                        task, TaskGenerator.Place(length: length, depth: depth, sample: sample)))
            }
            return documents
        }

        /// All cases, in the order of lengths, depths and samples.
        ///
        /// - Throws: `.limit` for a length that is too short for the task.
        public func cases(_ runner: TaskRunner) throws(SwiftletError) -> [TaskCase] {
            let generator = runner.generator(haystack: haystack, seed: seed)
            var cases: [TaskCase] = []
            for length in lengths {
                for depth in rows {
                    cases += try documents(generator, length: length, depth: depth).flatMap(\.self)
                }
            }
            return cases
        }
    }

    /// One length and depth.
    public struct Cell: Sendable {
        /// Tokens, prompt and answer together.
        public let length: Int
        /// From 0 to 1; `nil` for tasks whose answers lie everywhere.
        public let depth: Double?
        /// Its cases.
        public let outcomes: [TaskOutcome]
        /// Their mean score, with 95 % of resampled means.
        public let score: Bootstrap.Interval
    }

    /// What was to be measured.
    public let plan: Plan
    /// What was measured, by length and then by depth; fewer than planned if it was stopped.
    public private(set) var cells: [Cell] = []

    /// Whether nothing is missing.
    public var isComplete: Bool { cells.count == plan.lengths.count * plan.rows.count }

    /// The mean over all cases.
    public var score: Bootstrap.Interval {
        Bootstrap(seed: plan.seed).interval(ofMean: cells.flatMap(\.outcomes).map(\.score))
    }

    /// The cell of a length and depth, if it was measured.
    public func cell(length: Int, depth: Double?) -> Cell? {
        cells.first { $0.length == length && $0.depth == depth }
    }

    /// Measures.
    ///
    /// - Parameters:
    ///   - budget: bound of the runner's policy; `nil` is its default.
    ///   - progress: called with the documents done; return false to stop and keep whole cells.
    /// - Throws: `.limit` for a length that is too short for the task or too long for the context.
    public init(
        _ plan: Plan, _ runner: TaskRunner, budget: KVBudget?, progress: (Int) -> Bool = { _ in true }
    ) throws(SwiftletError) {
        self.plan = plan
        let generator = runner.generator(haystack: plan.haystack, seed: plan.seed)
        var done = 0
        for length in plan.lengths {
            for depth in plan.rows {
                var outcomes: [TaskOutcome] = []
                for cases in try plan.documents(generator, length: length, depth: depth) {
                    let found = try runner.run(cases, plan.mode, budgets: [budget]) { !progress(done) }
                    guard let found else { return }
                    outcomes += try found[0].get()
                    done += 1
                }
                guard progress(done) else { return }
                cells.append(
                    Cell(
                        length: length, depth: depth, outcomes: outcomes,
                        score: Bootstrap(seed: plan.seed).interval(ofMean: outcomes.map(\.score))))
            }
        }
    }
}
