import CSwiftletKernels
import SwiftletTensor

/// Attention of some queries over the rows of one slot, cut into tasks of one KV head and one tile of tokens.
struct AttentionStep {
    /// Tokens per task in prefill: enough to reuse every row, few enough to feed all threads.
    static let tileTokens = 16

    let slot: KVSlot
    let shape: KVLayerShape
    let queries: KVSequence.Queries
    let scale: Float
    let compute: Compute

    private var tokens: Int { queries.positions.count }
    private var tiles: Int { (tokens + Self.tileTokens - 1) / Self.tileTokens }

    /// Writes `[tokens, heads, valueSize]`, and `ln Σ exp` of every query to `normalizers`, `[tokens, heads]`.
    func attend(into output: UnsafeMutablePointer<Float>, normalizers: UnsafeMutablePointer<Float>?) {
        let width = shape.headCount * shape.valueSize
        compute.run(shape.kvHeadCount * tiles) { task, scratch in
            let head = task % shape.kvHeadCount
            let first = task / shape.kvHeadCount * Self.tileTokens
            let count = min(Self.tileTokens, tokens - first)
            slot.withRows(ofHead: head) { rows in
                compute.kernels.attend(
                    rows, tile(head: head, tokens: first..<first + count),
                    into: output + first * width + head * shape.group * shape.valueSize, stride: width,
                    logSumExp: normalizers.map { $0 + first * shape.headCount + head * shape.group },
                    stride: shape.headCount, scratch: scratch)
            }
        }
    }

    /// Adds the attention that every row received from these queries, per query head.
    func addColumnSums(to record: inout KVEvidenceRecord, normalizers: UnsafePointer<Float>) {
        let scratch = compute.scratch(0)
        for queryHead in 0..<shape.headCount {
            let head = queryHead / shape.group
            record.withColumnSums(head: queryHead, rowCount: slot.rowCount(ofHead: head)) { sums in
                slot.withRows(ofHead: head) { rows in
                    compute.kernels.attendColumnSums(
                        rows, tile(queryHead: queryHead), logSumExp: normalizers + queryHead,
                        stride: shape.headCount, factor: nil, into: sums, scratch: scratch)
                }
            }
        }
    }

    /// Adds the weighted attention of those of these queries that belong to the tail of a prompt, over all heads.
    func addTailSums(
        _ tail: KVEvidence.Tail, to record: inout KVEvidenceRecord, normalizers: UnsafePointer<Float>,
        workspace: Workspace
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
                    factor: factors, into: sums + queryHead * width, scratch: scratch)
            }
        }
        record.tailSums += repeatElement(0, count: max(width - record.tailSums.count, 0))
        for queryHead in 0..<shape.headCount {
            for row in 0..<width { record.tailSums[row] += sums[queryHead * width + row] }
        }
    }

    /// Adds the attention row of every query (decode steps) per query head.
    func addRollingRows(to record: inout KVEvidenceRecord, normalizers: UnsafePointer<Float>) {
        let scratch = compute.scratch(0)
        for queryHead in 0..<shape.headCount {
            let head = queryHead / shape.group
            let rowCount = slot.rowCount(ofHead: head)
            var weights = [Float](repeating: 0, count: tokens * rowCount)
            slot.withRows(ofHead: head) { rows in
                compute.kernels.attendWeights(
                    rows, tile(queryHead: queryHead), logSumExp: normalizers + queryHead,
                    stride: shape.headCount, into: &weights, scratch: scratch)
            }
            for token in 0..<tokens {
                record.addRollingRow(
                    Array(weights[token * rowCount..<(token + 1) * rowCount]), head: queryHead,
                    position: queries.positions[token])
            }
        }
    }

    /// The query heads of one KV head for some tokens.
    private func tile(head: Int, tokens: Range<Int>) -> sl_queries {
        sl_queries(
            data: queries.data + (tokens.lowerBound * shape.headCount + head * shape.group) * shape.keySize,
            token_stride: shape.headCount * shape.keySize, token_count: tokens.count, group: shape.group,
            positions: queries.positions.baseAddress.unsafelyUnwrapped + tokens.lowerBound, scale: scale,
            window: shape.kernelWindow)
    }

    /// One query head for all tokens from `first` on.
    private func tile(queryHead: Int, from first: Int = 0) -> sl_queries {
        sl_queries(
            data: queries.data + (first * shape.headCount + queryHead) * shape.keySize,
            token_stride: shape.headCount * shape.keySize, token_count: tokens - first, group: 1,
            positions: queries.positions.baseAddress.unsafelyUnwrapped + first, scale: scale,
            window: shape.kernelWindow)
    }
}
