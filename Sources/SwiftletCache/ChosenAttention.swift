import CSwiftletKernels
import SwiftletTensor

/// Attention of one token over chosen rows of a slot, cut into tasks of some blocks of rows.
///
/// Chosen rows are copied together, page by page, in the memory of a thread. The blocks at the end, of which every
/// row is attended to, are read in place, while others are being chosen.
struct ChosenAttention {
    let slot: KVSlot
    let shape: KVLayerShape
    let queries: KVSequence.Queries
    let scale: Float
    let plan: KVRowPlan
    let compute: Compute
    let workspace: Workspace

    /// Does the tasks that it is given, and returns the rows that each KV head chooses meanwhile.
    typealias Choosing = (
        _ tasks: Int, _ body: (_ task: Int, _ scratch: UnsafeMutablePointer<Float>) -> Void
    ) -> [KVRowChoice]

    /// Blocks of one KV head that one thread attends to.
    private struct Piece {
        let head: Int
        /// Among the blocks of rows that are copied together, or among those of the slot.
        let blocks: Range<Int>
        /// Where their sums begin.
        let partials: UnsafeMutablePointer<Float>
    }

    /// Enough for the fast threads to take over from a slow one; long ones wait less for memory.
    private static let piecesPerThread = 8

    /// Writes `[heads, valueSize]`.
    func attend(into output: UnsafeMutablePointer<Float>, _ choose: Choosing) {
        precondition(slot.movesRowsSingly, "single rows are fetched from pages of several formats")
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        compute.reserveScratch(
            Kernels.attendChosenScratch(keySize: shape.keySize, valueSize: shape.valueSize))
        let kernels = compute.kernels
        let tiles = (0..<shape.kvHeadCount).map(tile)
        let counts = (0..<shape.kvHeadCount).map(blockCounts)
        let width = shape.group * (shape.valueSize + 2)
        let partials = workspace.floats(counts.reduce(0) { $0 + $1.copied + $1.inPlace } * width)
        let (copied, inPlace) = cut(counts, partials, width)
        // What the threads touch at the same time is lent to them: counting users would make them wait.
        slot.withRowsOfAllHeads { rows in
            let choices = choose(inPlace.count) { task, scratch in
                let piece = inPlace[task]
                kernels.attend(
                    rows[piece.head], tiles[piece.head], blocks: piece.blocks, into: piece.partials,
                    scratch: scratch)
            }
            let (numbers, ends) = rowsToCopy(choices)
            let rows = rows.indices.map { withoutPositions(rows[$0], head: $0) }
            numbers.withUnsafeBufferPointer { numbers in
                compute.run(copied.count) { task, scratch in
                    let piece = copied[task]
                    let chosen = numbers[ends[piece.head]..<ends[piece.head + 1]]
                    kernels.attend(
                        chosen: UnsafeBufferPointer(rebasing: chosen), of: rows[piece.head],
                        tiles[piece.head], blocks: piece.blocks, into: piece.partials, scratch: scratch)
                }
            }
        }
        var next = partials
        for (head, count) in counts.enumerated() {
            kernels.mergeBlocks(
                next, count: count.copied + count.inPlace, tiles[head], valueSize: shape.valueSize,
                into: output + head * shape.group * shape.valueSize,
                stride: shape.headCount * shape.valueSize, logSumExp: nil, stride: shape.headCount)
            next += (count.copied + count.inPlace) * width
        }
    }

    /// Rows that need not tell their positions, because the token sees all of them: to look up single positions takes as
    /// long as a fourth part of a row.
    private func withoutPositions(_ rows: sl_kv_rows, head: Int) -> sl_kv_rows {
        let token = queries.positions[queries.positions.startIndex]
        guard shape.window == nil, shape.slopes == nil, slot.isAscending(ofHead: head),
            let newest = rows.positionBuffer.last, newest <= token
        else { return rows }
        var rows = rows
        rows.positions = nil
        return rows
    }

    /// The first block of which every row is attended to, and every row behind it.
    private var firstBlockInPlace: Int { Self.blocks(plan.tail) }

    /// Blocks that hold so many rows.
    private static func blocks(_ rows: Int) -> Int { (rows + Kernels.blockRows - 1) / Kernels.blockRows }

    /// Rows from the tail on that are copied all the same, because other rows of their block are not attended to.
    private func tailToCopy(_ head: Int) -> Range<Int> {
        let end = min(firstBlockInPlace * Kernels.blockRows, slot.rowCount(ofHead: head))
        return plan.tail..<max(end, plan.tail)
    }

    private func blockCounts(_ head: Int) -> (copied: Int, inPlace: Int) {
        (
            Self.blocks(plan.chosen + tailToCopy(head).count),
            max(Self.blocks(slot.rowCount(ofHead: head)) - firstBlockInPlace, 0)
        )
    }

    /// The rows that are copied, ascending, head after head, and where those of each head begin and end.
    private func rowsToCopy(_ choices: [KVRowChoice]) -> (rows: [UInt32], ends: [Int]) {
        var (rows, ends): ([UInt32], [Int]) = ([], [0])
        rows.reserveCapacity(choices.count * (plan.chosen + Kernels.blockRows))
        for (head, choice) in choices.enumerated() {
            precondition(
                choice.rows.count == plan.chosen, "\(choice.rows.count) rows chosen, not \(plan.chosen)")
            rows += choice.rows
            for row in tailToCopy(head) { rows.append(UInt32(row)) }
            ends.append(rows.count)
        }
        return (rows, ends)
    }

    /// Cuts the blocks of all heads into pieces; sums lie head after head, those of copied rows first.
    private func cut(
        _ counts: [(copied: Int, inPlace: Int)], _ partials: UnsafeMutablePointer<Float>, _ width: Int
    ) -> (copied: [Piece], inPlace: [Piece]) {
        let all = counts.reduce(0) { $0 + $1.copied + $1.inPlace }
        let size = max(all / (compute.pool.threadCount * Self.piecesPerThread), 1)
        var (copied, inPlace): ([Piece], [Piece]) = ([], [])
        var next = partials
        func pieces(_ head: Int, _ count: Int, from first: Int) -> [Piece] {
            defer { next += count * width }
            return stride(from: 0, to: count, by: size).map {
                Piece(
                    head: head, blocks: first + $0..<first + min($0 + size, count),
                    partials: next + $0 * width)
            }
        }
        for (head, count) in counts.enumerated() {
            copied += pieces(head, count.copied, from: 0)
            inPlace += pieces(head, count.inPlace, from: firstBlockInPlace)
        }
        return (copied, inPlace)
    }

    /// The query heads of one KV head.
    private func tile(_ head: Int) -> sl_queries {
        sl_queries(
            data: queries.data + head * shape.group * shape.keySize,
            token_stride: shape.headCount * shape.keySize, token_count: 1, group: shape.group,
            positions: queries.positions.baseAddress.unsafelyUnwrapped, scale: scale,
            window: shape.kernelWindow, cap: shape.kernelCap, slopes: shape.slopes(from: head * shape.group))
    }
}
