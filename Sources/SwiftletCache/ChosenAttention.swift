import CSwiftletKernels
import SwiftletTensor

/// Attention of one token over chosen rows of a slot, cut into tasks of one block of rows.
///
/// Chosen rows are copied together, block by block, into the memory of a thread; the blocks at the end, of which
/// every row is chosen, are read in place.
struct ChosenAttention {
    let slot: KVSlot
    let shape: KVLayerShape
    let queries: KVSequence.Queries
    let scale: Float
    let choices: [KVRowChoice]
    let compute: Compute
    let workspace: Workspace

    /// A block of rows of one KV head.
    private struct Block {
        let head: Int
        /// Its place among the gathered rows, or `nil` if it is read in place.
        let gathered: Range<Int>?
        /// Its number among the blocks of the slot, if it is read in place.
        let number: Int
    }

    /// Writes `[heads, valueSize]`.
    func attend(into output: UnsafeMutablePointer<Float>) {
        precondition(slot.movesRowsSingly, "single rows are fetched from pages of several formats")
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let rows = choices.indices.map(gatheredRows)
        let perHead = choices.indices.map { blocks(ofHead: $0, gathered: rows[$0].count) }
        let all = perHead.flatMap { $0 }
        let width = shape.group * (shape.valueSize + 2)
        let partials = workspace.floats(all.count * width)
        compute.reserveScratch(kernelScratch + gatherScratch)
        compute.run(all.count) { task, scratch in
            attend(all[task], rows[all[task].head], into: partials + task * width, scratch)
        }
        var first = 0
        for head in choices.indices {
            compute.kernels.mergeBlocks(
                partials + first * width, count: perHead[head].count, tile(head), valueSize: shape.valueSize,
                into: output + head * shape.group * shape.valueSize,
                stride: shape.headCount * shape.valueSize, logSumExp: nil, stride: shape.headCount)
            first += perHead[head].count
        }
    }

    /// Floats that the attention of a block needs, and then the rows that are copied together for it.
    private var kernelScratch: Int {
        Kernels.attendScratch(keySize: shape.keySize, valueSize: shape.valueSize)
    }
    private var gatherScratch: Int { Kernels.blockRows * (shape.keySize + shape.valueSize) }

    /// The rows of one KV head that cannot be read in place, ascending.
    private func gatheredRows(_ head: Int) -> [UInt32] {
        let choice = choices[head]
        let inPlace = min(firstBlockInPlace(head) * Kernels.blockRows, slot.rowCount(ofHead: head))
        return choice.rows + (choice.tail..<max(inPlace, choice.tail)).map { UInt32($0) }
    }

    /// The first block of which every row is chosen, and every row behind it.
    private func firstBlockInPlace(_ head: Int) -> Int {
        (choices[head].tail + Kernels.blockRows - 1) / Kernels.blockRows
    }

    private func blocks(ofHead head: Int, gathered: Int) -> [Block] {
        let inPlace = (slot.rowCount(ofHead: head) + Kernels.blockRows - 1) / Kernels.blockRows
        return stride(from: 0, to: gathered, by: Kernels.blockRows).map {
            Block(head: head, gathered: $0..<min($0 + Kernels.blockRows, gathered), number: 0)
        }
            + (min(firstBlockInPlace(head), inPlace)..<inPlace).map {
                Block(head: head, gathered: nil, number: $0)
            }
    }

    private func attend(
        _ block: Block, _ rows: [UInt32], into partial: UnsafeMutablePointer<Float>,
        _ scratch: UnsafeMutablePointer<Float>
    ) {
        slot.withRows(ofHead: block.head) { kv in
            guard let range = block.gathered else {
                compute.kernels.attend(
                    kv, tile(block.head), blocks: block.number..<block.number + 1, into: partial,
                    scratch: scratch)
                return
            }
            rows[range].withUnsafeBufferPointer { chosen in
                compute.kernels.withGathered(kv, chosen, into: scratch + kernelScratch) { gathered in
                    compute.kernels.attend(
                        gathered, tile(block.head), blocks: 0..<1, into: partial, scratch: scratch)
                }
            }
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

/// Bytes of a row of `size` numbers.
func rowBytes(_ format: sl_format, _ size: Int) -> Int {
    size / sl_block_elements(format) * sl_block_bytes(format)
}

extension Kernels {
    /// Copies at most ``blockRows`` rows together and lends the copy.
    ///
    /// - Parameters:
    ///   - kv: rows that are all in the formats of the first.
    ///   - chosen: rows of `kv`, at least one.
    ///   - memory: room for ``blockRows`` keys and values of floats.
    fileprivate func withGathered<Result>(
        _ kv: sl_kv_rows, _ chosen: UnsafeBufferPointer<UInt32>, into memory: UnsafeMutablePointer<Float>,
        _ body: (sl_kv_rows) -> Result
    ) -> Result {
        let first = kv.pages[0]
        let keyBytes = rowBytes(first.key_format, kv.key_size)
        let valueBytes = rowBytes(first.value_format, kv.value_size)
        let keys = UnsafeMutableRawPointer(memory)
        let values = UnsafeMutableRawPointer(memory + Kernels.blockRows * kv.key_size)
        let pageCount = (chosen.count + Kernels.pageRows - 1) / Kernels.pageRows
        return withUnsafeTemporaryAllocation(of: sl_kv_page.self, capacity: pageCount) { pages in
            withUnsafeTemporaryAllocation(of: Int32.self, capacity: chosen.count) { positions in
                withUnsafePointer(to: kv) { kv in
                    table.pointee.gather_rows(
                        kv, chosen.baseAddress, chosen.count, keyBytes, valueBytes, keys, values,
                        positions.baseAddress)
                }
                for page in 0..<pageCount {
                    pages[page] = sl_kv_page(
                        keys: keys + page * Kernels.pageRows * keyBytes,
                        values: values + page * Kernels.pageRows * valueBytes,
                        key_format: first.key_format, value_format: first.value_format,
                        keys_by_channel: false)
                }
                return body(
                    sl_kv_rows(
                        pages: pages.baseAddress, positions: positions.baseAddress, row_count: chosen.count,
                        key_size: kv.key_size, value_size: kv.value_size))
            }
        }
    }
}
