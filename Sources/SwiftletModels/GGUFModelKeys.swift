package import SwiftletFormats
package import SwiftletTensor

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The metadata that describes a decoder of the Llama family in a GGUF file: what ``GGUFMetadata`` reads
/// back.
///
/// Source: keys and their order as llama.cpp's converter writes them (github.com/ggml-org/llama.cpp).
package struct GGUFModelKeys {
    package var configuration: DecoderConfiguration
    package var rope: RopeParameters
    /// The model's name, for people.
    package var name: String
    /// The format that most weights are in.
    package var format: NumberFormat

    package init(
        _ configuration: DecoderConfiguration, rope: RopeParameters, name: String, format: NumberFormat
    ) {
        (self.configuration, self.rope, self.name, self.format) = (configuration, rope, name, format)
    }

    /// The name that GGUF files use: models of Mistral go by `llama`.
    package var architecture: String { Self.architecture(of: configuration) }

    /// The name that GGUF files use for the architecture of a model.
    package static func architecture(of configuration: DecoderConfiguration) -> String {
        GGUFFamily.of(configuration)?.architecture ?? configuration.architecture
    }

    /// Whether the rows of queries and keys are reordered, so that adjacent dimensions rotate together.
    package var interleavesHeads: Bool { family?.interleavesHeads ?? false }

    /// How files of this architecture are written; `nil` if that is not known.
    var family: GGUFFamily? { GGUFFamily.of(configuration) }

    /// All keys in order, `between` the model's own and those that close the list.
    ///
    /// - Parameters:
    ///   - sampling: keys of ``GGUFSamplingKeys``.
    ///   - tokenizer: keys that start with `tokenizer.`.
    /// - Throws: `.unsupported` for what no key of this architecture can say, naming `source`.
    package func entries(
        sampling: [(key: String, value: GGUFValue)] = [], tokenizer: [(key: String, value: GGUFValue)],
        source: String
    ) throws(SwiftletError) -> [(key: String, value: GGUFValue)] {
        try check(source: source)
        let general = [
            ("general.architecture", GGUFValue(architecture)), ("general.type", GGUFValue("model")),
        ]
        let closing = [("general.quantization_version", GGUFValue(UInt32(2)))]
        return general + sampling + [("general.name", GGUFValue(name))] + sizes() + scaling()
            + [("general.file_type", GGUFValue(format.ggufFileType))] + tokenizer + closing
    }

    /// Tensors that hold factors of frequencies.
    var ropeTables: [(name: String, numbers: [Float])] {
        if case .longRope(let short, let long, _, _) = rope.scaling {
            return [("rope_factors_long.weight", long), ("rope_factors_short.weight", short)]
        }
        return ropeDivisors.map { [("rope_freqs.weight", $0)] } ?? []
    }

    /// `rope_freqs.weight`, by which every frequency is divided, or `nil` if keys say it all.
    package var ropeDivisors: [Float]? {
        switch rope.scaling {
        case .llama3:
            let plain = Rope(base: rope.base, rotatedSize: rope.rotatedSize)
            let scaled = Rope(base: rope.base, rotatedSize: rope.rotatedSize, scaling: rope.scaling)
            return zip(plain.frequencies, scaled.frequencies).map { Float($0 / $1) }
        case .divisors(let divisors): return divisors
        case .none, .linear, .yarn, .longRope, .dynamic: return nil
        }
    }

    private func sizes() -> [(key: String, value: GGUFValue)] {
        let c = configuration
        var entries = [
            number("block_count", c.layerCount), number("context_length", c.contextLength),
            number("embedding_length", c.hiddenSize), number("feed_forward_length", c.innerSize),
            number("attention.head_count", c.headCount), number("attention.head_count_kv", c.kvHeadCount),
        ]
        if family?.rotates ?? true { entries.append(number("rope.freq_base", Float(rope.base))) }
        // Readers of some architectures look for one, of some for the other.
        entries.append(number("attention.layer_norm_rms_epsilon", c.normEpsilon))
        if family?.isCentred == true { entries.append(number("attention.layer_norm_epsilon", c.normEpsilon)) }
        entries += [
            number("attention.key_length", c.headSize), number("attention.value_length", c.headSize),
            number("vocab_size", c.vocabularySize),
        ]
        if family?.rotates ?? true { entries.append(number("rope.dimension_count", rope.rotatedSize)) }
        if let window = c.windows.lazy.compactMap(\.self).first {
            entries.append(number("attention.sliding_window", window))
        }
        let own = (family?.keys ?? []).map { (key: key($0.name), value: $0.value) }
        return entries.filter { entry in !own.contains { $0.key == entry.key } } + own
    }

    private func scaling() -> [(key: String, value: GGUFValue)] {
        switch rope.scaling {
        case .none, .llama3, .divisors, .dynamic: return []
        case .longRope(_, _, let originalContext, let attentionFactor):
            return [
                number("rope.scaling.original_context_length", originalContext),
                number("rope.scaling.attn_factor", Float(attentionFactor)),
            ]
        case .linear(let factor):
            return [
                (key("rope.scaling.type"), GGUFValue("linear")), number("rope.scaling.factor", Float(factor)),
            ]
        case .yarn(let factor, let betaFast, let betaSlow, let originalContext, let attentionFactor, _):
            let share = attentionFactor / Rope.yarnMagnitude(factor, 1)
            let scaled =
                latentExponent.map { number("rope.scaling.yarn_log_multiplier", Float(0.1 * $0)) }
                ?? number("rope.scaling.attn_factor", Float(share))
            return [
                (key("rope.scaling.type"), GGUFValue("yarn")), number("rope.scaling.factor", Float(factor)),
                number("rope.scaling.original_context_length", originalContext),
                scaled, number("rope.scaling.yarn_beta_fast", Float(betaFast)),
                number("rope.scaling.yarn_beta_slow", Float(betaSlow)),
            ]
        }
    }

    /// The exponent `mscale_all_dim` that made the factor of latent attention's scores; `nil` for other attention.
    private var latentExponent: Double? {
        guard configuration.form.latent != nil, case .yarn(let factor, _, _, _, _, _) = rope.scaling,
            factor > 1
        else { return nil }
        let magnitude = (Double(configuration.attentionScale) * Double(configuration.headSize).squareRoot())
            .squareRoot()
        // Files have it with few decimals; the scores' factor is in single precision.
        return ((magnitude - 1) / (0.1 * log(factor)) * 1e4).rounded() / 1e4
    }

    private func key(_ name: String) -> String { "\(architecture).\(name)" }

    private func number(_ name: String, _ value: Int) -> (key: String, value: GGUFValue) {
        (key(name), GGUFValue(UInt32(clamping: value)))
    }

    private func number(_ name: String, _ value: Float) -> (key: String, value: GGUFValue) {
        (key(name), GGUFValue(value))
    }

    private func check(source: String) throws(SwiftletError) {
        let c = configuration
        guard let family else {
            throw SwiftletError(
                .unsupported,
                "\(source): models of '\(c.architecture)' cannot be written as GGUF files yet; convert this one with "
                    + "llama.cpp's converter, whose files are read.")
        }
        func refuse(_ what: String) -> SwiftletError {
            SwiftletError(
                .unsupported, "\(source): \(what), which a GGUF file of '\(architecture)' cannot say.")
        }
        if c.activation != family.activation {
            throw refuse("the feed-forward activation is \(c.activation), not \(family.activation)")
        }
        guard c.form == family.form else {
            throw refuse("the layers are put together in another way than those of most models of this kind")
        }
        let windows = family.windows(c)
        if let index = c.windows.indices.first(where: { $0 >= windows.count || c.windows[$0] != windows[$0] })
        {
            let found = c.windows[index].map(String.init) ?? "none"
            throw refuse(
                "sliding windows differ between layers in another way than is usual (layer \(index): \(found))"
            )
        }
        let isPlain = c.layerRopes.allSatisfy { $0 == nil } && family.layerRopes.allSatisfy { $0 == nil }
        guard isPlain || c.layerRopes == family.layerRopes else {
            throw refuse("RoPE differs between layers in another way than is usual")
        }
        if family.rotates { try checkRotation(refuse) }
    }

    private func checkRotation(_ refuse: (String) -> SwiftletError) throws(SwiftletError) {
        let c = configuration
        let rotatesPart = ["gptneox", "stablelm", "phi2", "phi3", "deepseek2"].contains(architecture)
        if rope.rotatedSize != c.headSize, !rotatesPart {
            throw refuse("only \(rope.rotatedSize) of \(c.headSize) dimensions of a head rotate")
        }
        try checkLatentScale(refuse)
        if ["command-r", "cohere2", "falcon", "modern-bert"].contains(architecture), rope.scaling != .none {
            throw refuse("RoPE is scaled")
        }
        switch rope.scaling {
        case .llama3 where architecture != "llama", .divisors where architecture != "llama":
            throw refuse("RoPE frequencies are scaled one by one")
        case .longRope where architecture == "phi3": break
        case .longRope, .dynamic:
            throw refuse("RoPE frequencies depend on the length of the prompt")
        case .yarn(_, _, _, _, _, truncate: false):
            throw refuse("YaRN blends frequencies without rounding the bounds of its ramp")
        default: break
        }
        let read = Rope(
            base: rope.base, rotatedSize: rope.rotatedSize, scaling: rope.scaling, pairing: c.rope.pairing)
        guard read == c.rope else { throw refuse("RoPE is made in another way than its parameters say") }
    }

    /// Checks that readers arrive at the factor of latent attention's scores, and at rotations of magnitude 1.
    private func checkLatentScale(_ refuse: (String) -> SwiftletError) throws(SwiftletError) {
        let c = configuration
        guard c.form.latent != nil else { return }
        var magnitude = 1.0
        if case .yarn(let factor, _, _, _, let attentionFactor, _) = rope.scaling {
            if (attentionFactor - 1).magnitude > 1e-6 { throw refuse("'mscale' and 'mscale_all_dim' differ") }
            magnitude = Rope.yarnMagnitude(factor, latentExponent ?? 0)
        }
        let scale = magnitude * magnitude / Double(c.headSize).squareRoot()
        if (Double(c.attentionScale) - scale).magnitude > 1e-6 * scale {
            throw refuse("attention scores are scaled by \(c.attentionScale)")
        }
    }
}
