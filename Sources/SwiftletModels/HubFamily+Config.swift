import SwiftletFormats
import SwiftletTensor

extension HubFamily {
    /// `config.json`.
    ///
    /// - Throws: `.unsupported` for a rotation that it cannot say.
    func config(_ context: Context) throws(SwiftletError) -> [UInt8] {
        let c = context.configuration
        var json = JSONWriter(indent: 2)
        try json.object { json throws(SwiftletError) in
            json.key("architectures")
            json.array { $0.value(className) }
            json.member("model_type", modelType)
            json.member("dtype", Self.name(of: context.format))
            json.member("vocab_size", c.vocabularySize)
            json.member("hidden_size", c.hiddenSize)
            json.member("intermediate_size", c.innerSize)
            json.member("num_hidden_layers", c.layerCount)
            json.member("num_attention_heads", c.headCount)
            json.member("num_key_value_heads", c.kvHeadCount)
            json.member("head_dim", c.headSize)
            json.member("max_position_embeddings", c.contextLength)
            json.member("rms_norm_eps", c.normEpsilon)
            json.member("hidden_act", try Self.name(of: c.activation, context))
            json.member("tie_word_embeddings", c.tiesEmbeddings)
            // Unsaid, they would be the ids of the family's first model.
            for (name, id) in [
                ("bos", context.tokens?.bos), ("eos", context.tokens?.eos), ("pad", context.tokens?.padding),
            ] {
                json.key("\(name)_token_id")
                if let id { json.value(id) } else { json.null() }
            }
            try writeRope(context, to: &json)
            try members(context, &json)
        }
        return json.bytes
    }

    private static func name(of activation: Activation, _ context: Context) throws(SwiftletError) -> String {
        switch activation {
        case .silu: return "silu"
        case .gelu: return "gelu"
        case .geluTanh: return "gelu_pytorch_tanh"
        default:
            throw SwiftletError(
                .unsupported, "\(context.file.path): the activation \(activation) cannot be written yet")
        }
    }

    private static func name(of format: NumberFormat) -> String {
        switch format {
        case .bf16: "bfloat16"
        case .f16: "float16"
        default: "float32"
        }
    }

    // MARK: Rotation

    private func writeRope(_ context: Context, to json: inout JSONWriter) throws(SwiftletError) {
        let keys = GGUFMetadata(
            file: context.file, architecture: context.file["general.architecture"]?.string ?? "")
        let base = try keys.optionalDouble("rope.freq_base") ?? 10_000
        json.member("rope_theta", base)
        if let divisors = try context.file.tensor(named: "rope_freqs.weight")?.floats() {
            let scaling = try listedScaling(divisors, base, context)
            json.key("rope_scaling")
            json.object { json in Self.write(scaling, to: &json) }
            return
        }
        if let long = try context.file.tensor(named: "rope_factors_long.weight")?.floats(),
            let short = try context.file.tensor(named: "rope_factors_short.weight")?.floats()
        {
            let original =
                try keys.optionalInt("rope.scaling.original_context_length")
                ?? context.configuration.contextLength
            json.member("original_max_position_embeddings", original)
            json.key("rope_scaling")
            json.object { json in
                json.member("rope_type", "longrope")
                for (name, factors) in [("long_factor", long), ("short_factor", short)] {
                    json.key(name)
                    json.array { json in for factor in factors { json.value(factor) } }
                }
                json.member("original_max_position_embeddings", original)
            }
            return
        }
        let type = try keys.optionalString("rope.scaling.type") ?? "none"
        guard type != "none" else { return }
        let factor = try keys.optionalDouble("rope.scaling.factor") ?? 1
        let original =
            try keys.optionalInt("rope.scaling.original_context_length")
            ?? context.configuration.contextLength
        let fast = try keys.optionalDouble("rope.scaling.yarn_beta_fast") ?? 32
        let slow = try keys.optionalDouble("rope.scaling.yarn_beta_slow") ?? 1
        let share = try keys.optionalDouble("rope.scaling.attn_factor") ?? 1
        json.key("rope_scaling")
        json.object { json in
            json.member("rope_type", type)
            json.member("factor", factor)
            guard type == "yarn" else { return }
            json.member("original_max_position_embeddings", original)
            json.member("beta_fast", fast)
            json.member("beta_slow", slow)
            json.member("attention_factor", share * Rope.yarnMagnitude(factor, 1))
        }
    }

    private static func write(_ scaling: Rope.Scaling, to json: inout JSONWriter) {
        guard case .llama3(let factor, let low, let high, let original) = scaling else { return }
        json.member("rope_type", "llama3")
        json.member("factor", factor)
        json.member("low_freq_factor", low)
        json.member("high_freq_factor", high)
        json.member("original_max_position_embeddings", original)
    }

    /// The parameters of Llama 3's scaling that give a table of divisors.
    ///
    /// Files hold the table alone. Its largest number is the factor; the bounds are those of all released models, and
    /// the original context is a power of two that is searched for.
    private func listedScaling(
        _ divisors: [Float], _ base: Double, _ context: Context
    ) throws(SwiftletError) -> Rope.Scaling {
        let size = context.configuration.headSize
        let plain = Rope(base: base, rotatedSize: size)
        let factor = Double(divisors.max() ?? 1)
        for exponent in 4...20 where plain.pairs == divisors.count && factor > 1 {
            let scaling = Rope.Scaling.llama3(
                factor: factor, lowFactor: 1, highFactor: 4, originalContext: 1 << exponent)
            let scaled = Rope(base: base, rotatedSize: size, scaling: scaling)
            let isSame = divisors.indices.allSatisfy { index in
                let divisor = plain.frequencies[index] / scaled.frequencies[index]
                return (divisor - Double(divisors[index])).magnitude <= 1e-4 * divisor
            }
            if isSame { return scaling }
        }
        throw SwiftletError(
            .unsupported,
            "\(context.file.path): divides RoPE frequencies by a table that no known parameters give, which config.json "
                + "cannot say")
    }

    // MARK: Reading back

    /// What the new directory should be read as.
    func expected(_ c: DecoderConfiguration) -> DecoderConfiguration {
        var c = c
        c.form.normOffset = normOffset
        return c
    }

    /// What differs between two configurations of one model, in words; `nil` if nothing that counts does.
    func difference(_ found: DecoderConfiguration, _ wanted: DecoderConfiguration) -> String? {
        var plain = found
        // Names, and numbers that pass through single precision, are compared apart.
        plain.architecture = wanted.architecture
        plain.rope = wanted.rope
        plain.layerRopes = wanted.layerRopes
        plain.form.attentionScale = wanted.form.attentionScale
        guard Self.isClose(found.attentionScale, wanted.attentionScale) else {
            return "scores are scaled by \(wanted.attentionScale)"
        }
        let pairs = zip(found.ropes, wanted.ropes)
        guard pairs.allSatisfy({ Self.isClose($0, $1) }) else { return "RoPE has parameters" }
        if plain.form != wanted.form { return "the layers are put together" }
        if plain.windows != wanted.windows { return "sliding windows differ between layers" }
        return plain == wanted ? nil : "sizes, biases or the activation are"
    }

    private static func isClose(_ a: Float, _ b: Float) -> Bool { (a - b).magnitude <= 1e-5 * b.magnitude }

    private static func isClose(_ a: Rope, _ b: Rope) -> Bool {
        a.pairs == b.pairs && (a.attentionFactor - b.attentionFactor).magnitude <= 1e-5
            && zip(a.frequencies, b.frequencies).allSatisfy { ($0 - $1).magnitude <= 1e-4 * $1.magnitude }
    }
}

extension DecoderConfiguration {
    /// The rotation of every layer.
    fileprivate var ropes: [Rope] {
        (0..<layerCount).map { ($0 < layerRopes.count ? layerRopes[$0] : nil) ?? rope }
    }
}
