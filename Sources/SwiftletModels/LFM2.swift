import SwiftletFormats
package import SwiftletTensor

/// LFM2, dense and with experts: gated short convolutions, and grouped-query attention with norms on heads in some layers.
///
/// Source: Liquid AI, 2025, "LFM2 technical report", arXiv:2511.23404, §2.
package enum LFM2: Architecture {
    package static let names = ["lfm2", "lfm2_moe", "lfm2moe"]

    package static func configuration(of source: ModelSource) throws(SwiftletError) -> DecoderConfiguration {
        let hasExperts = try source.architectureName() != "lfm2"
        switch source {
        case .gguf(let file):
            let keys = GGUFMetadata(file: file, architecture: hasExperts ? "lfm2moe" : "lfm2")
            return try gguf(keys).validated(source: file.path)
        case .directory(let directory):
            let aliases = ["intermediate_size": "block_ff_dim", "tie_word_embeddings": "tie_embedding"]
            let keys = try ConfigurationReader(directory, aliases: aliases)
            return try hub(keys, hasExperts: hasExperts).validated(source: keys.source)
        }
    }

    package static func tensors(_ configuration: DecoderConfiguration) -> TensorMap {
        var map = TensorMap.llama([
            "attn_norm": "operator_norm", "ffn_norm": "ffn_norm", "attn_output": "self_attn.out_proj",
            "attn_q_norm": "self_attn.q_layernorm", "attn_k_norm": "self_attn.k_layernorm",
            "shortconv.in_proj": "conv.in_proj", "shortconv.conv": "conv.conv",
            "shortconv.out_proj": "conv.out_proj", "ffn_gate": "feed_forward.w1",
            "ffn_up": "feed_forward.w3", "ffn_down": "feed_forward.w2", "ffn_gate_inp": "feed_forward.gate",
        ])
        map.global["output_norm"] = "model.embedding_norm"
        map.whole = ["exp_probs_b.bias": "feed_forward.expert_bias"]
        map.stacked = [
            "ffn_gate_exps": "feed_forward.experts.*.w1", "ffn_up_exps": "feed_forward.experts.*.w3",
            "ffn_down_exps": "feed_forward.experts.*.w2",
        ]
        return map
    }

    package static func ggufTensors(_ configuration: DecoderConfiguration) -> TensorMap {
        var map = TensorMap.gguf(configuration)
        map.global["output_norm"] = "token_embd_norm"
        return map
    }

    private static func hub(
        _ keys: ConfigurationReader, hasExperts: Bool
    ) throws(SwiftletError) -> DecoderConfiguration {
        var c = try keys.decoder(
            hasExperts ? "lfm2_moe" : "lfm2",
            defaults: .init(
                hiddenSize: hasExperts ? 2_048 : 2_560, innerSize: hasExperts ? 7_168 : 12_288,
                kvHeadCount: 8, contextLength: 128_000, vocabularySize: 65_536, normEpsilon: 1e-5,
                normKey: "norm_eps", tiesEmbeddings: true, ropeBase: 1_000_000))
        c.form.headNorm = .perHead
        c.form.convolution = ConvolutionForm(
            size: try keys.int("conv_L_cache") ?? 3, layers: try convolutions(keys, c.layerCount),
            hasBias: try keys.bool("conv_bias") ?? false)
        if hasExperts {
            c.form.experts = try experts(keys, c)
        } else {
            c.innerSize = try innerSize(keys, c.innerSize)
        }
        return c
    }

    /// Which layers convolve: by `layer_types`, or those that `full_attn_idxs` does not list.
    private static func convolutions(
        _ keys: ConfigurationReader, _ layerCount: Int
    ) throws(SwiftletError) -> [Bool] {
        guard let types = try keys.strings("layer_types") else {
            let attends = Set(try keys.ints("full_attn_idxs") ?? Array(0..<layerCount))
            return (0..<layerCount).map { !attends.contains($0) }
        }
        for type in types where !["conv", "full_attention"].contains(type) {
            throw SwiftletError(
                .unsupported,
                "\(keys.source): the layer type '\(type)' is not supported; expected conv or full_attention")
        }
        return types.map { $0 == "conv" }
    }

    /// Two thirds of the given width, times a factor, rounded up to a multiple; or just the given one.
    private static func innerSize(_ keys: ConfigurationReader, _ given: Int) throws(SwiftletError) -> Int {
        guard try keys.bool("block_auto_adjust_ff_dim") ?? true else { return given }
        guard (1...1 << 40).contains(given) else { return given }
        let size = 2 * given / 3
        let multiple = try keys.int("block_multiple_of") ?? 256
        let hasFactor = keys.mentions("block_ffn_dim_multiplier")
        guard let factor = hasFactor ? try keys.double("block_ffn_dim_multiplier") : 1 else { return size }
        let scaled = factor * Double(size)
        guard (1...1 << 28).contains(multiple), scaled >= 0, scaled < 0x1p40 else {
            throw SwiftletError(
                .malformed,
                "\(keys.source): a feed-forward width of \(factor) times \(size), rounded to a multiple of \(multiple); "
                    + "expected positive numbers")
        }
        return (Int(scaled) + multiple - 1) / multiple * multiple
    }

    private static func experts(
        _ keys: ConfigurationReader, _ c: DecoderConfiguration
    ) throws(SwiftletError) -> ExpertForm {
        let dense = try keys.int("num_dense_layers") ?? 2
        var experts = ExpertForm(
            count: try keys.int("num_experts") ?? 32, used: try keys.int("num_experts_per_tok") ?? 4,
            innerSize: try keys.int("moe_intermediate_size") ?? 1_792,
            layers: (0..<c.layerCount).map { $0 >= dense })
        experts.gating = .sigmoid
        experts.normalizes = try keys.bool("norm_topk_prob") ?? true
        experts.hasSelectionBias = try keys.bool("use_expert_bias") ?? true
        experts.scale = Float(try keys.double("routed_scaling_factor") ?? 1)
        return experts
    }

    private static func gguf(_ keys: GGUFMetadata) throws(SwiftletError) -> DecoderConfiguration {
        var c = try keys.configuration(pairing: .halves)
        c.form.headNorm = .perHead
        let listed = keys.listedKVHeadCounts()
        let layers = listed?.map { $0 == 0 } ?? Array(repeating: false, count: c.windows.count)
        let first = layers.firstIndex(of: true).map { "blk.\($0).shortconv" }
        c.form.convolution = ConvolutionForm(
            size: try keys.int("shortconv.l_cache"), layers: layers,
            hasBias: first.map { keys.has("\($0).conv.bias") } ?? false)
        if c.form.experts != nil {
            c.form.experts?.normalizes = true
            c.form.experts?.gating = .sigmoid
        }
        return c
    }
}
