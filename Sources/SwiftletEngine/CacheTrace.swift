public import SwiftletCache
public import SwiftletTensor
public import SwiftletText

/// What a cache policy keeps of one prompt, and of the tokens that follow it: positions, budgets and bytes.
///
/// ```swift
/// let trace = try CacheTrace.record(session, prompt: ids, generating: 32)
/// print(trace?.moments.last?.layers[0].heads[0].positions ?? [])
/// ```
public struct CacheTrace: Sendable {
    /// One KV head of a layer that stores rows.
    public struct Head: Hashable, Sendable {
        /// Positions of its rows, ascending; after `slots`, their new numbers.
        public let positions: [Int32]
        /// Those of them that have taken in evicted rows.
        public let merged: [Int32]
    }

    /// One layer.
    public struct Layer: Hashable, Sendable {
        /// The layer whose rows it reads: its own number, or an earlier one's if it stores nothing.
        public let owner: Int
        /// Rows per KV head that its budget allows on average; `nil` without a budget.
        public let budget: Int?
        /// Bytes of its rows and their positions.
        public let bytes: Int
        /// Its KV heads; empty if it stores nothing.
        public let heads: [Head]
    }

    /// The cache at one time.
    public struct Moment: Sendable {
        /// Tokens generated until then.
        public let generatedTokens: Int
        /// Every layer.
        public let layers: [Layer]
        /// Totals.
        public let report: CacheReport
    }

    /// The model's name.
    public let model: String
    /// Tokens of the prompt.
    public let promptTokens: Int
    /// Whether kept rows are renumbered.
    public let positions: KVPositionRule
    /// After the prompt and, if tokens were generated, after them.
    public let moments: [Moment]

    /// Reads a prompt and goes on greedily.
    ///
    /// - Parameters:
    ///   - session: empty.
    ///   - count: tokens to generate; stop tokens do not end the text.
    ///   - progress: called with the tokens done; return false to stop.
    /// - Returns: `nil` if it was stopped.
    /// - Throws: what ``Session/feed(_:progress:)`` throws; `.limit` if the context is too short.
    public static func record(
        _ session: Session, prompt: [TokenID], generating count: Int = 0,
        progress: (Int) -> Bool = { _ in true }
    ) throws(SwiftletError) -> CacheTrace? {
        guard (0...session.contextLength).contains(count),
            prompt.count <= session.contextLength - count
        else {
            throw SwiftletError(
                .limit,
                "\(prompt.count) tokens of the prompt and \(count) after it do not fit the context of "
                    + "\(session.contextLength); raise -c or lower -n")
        }
        let merges = MergeRecord()
        merges.follow(session.sequence)
        defer { session.sequence.didMerge = nil }
        guard let logits = try session.feed(prompt, progress: progress) else { return nil }
        var moments = [Moment(session, merges, generatedTokens: 0)]
        var token = logits.withUnsafeBufferPointer(Sampler.likeliest(of:))
        for index in 0..<count {
            guard let next = try session.step(token, Sampler.likeliest(of:)),
                progress(prompt.count + index + 1)
            else {
                return nil
            }
            token = next
        }
        if count > 0 { moments.append(Moment(session, merges, generatedTokens: count)) }
        return CacheTrace(
            model: session.model.name, promptTokens: prompt.count,
            positions: session.sequence.policy.positions,
            moments: moments)
    }
}

extension CacheTrace.Moment {
    /// What a session's cache holds now; without a record of merges, no row counts as merged.
    init(_ session: Session, _ merges: CacheTrace.MergeRecord?, generatedTokens: Int) {
        let sequence = session.sequence
        let report = session.cacheReport
        self.generatedTokens = generatedTokens
        self.report = report
        layers = sequence.layout.layers.enumerated().map { layer, shape in
            guard sequence.layout.ownsSlot(layer) else {
                return CacheTrace.Layer(
                    owner: sequence.layout.owners[layer], budget: nil, bytes: 0, heads: [])
            }
            let heads = (0..<shape.kvHeadCount).map { head in
                let positions = sequence.positions(layer: layer, head: head).sorted()
                return CacheTrace.Head(
                    positions: positions,
                    merged: merges.map { merges in
                        positions.filter { merges.contains(layer: layer, head: head, position: $0) }
                    } ?? [])
            }
            return CacheTrace.Layer(
                owner: layer, budget: report.budget == nil ? nil : sequence.budgets[layer],
                bytes: sequence.slot(of: layer).heldBytes,
                heads: heads)
        }
    }
}

extension CacheTrace {
    /// The rows that took in others.
    final class MergeRecord {
        private struct Row: Hashable {
            let layer, head: Int
            let position: Int32
        }

        private var rows: Set<Row> = []

        /// Notes every merge of a sequence from now on.
        func follow(_ sequence: KVSequence) {
            sequence.didMerge = { [self] in rows.insert(Row(layer: $0, head: $1, position: $2)) }
        }

        /// What is noted so far.
        func copy() -> MergeRecord {
            let copy = MergeRecord()
            copy.rows = rows
            return copy
        }

        func contains(layer: Int, head: Int, position: Int32) -> Bool {
            rows.contains(Row(layer: layer, head: head, position: position))
        }
    }
}
