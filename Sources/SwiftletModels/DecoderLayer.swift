import SwiftletTensor

/// One decoder layer: attention or what takes its place, and a feed-forward block, with norms and residuals where the form has them.
struct DecoderLayer: Sendable {
    private enum Mixer: Sendable {
        case heads(Attention)
        case latent(LatentAttention)
        case convolution(ShortConvolution)
    }

    private enum Inner: Sendable {
        case dense(FeedForward)
        case experts(Experts)
    }

    private let mixer: Mixer
    private let inner: Inner
    private let attentionNorm, attentionPostNorm, attentionResidualNorm: Norm?
    private let innerNorm, innerPostNorm, innerResidualNorm: Norm?
    private let isParallel: Bool
    private let residualScale: Float

    init(_ c: DecoderConfiguration, _ index: Int, _ loader: inout WeightLoader) throws(SwiftletError) {
        let (form, prefix) = (c.form, "blk.\(index)")
        let before = form.normPlace == .before || form.normPlace == .around
        let after = form.normPlace == .after || form.normPlace == .around
        let residual = form.normPlace == .residual
        func norm(_ name: String, if isThere: Bool) throws(SwiftletError) -> Norm? {
            isThere ? try Norm("\(prefix).\(name)", c, &loader) : nil
        }
        attentionNorm = try norm("attn_norm", if: before && (index > 0 || form.firstLayerHasAttentionNorm))
        if let convolution = form.convolution, convolution.layers[index] {
            mixer = .convolution(try ShortConvolution(convolution, c, index, prefix: prefix, &loader))
        } else if let latent = form.latent {
            mixer = .latent(try LatentAttention(latent, c, index, prefix: prefix, &loader))
        } else {
            mixer = .heads(try Attention(c, index, prefix: prefix, &loader))
        }
        attentionPostNorm = try norm("post_attention_norm", if: after)
        attentionResidualNorm = try norm("attn_output_norm", if: residual)
        innerNorm = try norm("ffn_norm", if: before && form.residual != .shared)
        if let experts = form.experts, experts.layers[index] {
            inner = .experts(try Experts(experts, c, prefix: prefix, &loader))
        } else {
            inner = .dense(try FeedForward(c, prefix: prefix, &loader))
        }
        innerPostNorm = try norm("post_ffw_norm", if: after)
        innerResidualNorm = try norm("layer_output_norm", if: residual)
        isParallel = form.residual != .sequential
        residualScale = form.residualScale
    }

    /// Advances the residual stream `x`, `[rows, hidden]`.
    func callAsFunction(_ x: Activations, _ pass: ForwardPass) throws(SwiftletError) {
        let (compute, workspace) = (pass.compute, pass.workspace)
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let normalized = workspace.take(x.rows, x.columns)
        let update = workspace.take(x.rows, x.columns)
        let input = apply(attentionNorm, x, normalized, compute)
        switch mixer {
        case .heads(let attention): try attention(input, pass, into: update)
        case .latent(let attention): try attention(input, pass, into: update)
        case .convolution(let convolution): try convolution(input, pass, into: update)
        }
        attentionPostNorm?(update, into: update, compute)
        compute.scale(update, by: residualScale)
        guard !isParallel else {
            let other = workspace.take(x.rows, x.columns)
            feed(innerNorm == nil ? input : apply(innerNorm, x, normalized, compute), pass, into: other)
            compute.add(update, to: x)
            compute.add(other, to: x)
            return
        }
        compute.add(update, to: x)
        attentionResidualNorm?(x, into: x, compute)
        feed(apply(innerNorm, x, normalized, compute), pass, into: update)
        compute.add(update, to: x)
        innerResidualNorm?(x, into: x, compute)
    }

    /// `x` normalised into `y`, or `x` itself.
    private func apply(_ norm: Norm?, _ x: Activations, _ y: Activations, _ compute: Compute) -> Activations {
        guard let norm else { return x }
        norm(x, into: y, compute)
        return y
    }

    private func feed(_ x: Activations, _ pass: ForwardPass, into update: Activations) {
        switch inner {
        case .dense(let block): block(x, pass, into: update)
        case .experts(let block): block(x, pass, into: update)
        }
        innerPostNorm?(update, into: update, pass.compute)
        pass.compute.scale(update, by: residualScale)
    }
}
