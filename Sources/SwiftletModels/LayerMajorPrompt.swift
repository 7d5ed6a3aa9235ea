package import SwiftletCache
package import SwiftletTensor

/// A first prompt on its way through the layers: all of its tokens go through a layer, tile by tile; then the policy
/// may drop rows of the residual stream and of the layer's cache before the next layer.
///
/// Between two layers other work may be done, if the rows lie in a workspace of their own.
package struct LayerMajorPrompt {
    /// Layers that are done.
    package private(set) var layer = 0
    private let sequence: KVSequence
    private let tile: Int
    private let phase: KVPhase
    private let tokenCount: Int
    private let workspace: Workspace  // holds the rows
    private var x: Activations  // [rows, hidden]
    private var positions: [Int32]

    /// Looks the tokens up; the sequence has been told of the prompt.
    ///
    /// - Parameters:
    ///   - tile: tokens that attend at a time.
    ///   - workspace: where the rows lie until the prompt is finished.
    package init(
        _ tokens: [Int32], _ sequence: KVSequence, tile: Int, phase: KVPhase, _ workspace: Workspace,
        _ runner: Runner
    ) throws(SwiftletError) {
        self.sequence = sequence
        self.tile = tile
        self.phase = phase
        self.workspace = workspace
        tokenCount = tokens.count
        x = workspace.take(tokens.count, runner.model.configuration.hiddenSize)
        positions = tokens.indices.map { Int32(sequence.length + $0) }
        try runner.model.embed(tokens, at: positions, into: x, runner.compute)
    }

    /// Sends all rows through the next layer.
    package mutating func advance(_ runner: Runner) throws(SwiftletError) {
        let workspace = runner.workspace
        for first in stride(from: 0, to: x.rows, by: tile) {
            let rows = first..<min(first + tile, x.rows)
            let mark = workspace.mark
            defer { workspace.release(to: mark) }
            let pass = ForwardPass(
                segments: [.init(sequence: sequence, rows: 0..<rows.count, phase: phase)],
                positions: Array(positions[rows]), compute: runner.compute, workspace: workspace)
            try runner.model.forward(layer: layer, x.slice(rows), pass)
        }
        try runner.afterLayer?(layer, x)
        if let kept = sequence.hiddenRows(after: layer, positions: positions) {
            precondition(kept.last == positions.count - 1, "the last row has to survive")
            x = x.gathering(kept)
            positions = kept.map { positions[$0] }
        }
        try sequence.finish(layer: layer, phase: phase)
        layer += 1
    }

    /// Ends the prompt after the last layer.
    package func finish(
        _ runner: Runner, wanted: Runner.Wanted, emit: Runner.Emit
    ) throws(SwiftletError) {
        sequence.advance(by: tokenCount)
        try sequence.finishPrompt(phase: phase, compute: runner.compute)
        runner.emitLogits(wanted, x, positions, emit)
    }
}
