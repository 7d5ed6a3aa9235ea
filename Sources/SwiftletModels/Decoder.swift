package import SwiftletCache
package import SwiftletTensor

/// A pre-norm decoder with rotary attention and a gated feed-forward block: the form that Llama gave to a
/// family of architectures. What differs between them is in the configuration.
///
/// Source: Touvron et al., 2023, arXiv:2302.13971, §2.2.
package struct Decoder: LanguageModel {
    package let configuration: DecoderConfiguration
    package let weights: [NamedTensor]
    private let embedding: Matrix  // [vocabulary, hidden]
    private let layers: [DecoderLayer]
    private let finalNorm: Vector  // [hidden]
    private let head: Matrix  // [vocabulary, hidden]

    /// Takes the weights by their Hugging Face names.
    package init(
        _ configuration: DecoderConfiguration, _ loader: WeightLoader
    ) throws(SwiftletError) {
        let c = configuration
        var loader = loader
        embedding = try loader.matrix("model.embed_tokens.weight", c.vocabularySize, c.hiddenSize)
        var layers: [DecoderLayer] = []
        for index in 0..<c.layerCount { layers.append(try DecoderLayer(c, index, &loader)) }
        self.layers = layers
        finalNorm = try loader.vector("model.norm.weight", c.hiddenSize)
        head =
            c.tiesEmbeddings
            ? embedding : try loader.matrix("lm_head.weight", c.vocabularySize, c.hiddenSize)
        weights = loader.loaded
        self.configuration = c
    }

    package var cacheLayers: [KVLayerShape] {
        configuration.cacheLayers
    }

    package func embed(_ ids: [Int32], into x: Activations, _ compute: Compute) {
        compute.embed(ids, from: embedding, into: x)
    }

    package func forward(layer: Int, _ x: Activations, _ pass: ForwardPass) throws(SwiftletError) {
        try layers[layer](x, pass)
    }

    package func normalize(_ x: Activations, _ compute: Compute) {
        compute.rmsNorm(x, weight: finalNorm, epsilon: configuration.normEpsilon, into: x)
    }

    package func logits(of normalized: Activations, into logits: Activations, _ compute: Compute) {
        compute.linear(head, normalized, into: logits)
    }
}

/// One decoder layer: attention, then a gated feed-forward block, each on a normalised copy.
struct DecoderLayer: Sendable {
    let attentionNorm: Vector  // [hidden]
    let attention: Attention
    let feedForwardNorm: Vector  // [hidden]
    let feedForward: FeedForward
    let epsilon: Float

    init(_ c: DecoderConfiguration, _ index: Int, _ loader: inout WeightLoader) throws(SwiftletError) {
        let prefix = "model.layers.\(index)"
        attentionNorm = try loader.vector("\(prefix).input_layernorm.weight", c.hiddenSize)
        attention = try Attention(c, index, prefix: "\(prefix).self_attn", &loader)
        feedForwardNorm = try loader.vector("\(prefix).post_attention_layernorm.weight", c.hiddenSize)
        feedForward = try FeedForward(c, prefix: "\(prefix).mlp", &loader)
        epsilon = c.normEpsilon
    }

    /// Advances the residual stream `x`, `[rows, hidden]`.
    func callAsFunction(_ x: Activations, _ pass: ForwardPass) throws(SwiftletError) {
        let mark = pass.workspace.mark
        defer { pass.workspace.release(to: mark) }
        let normalized = pass.workspace.take(x.rows, x.columns)
        let update = pass.workspace.take(x.rows, x.columns)
        pass.compute.rmsNorm(x, weight: attentionNorm, epsilon: epsilon, into: normalized)
        try attention(normalized, pass, into: update)
        pass.compute.add(update, to: x)
        pass.compute.rmsNorm(x, weight: feedForwardNorm, epsilon: epsilon, into: normalized)
        feedForward(normalized, pass, into: update)
        pass.compute.add(update, to: x)
    }
}
