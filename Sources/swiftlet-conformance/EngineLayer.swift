import CSwiftletKernels
import SwiftletCache
import SwiftletTensor

/// One layer of the engine's cache with the keys and values of a case: rows in binary32, evidence as a sequence
/// records it, attention by the engine's kernels.
struct EngineLayer {
    /// Heads and sizes.
    let shape: KVLayerShape
    /// The rotation that policies see; rows are stored as they are given.
    let rope: Rope
    /// `1 / √keySize`.
    let scale: Float
    private(set) var slot: KVSlot
    private(set) var record: KVEvidenceRecord

    private static let kernels = Kernels.best

    /// Caches rows at positions 0, 1, …
    ///
    /// - Parameters:
    ///   - headCount: query heads; `nil` means as many as KV heads.
    ///   - keys: `[kvHeads][rows][keySize]`.
    ///   - values: `[kvHeads][rows][valueSize]`; `nil` where they do not matter.
    ///   - evidence: what is recorded.
    init(
        headCount: Int? = nil, keys: [[[Float]]], values: [[[Float]]]? = nil,
        evidence: KVEvidence = KVEvidence(),
        rope: Rope = Rope(base: 10_000, rotatedSize: 0)
    ) throws(SwiftletError) {
        let values = values ?? keys
        let (kvHeads, rows, keySize) = try Self.sizes(keys, "keys")
        let sizes = try Self.sizes(values, "values")
        guard sizes.0 == kvHeads, sizes.1 == rows else {
            throw SwiftletError(.mismatch, "keys have \(kvHeads) heads of \(rows) rows, values differ")
        }
        let heads = headCount ?? kvHeads
        guard heads > 0, heads % kvHeads == 0 else {
            throw SwiftletError(.mismatch, "\(heads) query heads cannot share \(kvHeads) KV heads")
        }
        shape = KVLayerShape(
            headCount: heads, kvHeadCount: kvHeads, keySize: keySize, valueSize: sizes.2)
        self.rope = rope
        scale = 1 / Float(keySize).squareRoot()
        slot = try KVSlot(shape, format: .f32, pool: KVPagePool(), kernels: Self.kernels)
        record = KVEvidenceRecord(evidence, shape: shape)
        try append(keys: keys, values: values, at: 0)
    }

    /// Number of heads, of tokens and of floats in a rectangular list `[heads][tokens][size]`.
    static func sizes(_ list: [[[Float]]], _ name: String) throws(SwiftletError) -> (Int, Int, Int) {
        guard let rows = list.first?.count, let size = list.first?.first?.count, size > 0,
            list.allSatisfy({ $0.count == rows && $0.allSatisfy { $0.count == size } })
        else {
            throw SwiftletError(.malformed, "\(name) are not a rectangular list of heads, tokens and numbers")
        }
        return (list.count, rows, size)
    }

    /// `[heads][tokens][size]` as the engine orders it: `[tokens, heads, size]`.
    static func interleaved(_ list: [[[Float]]]) -> [Float] {
        (list.first ?? []).indices.flatMap { token in list.flatMap { $0[token] } }
    }

    /// Caches more rows, `[kvHeads][tokens][…]`, from `position` on.
    mutating func append(keys: [[[Float]]], values: [[[Float]]], at position: Int) throws(SwiftletError) {
        let positions = keys[0].indices.map { Int32(position + $0) }
        let (keys, values) = (Self.interleaved(keys), Self.interleaved(values))
        try positions.withUnsafeBufferPointer { positions throws(SwiftletError) in
            try slot.append(keys: keys, values: values, positions: positions)
        }
    }

    /// Records rotated queries, `[heads][tokens][keySize]`, whose first token has a position.
    mutating func record(rotated queries: [[[Float]]], at position: Int) throws(SwiftletError) {
        try check(queries)
        let positions = queries[0].indices.map { Int32(position + $0) }
        positions.withUnsafeBufferPointer { record.record(rotated: Self.interleaved(queries), positions: $0) }
    }

    /// Records queries before rotation, `[heads][tokens][keySize]`.
    mutating func record(unrotated queries: [[[Float]]]) throws(SwiftletError) {
        try check(queries)
        record.record(unrotated: Self.interleaved(queries), tokens: queries[0].count, Self.kernels)
    }

    /// Adds attention that every row of a query head received, `[heads][rows]`.
    mutating func record(columnSums sums: [[Float]]) throws(SwiftletError) {
        guard sums.count <= shape.headCount else {
            throw SwiftletError(.mismatch, "attention of \(sums.count) heads, expected \(shape.headCount)")
        }
        for (head, sums) in sums.enumerated() {
            let rows = slot.rowCount(ofHead: head / shape.group)
            guard sums.count == rows else {
                throw SwiftletError(.mismatch, "attention over \(sums.count) rows, expected \(rows)")
            }
            record.withColumnSums(head: head, rowCount: rows) { target in
                for row in 0..<rows { target[row] += sums[row] }
            }
        }
    }

    /// What a policy sees.
    func view(layer: Int = 0, phase: KVPhase = .prefill) -> KVLayerView {
        KVLayerView(
            layer: layer, phase: phase, slot: slot, record: record, scale: scale, rope: rope,
            kernels: Self.kernels)
    }

    /// Drops all rows but the selected.
    mutating func keep(_ selection: KVSelection) throws(SwiftletError) {
        try slot.keep(selection)
        record.keep(selection)
    }

    /// Replaces rows, as a merger asks.
    mutating func apply(_ rewrites: [[KVRewrite]]) throws(SwiftletError) {
        for (head, rewrites) in rewrites.enumerated() {
            for rewrite in rewrites {
                try slot.rewrite(head: head, row: rewrite.row, key: rewrite.key, value: rewrite.value)
            }
        }
    }

    /// The positions of the rows, `[kvHeads][rows]`.
    var positions: [[Int32]] { (0..<shape.kvHeadCount).map { slot.positions(ofHead: $0) } }

    /// The keys, `[kvHeads][rows][keySize]`.
    var keys: [[[Float]]] {
        (0..<shape.kvHeadCount).map { rows(slot.keys(ofHead: $0), shape.keySize) }
    }

    /// The values, `[kvHeads][rows][valueSize]`.
    var values: [[[Float]]] {
        (0..<shape.kvHeadCount).map { rows(slot.values(ofHead: $0), shape.valueSize) }
    }

    private func rows(_ floats: [Float], _ size: Int) -> [[Float]] {
        stride(from: 0, to: floats.count, by: size).map { Array(floats[$0..<$0 + size]) }
    }

    private func check(_ queries: [[[Float]]]) throws(SwiftletError) {
        let (heads, _, size) = try Self.sizes(queries, "queries")
        guard heads == shape.headCount, size == shape.keySize else {
            throw SwiftletError(
                .mismatch,
                "queries have \(heads) heads of size \(size), expected \(shape.headCount) of \(shape.keySize)"
            )
        }
    }

    /// Attention of one token, `[heads][keySize]`, behind all rows.
    ///
    /// - Returns: the output, `[heads][valueSize]`, and the weights, `[heads][rows]`.
    func attend(_ query: [[Float]]) throws(SwiftletError) -> (output: [[Float]], weights: [[Float]]) {
        try check(query.map { [$0] })
        var (output, weights): ([[Float]], [[Float]]) = ([], [])
        for head in 0..<shape.kvHeadCount {
            let group = query[head * shape.group..<(head + 1) * shape.group].flatMap { $0 }
            let (out, p) = attend(group, head: head)
            output += rows(out, shape.valueSize)
            let count = slot.rowCount(ofHead: head)
            weights += (0..<shape.group).map { Array(p[$0 * count..<($0 + 1) * count]) }
        }
        return (output, weights)
    }

    /// Attention of the query heads of one KV head, `[group × keySize]`.
    private func attend(_ query: [Float], head: Int) -> (output: [Float], weights: [Float]) {
        let (group, kernels) = (shape.group, Self.kernels)
        var output = [Float](repeating: 0, count: group * shape.valueSize)
        var weights = [Float](repeating: 0, count: group * slot.rowCount(ofHead: head))
        var normalizers = [Float](repeating: 0, count: group)
        var scratch = [Float](
            repeating: 0, count: Kernels.attendScratch(keySize: shape.keySize, valueSize: shape.valueSize))
        query.withUnsafeBufferPointer { data in
            withUnsafePointer(to: Int32.max) { position in
                guard let data = data.baseAddress else { return }
                let queries = sl_queries(
                    data: data, token_stride: query.count, token_count: 1, group: group, positions: position,
                    scale: scale, window: 0)
                slot.withRows(ofHead: head) { rows in
                    kernels.attend(
                        rows, queries, into: &output, stride: output.count, logSumExp: &normalizers,
                        stride: group, scratch: &scratch)
                    kernels.attendWeights(
                        rows, queries, logSumExp: normalizers, stride: group, into: &weights,
                        stride: rows.row_count, scratch: &scratch)
                }
            }
        }
        return (output, weights)
    }
}
