import SwiftletTensor

/// A gated short convolution: two of three projections of the input are multiplied and convolved over the last few
/// tokens, each channel by itself, and the third gates what comes out: `out(c · conv(b · x))`.
///
/// Source: Liquid AI, 2025, "LFM2 technical report", arXiv:2511.23404, §2.
struct ShortConvolution: Sendable {
    private let layer: Int
    private let input, output: Projection  // [3·hidden, hidden], [hidden, hidden]
    private let taps: Vector  // [size, hidden]
    private let bias: Vector?  // [hidden]

    init(
        _ form: ConvolutionForm, _ c: DecoderConfiguration, _ layer: Int, prefix: String,
        _ loader: inout WeightLoader
    ) throws(SwiftletError) {
        self.layer = layer
        let (name, hidden) = ("\(prefix).shortconv", c.hiddenSize)
        input = try Projection("\(name).in_proj", 3 * hidden, hidden, bias: form.hasBias, &loader)
        taps = try loader.taps("\(name).conv.weight", form.size, channels: hidden)
        bias = form.hasBias ? try loader.vector("\(name).conv.bias", hidden) : nil
        output = try Projection("\(name).out_proj", hidden, hidden, bias: form.hasBias, &loader)
    }

    /// Writes the block's update of the residual stream, `[rows, hidden]`.
    func callAsFunction(_ x: Activations, _ pass: ForwardPass, into update: Activations) throws(SwiftletError)
    {
        let (workspace, hidden) = (pass.workspace, x.columns)
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let parts = workspace.take(x.rows, 3 * hidden)  // b, c and x of every row
        input(x, pass, into: parts)
        let gated = workspace.take(x.rows, hidden)
        pass.compute.multiply(parts, from: 0, with: parts, from: 2 * hidden, into: gated)
        let mixed = workspace.take(x.rows, hidden)
        try pass.convolve(layer: layer, gated, taps: taps, bias: bias, into: mixed)
        pass.compute.multiply(parts, from: hidden, with: mixed, from: 0, into: mixed)
        output(mixed, pass, into: update)
    }
}
