package import SwiftletCache
package import SwiftletTensor

/// One trip of some token rows through the layers of a model.
///
/// The rows may belong to several sequences; everything but attention treats them alike. A model asks the pass
/// to attend and never learns how a cache is stored.
package final class ForwardPass {
    /// Adjacent rows of one sequence.
    package struct Segment {
        package let sequence: KVSequence
        package let rows: Range<Int>
        package let phase: KVPhase

        package init(sequence: KVSequence, rows: Range<Int>, phase: KVPhase) {
            self.sequence = sequence
            self.rows = rows
            self.phase = phase
        }
    }

    /// Cosines and sines of some rows by one rotation, `[rows, pairs]`.
    private struct Angles {
        let rope: Rope
        let cosine: Activations
        let sine: Activations
    }

    package let compute: Compute
    package let workspace: Workspace
    /// Called with the rotated queries of every segment, `[rows, heads × keySize]`, before a layer attends.
    package var afterRotation: ((_ queries: Activations) -> Void)?
    private let segments: [Segment]
    private let positions: [Int32]
    private let angles: [[Angles]]  // per segment and rotation of its layers
    private let changes: [(rows: Range<Int>, weights: WeightChanges)]

    /// Prepares the rotation of every row; the tables live in the workspace until the caller releases it.
    package init(segments: [Segment], positions: [Int32], compute: Compute, workspace: Workspace) {
        self.segments = segments
        self.positions = positions
        self.compute = compute
        self.workspace = workspace
        changes = segments.compactMap { segment in
            segment.sequence.weightChanges.map { (segment.rows, $0) }
        }
        angles = segments.map { segment in
            segment.sequence.layout.ropes.map { rope in
                let rope = rope ?? segment.sequence.rope
                let cosine = workspace.take(segment.rows.count, rope.pairs)
                let sine = workspace.take(segment.rows.count, rope.pairs)
                positions.withUnsafeBufferPointer {
                    rope.table(
                        UnsafeBufferPointer(rebasing: $0[segment.rows]), cosine: cosine.data, sine: sine.data)
                }
                return Angles(rope: rope, cosine: cosine, sine: sine)
            }
        }
    }

    /// Adds to `y` what the adapters of some sequences change of a layer, each on its own rows.
    ///
    /// - Parameters:
    ///   - name: of the layer, such as `blk.0.attn_q`.
    ///   - x: what went into it, `[rows, columns]`.
    ///   - y: what came out, `[rows, outputs]`.
    func addChanges(of name: String, _ x: Activations, to y: Activations) {
        for (rows, weights) in changes {
            for update in weights.updates[name] ?? [] {
                compute.add(update, x.slice(rows), to: y.slice(rows), workspace)
            }
        }
    }

    /// Whether some sequence stores rows of this layer, so that keys and values have to be projected.
    package func storesRows(ofLayer layer: Int) -> Bool {
        segments.contains { $0.sequence.layout.ownsSlot(layer) }
    }

    /// Rotates queries and keys, caches keys and values, and attends.
    ///
    /// - Parameters:
    ///   - queries: `[rows, heads × keySize]`, not rotated; overwritten.
    ///   - keysAndValues: `[rows, kvHeads × size]` each, not rotated; keys are overwritten. `nil` if
    ///     ``storesRows(ofLayer:)`` is false.
    ///   - output: overwritten, `[rows, heads × valueSize]`.
    package func attend(
        layer: Int, queries: Activations, keysAndValues: (keys: Activations, values: Activations)?,
        into output: Activations
    ) throws(SwiftletError) {
        try positions.withUnsafeBufferPointer { positions throws(SwiftletError) in
            try cacheRows(layer, queries, keysAndValues, positions)
            let ahead = segments.first?.sequence.layout.layers[layer].lookahead ?? 0
            guard ahead > 0 else { return attend(layer, queries, positions, output) }
            positions.map { Int32(clamping: Int($0) + ahead) }.withUnsafeBufferPointer {
                attend(layer, queries, $0, output)
            }
        }
    }

    /// Runs a causal convolution over the rows of every sequence and caches those that later tokens see.
    ///
    /// - Parameters:
    ///   - x: what is convolved, `[rows, size]`; the layer's shape in the cache is that of
    ///     ``KVLayerShape/states(of:window:)``.
    ///   - taps: `[window, size]`, that of the newest row last.
    ///   - bias: `[size]`; `nil` is 0.
    ///   - y: overwritten, `[rows, size]`.
    package func convolve(
        layer: Int, _ x: Activations, taps: Vector, bias: Vector?, into y: Activations
    ) throws(SwiftletError) {
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let earlier = workspace.take(max(taps.count / x.columns, 1) - 1, x.columns)
        for segment in segments {
            let rows = x.slice(segment.rows)
            segment.sequence.readStates(
                layer: layer, before: positions[segment.rows.lowerBound], into: earlier.data)
            compute.convolve(rows, after: earlier, taps: taps, bias: bias, into: y.slice(segment.rows))
            try positions.withUnsafeBufferPointer { positions throws(SwiftletError) in
                try segment.sequence.append(
                    states: rows.data, layer: layer,
                    positions: UnsafeBufferPointer(rebasing: positions[segment.rows]), phase: segment.phase)
            }
        }
    }

    /// - Parameter positions: up to which the queries see.
    private func attend(
        _ layer: Int, _ queries: Activations, _ positions: UnsafeBufferPointer<Int32>, _ output: Activations
    ) {
        let parts = segments.map { segment in
            KVAttentionPart(
                sequence: segment.sequence,
                queries: KVSequence.Queries(
                    data: queries.slice(segment.rows).data,
                    positions: UnsafeBufferPointer(rebasing: positions[segment.rows])),
                phase: segment.phase, output: output.slice(segment.rows).data)
        }
        KVAttentionPart.attend(parts, layer: layer, compute: compute, workspace: workspace)
    }

    /// Rotates queries and keys of all segments and caches keys and values; short segments share the threads, long
    /// ones use all of them one after the other.
    private func cacheRows(
        _ layer: Int, _ queries: Activations, _ keysAndValues: (keys: Activations, values: Activations)?,
        _ positions: UnsafeBufferPointer<Int32>
    ) throws(SwiftletError) {
        func isShort(_ index: Int) -> Bool {
            afterRotation == nil && compute.leavesAlone(queries.slice(segments[index].rows))
        }
        for index in segments.indices where !isShort(index) {
            try cacheRows(ofSegment: index, layer, queries, keysAndValues, positions)
        }
        let short = segments.indices.filter(isShort)
        var failures = [SwiftletError?](repeating: nil, count: short.count)
        failures.withUnsafeMutableBufferPointer { failures in
            compute.run(short.count) { task, _ in
                do throws(SwiftletError) {
                    try cacheRows(ofSegment: short[task], layer, queries, keysAndValues, positions)
                } catch {
                    failures[task] = error
                }
            }
        }
        for case let failure? in failures { throw failure }
    }

    private func cacheRows(
        ofSegment index: Int, _ layer: Int, _ queries: Activations,
        _ keysAndValues: (keys: Activations, values: Activations)?, _ positions: UnsafeBufferPointer<Int32>
    ) throws(SwiftletError) {
        let segment = segments[index]
        let sequence = segment.sequence
        let shape = sequence.layout.layers[layer]
        let angles = angles[index][sequence.layout.ropeIndices[layer]]
        let q = queries.slice(segment.rows)
        sequence.record(unrotated: q.data, tokens: q.rows, layer: layer)
        compute.rotate(
            q, heads: shape.headCount, headSize: shape.keySize, by: angles.rope,
            cosine: angles.cosine.data, sine: angles.sine.data)
        afterRotation?(q)
        guard let keysAndValues, sequence.layout.ownsSlot(layer) else { return }
        let keys = keysAndValues.keys.slice(segment.rows)
        compute.rotate(
            keys, heads: shape.kvHeadCount, headSize: shape.keySize, by: angles.rope,
            cosine: angles.cosine.data, sine: angles.sine.data)
        try sequence.append(
            layer: layer, keys: keys.data, values: keysAndValues.values.slice(segment.rows).data,
            positions: UnsafeBufferPointer(rebasing: positions[segment.rows]))
    }
}
