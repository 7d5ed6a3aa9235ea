import CSwiftletKernels
import SwiftletTensor

/// Attention of some queries over the rows of one slot, cut into tasks for all threads.
///
/// A task is one KV head with one tile of tokens, or, where there are few tiles, one KV head with some blocks of
/// its rows: both give the same bits.
struct AttentionStep {
    let slot: KVSlot
    let shape: KVLayerShape
    let queries: KVSequence.Queries
    let scale: Float
    let compute: Compute
    let workspace: Workspace
    var limits = ScoreLimits()

    private var tokens: Int { queries.positions.count }
    /// Tokens per task in prefill: the query rows of one pass over the cache.
    private var tileTokens: Int { shape.tileTokens }
    private var tiles: Int { (tokens + tileTokens - 1) / tileTokens }

    /// Writes `[tokens, heads, valueSize]`, `ln Σ exp` of every query to `normalizers`, `[tokens, heads]`, and its
    /// scores, which cost little here.
    func attend(
        into output: UnsafeMutablePointer<Float>, normalizers: UnsafeMutablePointer<Float>?,
        scores: AttentionScores? = nil
    ) {
        let threads = compute.pool.threadCount
        if threads > 1, shape.kvHeadCount * tiles < Self.tasksPerThread * threads {
            let pieces = RowPieces(slot, threads: threads)
            let width = tokens * shape.group * (shape.valueSize + 2)
            if pieces.blockCount * width <= Self.largestPartials {
                attendByBlocks(pieces, width, into: output, normalizers: normalizers, scores: scores)
                return
            }
        }
        attendByTiles(into: output, normalizers: normalizers, scores: scores)
    }

    /// Fewer tasks than this per thread leave a thread idle at the end for too long.
    private static let tasksPerThread = 8
    /// Floats that may be spent on the sums of single blocks.
    private static let largestPartials = 1 << 21

    /// Attends, and records the attention weights of the rows, those of decode steps from row `first` on: a few tokens at a time,
    /// so that their scores are used while they are in the processor's cache, or in a second sweep over the keys if
    /// there are so many rows that scores would take too much memory. Both give the same bits.
    ///
    /// - Parameters:
    ///   - sums: whether weights are added to the column sums, in the order of the tokens.
    ///   - steps: whether every query is a decode step that is recorded.
    func attend(
        into output: UnsafeMutablePointer<Float>, normalizers: UnsafeMutablePointer<Float>, from first: Int,
        sums: Bool, steps: Bool, recordingIn record: inout KVEvidenceRecord
    ) {
        let rows = (0..<shape.kvHeadCount).reduce(0) { max($0, slot.rowCount(ofHead: $1)) }
        let joins = record.needs.joinsHeads
        let few = joins ? min(tileTokens, tokens) : nil
        let size = steps ? tokens : limits.tokens(of: tokens, rows: rows, shape) ?? few
        guard let size else {
            attend(into: output, normalizers: normalizers)
            return addColumnSums(to: &record, normalizers: normalizers)
        }
        for start in stride(from: 0, to: tokens, by: size) {
            let mark = workspace.mark
            defer { workspace.release(to: mark) }
            let part = part(start..<min(start + size, tokens))
            let scores = AttentionScores(
                data: workspace.floats(part.tokens * shape.headCount * rows), stride: rows,
                tokens: part.tokens,
                group: shape.group)
            let normalizers = normalizers + start * shape.headCount
            part.attend(into: output + start * outputWidth, normalizers: normalizers, scores: scores)
            if steps { part.addSteps(scores, from: first, normalizers: normalizers, to: &record) }
            guard sums else { continue }
            if joins {
                part.addJoined(scores, normalizers: normalizers, to: &record)
            } else {
                part.addWeights(scores, normalizers: normalizers, to: &record)
            }
        }
    }

    /// Some of the tokens.
    private func part(_ tokens: Range<Int>) -> AttentionStep {
        AttentionStep(
            slot: slot, shape: shape,
            queries: KVSequence.Queries(
                data: queries.data + tokens.lowerBound * shape.headCount * shape.keySize,
                positions: UnsafeBufferPointer(rebasing: queries.positions[tokens])),
            scale: scale, compute: compute, workspace: workspace, limits: limits)
    }

    private func attendByTiles(
        into output: UnsafeMutablePointer<Float>, normalizers: UnsafeMutablePointer<Float>?,
        scores: AttentionScores?
    ) {
        compute.run(shape.kvHeadCount * tiles) { task, scratch in
            attend(task: task, into: output, normalizers: normalizers, scores: scores, scratch)
        }
    }

    /// One KV head with one tile of tokens.
    private func attend(
        task: Int, into output: UnsafeMutablePointer<Float>, normalizers: UnsafeMutablePointer<Float>?,
        scores: AttentionScores?, _ scratch: UnsafeMutablePointer<Float>
    ) {
        let head = task % shape.kvHeadCount
        // The newest queries see most rows: the longest tasks come first.
        let first = (tiles - 1 - task / shape.kvHeadCount) * tileTokens
        let queries = tile(head: head, tokens: first..<min(first + tileTokens, tokens))
        slot.withRows(ofHead: head) { rows in
            compute.kernels.attend(
                rows, queries, into: self.output(output, head: head, token: first),
                stride: outputWidth, logSumExp: normalizer(normalizers, head: head, token: first),
                stride: shape.headCount, scores: scores?.ofHead(head, token: first),
                stride: scores?.stride ?? 0, scratch: scratch)
        }
    }

    /// Attention of several sequences as one piece of work, those with most rows first.
    ///
    /// One whose single tasks are too long to be shared evenly comes before the others, by itself.
    static func attend(
        _ steps: [(step: AttentionStep, output: UnsafeMutablePointer<Float>)], _ compute: Compute
    ) {
        let rows = steps.map(\.step.taskRows)
        let all = zip(steps, rows).reduce(0) { $0 + $1.0.step.taskCount * $1.1 }
        let longest = compute.pool.threadCount > 1 ? all / (compute.pool.threadCount * tasksPerThread) : .max
        var tasks: [(index: Int, task: Int)] = []
        for index in rows.indices.sorted(by: { rows[$0] > rows[$1] }) {
            if rows[index] > longest {
                steps[index].step.attend(into: steps[index].output, normalizers: nil)
            } else {
                for task in 0..<steps[index].step.taskCount { tasks.append((index, task)) }
            }
        }
        // What the threads touch at the same time is lent to them: counting users would make them wait.
        steps.withUnsafeBufferPointer { steps in
            tasks.withUnsafeBufferPointer { tasks in
                compute.run(tasks.count) { number, scratch in
                    let (index, task) = tasks[number]
                    steps[index].step.attend(
                        task: task, into: steps[index].output, normalizers: nil, scores: nil, scratch)
                }
            }
        }
    }

    /// Tasks by tiles.
    private var taskCount: Int { shape.kvHeadCount * tiles }
    /// Query rows times cached rows of one of them.
    private var taskRows: Int { min(tokens, tileTokens) * slot.rowCount(ofHead: 0) }

    private func attendByBlocks(
        _ pieces: RowPieces, _ width: Int, into output: UnsafeMutablePointer<Float>,
        normalizers: UnsafeMutablePointer<Float>?, scores: AttentionScores?
    ) {
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let partials = workspace.floats(pieces.blockCount * width)
        compute.run(pieces.count) { task, scratch in
            let piece = pieces[task]
            let first = pieces.blocks(ofHead: piece.head).lowerBound + piece.blocks.lowerBound
            slot.withRows(ofHead: piece.head) { rows in
                compute.kernels.attend(
                    rows, tile(head: piece.head, tokens: 0..<tokens), blocks: piece.blocks,
                    into: partials + first * width, scores: scores?.ofHead(piece.head, token: 0),
                    stride: scores?.stride ?? 0, scratch: scratch)
            }
        }
        for head in 0..<shape.kvHeadCount {
            let blocks = pieces.blocks(ofHead: head)
            compute.kernels.mergeBlocks(
                partials + blocks.lowerBound * width, count: blocks.count,
                tile(head: head, tokens: 0..<tokens), valueSize: shape.valueSize,
                into: self.output(output, head: head, token: 0), stride: outputWidth,
                logSumExp: normalizer(normalizers, head: head, token: 0), stride: shape.headCount)
        }
    }

    /// Adds the attention that every row received from these queries, per query head.
    ///
    /// A task is some blocks of rows with all queries, whose weights are added in their order.
    func addColumnSums(to record: inout KVEvidenceRecord, normalizers: UnsafePointer<Float>) {
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let pieces = RowPieces(slot, threads: compute.pool.threadCount)
        let stride = pieces.mostRows
        let sums = workspace.floats(shape.headCount * stride)
        for head in 0..<shape.headCount {
            let rowCount = slot.rowCount(ofHead: head / shape.group)
            record.withColumnSums(head: head, rowCount: rowCount) {
                (sums + head * stride).update(from: $0, count: rowCount)
            }
        }
        compute.run(pieces.count) { task, scratch in
            let piece = pieces[task]
            slot.withRows(ofHead: piece.head) { rows in
                compute.kernels.attendColumnSums(
                    rows, tile(head: piece.head, tokens: 0..<tokens),
                    logSumExp: normalizers + piece.head * shape.group, stride: shape.headCount, factor: nil,
                    range: piece.rows(of: rows.row_count), into: sums + piece.head * shape.group * stride,
                    stride: stride, scratch: scratch)
            }
        }
        for head in 0..<shape.headCount {
            let rowCount = slot.rowCount(ofHead: head / shape.group)
            record.withColumnSums(head: head, rowCount: rowCount) {
                $0.update(from: sums + head * stride, count: rowCount)
            }
        }
    }

    /// Adds the attention weights of these queries to the column sums.
    private func addWeights(
        _ scores: AttentionScores, normalizers: UnsafePointer<Float>, to record: inout KVEvidenceRecord
    ) {
        record.changeColumnSums(compute) { head, sums in
            let rowCount = slot.rowCount(ofHead: head / shape.group)
            sums.padWithZeros(to: rowCount)
            sums.withUnsafeMutableBufferPointer { sums in
                guard let sums = sums.baseAddress else { return }
                compute.kernels.addWeights(
                    scores.ofQuery(0, head: head), stride: shape.group * scores.stride,
                    logSumExp: normalizers + head, stride: shape.headCount, queries: tokens, to: sums,
                    count: rowCount)
            }
        }
    }

    /// Records these queries as decode steps: their attention to the rows from `first` on, summed over the query heads
    /// of each KV head.
    private func addSteps(
        _ scores: AttentionScores, from first: Int, normalizers: UnsafePointer<Float>,
        to record: inout KVEvidenceRecord
    ) {
        record.beginRollingRows(firstRow: first)
        sumHeads(scores, from: first, normalizers: normalizers) { token, head, sums in
            record.addRollingRow(sums, head: head, position: queries.positions[token])
        }
    }

    /// Adds the attention of these queries, summed over the query heads of each KV head, in the order of the tokens.
    private func addJoined(
        _ scores: AttentionScores, normalizers: UnsafePointer<Float>, to record: inout KVEvidenceRecord
    ) {
        sumHeads(scores, from: 0, normalizers: normalizers) { _, head, sums in
            record.addJoined(sums, head: head, compute.kernels)
        }
    }

    /// Hands out the attention of each token to the rows from `first` on, summed over the query heads of each KV head.
    private func sumHeads(
        _ scores: AttentionScores, from first: Int, normalizers: UnsafePointer<Float>,
        _ body: (_ token: Int, _ head: Int, _ sums: UnsafeBufferPointer<Float>) -> Void
    ) {
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let rowCounts = (0..<shape.kvHeadCount).map { max(slot.rowCount(ofHead: $0) - first, 0) }
        let width = rowCounts.max() ?? 0
        let sums = workspace.floats(shape.kvHeadCount * width)
        let pieces = (width + Self.summedRows - 1) / Self.summedRows
        for token in 0..<tokens {
            compute.run(shape.kvHeadCount * pieces) { task, _ in
                let (head, start) = (task / pieces, task % pieces * Self.summedRows)
                compute.kernels.sumWeights(
                    scores.ofHead(head, token: token) + first + start, stride: scores.stride,
                    logSumExp: normalizers + token * shape.headCount + head * shape.group,
                    queries: shape.group, into: sums + head * width + start,
                    count: min(max(rowCounts[head] - start, 0), Self.summedRows))
            }
            for (head, count) in rowCounts.enumerated() {
                body(token, head, UnsafeBufferPointer(start: sums + head * width, count: count))
            }
        }
    }

    /// Rows whose weights a thread sums at a time.
    private static let summedRows = 1_024

    /// Adds the weighted attention of those of these queries that belong to the tail of a prompt, over all heads.
    func addTailSums(
        _ tail: KVEvidence.Tail, to record: inout KVEvidenceRecord, normalizers: UnsafePointer<Float>
    ) {
        guard let first = queries.positions.firstIndex(where: { tail.weight(at: $0) > 0 }) else { return }
        let factors = queries.positions[first...].map(tail.weight)
        let counts = (0..<shape.kvHeadCount).map(slot.rowCount(ofHead:))
        let width = counts.max() ?? 0
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let sums = workspace.floats(shape.headCount * width)
        sums.update(repeating: 0, count: shape.headCount * width)
        compute.run(shape.headCount) { queryHead, scratch in
            slot.withRows(ofHead: queryHead / shape.group) { rows in
                compute.kernels.attendColumnSums(
                    rows, tile(queryHead: queryHead, from: first),
                    logSumExp: normalizers + first * shape.headCount + queryHead, stride: shape.headCount,
                    factor: factors, into: sums + queryHead * width, stride: 0, scratch: scratch)
            }
        }
        record.tailSums += repeatElement(0, count: max(width - record.tailSums.count, 0))
        for queryHead in 0..<shape.headCount {
            for row in 0..<width { record.tailSums[row] += sums[queryHead * width + row] }
        }
    }

    private var outputWidth: Int { shape.headCount * shape.valueSize }

    private func output(
        _ output: UnsafeMutablePointer<Float>, head: Int, token: Int
    ) -> UnsafeMutablePointer<Float> {
        output + token * outputWidth + head * shape.group * shape.valueSize
    }

    private func normalizer(
        _ normalizers: UnsafeMutablePointer<Float>?, head: Int, token: Int
    ) -> UnsafeMutablePointer<Float>? {
        normalizers.map { $0 + token * shape.headCount + head * shape.group }
    }

    /// The query heads of one KV head for some tokens.
    private func tile(head: Int, tokens: Range<Int>) -> sl_queries {
        sl_queries(
            data: queries.data + (tokens.lowerBound * shape.headCount + head * shape.group) * shape.keySize,
            token_stride: shape.headCount * shape.keySize, token_count: tokens.count, group: shape.group,
            positions: queries.positions.baseAddress.unsafelyUnwrapped + tokens.lowerBound, scale: scale,
            window: shape.kernelWindow, cap: shape.kernelCap, slopes: shape.slopes(from: head * shape.group))
    }

    /// One query head for all tokens from `first` on.
    private func tile(queryHead: Int, from first: Int = 0) -> sl_queries {
        sl_queries(
            data: queries.data + (first * shape.headCount + queryHead) * shape.keySize,
            token_stride: shape.headCount * shape.keySize, token_count: tokens - first, group: 1,
            positions: queries.positions.baseAddress.unsafelyUnwrapped + first, scale: scale,
            window: shape.kernelWindow, cap: shape.kernelCap, slopes: shape.slopes(from: queryHead))
    }
}

/// How many scores attention keeps for those who want to know weights.
struct ScoreLimits {
    /// Scores that stay in the processor's cache until they are used.
    var cached = 1 << 20
    /// Scores that may be kept at all.
    var most = 1 << 23

    /// How many of some tokens attend at once if their scores are kept; `nil` if scores would take too much memory.
    func tokens(of tokens: Int, rows: Int, _ shape: KVLayerShape) -> Int? {
        let perToken = shape.headCount * max(rows, 1)
        let tile = shape.tileTokens
        let size = min(max(cached / perToken / tile, 1) * tile, tokens)
        return size * perToken <= most ? size : nil
    }
}

extension KVLayerShape {
    /// Tokens whose queries for one KV head fill one pass over the cache.
    fileprivate var tileTokens: Int { max(Kernels.queryTile / group, 1) }
}

/// The scores that attention leaves of some query rows and every row of the cache.
struct AttentionScores {
    /// `[kvHeads, tokens, group, stride]`.
    let data: UnsafeMutablePointer<Float>
    /// Floats from one query row to the next.
    let stride: Int
    let tokens: Int
    let group: Int

    /// Those of the query rows of one KV head from a token on, `[…, group, stride]`.
    func ofHead(_ head: Int, token: Int) -> UnsafeMutablePointer<Float> {
        data + (head * tokens + token) * group * stride
    }

    /// Those of one query head of a token, `[rows]`.
    func ofQuery(_ token: Int, head: Int) -> UnsafeMutablePointer<Float> {
        ofHead(head / group, token: token) + head % group * stride
    }
}

/// The rows of a slot, cut for several threads at multiples of ``Kernels/blockRows``.
private struct RowPieces {
    struct Piece {
        let head: Int
        let blocks: Range<Int>  // of the head's rows

        /// The rows of the piece in a head that has `count`.
        func rows(of count: Int) -> Range<Int> {
            blocks.lowerBound * Kernels.blockRows..<min(blocks.upperBound * Kernels.blockRows, count)
        }
    }

    private var pieces: [Piece] = []
    private var firstBlocks = [0]  // by head, and the end
    /// Rows of the longest head.
    let mostRows: Int

    /// Long pieces come first, since every start waits for memory; the last are short, so that threads end together.
    init(_ slot: KVSlot, threads: Int) {
        let rowCounts = (0..<slot.shape.kvHeadCount).map(slot.rowCount(ofHead:))
        mostRows = rowCounts.max() ?? 0
        for count in rowCounts {
            firstBlocks.append(
                firstBlocks[firstBlocks.count - 1] + (count + Kernels.blockRows - 1) / Kernels.blockRows)
        }
        var rest = blockCount
        for head in rowCounts.indices {
            let count = blocks(ofHead: head).count
            var first = 0
            while first < count {
                let size = min(max(rest / (2 * threads), 1), count - first)
                pieces.append(Piece(head: head, blocks: first..<first + size))
                first += size
                rest -= size
            }
        }
    }

    var count: Int { pieces.count }
    /// Blocks of all heads.
    var blockCount: Int { firstBlocks[firstBlocks.count - 1] }

    /// The blocks of a head among those of all heads.
    func blocks(ofHead head: Int) -> Range<Int> { firstBlocks[head]..<firstBlocks[head + 1] }

    subscript(index: Int) -> Piece { pieces[index] }
}
