package import SwiftletFormats
package import SwiftletTensor

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
    package var architecture: String {
        configuration.architecture == "mistral" ? "llama" : configuration.architecture
    }

    /// Whether the rows of queries and keys are reordered, so that adjacent dimensions rotate together.
    package var interleavesHeads: Bool { architecture == "llama" }

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
            number("rope.freq_base", Float(rope.base)),
            number("attention.layer_norm_rms_epsilon", c.normEpsilon),
            number("attention.key_length", c.headSize), number("attention.value_length", c.headSize),
            number("vocab_size", c.vocabularySize), number("rope.dimension_count", rope.rotatedSize),
        ]
        if let window = c.windows.first ?? nil { entries.append(number("attention.sliding_window", window)) }
        return entries
    }

    private func scaling() -> [(key: String, value: GGUFValue)] {
        switch rope.scaling {
        case .none, .llama3, .divisors, .longRope, .dynamic: return []
        case .linear(let factor):
            return [
                (key("rope.scaling.type"), GGUFValue("linear")), number("rope.scaling.factor", Float(factor)),
            ]
        case .yarn(let factor, let betaFast, let betaSlow, let originalContext, let attentionFactor, _):
            let share = attentionFactor / Rope.yarnMagnitude(factor, 1)
            return [
                (key("rope.scaling.type"), GGUFValue("yarn")), number("rope.scaling.factor", Float(factor)),
                number("rope.scaling.original_context_length", originalContext),
                number("rope.scaling.attn_factor", Float(share)),
                number("rope.scaling.yarn_beta_fast", Float(betaFast)),
                number("rope.scaling.yarn_beta_slow", Float(betaSlow)),
            ]
        }
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
        func refuse(_ what: String) -> SwiftletError {
            SwiftletError(
                .unsupported, "\(source): \(what), which a GGUF file of '\(architecture)' cannot say.")
        }
        var plain = DecoderForm()
        plain.headNorm = c.form.headNorm
        guard ["llama", "qwen2", "qwen3"].contains(architecture), c.form == plain, c.layerRopes.isEmpty else {
            throw SwiftletError(
                .unsupported,
                "\(source): models of '\(c.architecture)' cannot be written as GGUF files yet; convert this one with "
                    + "llama.cpp's converter, whose files are read.")
        }
        if c.activation != .silu { throw refuse("the feed-forward activation is \(c.activation), not silu") }
        if let other = c.windows.first(where: { $0 != c.windows[0] }) {
            let (first, second) = (c.windows[0], other)
            throw refuse(
                "sliding windows differ between layers (\(first.map(String.init) ?? "none"), "
                    + "\(second.map(String.init) ?? "none"))")
        }
        if rope.rotatedSize != c.headSize {
            throw refuse("only \(rope.rotatedSize) of \(c.headSize) dimensions of a head rotate")
        }
        switch rope.scaling {
        case .llama3 where architecture != "llama", .divisors where architecture != "llama":
            throw refuse("RoPE frequencies are scaled one by one")
        case .longRope, .dynamic:
            throw refuse("RoPE frequencies depend on the length of the prompt")
        case .yarn(_, _, _, _, _, truncate: false):
            throw refuse("YaRN blends frequencies without rounding the bounds of its ramp")
        default: break
        }
    }
}
