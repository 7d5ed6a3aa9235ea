package import SwiftletTensor

/// What a policy wants recorded while a layer attends; everything is off by default and costs nothing then.
///
/// No item ever needs the whole matrix of attention probabilities: weights are recomputed tile by tile from the
/// softmax normalisers, or from stored queries.
public struct KVEvidence: Hashable, Sendable {
    /// Number W of newest queries whose attention over all rows can be asked for after prefill; keeps
    /// `W × heads × keySize` floats per layer, however the prompt was cut into chunks.
    public var windowQueries: Int
    /// Sums of attention over **all** queries, per query head and row; a second sweep over the keys.
    public var columnSums: Bool
    /// Whether these are added up over the query heads of each KV head, with those recorded before.
    public var joinsHeads: Bool
    /// Mean and covariance of the queries before rotation, per query head.
    public var queryMoments: Bool
    /// Number of first queries that the moments leave out: those of attention sinks are unlike the others.
    public var momentSkip: Int
    /// Weighted sums of the attention of the prompt's newest queries, over all heads, per row; see ``Tail``.
    public var tail: Tail?
    /// Number of decode steps whose attention, summed over the query heads of a KV head, stays with the cached rows.
    public var rollingRows: Int

    /// The newest queries of a first prompt, and their weights: a second sweep over the keys for these queries alone,
    /// which stores nothing per query.
    public struct Tail: Hashable, Sendable {
        /// Position of the oldest of them.
        public var firstPosition: Int
        /// How many there are.
        public var count: Int
        /// Weight of the newest; weights rise evenly from 1 for the oldest.
        public var newestWeight: Float

        /// The weight of the query at a position; 0 outside.
        func weight(at position: Int32) -> Float {
            let index = Int(position) - firstPosition
            guard (0..<count).contains(index) else { return 0 }
            return count > 1 ? 1 + (newestWeight - 1) * Float(index) / Float(count - 1) : 1
        }
    }

    /// Records what is asked for.
    public init(
        windowQueries: Int = 0, columnSums: Bool = false, joinsHeads: Bool = false,
        queryMoments: Bool = false, momentSkip: Int = 0, rollingRows: Int = 0
    ) {
        self.windowQueries = windowQueries
        self.columnSums = columnSums
        self.joinsHeads = joinsHeads
        self.queryMoments = queryMoments
        self.momentSkip = momentSkip
        self.rollingRows = rollingRows
    }

    /// Also records what `other` asks for.
    mutating func formUnion(_ other: KVEvidence) {
        windowQueries = max(windowQueries, other.windowQueries)
        let headsApart = [self, other].contains { $0.columnSums && !$0.joinsHeads }
        columnSums = columnSums || other.columnSums
        joinsHeads = columnSums && !headsApart
        queryMoments = queryMoments || other.queryMoments
        momentSkip = max(momentSkip, other.momentSkip)
        rollingRows = max(rollingRows, other.rollingRows)
        tail = tail ?? other.tail
    }

    /// Whether anything is recorded.
    public var isEmpty: Bool { self == KVEvidence() }

    /// Bytes that a layer's record takes: at most this much whatever the rows, and for every cached token.
    func recordBytes(_ shape: KVLayerShape) -> (fixed: Int, perToken: Int) {
        let queries = (windowQueries + windowQueries / 2) * (shape.headCount * shape.keySize + 1)
        let moments =
            queryMoments ? 2 * shape.headCount * (shape.keySize + shape.keySize * shape.keySize) : 0
        let perToken =
            sumCount(shape) * shape.kvHeadCount + shape.kvHeadCount * rollingRows + (tail == nil ? 0 : 1)
        return (
            (queries + moments + shape.kvHeadCount * rollingRows) * MemoryLayout<Float>.stride,
            perToken * MemoryLayout<Float>.stride
        )
    }

    /// Bytes that a layer's record holds when so many newest queries and rows are recorded, those of decode steps not
    /// counted.
    ///
    /// - Parameter rows: of all KV heads together.
    func heldBytes(_ shape: KVLayerShape, queries: Int, rows: Int) -> Int {
        let window = queries * (shape.headCount * shape.keySize + 1)
        let moments =
            queryMoments ? 2 * shape.headCount * (shape.keySize + shape.keySize * shape.keySize) : 0
        let sums = sumCount(shape) * rows + (tail == nil ? 0 : rows / shape.kvHeadCount)
        return (window + moments + sums) * MemoryLayout<Float>.stride
    }

    /// Column sums per row of a KV head.
    private func sumCount(_ shape: KVLayerShape) -> Int { columnSums ? joinsHeads ? 1 : shape.group : 0 }

    /// Whether softmax normalisers are needed after attention.
    var needsNormalizers: Bool { columnSums || rollingRows > 0 || tail != nil }
}

/// What was recorded for one layer of one sequence.
package struct KVEvidenceRecord {
    private(set) var needs: KVEvidence
    private let shape: KVLayerShape
    private var window: QueryWindow
    /// Sum over the queries of the attention that a row received, `[heads][rows]`: over all of them, or those since the
    /// sums of earlier ones were joined; empty if it is not wanted.
    private(set) var columnSums: [[Float]]
    /// The same over the query heads of every KV head, `[kvHeads][rows]`, for the queries that ``columnSums`` lacks.
    private(set) var joinedSums: [[Float]]
    /// The newest decode steps per KV head; empty if they are not wanted.
    private(set) var steps: [KVStepRecord]
    /// Weighted sum over the queries of ``KVEvidence/Tail`` and all heads of the attention that a row received:
    /// `[rows]`; empty before such a query and after rows were dropped.
    package var tailSums: [Float] = []
    private var rollingFirstRow = 0  // the rows before it are left out of the decode steps
    /// Moments of the unrotated queries per head.
    package private(set) var queryMoments: [QueryMoments]
    /// A number per row that stays with it, such as a score that never changes, `[kvHeads][rows]`; shorter while newer
    /// rows have none yet.
    private(set) var rowNumbers: [[Float]]
    private var unrotatedCount = 0  // queries seen, those that the moments leave out included

    package init(_ needs: KVEvidence, shape: KVLayerShape) {
        self.needs = needs
        self.shape = shape
        window = QueryWindow(capacity: needs.windowQueries, width: shape.headCount * shape.keySize)
        rowNumbers = Array(repeating: [], count: shape.kvHeadCount)
        columnSums = Array(repeating: [], count: needs.columnSums && !needs.joinsHeads ? shape.headCount : 0)
        joinedSums = Array(repeating: [], count: needs.columnSums ? shape.kvHeadCount : 0)
        steps = Array(repeating: KVStepRecord(), count: needs.rollingRows > 0 ? shape.kvHeadCount : 0)
        queryMoments = Array(
            repeating: QueryMoments(size: shape.keySize), count: needs.queryMoments ? shape.headCount : 0)
    }

    /// Goes on recording `new`; what is no longer needed is forgotten, what is new starts empty.
    package mutating func change(to new: KVEvidence) {
        guard new != needs else { return }
        var fresh = KVEvidenceRecord(new, shape: shape)
        fresh.window.take(window)
        fresh.rowNumbers = rowNumbers
        if new.tail == needs.tail { fresh.tailSums = tailSums }
        if new.columnSums, needs.columnSums {
            fresh.joinedSums = joinedSums
            if new.joinsHeads {
                fresh.join(columnSums)
            } else if !needs.joinsHeads {
                fresh.columnSums = columnSums
            }
        }
        for (head, old) in zip(fresh.steps.indices, steps) {
            fresh.steps[head].steps = old.steps.suffix(new.rollingRows)
        }
        if new.queryMoments, needs.queryMoments {
            fresh.queryMoments = queryMoments
            fresh.unrotatedCount = unrotatedCount
        }
        self = fresh
    }

    /// Adds the sums of all query heads, in their order, to those of their KV heads.
    private mutating func join(_ sums: [[Float]]) {
        for (head, sums) in sums.enumerated() {
            joinedSums[head / shape.group].padWithZeros(to: sums.count)
            for (row, sum) in sums.enumerated() { joinedSums[head / shape.group][row] += sum }
        }
    }

    /// Bytes of everything recorded.
    package var heldBytes: Int {
        let floats =
            window.data.count + tailSums.count + rowNumbers.reduce(0) { $0 + $1.count }
            + recordedPerRow
            + queryMoments.count * (shape.keySize + shape.keySize * shape.keySize) * 2
        let positions = window.positions.count + steps.reduce(0) { $0 + $1.steps.count }
        return floats * MemoryLayout<Float>.stride + positions * MemoryLayout<Int32>.stride
    }

    /// Bytes that a decode step goes through: what it adds to every row, not what waits for the end of a prompt.
    package var bytesPerStep: Int {
        recordedPerRow * MemoryLayout<Float>.stride
    }

    private var recordedPerRow: Int {
        let sums = columnSums.reduce(0) { $0 + $1.count } + joinedSums.reduce(0) { $0 + $1.count }
        return sums + steps.reduce(0) { $0 + $1.floatCount }
    }

    /// Stands in for queries that were never computed: every row gets about the attention that it would get if
    /// queries looked at all rows alike, times a random number of an exponential distribution of mean 1, and the
    /// newest queries are random.
    ///
    /// - Parameters:
    ///   - positions: of the queries, which are also the rows.
    ///   - normals: fills an array with normal random numbers.
    package mutating func substitute(
        positions: [Int32], normals: (inout [Float]) -> Void
    ) {
        let count = positions.count
        var weights: [Float] {
            var x = [Float](repeating: 0, count: 2 * count)
            normals(&x)
            return (0..<count).map { (x[2 * $0] * x[2 * $0] + x[2 * $0 + 1] * x[2 * $0 + 1]) / 2 }
        }
        for head in columnSums.indices {
            var sums = weights
            var expected: Float = 0  // Σ 1 / (rows that a query sees) over the queries that see the row
            for row in sums.indices.reversed() {
                expected += 1 / Float(row + 1)
                sums[row] *= expected
            }
            columnSums[head] = sums
        }
        if needs.tail != nil { tailSums = weights }
        var queries = [Float](
            repeating: 0, count: min(count, needs.windowQueries) * shape.headCount * shape.keySize)
        normals(&queries)
        positions.suffix(needs.windowQueries).withUnsafeBufferPointer {
            record(rotated: queries, positions: $0)
        }
    }

    /// Adds queries before rotation, `[tokens, heads, keySize]`.
    package mutating func record(unrotated queries: UnsafePointer<Float>, tokens: Int, _ kernels: Kernels) {
        let skipped = min(max(needs.momentSkip - unrotatedCount, 0), tokens)
        if needs.queryMoments { unrotatedCount += tokens }
        for head in queryMoments.indices {
            queryMoments[head].add(
                queries + (skipped * shape.headCount + head) * shape.keySize,
                stride: shape.headCount * shape.keySize, count: tokens - skipped, kernels)
        }
    }

    /// Keeps the newest of the rotated queries `[tokens, heads, keySize]`.
    package mutating func record(
        rotated queries: UnsafePointer<Float>, positions: UnsafeBufferPointer<Int32>
    ) {
        window.add(queries, positions: positions)
    }

    /// Whether the newest decode step is the newest query.
    var rollingRowsAreNewest: Bool {
        guard let last = steps.first?.steps.last else { return false }
        return last.position == window.positions.last
    }

    /// Number of newest queries that are there.
    var windowCount: Int { window.count }

    /// Lends the newest rotated queries, `[windowCount, heads, keySize]`, oldest first, and their positions.
    func withWindow(_ body: (UnsafePointer<Float>, UnsafePointer<Int32>) -> Void) { window.lend(body) }

    /// Lends the column sums of a head, grown with zeros to `rowCount`.
    package mutating func withColumnSums(
        head: Int, rowCount: Int, _ body: (UnsafeMutablePointer<Float>) -> Void
    ) {
        columnSums[head].padWithZeros(to: rowCount)
        columnSums[head].withUnsafeMutableBufferPointer { $0.baseAddress.map(body) }
    }

    /// Changes the column sums of every query head, on all threads.
    mutating func changeColumnSums(_ compute: Compute, _ change: (_ head: Int, _ sums: inout [Float]) -> Void)
    {
        columnSums.withUnsafeMutableBufferPointer { heads in
            compute.run(heads.count) { head, _ in change(head, &heads[head]) }
        }
    }

    /// Adds attention, summed over the query heads of a KV head, to its rows.
    mutating func addJoined(_ sums: UnsafeBufferPointer<Float>, head: Int, _ kernels: Kernels) {
        guard let added = sums.baseAddress else { return }
        joinedSums[head].padWithZeros(to: sums.count)
        kernels.add(&joinedSums[head], added, count: sums.count)
    }

    /// Forgets the decode steps that were recorded for rows from another one on: cached rows before `firstRow` are
    /// left out from now on.
    package mutating func beginRollingRows(firstRow: Int = 0) {
        guard firstRow != rollingFirstRow else { return }
        rollingFirstRow = firstRow
        for head in steps.indices { steps[head].steps = [] }
    }

    /// Adds the attention row of the decode step at `position` for one KV head.
    package mutating func addRollingRow(_ row: UnsafeBufferPointer<Float>, head: Int, position: Int32) {
        steps[head].add(row, position: position, capacity: needs.rollingRows)
    }

    /// Follows the cache when rows are dropped.
    package mutating func keep(_ selection: KVSelection) {
        gather { selection.rows(ofHead: $0) }
    }

    /// Follows the cache when its rows get another order, `[kvHeads][rows]`.
    mutating func reorder(_ rows: [[Int]]) {
        gather { rows[$0] }
    }

    private mutating func gather(_ rows: (_ kvHead: Int) -> [Int]) {
        tailSums = []
        beginRollingRows()
        for head in rowNumbers.indices { rowNumbers[head] = [] }
        for head in columnSums.indices { columnSums[head].keep(rows(head / shape.group)) }
        for head in joinedSums.indices where !joinedSums[head].isEmpty { joinedSums[head].keep(rows(head)) }
        for head in steps.indices { steps[head].change { $0.keep(rows(head)) } }
    }

    /// Writes or reads everything recorded; what is recorded at all both sides know.
    ///
    /// - Parameter rowCounts: rows of every KV head.
    mutating func code(_ state: inout KVStateCoder, rowCounts: [Int]) throws(SwiftletError) {
        beginRollingRows()
        try window.code(&state)
        let longest = needs.tail == nil ? 0 : rowCounts.max() ?? 0
        try state.code(&tailSums, "sums of the tail", count: 0...longest)
        for head in columnSums.indices {
            try state.code(&columnSums[head], "column sums", count: 0...rowCounts[head / shape.group])
        }
        for head in joinedSums.indices {
            try state.code(&joinedSums[head], "sums of heads", count: 0...rowCounts[head])
        }
        for head in steps.indices {
            try steps[head].code(&state, capacity: needs.rollingRows, rowCount: rowCounts[head])
        }
        for head in queryMoments.indices { try queryMoments[head].code(&state) }
        try state.code(&unrotatedCount, "the number of queries", in: 0...(1 << 48))
    }

    /// Follows the cache when the last of a KV head's `rowCount` rows takes the place of another one.
    mutating func remove(_ row: Int, ofHead head: Int, rowCount: Int) {
        tailSums = []
        beginRollingRows()
        if rowNumbers[head].count == rowCount {
            rowNumbers[head].remove(row, of: rowCount)
        } else {
            rowNumbers[head] = []
        }
        if !columnSums.isEmpty {
            for queryHead in head * shape.group..<(head + 1) * shape.group {
                columnSums[queryHead].remove(row, of: rowCount)
            }
        }
        if !joinedSums.isEmpty, !joinedSums[head].isEmpty { joinedSums[head].remove(row, of: rowCount) }
        if !steps.isEmpty { steps[head].change { $0.remove(row, of: rowCount) } }
    }

    /// Replaces the number of a row.
    mutating func setRowNumber(_ number: Float, ofHead head: Int, row: Int) {
        if row < rowNumbers[head].count { rowNumbers[head][row] = number }
    }

    /// Adds the numbers of a KV head's newest rows.
    mutating func addRowNumbers(_ numbers: [Float], ofHead head: Int) { rowNumbers[head] += numbers }

    /// Forgets the queries from `position` on, whose rows are not among `kept`.
    ///
    /// What they added to the column sums of kept rows and to query moments cannot be taken back.
    package mutating func truncate(from position: Int, keeping kept: KVSelection) {
        keep(kept)
        window.truncate(from: Int32(clamping: position))
        for head in steps.indices { steps[head].steps.removeAll { $0.position >= position } }
    }
}

extension [Float] {
    mutating func padWithZeros(to length: Int) {
        if count < length { append(contentsOf: repeatElement(0, count: length - count)) }
    }

    mutating func keep(_ rows: [Int]) {
        self = rows.map { $0 < count ? self[$0] : 0 }
    }

    /// The last of `rowCount` rows takes the place of another one.
    mutating func remove(_ row: Int, of rowCount: Int) {
        padWithZeros(to: rowCount)
        self[row] = self[rowCount - 1]
        removeLast(count - rowCount + 1)
    }
}
