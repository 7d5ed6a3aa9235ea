import SwiftletCache
import SwiftletTensor

/// A sequence of one layer that records the attention which each row receives, as sessions do.
struct ColumnSumRecorder {
    /// Tokens of the case.
    let tokenCount: Int
    private let shape: KVLayerShape
    private let queries: [Float]
    private let keys: [Float]

    /// Takes `[heads][tokens][keySize]` and `[kvHeads][tokens][keySize]`.
    init(queries: [[[Float]]], keys: [[[Float]]]) throws(SwiftletError) {
        let layer = try EngineLayer(headCount: queries.count, keys: keys)
        let (_, tokens, size) = try EngineLayer.sizes(queries, "queries")
        guard tokens == keys[0].count, size == layer.shape.keySize else {
            throw SwiftletError(.mismatch, "queries and keys differ in tokens or size")
        }
        (tokenCount, shape) = (tokens, layer.shape)
        (self.queries, self.keys) = (EngineLayer.interleaved(queries), EngineLayer.interleaved(keys))
    }

    /// The layer after all tokens went through it in chunks.
    func view(chunks: [Int]) throws(SwiftletError) -> KVLayerView {
        guard chunks.reduce(0, +) == tokenCount, chunks.allSatisfy({ $0 > 0 }) else {
            throw SwiftletError(.malformed, "the chunks \(chunks) do not sum to \(tokenCount) tokens")
        }
        var policy = KVPolicy()
        policy.selector = ObservedAttentionSelector()
        let sequence = try KVSequence(
            layout: KVLayout(layers: [shape]), format: .f32, rope: Rope(base: 10_000, rotatedSize: 0),
            scale: 1 / Float(shape.keySize).squareRoot(), policy: policy, pool: KVPagePool(), kernels: .best)
        _ = try sequence.beginPrompt(tokenCount)
        let compute = Compute(kernels: .best, threadCount: 1)
        var first = 0
        for count in chunks {
            try attend(first..<first + count, sequence, compute)
            first += count
        }
        return sequence.view(of: 0, phase: .prefill)
    }

    private func attend(
        _ tokens: Range<Int>, _ sequence: KVSequence, _ compute: Compute
    ) throws(SwiftletError) {
        let positions = tokens.map { Int32($0) }
        let rows = Array(keys[slice(tokens, shape.kvHeadCount)])
        var output = [Float](repeating: 0, count: tokens.count * shape.headCount * shape.valueSize)
        try positions.withUnsafeBufferPointer { positions throws(SwiftletError) in
            try sequence.append(layer: 0, keys: rows, values: rows, positions: positions)
        }
        positions.withUnsafeBufferPointer { positions in
            queries[slice(tokens, shape.headCount)].withUnsafeBufferPointer { queries in
                guard let data = queries.baseAddress else { return }
                sequence.attend(
                    KVSequence.Queries(data: data, positions: positions), layer: 0, phase: .prefill,
                    into: &output, compute: compute, workspace: Workspace())
            }
        }
        sequence.advance(by: tokens.count)
    }

    /// Where some tokens lie in `[tokens, heads, keySize]`.
    private func slice(_ tokens: Range<Int>, _ heads: Int) -> Range<Int> {
        let width = heads * shape.keySize
        return tokens.lowerBound * width..<tokens.upperBound * width
    }
}
