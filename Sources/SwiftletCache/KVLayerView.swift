import CSwiftletKernels
package import SwiftletTensor

/// What a policy sees of one layer of one sequence: positions, rows and the evidence that it asked for.
public struct KVLayerView {
    /// The layer's place in the plan.
    public let layer: Int
    /// What the sequence is doing.
    public let phase: KVPhase
    /// Heads and sizes.
    public let shape: KVLayerShape
    /// Factor of `q·k` before the softmax.
    public let scale: Float

    /// The rotation of keys and queries.
    package let rope: Rope

    let kernels: Kernels
    private let slot: KVSlot
    private let record: KVEvidenceRecord

    package init(
        layer: Int, phase: KVPhase, slot: KVSlot, record: KVEvidenceRecord, scale: Float, rope: Rope,
        kernels: Kernels
    ) {
        self.layer = layer
        self.phase = phase
        self.slot = slot
        self.record = record
        self.scale = scale
        self.rope = slot.shape.rope ?? rope
        self.kernels = kernels
        shape = slot.shape
    }

    /// Rows of one KV head.
    public func rowCount(ofHead head: Int) -> Int { slot.rowCount(ofHead: head) }

    /// The position of every row of one KV head, by row; ascending, except for a selector whose
    /// ``KVSelector/ranking`` does not mind the order.
    public func positions(ofHead head: Int) -> [Int32] { slot.positions(ofHead: head) }

    /// Whether the rows of all KV heads have the same positions, in the same order.
    var isEven: Bool {
        slot.withRows(ofHead: 0) { first in
            (1..<shape.kvHeadCount).allSatisfy { head in
                slot.withRows(ofHead: head) { Self.equal($0.positionBuffer, first.positionBuffer) }
            }
        }
    }

    private static func equal(_ a: UnsafeBufferPointer<Int32>, _ b: UnsafeBufferPointer<Int32>) -> Bool {
        guard a.count == b.count else { return false }
        var difference: Int32 = 0
        for index in a.indices { difference |= a[index] ^ b[index] }
        return difference == 0
    }

    /// Whether every row of a KV head has a higher position than the one before it.
    func isAscending(ofHead head: Int) -> Bool { slot.isAscending(ofHead: head) }

    /// Key and value of one row.
    public func row(_ row: Int, ofHead head: Int) -> (key: [Float], value: [Float]) {
        slot.row(row, ofHead: head)
    }

    /// The keys of one KV head, `[rows × keySize]`.
    public func keys(ofHead head: Int) -> [Float] { slot.keys(ofHead: head) }

    /// The values of one KV head, `[rows × valueSize]`.
    public func values(ofHead head: Int) -> [Float] { slot.values(ofHead: head) }

    /// The product of one row's key with the key of every row of a KV head, `[rows]`.
    ///
    /// - Complexity: `rows × keySize` multiply-adds.
    package func keyProducts(ofHead head: Int, with row: Int) -> [Float] {
        var key = slot.row(row, ofHead: head).key
        slot.rotate(key: &key)
        let scratchSize = Kernels.attendScratch(keySize: shape.keySize, valueSize: shape.valueSize)
        return Array(unsafeUninitializedCapacity: rowCount(ofHead: head)) { products, count in
            count = rowCount(ofHead: head)
            guard let products = products.baseAddress else { return }
            withUnsafeTemporaryAllocation(of: Float.self, capacity: scratchSize) { scratch in
                guard let scratch = scratch.baseAddress else { return }
                slot.withRows(ofHead: head) { kernels.keyProducts($0, key, into: products, scratch: scratch) }
            }
        }
    }

    /// The length of the key of every row of a KV head, `[rows]`, where single rows are merged.
    func keyLengths(ofHead head: Int) -> [Float] { record.rowNumbers[head] }

    /// Attention received by every row of a query head, summed over all queries so far, or over those of this prompt if
    /// what came before it has been joined: `[rows]`.
    public func columnSums(ofQueryHead head: Int) -> [Float] {
        precondition(
            record.needs.columnSums && !record.needs.joinsHeads,
            "the policy did not ask for sums per query head")
        return record.columnSums[head]
    }

    /// Attention received by every row of every KV head, summed over all queries so far and over the query heads
    /// of the KV head: `[kvHeads][rows]`.
    public func columnSums() -> [[Float]] {
        precondition(record.needs.columnSums, "the policy did not ask for column sums")
        return record.joinedSums.enumerated().map { head, joined in
            var sums = joined
            sums.padWithZeros(to: rowCount(ofHead: head))
            guard !record.columnSums.isEmpty else { return sums }
            for added in record.columnSums[head * shape.group..<(head + 1) * shape.group] {
                kernels.add(&sums, added, count: min(added.count, sums.count))
            }
            return sums
        }
    }

    /// Weighted attention that every row received from the prompt's newest queries, summed over all heads: `[rows]`;
    /// `nil` if none was recorded, as in a layer that reads another's cache.
    public var tailSums: [Float]? { record.tailSums.isEmpty ? nil : record.tailSums }

    /// Attention of the newest decode steps over the rows of a KV head, summed over its query heads, from
    /// ``KVSelector/settledRows`` on: `[steps][rows]`, oldest first.
    public func rollingRows(ofHead head: Int) -> [[Float]] {
        precondition(record.needs.rollingRows > 0, "the policy did not ask for rolling rows")
        return record.steps[head].steps.map(\.weights)
    }

    /// Mean `[keySize]` and covariance `[keySize, keySize]` of a head's queries before rotation.
    public func queryMoments(ofQueryHead head: Int) -> (mean: [Double], covariance: [Double], count: Int) {
        precondition(!record.queryMoments.isEmpty, "the policy did not ask for query moments")
        let moments = record.queryMoments[head]
        return (moments.mean, moments.covariance, moments.count)
    }

    /// Number of newest queries that were kept.
    public var windowCount: Int { record.windowCount }

    /// Attention of the newest queries over the rows of one KV head, `[windowCount][group][rows]`, oldest first.
    ///
    /// - Complexity: `windowCount × group × rows × keySize` multiply-adds.
    public func windowWeights(ofHead head: Int) -> [[[Float]]] {
        let rows = slot.rowCount(ofHead: head)
        var weights = [Float](repeating: 0, count: windowCount * shape.group * rows)
        withWindow(head) { kv, queries, normalizers, scratch in
            kernels.attendWeights(
                kv, queries, logSumExp: normalizers, stride: shape.group, into: &weights, stride: rows,
                scratch: scratch)
        }
        return (0..<windowCount).map { query in
            (0..<shape.group).map { head in
                Array(weights[(query * shape.group + head) * rows..<(query * shape.group + head + 1) * rows])
            }
        }
    }

    /// Attention of the newest query over the rows of one KV head, summed over its query heads, `[rows]`: as a decode
    /// step recorded it, or computed now.
    public func newestWeights(ofHead head: Int) -> [Float] {
        guard record.rollingRowsAreNewest, var row = record.steps[head].steps.last?.weights else {
            return kernels.sums(of: windowMeans(ofHead: head, newest: 1), count: rowCount(ofHead: head))
        }
        row.padWithZeros(to: rowCount(ofHead: head))
        return row
    }

    /// Mean attention of the newest queries over the rows of one KV head, `[group][rows]`.
    ///
    /// - Parameter newest: how many of the kept queries count; `nil` is all.
    /// - Complexity: `windowCount × group × rows × keySize` multiply-adds.
    public func windowMeans(ofHead head: Int, newest: Int? = nil) -> [[Float]] {
        let count = min(newest ?? windowCount, windowCount)
        var means = [[Float]](
            repeating: Array(repeating: 0, count: slot.rowCount(ofHead: head)), count: shape.group)
        guard count > 0 else { return means }
        let factors = [Float](repeating: 1 / Float(count), count: count)
        withWindow(head) { kv, queries, normalizers, scratch in
            let skipped = windowCount - count
            var queries = queries
            queries.token_count = count
            queries.positions += skipped
            queries.data += skipped * queries.token_stride
            queries.group = 1
            for head in means.indices {
                kernels.attendColumnSums(
                    kv, queries, logSumExp: normalizers + skipped * shape.group + head, stride: shape.group,
                    factor: factors, into: &means[head], stride: 0, scratch: scratch)
                queries.data += shape.keySize
                if let slopes = queries.slopes { queries.slopes = slopes + 1 }
            }
        }
        return means
    }

    /// `Σ weight[query] · attention` over the newest queries and the query heads of one KV head: `[rows]`.
    ///
    /// - Parameter weights: one factor per kept query, oldest first.
    public func weightedSum(ofHead head: Int, weights: [Float]) -> [Float] {
        precondition(weights.count == windowCount, "\(weights.count) weights for \(windowCount) queries")
        let perRow = weights.flatMap { Array(repeating: $0, count: shape.group) }
        var sums = [Float](repeating: 0, count: slot.rowCount(ofHead: head))
        withWindow(head) { kv, queries, normalizers, scratch in
            kernels.attendColumnSums(
                kv, queries, logSumExp: normalizers, stride: shape.group, factor: perRow, into: &sums,
                stride: 0, scratch: scratch)
        }
        return sums
    }

    /// Calls `body` with the kept queries of one KV head and their softmax normalisers.
    private func withWindow(
        _ head: Int,
        _ body: (sl_kv_rows, sl_queries, UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void
    ) {
        let group = shape.group
        var normalizers = [Float](repeating: 0, count: windowCount * group)
        var output = [Float](repeating: 0, count: windowCount * group * shape.valueSize)
        var scratch = [Float](
            repeating: 0, count: Kernels.attendScratch(keySize: shape.keySize, valueSize: shape.valueSize))
        record.withWindow { data, positions in
            slot.withRows(ofHead: head) { kv in
                let queries = sl_queries(
                    data: data + head * group * shape.keySize,
                    token_stride: shape.headCount * shape.keySize, token_count: windowCount,
                    group: group, positions: positions, scale: scale, window: shape.kernelWindow,
                    cap: shape.kernelCap, slopes: shape.slopes(from: head * group))
                kernels.attend(
                    kv, queries, into: &output, stride: group * shape.valueSize, logSumExp: &normalizers,
                    stride: group, scratch: &scratch)
                body(kv, queries, normalizers, &scratch)
            }
        }
    }
}
