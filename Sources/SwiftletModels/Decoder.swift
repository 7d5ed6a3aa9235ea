package import SwiftletCache
package import SwiftletTensor

/// A stack of layers of attention and feed-forward blocks between an embedding and an output matrix. How they are put
/// together is in the configuration.
///
/// Source: Touvron et al., 2023, arXiv:2302.13971, §2.2, for the plain form.
package struct Decoder: LanguageModel {
    package let configuration: DecoderConfiguration
    package let weights: [NamedTensor]
    private let embedding: Embedding
    private let layers: [DecoderLayer]
    private let finalNorm: Norm?
    private let head: Matrix  // [vocabulary, hidden]
    private let headBias: Vector?  // [vocabulary]

    /// Takes the weights by their GGUF names.
    package init(
        _ configuration: DecoderConfiguration, _ loader: WeightLoader
    ) throws(SwiftletError) {
        let c = configuration
        var loader = loader
        embedding = try Embedding(c, &loader)
        var layers: [DecoderLayer] = []
        for index in 0..<c.layerCount { layers.append(try DecoderLayer(c, index, &loader)) }
        self.layers = layers
        finalNorm = c.form.hasFinalNorm ? try Norm("output_norm", c, &loader) : nil
        head =
            c.tiesEmbeddings
            ? embedding.tokens : try loader.matrix("output.weight", c.vocabularySize, c.hiddenSize)
        headBias = c.form.hasLogitBias ? try loader.vector("output.bias", c.vocabularySize) : nil
        weights = loader.loaded
        self.configuration = c
    }

    package var cacheLayers: [KVLayerShape] {
        configuration.cacheLayers
    }

    package func embed(
        _ ids: [Int32], at positions: [Int32], into x: Activations, _ compute: Compute
    ) throws(SwiftletError) {
        try embedding(ids, at: positions, into: x, compute)
    }

    package func forward(layer: Int, _ x: Activations, _ pass: ForwardPass) throws(SwiftletError) {
        try layers[layer](x, pass)
    }

    package func normalize(_ x: Activations, _ compute: Compute) {
        finalNorm?(x, into: x, compute)
    }

    package func logits(of normalized: Activations, into logits: Activations, _ compute: Compute) {
        let form = configuration.form
        compute.linear(head, normalized, into: logits)
        if let headBias { compute.addBias(headBias, to: logits) }
        compute.scale(logits, by: form.logitScale)
        if let cap = form.logitCap { compute.cap(logits, at: cap) }
    }
}

/// What a token is before the first layer.
struct Embedding: Sendable {
    let tokens: Matrix  // [vocabulary, hidden]
    private let types: Vector?  // [hidden] of the first type
    private let positions: Matrix?  // [positions, hidden]
    private let offset: Int
    private let norm: Norm?
    private let scale: Float

    init(_ c: DecoderConfiguration, _ loader: inout WeightLoader) throws(SwiftletError) {
        tokens = try loader.matrix("token_embd.weight", c.vocabularySize, c.hiddenSize)
        let form = c.form
        types =
            form.tokenTypeCount > 0
            ? Vector(
                Array(
                    try loader.rows("token_types.weight", form.tokenTypeCount, c.hiddenSize).elements
                        .prefix(c.hiddenSize))) : nil
        if case .learned(let count, let offset) = form.position {
            positions = try loader.matrix("position_embd.weight", count, c.hiddenSize)
            self.offset = offset
        } else {
            (positions, offset) = (nil, 0)
        }
        norm = form.normalizesEmbeddings ? try Norm("token_embd_norm", c, &loader) : nil
        scale = form.embeddingScale
    }

    /// Overwrites `x`, `[ids, hidden]`.
    func callAsFunction(
        _ ids: [Int32], at places: [Int32], into x: Activations, _ compute: Compute
    ) throws(SwiftletError) {
        compute.embed(ids, from: tokens, into: x)
        compute.scale(x, by: scale)
        if let types { compute.addBias(types, to: x) }
        if let positions, let format = positions.tensor.format.kernel {
            var row = [Float](repeating: 0, count: x.columns)
            for (index, place) in places.enumerated() {
                guard Int(place) + offset < positions.rows else {
                    throw SwiftletError(
                        .limit,
                        "token \(place) lies behind the last of \(positions.rows - offset) positions that the model "
                            + "has; shorten the prompt or give a smaller -c")
                }
                compute.kernels.dequantize(
                    format, positions.row(Int(place) + offset), into: &row, count: x.columns)
                compute.kernels.add(x[row: index], row, count: x.columns)
            }
        }
        norm?(x, into: x, compute)
    }
}
