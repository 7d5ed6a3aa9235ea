import CSwiftletKernels
public import SwiftletTensor

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// D2O's token level: an evicted row that resembles a kept one is folded into it instead of being lost.
///
/// Each evicted key looks for the most similar kept key. If the similarity reaches a threshold, which follows the
/// similarities seen so far, keys and values become weighted means.
///
/// Source: Wan et al., 2024, arXiv:2406.13035, §3.3, equations 8–12.
public struct CompensationMerger: KVMerger {
    /// Which rule decides and weighs.
    public enum Mode: String, Hashable, Sendable, CaseIterable {
        /// Per KV head, weights by a softmax with sum 1.
        case paper
        /// What the reference code runs: one threshold for all heads, sums divided by their count.
        case reference
    }

    /// Which rule decides and weighs.
    public var mode: Mode
    /// Weight of the newest similarities in the threshold.
    public var beta: Double
    /// Weight of the old threshold; `nil` is `1 − beta`.
    public var alpha: Double?
    /// Weight of the kept row itself before normalisation, e in the paper: what `exp` gives a similarity of 1.
    public var selfWeight: Double
    /// Whether keys are merged, too; keys of different positions carry different rotations.
    public var mergesKeys: Bool
    /// The threshold of every KV head, or of all in ``Mode/reference``; `nil` before the first eviction.
    package var thresholds: [Double?] = []

    /// Takes the settings of the paper.
    public init(
        mode: Mode = .paper, beta: Double = 0.7, alpha: Double? = nil, selfWeight: Double = 2.718281828459045,
        mergesKeys: Bool = true
    ) {
        self.mode = mode
        self.beta = beta
        self.alpha = alpha
        self.selfWeight = selfWeight
        self.mergesKeys = mergesKeys
    }

    /// The thresholds.
    public mutating func code(_ state: inout KVStateCoder) throws(SwiftletError) {
        try state.code(&thresholds, "thresholds", count: 0...(1 << 16), blank: nil) {
            (state, threshold) throws(SwiftletError) in
            try state.code(&threshold, blank: 0) { (state, number) throws(SwiftletError) in
                try state.code(&number)
            }
        }
    }

    /// Folds evicted rows into their most similar kept rows.
    public mutating func merge(in layer: KVLayerView, kept: [[Int]], evicted: [[Int]]) -> [[KVRewrite]] {
        rewrites(plan(in: layer, kept: kept, evicted: evicted))
    }

    /// One sweep over the keys.
    public var foldsSingleRows: Bool { true }

    /// Folds every row into the most similar of the others, of equals the one at the lowest position.
    public mutating func fold(_ evicted: [Int?], in layer: KVLayerView) -> [KVRewrite?] {
        let nearest = evicted.enumerated().map { head, row in
            row.flatMap { Self.nearest(to: $0, ofHead: head, in: layer) }
        }
        let merged = decide(nearest.map { $0.map { [$0.similarity] } ?? [] })
        return evicted.indices.map { head in
            guard let row = evicted[head], let target = nearest[head], merged[head].first == true else {
                return nil
            }
            let (kept, gone) = (layer.row(target.row, ofHead: head), layer.row(row, ofHead: head))
            let pair = MergeHead(
                keys: kept.key + gone.key, values: kept.value + gone.value, similarity: target.similarity)
            var rewrite = pair.merged(
                [true], selfWeight: mode == .paper ? selfWeight : nil, mergesKeys: mergesKeys
            ).first
            rewrite?.row = target.row
            return rewrite
        }
    }

    private static func nearest(
        to row: Int, ofHead head: Int, in layer: KVLayerView
    ) -> (row: Int, similarity: Float)? {
        var products = layer.keyProducts(ofHead: head, with: row)
        let found = layer.kernels.mostSimilar(
            to: row, products: &products, lengths: layer.keyLengths(ofHead: head),
            positions: layer.positions(ofHead: head))
        return found.map { ($0.row, $0.cosine) }
    }

    /// What is merged with what.
    package struct Plan {
        /// Similarities, per KV head.
        package let heads: [MergeHead]
        /// Which evicted rows are folded in, `[kvHeads][evicted]`.
        package let merged: [[Bool]]
    }

    /// Compares evicted with kept rows, moves the thresholds and decides.
    package mutating func plan(in layer: KVLayerView, kept: [[Int]], evicted: [[Int]]) -> Plan {
        let heads = kept.indices.map { head in
            MergeHead(
                keys: layer.keys(ofHead: head), values: layer.values(ofHead: head),
                keySize: layer.shape.keySize, valueSize: layer.shape.valueSize, kept: kept[head],
                evicted: evicted[head], layer.kernels)
        }
        return Plan(heads: heads, merged: decide(heads.map(\.similarity)))
    }

    /// New contents of the rows that others are folded into, per KV head.
    package func rewrites(_ plan: Plan) -> [[KVRewrite]] {
        zip(plan.heads, plan.merged).map { head, merged in
            head.merged(
                merged, selfWeight: mode == .paper ? selfWeight : nil, mergesKeys: mergesKeys)
        }
    }

    /// Which evicted rows are merged, `[kvHeads][evicted]`; moves the thresholds first.
    ///
    /// - Parameter similarity: best similarity of every evicted row, `[kvHeads][evicted]`.
    private mutating func decide(_ similarity: [[Float]]) -> [[Bool]] {
        let units = mode == .paper ? similarity : [similarity.flatMap { $0 }]
        if thresholds.count != units.count { thresholds = Array(repeating: nil, count: units.count) }
        for (unit, values) in units.enumerated() where !values.isEmpty {
            let mean = values.reduce(0) { $0 + Double($1) } / Double(values.count)
            thresholds[unit] = thresholds[unit].map { (alpha ?? 1 - beta) * $0 + beta * mean } ?? mean
        }
        if mode == .paper {
            return similarity.indices.map { head in
                similarity[head].map { Double($0) >= thresholds[head] ?? .infinity }
            }
        }
        let verdicts = Self.meansPerRank(similarity).map { $0 >= thresholds[0] ?? .infinity }
        return similarity.map { Array(verdicts.prefix($0.count)) }
    }

    /// Mean similarity of the i-th evicted rows of all heads: different tokens share a verdict.
    private static func meansPerRank(_ similarity: [[Float]]) -> [Double] {
        (0..<similarity.reduce(0) { max($0, $1.count) }).map { rank in
            let present = similarity.filter { rank < $0.count }
            return present.reduce(0) { $0 + Double($1[rank]) } / Double(present.count)
        }
    }
}

/// Rows of one KV head that leave and stay.
package struct MergeHead {
    /// Best cosine of every evicted key with a kept key; 0 if a key has no length.
    package let similarity: [Float]
    /// The kept row that gives it, as an index into the kept rows; the first of equals.
    package let nearest: [Int]
    private let keys, values: [Float]
    private let keySize, valueSize: Int
    private let kept, evicted: [Int]

    /// Compares evicted with kept keys.
    ///
    /// - Parameters:
    ///   - keys: of all rows, `[rows × keySize]`.
    ///   - values: of all rows, `[rows × valueSize]`.
    /// - Complexity: `kept × evicted × keySize` multiply-adds.
    init(
        keys: [Float], values: [Float], keySize: Int, valueSize: Int, kept: [Int], evicted: [Int],
        _ kernels: Kernels
    ) {
        (self.keys, self.values, self.keySize, self.valueSize) = (keys, values, keySize, valueSize)
        (self.kept, self.evicted) = (kept, evicted)
        (similarity, nearest) = Self.mostSimilar(
            Self.directions(keys, evicted, keySize), to: Self.directions(keys, kept, keySize), size: keySize,
            kernels)
    }

    /// A kept row and one that leaves, `[2 × size]` each.
    init(keys: [Float], values: [Float], similarity: Float) {
        (self.keys, self.values) = (keys, values)
        (keySize, valueSize) = (keys.count / 2, values.count / 2)
        (kept, evicted, nearest) = ([0], [1], [0])
        self.similarity = [similarity]
    }

    /// New contents of the kept rows that others were folded into.
    ///
    /// - Parameters:
    ///   - merged: whether each evicted row is folded in.
    ///   - selfWeight: weight of the kept row in the paper's softmax; `nil` for the reference rule.
    func merged(_ merged: [Bool], selfWeight: Double?, mergesKeys: Bool) -> [KVRewrite] {
        var targets: [Int: [Int]] = [:]  // index into kept → indices into evicted
        for index in evicted.indices where merged[index] {
            targets[nearest[index], default: []].append(index)
        }
        return targets.sorted { $0.key < $1.key }.map { target, sources in
            let similarities = sources.map { Double(similarity[$0]) }
            let weights = Self.weights(similarities, selfWeight: selfWeight)
            let rows = [kept[target]] + sources.map { evicted[$0] }
            return KVRewrite(
                row: kept[target],
                key: Self.sum(keys, mergesKeys ? rows : [rows[0]], mergesKeys ? weights : [1], keySize),
                value: Self.sum(values, rows, weights, valueSize))
        }
    }

    /// Weights of the kept row and of the rows folded into it.
    private static func weights(_ similarities: [Double], selfWeight: Double?) -> [Double] {
        guard let selfWeight else {
            let count = Double(1 + similarities.count)
            return [1 / count] + similarities.map { $0 / count }
        }
        let parts = [selfWeight] + similarities.map { exp($0) }
        let sum = parts.reduce(0, +)
        return parts.map { $0 / sum }
    }

    /// `Σ weight · row`.
    private static func sum(_ data: [Float], _ rows: [Int], _ weights: [Double], _ size: Int) -> [Float] {
        (0..<size).map { index in
            Float(zip(rows, weights).reduce(0) { $0 + $1.1 * Double(data[$1.0 * size + index]) })
        }
    }

    /// Some rows scaled to length 1; rows without length stay 0.
    private static func directions(_ keys: [Float], _ rows: [Int], _ size: Int) -> [Float] {
        var directions: [Float] = []
        directions.reserveCapacity(rows.count * size)
        for row in rows {
            let key = keys[row * size..<(row + 1) * size]
            let length = key.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            let factor = length > 0 ? 1 / length : 0
            directions += key.map { Float(Double($0) * factor) }
        }
        return directions
    }

    /// For every vector of `vectors` the largest dot product with `others` and where it is.
    private static func mostSimilar(
        _ vectors: [Float], to others: [Float], size: Int, _ kernels: Kernels
    ) -> ([Float], [Int]) {
        let (count, otherCount) = (vectors.count / max(size, 1), others.count / max(size, 1))
        guard otherCount > 0 else {
            return (Array(repeating: 0, count: count), Array(repeating: 0, count: count))
        }
        let tile = 32
        var best = [Float](repeating: 0, count: count)
        var indices = [Int](repeating: 0, count: count)
        var products = [Float](repeating: 0, count: tile * otherCount)
        var scratch = [Float](repeating: 0, count: Kernels.matmulScratch(columns: size))
        for first in stride(from: 0, to: count, by: tile) {
            let rows = min(tile, count - first)
            vectors.withUnsafeBufferPointer { vectors in
                guard let base = vectors.baseAddress else { return }
                kernels.matmul(
                    SL_F32, others, rows: otherCount, columns: size, base + first * size, stride: size,
                    tokens: rows, into: &products, stride: otherCount, scratch: &scratch)
            }
            for row in 0..<rows {
                let start = row * otherCount
                var found = 0
                for other in 1..<otherCount where products[start + other] > products[start + found] {
                    found = other
                }
                (best[first + row], indices[first + row]) = (products[start + found], found)
            }
        }
        return (best, indices)
    }
}
