import SwiftletTensor

/// A gated feed-forward block: `down(activation(gate(x)) · up(x))`.
///
/// Source: Shazeer, 2020, arXiv:2002.05202.
struct FeedForward: Sendable {
    let gate, up, down: Projection  // [inner, hidden] ×2, [hidden, inner]
    let activation: Activation

    init(_ c: DecoderConfiguration, prefix: String, _ loader: inout WeightLoader) throws(SwiftletError) {
        let bias = c.hasFeedForwardBias
        gate = try Projection("\(prefix).gate_proj", c.innerSize, c.hiddenSize, bias: bias, &loader)
        up = try Projection("\(prefix).up_proj", c.innerSize, c.hiddenSize, bias: bias, &loader)
        down = try Projection("\(prefix).down_proj", c.hiddenSize, c.innerSize, bias: bias, &loader)
        activation = c.activation
    }

    /// Writes the block's update of the residual stream, `[rows, hidden]`.
    func callAsFunction(_ x: Activations, _ pass: ForwardPass, into update: Activations) {
        let mark = pass.workspace.mark
        defer { pass.workspace.release(to: mark) }
        let gated = pass.workspace.take(x.rows, gate.weight.rows)  // [rows, inner]
        let lifted = pass.workspace.take(x.rows, up.weight.rows)
        Projection.apply([(gate, gated), (up, lifted)], x, pass)
        pass.compute.gate(gated, with: lifted, activation)
        down(gated, pass, into: update)
    }
}

/// A weight matrix with an optional bias: `y = W·x + b`.
struct Projection: Sendable {
    let weight: Matrix  // [rows, columns]
    let bias: Vector?  // [rows]

    init(
        _ name: String, _ rows: Int, _ columns: Int, bias hasBias: Bool, _ loader: inout WeightLoader
    ) throws(SwiftletError) {
        weight = try loader.matrix("\(name).weight", rows, columns)
        bias = hasBias ? try loader.vector("\(name).bias", rows) : nil
    }

    /// Overwrites `y`, `[tokens, rows]`.
    func callAsFunction(_ x: Activations, _ pass: ForwardPass, into y: Activations) {
        Self.apply([(self, y)], x, pass)
    }

    /// Several projections of the same input as one piece of work: it is quantised once, and the threads meet
    /// once.
    static func apply(
        _ projections: [(projection: Projection, y: Activations)], _ x: Activations, _ pass: ForwardPass
    ) {
        pass.compute.linear(projections.map { ($0.projection.weight, $0.y) }, x)
        for (projection, y) in projections {
            if let bias = projection.bias { pass.compute.addBias(bias, to: y) }
        }
    }
}
