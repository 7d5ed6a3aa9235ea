import SwiftletTensor

/// A feed-forward block: `down(activation(gate(x)) · up(x))`, or `down(activation(up(x)))` without a gate.
///
/// Source: Shazeer, 2020, arXiv:2002.05202.
struct FeedForward: Sendable {
    let gate: Projection?  // [inner, hidden]
    let up, down: Projection  // [inner, hidden], [hidden, inner]
    let activation: Activation
    private let ones: Vector?  // [inner], without a gate

    init(_ c: DecoderConfiguration, prefix: String, _ loader: inout WeightLoader) throws(SwiftletError) {
        let bias = c.hasFeedForwardBias
        gate =
            c.form.isGated
            ? try Projection("\(prefix).ffn_gate", c.innerSize, c.hiddenSize, bias: bias, &loader) : nil
        up = try Projection("\(prefix).ffn_up", c.innerSize, c.hiddenSize, bias: bias, &loader)
        down = try Projection("\(prefix).ffn_down", c.hiddenSize, c.innerSize, bias: bias, &loader)
        activation = c.activation
        ones = c.form.isGated ? nil : Vector(Array(repeating: 1, count: c.innerSize))
    }

    /// The block that all tokens share beside their experts.
    init(
        shared c: DecoderConfiguration, size: Int, prefix: String, _ loader: inout WeightLoader
    ) throws(SwiftletError) {
        gate = try Projection("\(prefix).ffn_gate_shexp", size, c.hiddenSize, bias: false, &loader)
        up = try Projection("\(prefix).ffn_up_shexp", size, c.hiddenSize, bias: false, &loader)
        down = try Projection("\(prefix).ffn_down_shexp", c.hiddenSize, size, bias: false, &loader)
        activation = c.activation
        ones = nil
    }

    /// Writes the block's update of the residual stream, `[rows, hidden]`.
    func callAsFunction(_ x: Activations, _ pass: ForwardPass, into update: Activations) {
        let mark = pass.workspace.mark
        defer { pass.workspace.release(to: mark) }
        let inner = pass.workspace.take(x.rows, up.weight.rows)  // [rows, inner]
        if let gate {
            let lifted = pass.workspace.take(x.rows, up.weight.rows)
            Projection.apply([(gate, inner), (up, lifted)], x, pass)
            pass.compute.gate(inner, with: lifted, activation)
        } else if let ones {
            up(x, pass, into: inner)
            pass.compute.activate(inner, activation, ones: ones)
        }
        down(inner, pass, into: update)
    }
}

/// A weight matrix with an optional bias: `y = W·x + b`, plus what adapters change for some sequences.
struct Projection: Sendable {
    let name: String
    let weight: Matrix  // [rows, columns]
    let bias: Vector?  // [rows]

    init(
        _ name: String, _ rows: Int, _ columns: Int, bias hasBias: Bool, _ loader: inout WeightLoader
    ) throws(SwiftletError) {
        self.name = name
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
            pass.addChanges(of: projection.name, x, to: y)
        }
    }
}
