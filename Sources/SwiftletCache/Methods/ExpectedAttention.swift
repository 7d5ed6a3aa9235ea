import CSwiftletKernels
package import SwiftletTensor

/// Expected attention: keeps the rows that future queries are likely to attend to, times the size of their values.
///
/// Queries of the prompt, before rotation, are taken as normally distributed; the mean of `exp(q·k)` over such
/// queries at the next positions has a closed form.
///
/// Source: Devoto et al., 2025, arXiv:2510.00636, §3; `ExpectedAttentionPress` of kvpress.
public struct ExpectedAttentionSelector: KVSelector {
    /// First tokens that stay, and whose queries and keys are left out of the statistics.
    public var sinks: Int
    /// How many positions behind the newest row the future queries take.
    public var future: Int
    /// Whether the spread of queries counts, or their mean alone.
    public var usesCovariance: Bool
    /// Whether scores are multiplied by the length of the values.
    public var usesValueNorm: Bool
    /// Added to probabilities before they are multiplied, so that large values may win without attention.
    public var epsilon: Double

    /// Takes the settings of kvpress.
    public init(
        sinks: Int = 4, future: Int = 512, usesCovariance: Bool = true, usesValueNorm: Bool = true,
        epsilon: Double = 0
    ) {
        self.sinks = sinks
        self.future = future
        self.usesCovariance = usesCovariance
        self.usesValueNorm = usesValueNorm
        self.epsilon = epsilon
    }

    /// Published for prompts: generated tokens add to the rows.
    public var decodeRule: KVDecodeRule { .append }

    /// Moments of the queries behind the sinks.
    public func needs(promptLength: Int) -> KVEvidence {
        KVEvidence(queryMoments: true, momentSkip: sinks)
    }

    /// The sinks.
    public func forced(budget: Int, phase: KVPhase) -> KVForcedRows { KVForcedRows(oldest: sinks) }

    /// Expected attention per row; sinks score 0.
    ///
    /// - Complexity: `heads × rows × keySize²` multiply-adds.
    public func scores(of layer: KVLayerView) -> [[Float]] {
        let shape = layer.shape
        let turn = MeanRotation(layer.rope, from: layer.length, count: future)
        return (0..<shape.kvHeadCount).map { head in
            let queries = (head * shape.group..<(head + 1) * shape.group).map { queryHead in
                let moments = layer.queryMoments(ofQueryHead: queryHead)
                return ExpectedQuery(
                    mean: moments.mean, covariance: usesCovariance ? moments.covariance : nil, turn)
            }
            let skipped = min(sinks, layer.rowCount(ofHead: head))
            let keys = layer.keys(ofHead: head).dropFirst(skipped * shape.keySize)
            let lengths =
                usesValueNorm
                ? KeyNormSelector.norms(layer.values(ofHead: head), size: shape.valueSize).dropFirst(skipped)
                : nil
            return [Float](repeating: 0, count: skipped)
                + scores(queries, keys: Array(keys), valueLengths: lengths.map(Array.init), layer)
        }
    }

    /// Scores of the rows behind the sinks: softmax over them, mean over the group, times the values' lengths.
    private func scores(
        _ queries: [ExpectedQuery], keys: [Float], valueLengths: [Float]?, _ layer: KVLayerView
    ) -> [Float] {
        let rows = keys.count / layer.shape.keySize
        var scores = [Float](repeating: 0, count: rows)
        for query in queries {
            var weights = query.logits(
                keys: keys, size: layer.shape.keySize, scale: layer.scale, layer.kernels)
            weights.withUnsafeMutableBufferPointer {
                if let base = $0.baseAddress { layer.kernels.softmax(base, count: rows) }
            }
            for row in 0..<rows { scores[row] += weights[row] / Float(queries.count) }
        }
        guard let valueLengths else { return scores }
        return zip(scores, valueLengths).map { ($0 + Float(epsilon)) * $1 }
    }
}

/// The mean of rotations over adjacent positions: a factor and a turn per pair of dimensions.
package struct MeanRotation {
    /// Mean cosine of every pair.
    package let cosine: [Double]
    /// Mean sine of every pair.
    package let sine: [Double]
    private let rope: Rope

    /// Averages over `count` positions from `first` on.
    package init(_ rope: Rope, from first: Int, count: Int) {
        self.rope = rope
        var cosine = [Double](repeating: 0, count: rope.pairs)
        var sine = cosine
        let positions = (first..<first + max(count, 1)).map { Int32(clamping: $0) }
        var (cosines, sines) = (
            [Float](repeating: 0, count: rope.pairs), [Float](repeating: 0, count: rope.pairs)
        )
        for position in positions {
            withUnsafePointer(to: position) {
                rope.table(
                    UnsafeBufferPointer(start: $0, count: 1), cosine: &cosines, sine: &sines)
            }
            for pair in 0..<rope.pairs {
                cosine[pair] += Double(cosines[pair]) / Double(positions.count)
                sine[pair] += Double(sines[pair]) / Double(positions.count)
            }
        }
        (self.cosine, self.sine) = (cosine, sine)
    }

    /// Turns the vector that lies at `start`, `start + stride`, …
    func turn(_ numbers: inout [Double], start: Int, stride: Int) {
        for pair in 0..<rope.pairs {
            let dimensions = rope.pairing == .halves ? (pair, pair + rope.pairs) : (2 * pair, 2 * pair + 1)
            let (first, second) = (start + dimensions.0 * stride, start + dimensions.1 * stride)
            let (x, y) = (numbers[first], numbers[second])
            numbers[first] = cosine[pair] * x - sine[pair] * y
            numbers[second] = cosine[pair] * y + sine[pair] * x
        }
    }
}

/// What is known of one head's future queries, rotated.
package struct ExpectedQuery {
    /// `[keySize]`.
    package private(set) var mean: [Double]
    /// `[keySize, keySize]`, or `nil` if the spread does not count.
    package private(set) var covariance: [Double]?

    /// Rotates the moments of queries: `μ ← Rμ`, `Σ ← RΣRᵀ`.
    package init(mean: [Double], covariance: [Double]?, _ rotation: MeanRotation) {
        self.mean = mean
        self.covariance = covariance
        rotation.turn(&self.mean, start: 0, stride: 1)
        guard var matrix = covariance else { return }
        for column in mean.indices { rotation.turn(&matrix, start: column, stride: mean.count) }
        for row in mean.indices { rotation.turn(&matrix, start: row * mean.count, stride: 1) }
        self.covariance = matrix
    }

    /// The logarithm of the expected `exp(scale·q·k)` of every key: `scale·μ·k + scale²·kᵀΣk / 2`.
    func logits(keys: [Float], size: Int, scale: Float, _ kernels: Kernels) -> [Float] {
        let rows = keys.count / size
        var logits = [Float](repeating: 0, count: rows)
        let mean = mean.map { Float($0) * scale }
        kernels.matvec(SL_F32, keys, rows: rows, columns: size, mean, into: &logits)
        guard let covariance else { return logits }
        let matrix = covariance.map { Float($0) * scale * scale / 2 }
        var products = [Float](repeating: 0, count: keys.count)
        var scratch = [Float](repeating: 0, count: Kernels.matmulScratch(columns: size))
        kernels.matmul(
            SL_F32, matrix, rows: size, columns: size, keys, stride: size, tokens: rows, into: &products,
            stride: size, scratch: &scratch)
        for row in 0..<rows {
            var sum: Float = 0
            for index in row * size..<(row + 1) * size { sum += keys[index] * products[index] }
            logits[row] += sum
        }
        return logits
    }
}
