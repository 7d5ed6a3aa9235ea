import SwiftletCache
import SwiftletTensor

/// One attention layer whose queries, keys and values stand in a case; everything is `[heads][tokens][size]`.
struct LayerTrace {
    private let sequence: KVSequence
    private let compute: Compute
    private let shape: KVLayerShape

    /// The shape of a layer, or `nil` if sizes and counts contradict each other.
    static func shape(queries: [[[Float]]], keys: [[[Float]]], values: [[[Float]]]) -> KVLayerShape? {
        guard let key = keys.first, let value = values.first, let query = queries.first,
            let keySize = key.first?.count, let valueSize = value.first?.count, keySize > 0, valueSize > 0,
            queries.count % keys.count == 0, values.count == keys.count, query.count <= key.count,
            keys.allSatisfy({ $0.count == key.count && $0.allSatisfy { $0.count == keySize } }),
            values.allSatisfy({ $0.count == key.count && $0.allSatisfy { $0.count == valueSize } }),
            queries.allSatisfy({ $0.count == query.count && $0.allSatisfy { $0.count == keySize } })
        else { return nil }
        return KVLayerShape(
            headCount: queries.count, kvHeadCount: keys.count, keySize: keySize, valueSize: valueSize)
    }

    /// Caches a prompt, lets its newest queries attend, and applies the policy.
    init(
        _ shape: KVLayerShape, policy: KVPolicy,
        prompt: (queries: [[[Float]]], keys: [[[Float]]], values: [[[Float]]])
    ) throws(SwiftletError) {
        self.shape = shape
        compute = Compute(kernels: try Kernels.selected(), threadCount: 1)
        compute.reserveScratch(
            Kernels.attendScratch(keySize: shape.keySize, valueSize: shape.valueSize))
        sequence = try KVSequence(
            layout: KVLayout(layers: [shape]), format: .f32, rope: Rope(base: 10_000, rotatedSize: 0),
            scale: 1 / Float(shape.keySize).squareRoot(), policy: policy, pool: KVPagePool(),
            kernels: compute.kernels)
        let count = prompt.keys.first?.count ?? 0
        let queryCount = prompt.queries.first?.count ?? 0
        _ = try sequence.beginPrompt(count)
        try append(prompt.keys, prompt.values, first: 0, count)
        _ = attend(prompt.queries, first: count - queryCount, queryCount, phase: .prefill)
        sequence.advance(by: count)
        try sequence.finishPrompt(phase: .prefill, compute: compute)
    }

    /// The positions of the kept rows of every KV head.
    var positions: [[Int]] {
        (0..<shape.kvHeadCount).map { sequence.positions(layer: 0, head: $0).map(Int.init) }
    }

    /// One more token, `[heads][size]`: the attention output `[heads][valueSize]` before rows leave.
    func decode(
        _ query: [[Float]], _ key: [[Float]], _ value: [[Float]]
    ) throws(SwiftletError) -> [[Float]] {
        guard query.count == shape.headCount, key.count == shape.kvHeadCount, value.count == key.count,
            (query + key).allSatisfy({ $0.count == shape.keySize }),
            value.allSatisfy({ $0.count == shape.valueSize })
        else { throw SwiftletError(.malformed, "a step differs in shape from the prompt") }
        let position = sequence.length
        try append(key.map { [$0] }, value.map { [$0] }, first: position, 1)
        let output = attend(query.map { [$0] }, first: position, 1, phase: .decode)
        sequence.advance(by: 1)
        try sequence.compressStep(phase: .decode, compute: compute)
        return (0..<shape.headCount).map {
            Array(output[$0 * shape.valueSize..<($0 + 1) * shape.valueSize])
        }
    }

    private func append(
        _ keys: [[[Float]]], _ values: [[[Float]]], first: Int, _ count: Int
    ) throws(SwiftletError) {
        let positions = (first..<first + count).map(Int32.init)
        let (keys, values) = (Self.byToken(keys, count), Self.byToken(values, count))
        try positions.withUnsafeBufferPointer { positions throws(SwiftletError) in
            try sequence.append(layer: 0, keys: keys, values: values, positions: positions)
        }
    }

    private func attend(_ queries: [[[Float]]], first: Int, _ count: Int, phase: KVPhase) -> [Float] {
        let positions = (first..<first + count).map(Int32.init)
        var output = [Float](repeating: 0, count: count * shape.headCount * shape.valueSize)
        Self.byToken(queries, count).withUnsafeBufferPointer { data in
            positions.withUnsafeBufferPointer { positions in
                guard let data = data.baseAddress else { return }
                sequence.attend(
                    KVSequence.Queries(data: data, positions: positions), layer: 0, phase: phase,
                    into: &output, compute: compute, workspace: Workspace())
            }
        }
        return output
    }

    /// `[heads][tokens][size]` as `[tokens, heads, size]`.
    private static func byToken(_ heads: [[[Float]]], _ count: Int) -> [Float] {
        (0..<count).flatMap { token in heads.flatMap { $0[token] } }
    }
}
