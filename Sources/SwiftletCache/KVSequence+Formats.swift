package import SwiftletTensor

/// What the number formats of a sequence ask beside attention itself: rotated queries, and rows that age.
extension KVSequence {
    /// Attends to the rows of a layer's slot and records the evidence that the policy asked for.
    ///
    /// Where keys are rotated before they are stored, so are the queries, and what is mixed from rotated values is
    /// rotated back: the transform is orthonormal, so that scores and sums are those of the rows as they were.
    ///
    /// - Parameters:
    ///   - output: overwritten, `[tokens, heads, valueSize]`.
    /// - Complexity: `tokens × heads × rows × (keySize + valueSize)` multiply-adds; every row is read once per
    ///   KV head and tile of queries.
    package func attend(
        _ queries: Queries, layer: Int, phase: KVPhase, into output: UnsafeMutablePointer<Float>,
        compute: Compute, workspace: Workspace
    ) {
        guard let rotation = slot(of: layer).rotation else {
            attendAsStored(
                queries, layer: layer, phase: phase, into: output, compute: compute, workspace: workspace)
            return
        }
        let shape = layout.layers[layer]
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let vectors = queries.positions.count * shape.headCount
        let rotated = workspace.floats(vectors * shape.keySize)
        rotated.update(from: queries.data, count: vectors * shape.keySize)
        kernels.hadamard(rotated, block: rotation.key, count: vectors * shape.keySize)
        attendAsStored(
            Queries(data: rotated, positions: queries.positions), layer: layer, phase: phase, into: output,
            compute: compute, workspace: workspace)
        kernels.hadamard(output, block: rotation.value, count: vectors * shape.valueSize)
    }

    /// Stores the rows anew that have become old enough, between prompts and tokens.
    package func ageRows(_ compute: Compute) throws(SwiftletError) {
        guard format.ages else { return }
        try changeLayers(compute) { (_, state) throws(SwiftletError) in try state.slot.age() }
    }
}
