import CSwiftletKernels
import SwiftletTensor

/// Attention of one token over chosen rows of a slot, cut into tasks of some blocks of rows.
///
/// Chosen rows are copied together, page by page, in the memory of a thread; the blocks at the end, of which every
/// row is chosen, are read in place.
struct ChosenAttention {
    let slot: KVSlot
    let shape: KVLayerShape
    let queries: KVSequence.Queries
    let scale: Float
    let choices: [KVRowChoice]
    let compute: Compute
    let workspace: Workspace

    /// Blocks of one KV head that one thread attends to.
    private struct Piece {
        let head: Int
        /// Among the blocks of rows that are copied together, or among those of the slot.
        let blocks: Range<Int>
        let isInPlace: Bool
        /// The first block's place among those of all heads.
        let first: Int
    }

    /// Enough for the fast threads to take over from a slow one; long ones wait less for memory.
    private static let piecesPerThread = 8

    /// Writes `[heads, valueSize]`.
    func attend(into output: UnsafeMutablePointer<Float>) {
        precondition(slot.movesRowsSingly, "single rows are fetched from pages of several formats")
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let (copied, ends) = rowsToCopy()
        let (pieces, blockCounts) = cut(ends)
        let (kernels, tiles) = (compute.kernels, choices.indices.map(tile))
        let width = shape.group * (shape.valueSize + 2)
        let partials = workspace.floats(blockCounts.reduce(0, +) * width)
        compute.reserveScratch(Kernels.attendChosenScratch(keySize: shape.keySize, valueSize: shape.valueSize))
        // What the threads touch at the same time is lent to them: counting users would make them wait.
        slot.withRowsOfAllHeads { rows in
            copied.withUnsafeBufferPointer { copied in
                compute.run(pieces.count) { task, scratch in
                    let piece = pieces[task]
                    let target = partials + piece.first * width
                    let (rows, tile) = (rows[piece.head], tiles[piece.head])
                    if piece.isInPlace {
                        kernels.attend(rows, tile, blocks: piece.blocks, into: target, scratch: scratch)
                    } else {
                        let chosen = copied[ends[piece.head]..<ends[piece.head + 1]]
                        kernels.attend(
                            chosen: UnsafeBufferPointer(rebasing: chosen), of: rows, tile,
                            blocks: piece.blocks, into: target, scratch: scratch)
                    }
                }
            }
        }
        var first = 0
        for (head, count) in blockCounts.enumerated() {
            kernels.mergeBlocks(
                partials + first * width, count: count, tiles[head], valueSize: shape.valueSize,
                into: output + head * shape.group * shape.valueSize,
                stride: shape.headCount * shape.valueSize, logSumExp: nil, stride: shape.headCount)
            first += count
        }
    }

    /// The rows that cannot be read in place, ascending, head after head, and where those of each head begin and end.
    private func rowsToCopy() -> (rows: [UInt32], ends: [Int]) {
        var (rows, ends): ([UInt32], [Int]) = ([], [0])
        rows.reserveCapacity(choices.reduce(0) { $0 + $1.rows.count + Kernels.blockRows })
        for (head, choice) in choices.enumerated() {
            let inPlace = min(firstBlockInPlace(head) * Kernels.blockRows, slot.rowCount(ofHead: head))
            rows += choice.rows
            for row in choice.tail..<max(inPlace, choice.tail) { rows.append(UInt32(row)) }
            ends.append(rows.count)
        }
        return (rows, ends)
    }

    /// The first block of which every row is chosen, and every row behind it.
    private func firstBlockInPlace(_ head: Int) -> Int { Self.blocks(choices[head].tail) }

    /// Blocks that hold so many rows.
    private static func blocks(_ rows: Int) -> Int { (rows + Kernels.blockRows - 1) / Kernels.blockRows }

    /// Cuts the work into pieces, those first that take longest, and counts the blocks of every head.
    private func cut(_ ends: [Int]) -> (pieces: [Piece], blockCounts: [Int]) {
        let ranges = choices.indices.map { head in
            (copied: 0..<Self.blocks(ends[head + 1] - ends[head]),
                inPlace: firstBlockInPlace(head)..<max(
                    Self.blocks(slot.rowCount(ofHead: head)), firstBlockInPlace(head)))
        }
        let counts = ranges.map { $0.copied.count + $0.inPlace.count }
        let size = max(counts.reduce(0, +) / (compute.pool.threadCount * Self.piecesPerThread), 1)
        var (copies, others): ([Piece], [Piece]) = ([], [])
        var first = 0
        for (head, range) in ranges.enumerated() {
            copies += pieces(head, range.copied, size, isInPlace: false, first: first)
            others += pieces(head, range.inPlace, size, isInPlace: true, first: first + range.copied.count)
            first += counts[head]
        }
        return (copies + others, counts)
    }

    private func pieces(_ head: Int, _ blocks: Range<Int>, _ size: Int, isInPlace: Bool, first: Int) -> [Piece] {
        stride(from: blocks.lowerBound, to: blocks.upperBound, by: size).map { block in
            Piece(
                head: head, blocks: block..<min(block + size, blocks.upperBound), isInPlace: isInPlace,
                first: first + block - blocks.lowerBound)
        }
    }

    /// The query heads of one KV head.
    private func tile(_ head: Int) -> sl_queries {
        sl_queries(
            data: queries.data + head * shape.group * shape.keySize,
            token_stride: shape.headCount * shape.keySize, token_count: 1, group: shape.group,
            positions: queries.positions.baseAddress.unsafelyUnwrapped, scale: scale,
            window: shape.kernelWindow)
    }
}
