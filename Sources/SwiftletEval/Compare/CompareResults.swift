import SwiftletEngine

/// The results of a comparison: scores with intervals, differences, costs.
public struct CompareResults: Sendable {
    /// How good a policy is in one mode.
    public struct Quality: Sendable {
        /// Whether the policy saw the questions.
        public let mode: QuestionMode
        /// Documents and cases that were measured.
        public let documentCount, caseCount: Int
        /// Mean score of the cases, with 95 % of the means of resampled documents.
        public let score: Bootstrap.Interval
        /// The same minus the full cache, on the same documents; `nil` for itself or where nothing is in common.
        public let overFull: Bootstrap.Interval?
        /// Minus the policy `streaming` under the same bound.
        public let overStreaming: Bootstrap.Interval?
        /// Minus the policy `random` under the same bound.
        public let overRandom: Bootstrap.Interval?
        /// The score by task, in the order of the plan.
        public let tasks: [(task: String, score: Bootstrap.Interval, caseCount: Int)]
    }

    /// A policy under one bound.
    public struct Entry: Sendable {
        /// Which.
        public let candidate: CompareCandidate
        /// In the modes of the plan; those without a result are missing.
        public let qualities: [Quality]
        /// What it costs; `nil` if that was not measured.
        public let cost: CompareCost?
        /// Why the policy refused documents or the budget, if it did.
        public let refusal: String?
        /// In how many documents and modes.
        public let refusedCount: Int

        /// Quality in a mode.
        public func quality(_ mode: QuestionMode) -> Quality? { qualities.first { $0.mode == mode } }
    }

    /// A cell of a heat map.
    struct Place: Hashable {
        let candidate: CompareCandidate
        let mode: QuestionMode
        let task: String
        let length: Int
        let depth: Double
    }

    /// Every policy and bound, in the order of the plan.
    public let entries: [Entry]
    /// Parts of the work that are done, and all.
    public let done, total: Int
    /// Names of the tasks.
    public let tasks: [String]
    /// Scores by place, for tasks with a depth.
    let places: [Place: [Double]]

    /// Whether nothing is missing.
    public var isComplete: Bool { done == total }

    /// The places in the order of the entries, then by mode, task, length and depth.
    var sortedPlaces: [Place] {
        let order = Dictionary(
            uniqueKeysWithValues: entries.enumerated().map { ($0.element.candidate, $0.offset) })
        return places.keys.sorted { a, b in
            let (first, second) = (order[a.candidate] ?? 0, order[b.candidate] ?? 0)
            if first != second { return first < second }
            if a.mode != b.mode { return a.mode.rawValue < b.mode.rawValue }
            return (a.task, a.length, a.depth) < (b.task, b.length, b.depth)
        }
    }

    init(_ run: CompareRun, _ records: [CompareRecord]) {
        var table = ScoreTable()
        var costs: [CompareCandidate: CompareCost] = [:]
        var refusals: [CompareCandidate: [CompareRecord.Refusal]] = [:]
        for record in records {
            switch record {
            case .score(let score): table.add(score)
            case .cost(let cost): costs[cost.candidate] = cost
            case .refusal(let refusal):
                refusals[refusal.candidate, default: []].append(refusal)
            }
        }
        let names = run.documents.map(\.task).reduce(into: [String]()) {
            if !$0.contains($1) { $0.append($1) }
        }
        entries = run.lanes.flatMap(\.candidates).map { candidate in
            Entry(
                candidate: candidate,
                qualities: run.plan.modes.compactMap { mode in
                    Quality(candidate, mode, table, run.documents, tasks: names, seed: run.plan.seed)
                },
                cost: costs[candidate], refusal: refusals[candidate]?.last?.reason,
                refusedCount: refusals[candidate]?.filter { $0.document != nil }.count ?? 0)
        }
        tasks = names
        (done, total) = (run.done, run.total)
        places = table.places(run.documents, run.lanes.flatMap(\.candidates), run.plan.modes)
    }
}

/// Scores by policy, bound, mode and document.
struct ScoreTable {
    private struct Row: Hashable {
        let candidate: CompareCandidate
        let mode: QuestionMode
    }

    private var scores: [Row: [String: [Double]]] = [:]

    mutating func add(_ score: CompareRecord.Score) {
        scores[Row(candidate: score.candidate, mode: score.mode), default: [:]][score.document] = score.scores
    }

    /// Scores of a document's cases; `nil` if they were not measured.
    func scores(_ candidate: CompareCandidate, _ mode: QuestionMode, _ document: CompareDocument) -> [Double]?
    {
        let found = scores[Row(candidate: candidate, mode: mode)]?[document.id]
        return found?.count == document.cases.count ? found : nil
    }

    /// Scores by task, length and depth.
    func places(
        _ documents: [CompareDocument], _ candidates: [CompareCandidate], _ modes: [QuestionMode]
    ) -> [CompareResults.Place: [Double]] {
        var places: [CompareResults.Place: [Double]] = [:]
        for document in documents {
            guard document.cases.count == 1, let first = document.cases.first, let length = first.length,
                let depth = first.depth
            else { continue }
            for candidate in candidates {
                for mode in modes {
                    guard let scores = scores(candidate, mode, document) else { continue }
                    let place = CompareResults.Place(
                        candidate: candidate, mode: mode, task: document.task, length: length, depth: depth)
                    places[place, default: []] += scores
                }
            }
        }
        return places
    }
}

extension CompareResults.Quality {
    /// - Returns: `nil` if no document was measured.
    init?(
        _ candidate: CompareCandidate, _ mode: QuestionMode, _ table: ScoreTable,
        _ documents: [CompareDocument],
        tasks: [String], seed: UInt64
    ) {
        let measured = documents.filter { table.scores(candidate, mode, $0) != nil }
        guard !measured.isEmpty else { return nil }
        let bootstrap = Bootstrap(seed: seed)
        func mean(_ documents: [CompareDocument]) -> Bootstrap.Interval {
            bootstrap.interval(of: documents.map { table.scores(candidate, mode, $0) ?? [] })
        }
        func difference(_ other: CompareCandidate) -> Bootstrap.Interval? {
            guard other != candidate else { return nil }
            let pairs = measured.compactMap { document in
                table.scores(other, mode, document).map { other in
                    zip(table.scores(candidate, mode, document) ?? [], other).map { $0 - $1 }
                }
            }
            return pairs.isEmpty ? nil : bootstrap.interval(of: pairs)
        }
        self.mode = mode
        documentCount = measured.count
        caseCount = measured.reduce(0) { $0 + $1.cases.count }
        score = mean(measured)
        overFull = difference(CompareCandidate(policy: "full", budget: nil))
        overStreaming = difference(CompareCandidate(policy: "streaming", budget: candidate.budget))
        overRandom = difference(CompareCandidate(policy: "random", budget: candidate.budget))
        self.tasks = tasks.compactMap { task in
            let own = measured.filter { $0.task == task }
            return own.isEmpty ? nil : (task, mean(own), own.reduce(0) { $0 + $1.cases.count })
        }
    }
}

extension Bootstrap {
    /// The interval of the mean over all values, of which those of one document are drawn together.
    func interval(of documents: [[Double]]) -> Interval {
        let sums = documents.map { $0.reduce(0, +) }
        let counts = documents.map(\.count)
        return interval(of: documents.count) { drawn in
            var (sum, count) = (0.0, 0)
            for index in drawn {
                sum += sums[index]
                count += counts[index]
            }
            return count > 0 ? sum / Double(count) : 0
        }
    }
}
