package import SwiftletTensor

/// Heads and layers get memory by how many directions their queries use.
///
/// A calibration text gives every head an effective rank (``UNCompSpectrum``). Heads of high rank keep many rows,
/// heads of low rank few; where the rank falls from one layer to the next, *stage mode* drops the hidden states of
/// tokens that the last queries hardly look at. Inside a head, the attention of the last 8 queries decides, pooled
/// over neighbours, after prefill and at every step of decode.
///
/// Source: Xiong et al., 2024, arXiv:2410.03090 (versions 1 and 2), and its code. Where we differ: budgets belong to
/// KV heads (the code copies keys and values for every query head), ranks are averaged over samples (the code lets
/// samples vote), the newest tokens always survive, rows stay in the order of their positions.
package enum UNComp {
    /// How neighbouring scores are combined before selection.
    package enum Pooling: String, CaseIterable, Sendable {
        /// The largest score in reach.
        case max
        /// The sum of the scores in reach divided by the kernel's width, also at the borders.
        case average = "avg"
    }

    // MARK: Ranks

    /// Effective ranks of one layer.
    package struct LayerRanks: Hashable, Sendable {
        /// Per query head.
        package let queryHeads: [Double]

        package init(queryHeads: [Double]) { self.queryHeads = queryHeads }

        /// Per KV head: the mean over its query heads.
        package func kvHeads(_ count: Int) -> [Double] {
            let group = queryHeads.count / max(count, 1)
            return (0..<count).map { head in
                queryHeads[head * group..<(head + 1) * group].reduce(0, +) / Double(group)
            }
        }

        /// The mean over the query heads.
        package var mean: Double { queryHeads.reduce(0, +) / Double(max(queryHeads.count, 1)) }
    }

    // MARK: Head budgets

    /// Heads cut into groups of equal size by falling rank; the first groups take the remainder, ties go to the
    /// lower head. Heads ascend within a group. More groups than heads leave the last ones empty.
    package static func headGroups(ranks: [Double], groups: Int) -> [[Int]] {
        precondition(groups > 0, "\(groups) groups")
        let order = ranks.indices.sorted { ranks[$0] != ranks[$1] ? ranks[$0] > ranks[$1] : $0 < $1 }
        let (size, remainder) = ranks.count.quotientAndRemainder(dividingBy: groups)
        var next = 0
        return (0..<groups).map { group in
            let count = size + (group < remainder ? 1 : 0)
            defer { next += count }
            return order[next..<next + count].sorted()
        }
    }

    /// The rows of every head: `first − t·step` for the heads of group `t`, at least 0.
    package static func headBudgets(groups: [[Int]], first: Int, step: Int) -> [Int] {
        var budgets = [Int](repeating: 0, count: groups.reduce(0) { $0 + $1.count })
        for (group, heads) in groups.enumerated() {
            for head in heads { budgets[head] = max(first - group * step, 0) }
        }
        return budgets
    }

    // MARK: Layer stages

    /// The group of every layer: a new one begins where the rank falls by more than `epsilon`.
    package static func layerGroups(ranks: [Double], epsilon: Double) -> [Int] {
        var label = 0
        return ranks.indices.map { layer in
            if layer > 0, ranks[layer - 1] - ranks[layer] > epsilon { label += 1 }
            return label
        }
    }

    /// The tokens that each layer computes on.
    package enum StageRule: Hashable, Sendable {
        /// From `maximum` down to `minimum` in equal steps over the groups, whatever the prompt; layer 0 sees all.
        case fixed(maximum: Int, minimum: Int)
        /// `step` tokens fewer per group, but not fewer than `minimum`.
        case falling(step: Int, minimum: Int)

        /// What the paper's second version does.
        package static let paper = StageRule.falling(step: 512, minimum: 1_536)
    }

    /// The tokens of every layer for a prompt; a group never has more than the one before.
    ///
    /// - Parameter labels: the group of every layer, from 0 without gaps.
    package static func stageLengths(labels: [Int], promptLength: Int, rule: StageRule) -> [Int] {
        let groups = (labels.last ?? 0) + 1
        return labels.enumerated().map { layer, label in
            switch rule {
            case .fixed(let maximum, let minimum):
                guard layer > 0 else { return promptLength }
                let step = groups > 1 ? (maximum - minimum) / (groups - 1) : 0
                return min(promptLength, groups > 1 ? minimum + step * (groups - 1 - label) : maximum)
            case .falling(let step, let minimum):
                return min(promptLength, max(promptLength - step * label, minimum))
            }
        }
    }

    // MARK: Selection

    /// Attention summed over heads and queries, per token.
    ///
    /// - Parameter attention: `[heads][queries][tokens]`.
    package static func sum(_ attention: [[[Float]]], _ kernels: Kernels = .best) -> [Float] {
        guard let columns = attention.first?.first?.count else { return [] }
        return kernels.sums(of: attention.flatMap { $0 }, count: columns)
    }

    /// Tokens whose hidden states go on: the newest `forcedTail`, then those with most attention, ascending.
    ///
    /// - Parameters:
    ///   - attention: of the last queries, summed over queries and heads, per token.
    ///   - count: tokens to keep.
    package static func hiddenRows(attention: [Float], keeping count: Int, forcedTail: Int) -> [Int] {
        guard count < attention.count else { return Array(attention.indices) }
        let tail = min(max(forcedTail, 0), max(count, 0))
        let first = attention.count - tail
        return attention[..<first].indicesOfLargest(count - tail) + Array(first..<attention.count)
    }

    /// The rows of one KV head that stay, ascending: the newest ones, then those with the best pooled scores, ties
    /// to the lower row.
    ///
    /// - Parameters:
    ///   - scores: attention of the window's queries, summed over queries and query heads, per row.
    ///   - budget: rows to keep.
    ///   - window: newest rows that stay in any case.
    package static func keptRows(
        scores: [Float], budget: Int, window: Int, kernel: Int, pooling: Pooling
    ) -> [Int] {
        guard scores.count > budget else { return Array(scores.indices) }
        let tail = min(max(window, 0), max(budget, 0))
        let first = scores.count - tail
        let pooled = pooled(scores[..<first], kernel: kernel, pooling)
        return pooled.indicesOfLargest(budget - tail) + Array(first..<scores.count)
    }

    /// The one row that ``keptRows(scores:budget:window:kernel:pooling:)`` does not keep of `budget + 1`: the weakest of
    /// those before the newest ones, of equals the highest.
    static func rowToRemove(
        scores: [Float], window: Int, kernel: Int, pooling: Pooling, _ kernels: Kernels
    ) -> Int {
        let budget = scores.count - 1
        let older = scores[..<(scores.count - min(max(window, 0), budget))]
        return kernels.lastWeakest(of: pooled(older, kernel: kernel, pooling, kernels)[...]) ?? 0
    }

    /// Every score combined with its neighbours, `kernel / 2` to either side; what lies outside never wins a
    /// maximum and counts as 0 in a mean.
    package static func pooled(
        _ scores: ArraySlice<Float>, kernel: Int, _ pooling: Pooling, _ kernels: Kernels = .best
    ) -> [Float] {
        let reach = max(kernel, 1) / 2
        guard pooling == .average else { return kernels.maxima(of: scores, reach: reach) }
        return scores.indices.map { index in
            let near = scores[
                max(index - reach, scores.startIndex)..<min(index + reach + 1, scores.endIndex)]
            return near.reduce(0, +) / Float(max(kernel, 1))
        }
    }
}

/// The attention of the newest queries over the cached rows of one KV head, summed over its query heads.
package struct UNCompWindow: Hashable, Sendable {
    /// `[queries][rows]`, oldest first; rows that came after a query count 0.
    package private(set) var rows: [[Float]]
    /// Most queries.
    package let size: Int

    package init(rows: [[Float]] = [], size: Int) {
        self.rows = rows.suffix(max(size, 0))
        self.size = size
    }

    /// Bytes of the weights.
    var heldBytes: Int { rows.reduce(0) { $0 + $1.count * MemoryLayout<Float>.stride } }

    /// Cached rows that the newest query saw.
    package var columnCount: Int { rows.last?.count ?? 0 }

    /// The sum over the queries, per cached row; 0 for those that no query saw.
    package func scores(of count: Int, _ kernels: Kernels = .best) -> [Float] {
        kernels.sums(of: rows, count: count)
    }

    /// Adds the attention row of a new query, which may see more rows than the ones before.
    package mutating func append(_ row: [Float]) {
        for index in rows.indices {
            rows[index] += repeatElement(0, count: Swift.max(row.count - rows[index].count, 0))
        }
        rows.append(row)
        rows.removeFirst(max(rows.count - size, 0))
    }

    /// Follows the cache when rows are dropped.
    package mutating func keep(_ kept: [Int]) {
        for index in rows.indices { rows[index] = kept.map { $0 < rows[index].count ? rows[index][$0] : 0 } }
    }

    /// Follows the cache when one row is dropped and the last one takes its place.
    mutating func remove(_ row: Int, last: Int) {
        for index in rows.indices {
            if last < rows[index].count {
                rows[index].swapAt(row, last)
                rows[index].removeLast()
            } else if row < rows[index].count {
                rows[index][row] = 0  // the query has not seen the row that lies there now
            }
        }
    }

    /// Puts the columns in another order.
    ///
    /// - Parameter order: where each column comes from, every one once.
    mutating func reorder(_ order: [Int32]) {
        for index in rows.indices {
            rows[index] = order.map { Int($0) < rows[index].count ? rows[index][Int($0)] : 0 }
        }
    }

    /// Writes or reads the rows.
    mutating func code(_ state: inout KVStateCoder) throws(SwiftletError) {
        try state.code(&rows, "attention rows", count: 0...max(size, 0), blank: []) {
            (state, row) throws(SwiftletError) in
            try state.code(&row, "weights", count: 0...(1 << 32))
        }
    }

    /// Follows the cache when its newest rows are taken back.
    package mutating func truncate(to count: Int) {
        for index in rows.indices {
            rows[index].removeLast(Swift.max(rows[index].count - Swift.max(count, 0), 0))
        }
    }

    /// One step of decode: takes in a query's row and answers which rows stay.
    package mutating func update(
        _ row: [Float], budget: Int, kernel: Int, pooling: UNComp.Pooling
    ) -> [Int] {
        append(row)
        let kept = UNComp.keptRows(
            scores: scores(of: row.count), budget: budget, window: size, kernel: kernel, pooling: pooling)
        if kept.count < row.count { keep(kept) }
        return kept
    }
}
