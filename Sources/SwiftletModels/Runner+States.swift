package import SwiftletCache
package import SwiftletTensor

extension Runner {
    /// Sends a whole text through the layers at once and lends its rows behind the final norm, `[tokens, hidden]`.
    ///
    /// - Parameter sequence: empty; what the text leaves in it is of no use for an encoder.
    package func withStates<Result>(
        of tokens: [Int32], _ sequence: KVSequence, _ body: (Activations) -> Result
    ) throws(SwiftletError) -> Result {
        precondition(
            sequence.length == 0 && !tokens.isEmpty, "\(tokens.count) tokens after \(sequence.length)")
        _ = try sequence.beginPrompt(tokens.count)
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let x = workspace.take(tokens.count, model.configuration.hiddenSize)
        let positions = tokens.indices.map(Int32.init)
        try model.embed(tokens, at: positions, into: x, compute)
        let pass = ForwardPass(
            segments: [.init(sequence: sequence, rows: 0..<tokens.count, phase: .prefill)],
            positions: positions, compute: compute, workspace: workspace)
        for layer in 0..<model.configuration.layerCount {
            try model.forward(layer: layer, x, pass)
            try afterLayer?(layer, x)
        }
        model.normalize(x, compute)
        return body(x)
    }
}
