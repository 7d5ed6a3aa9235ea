package import SwiftletTensor

/// What one of several sequences asks of the same layer at the same time.
package struct KVAttentionPart {
    let sequence: KVSequence
    let queries: KVSequence.Queries
    let phase: KVPhase
    let output: UnsafeMutablePointer<Float>

    /// - Parameters:
    ///   - queries: rotated, of adjacent tokens whose rows are cached.
    ///   - output: overwritten, `[tokens, heads, valueSize]`.
    package init(
        sequence: KVSequence, queries: KVSequence.Queries, phase: KVPhase,
        output: UnsafeMutablePointer<Float>
    ) {
        self.sequence = sequence
        self.queries = queries
        self.phase = phase
        self.output = output
    }

    /// Attends to the rows of all sequences.
    ///
    /// Where nothing but attention is asked for, all threads work on all sequences as one piece of work; the others
    /// come one by one. The bits are those of each sequence alone.
    package static func attend(
        _ parts: [KVAttentionPart], layer: Int, compute: Compute, workspace: Workspace
    ) {
        var steps: [(step: AttentionStep, output: UnsafeMutablePointer<Float>)] = []
        for part in parts {
            if parts.count > 1,
                let step = part.sequence.plainStep(
                    part.queries, layer: layer, phase: part.phase, compute: compute, workspace: workspace)
            {
                steps.append((step, part.output))
            } else {
                part.sequence.attend(
                    part.queries, layer: layer, phase: part.phase, into: part.output, compute: compute,
                    workspace: workspace)
            }
        }
        AttentionStep.attend(steps, compute)
    }
}

extension KVSequence {
    /// Attention to all rows as they are stored, of which nothing is recorded; `nil` if more is to be done.
    fileprivate func plainStep(
        _ queries: Queries, layer: Int, phase: KVPhase, compute: Compute, workspace: Workspace
    ) -> AttentionStep? {
        let slot = slot(of: layer)
        guard slot.rotation == nil, retrieval == nil, needs.isEmpty || !isRecorded(layer) else {
            return nil
        }
        if phase == .decode, let position = queries.positions.last {
            noteRead(layer: layer, position: position)
        }
        return AttentionStep(
            slot: slot, shape: layout.layers[layer], queries: queries, scale: scale, compute: compute,
            workspace: workspace)
    }
}
