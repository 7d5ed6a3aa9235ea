import SwiftletFormats
import SwiftletTensor

/// Typed look-ups of the keys `<architecture>.…` in a GGUF file.
struct GGUFMetadata {
    let file: GGUFFile
    let architecture: String

    func int(_ key: String) throws(SwiftletError) -> Int {
        guard let value = try optionalInt(key) else { throw missing(key) }
        return value
    }

    func optionalInt(_ key: String) throws(SwiftletError) -> Int? {
        guard let value = file["\(architecture).\(key)"] else { return nil }
        guard let int = value.int else { throw wrong(key, "an integer") }
        return int
    }

    func optionalDouble(_ key: String) throws(SwiftletError) -> Double? {
        guard let value = file["\(architecture).\(key)"] else { return nil }
        guard let double = value.double, double.isFinite else { throw wrong(key, "a number") }
        return double
    }

    func optionalString(_ key: String) throws(SwiftletError) -> String? {
        guard let value = file["\(architecture).\(key)"] else { return nil }
        guard let string = value.string else { throw wrong(key, "a string") }
        return string
    }

    func optionalBool(_ key: String) throws(SwiftletError) -> Bool? {
        guard let value = file["\(architecture).\(key)"] else { return nil }
        guard let bool = value.bool else { throw wrong(key, "true or false") }
        return bool
    }

    /// Architectures with layer norms, by whose ε they go if a file has both.
    private static let centred: Set<String> = [
        "gpt2", "gptneox", "phi2", "stablelm", "starcoder2", "command-r", "cohere2", "falcon", "bloom", "mpt",
        "bert",
        "nomic-bert", "modern-bert",
    ]

    /// Whether the file holds a tensor.
    func has(_ tensor: String) -> Bool { file.tensors.contains { $0.name == tensor } }

    /// The shape of a tensor, outermost dimension first.
    func shape(of tensor: String) -> [Int]? { file.tensors.first { $0.name == tensor }?.shape }

    /// The configuration that all architectures store in the same keys.
    ///
    /// - Parameters:
    ///   - innerSize: for files that do not say it.
    ///   - windowPeriod: every so many layers one sees everything, unless the file says otherwise; 1 is none.
    func configuration(
        pairing: Rope.Pairing, windowPeriod: Int? = nil
    ) throws(SwiftletError) -> DecoderConfiguration {
        let hiddenSize = try int("embedding_length")
        let headCount = try int("attention.head_count")
        guard headCount > 0, let embedding = file.tensors.first(where: { $0.name == "token_embd.weight" }),
            embedding.shape.count == 2
        else {
            throw SwiftletError(
                .missing,
                "\(file.path): no tensor 'token_embd.weight' with two dimensions for \(headCount) heads; "
                    + "this file holds a vocabulary or part of a model")
        }
        let headSize = try optionalInt("attention.key_length") ?? hiddenSize / headCount
        let valueSize = try optionalInt("attention.value_length") ?? headSize
        guard valueSize == headSize || has("blk.0.attn_kv_a_mqa.weight") else {
            throw SwiftletError(
                .unsupported,
                "\(file.path): keys of \(headSize) and values of \(valueSize) dimensions; expected equal sizes"
            )
        }
        let layerCount = try int("block_count")
        let contextLength = try int("context_length")
        let rms = try optionalDouble("attention.layer_norm_rms_epsilon")
        let centred = try optionalDouble("attention.layer_norm_epsilon")
        var configuration = DecoderConfiguration(
            architecture: architecture, vocabularySize: embedding.shape[0], hiddenSize: hiddenSize,
            innerSize: try innerSize(), layerCount: layerCount, headCount: headCount,
            kvHeadCount: try kvHeadCount() ?? headCount, headSize: headSize,
            contextLength: contextLength,
            normEpsilon: Float(
                (Self.centred.contains(architecture) ? centred ?? rms : rms ?? centred) ?? 1e-5),
            rope: try rope(headSize: headSize, contextLength: contextLength, pairing: pairing),
            windows: try windows(layerCount: min(max(layerCount, 0), 1 << 14), period: windowPeriod),
            tiesEmbeddings: !has("output.weight"),
            hasQueryKeyValueBias: has("blk.0.attn_q.bias") || has("blk.0.attn_qkv.bias"),
            hasOutputBias: has("blk.0.attn_output.bias"), hasFeedForwardBias: has("blk.0.ffn_up.bias"))
        configuration.form.experts = try experts(layerCount: configuration.windows.count)
        configuration.form.hasLogitBias = has("output.bias")
        return configuration
    }

    /// KV heads of every layer, if the file lists them; 0 where something takes the place of attention.
    func listedKVHeadCounts() -> [Int]? { file["\(architecture).attention.head_count_kv"]?.ints() }

    /// KV heads of the layers that attend, which have to be equally many.
    private func kvHeadCount() throws(SwiftletError) -> Int? {
        guard let listed = listedKVHeadCounts() else { return try optionalInt("attention.head_count_kv") }
        let mayBeNone = file["\(architecture).shortconv.l_cache"] != nil
        let counts = Set(listed).subtracting(mayBeNone ? [0] : [])
        guard counts.count <= 1 else {
            throw wrong("attention.head_count_kv", "an integer, the same for all layers")
        }
        return counts.first
    }

    /// Windows of the layers: by a pattern in the file, or by a period.
    private func windows(layerCount: Int, period: Int?) throws(SwiftletError) -> [Int?] {
        let size = try optionalInt("attention.sliding_window") ?? 0
        let window = size > 0 ? size : nil
        let pattern = file["\(architecture).attention.sliding_window_pattern"]
        if let flags = pattern?.bools() ?? pattern?.ints()?.map({ $0 != 0 }) {
            guard flags.count == layerCount else {
                throw wrong("attention.sliding_window_pattern", "a value per layer")
            }
            return flags.map { $0 ? window : nil }
        }
        guard let period = pattern?.int ?? period, period > 0 else {
            return Array(repeating: window, count: layerCount)
        }
        return (0..<layerCount).map { $0 % period < period - 1 ? window : nil }
    }

    /// Experts, if the file has any; how they are chosen is the architecture's to say.
    private func experts(layerCount: Int) throws(SwiftletError) -> ExpertForm? {
        guard let count = try optionalInt("expert_count"), count > 0 else { return nil }
        let dense = try optionalInt("leading_dense_block_count") ?? 0
        let layers = (0..<layerCount).map { $0 >= dense && has("blk.\($0).ffn_gate_inp.weight") }
        let first = layers.firstIndex(of: true) ?? 0
        let shape = shape(of: "blk.\(first).ffn_up_exps.weight")
        var experts = ExpertForm(
            count: count, used: try int("expert_used_count"),
            innerSize: try optionalInt("expert_feed_forward_length") ?? shape?.dropFirst().first ?? 0,
            layers: layers)
        experts.sharedSize = self.shape(of: "blk.\(first).ffn_up_shexp.weight")?.first ?? 0
        experts.gatesShared = has("blk.\(first).ffn_gate_inp_shexp.weight")
        experts.hasSelectionBias = has("blk.\(first).exp_probs_b.bias")
        experts.scale = Float(try optionalDouble("expert_weights_scale") ?? 1)
        experts.normalizes = try optionalBool("expert_weights_norm") ?? false
        experts.groups = try optionalInt("expert_group_count") ?? 1
        experts.usedGroups = try optionalInt("expert_group_used_count") ?? experts.groups
        switch try optionalInt("expert_gating_func") ?? 1 {
        case 0, 1: experts.gating = .softmaxThenTop
        case 2: experts.gating = .sigmoid
        case 3: experts.gating = .topThenSoftmax
        case let other:
            throw SwiftletError(
                .unsupported,
                "\(file.path): '\(architecture).expert_gating_func' is \(other), which is not supported; expected 1, 2 "
                    + "or 3")
        }
        return experts
    }

    /// The width of feed-forward blocks; of experts, if there are no others.
    private func innerSize() throws(SwiftletError) -> Int {
        if let size = try optionalInt("feed_forward_length"), size > 0 { return size }
        if let size = try optionalInt("expert_feed_forward_length") { return size }
        throw missing("feed_forward_length")
    }

    /// The rotation of layers with a window, where the file says it.
    func windowRope(
        headSize: Int, pairing: Rope.Pairing, defaultBase: Double? = nil
    ) throws(SwiftletError) -> Rope? {
        guard let base = try optionalDouble("rope.freq_base_swa") ?? defaultBase else { return nil }
        guard base > 1 else { throw wrong("rope.freq_base_swa", "a number above 1") }
        return Rope(base: base, rotatedSize: headSize & ~1, pairing: pairing)
    }

    private func rope(
        headSize: Int, contextLength: Int, pairing: Rope.Pairing
    ) throws(SwiftletError) -> Rope {
        let rotated = try optionalInt("rope.dimension_count") ?? headSize
        let base = try optionalDouble("rope.freq_base") ?? 10_000
        guard (0...min(max(headSize, 0), 1 << 14)).contains(rotated), rotated % 2 == 0, base > 1 else {
            throw SwiftletError(
                .malformed,
                "\(file.path): RoPE over \(rotated) of \(headSize) dimensions with base \(base); expected an "
                    + "even number of dimensions, at most \(1 << 14), and a base above 1")
        }
        return Rope(
            base: base, rotatedSize: rotated,
            scaling: try scaling(rotated: rotated, contextLength: contextLength), pairing: pairing)
    }

    private func scaling(rotated: Int, contextLength: Int) throws(SwiftletError) -> Rope.Scaling {
        if file.holdsData, let divisors = try file.tensor(named: "rope_freqs.weight")?.floats() {
            guard divisors.count == rotated / 2, divisors.allSatisfy({ $0.isFinite && $0 > 0 }) else {
                throw SwiftletError(
                    .malformed,
                    "\(file.path): 'rope_freqs.weight' has \(divisors.count) entries; expected \(rotated / 2) "
                        + "positive numbers")
            }
            return .divisors(divisors)
        }
        if let scaling = try longRope(rotated: rotated, contextLength: contextLength) { return scaling }
        let (given, older) = (
            try optionalDouble("rope.scaling.factor"), try optionalDouble("rope.scale_linear")
        )
        let factor = given ?? older ?? 1
        guard factor > 0 else { throw wrong("rope.scaling.factor", "a positive number") }
        switch try optionalString("rope.scaling.type") ?? "linear" {
        case "none": return .none
        case "linear": return factor == 1 ? .none : .linear(factor: factor)
        case "yarn":
            return .yarn(
                factor: factor, betaFast: try optionalDouble("rope.scaling.yarn_beta_fast") ?? 32,
                betaSlow: try optionalDouble("rope.scaling.yarn_beta_slow") ?? 1,
                originalContext: try optionalInt("rope.scaling.original_context_length") ?? contextLength,
                attentionFactor: (try optionalDouble("rope.scaling.attn_factor") ?? 1)
                    * Rope.yarnMagnitude(factor, 1), truncate: true)
        case let other:
            throw SwiftletError(
                .unsupported,
                "\(file.path): the RoPE scaling '\(other)' is not supported; expected none, linear or yarn")
        }
    }

    private func longRope(rotated: Int, contextLength: Int) throws(SwiftletError) -> Rope.Scaling? {
        guard file.holdsData, let short = try file.tensor(named: "rope_factors_short.weight")?.floats(),
            let long = try file.tensor(named: "rope_factors_long.weight")?.floats()
        else { return nil }
        guard short.count == rotated / 2, long.count == rotated / 2,
            (short + long).allSatisfy({ $0.isFinite && $0 > 0 })
        else {
            throw SwiftletError(
                .malformed,
                "\(file.path): the tables of RoPE factors have \(short.count) and \(long.count) entries; expected "
                    + "\(rotated / 2) positive numbers each")
        }
        return .longRope(
            short: short, long: long,
            originalContext: try optionalInt("rope.scaling.original_context_length") ?? contextLength,
            attentionFactor: try optionalDouble("rope.scaling.attn_factor") ?? 1)
    }

    func missing(_ key: String) -> SwiftletError {
        SwiftletError(
            .missing,
            "\(file.path): the key '\(architecture).\(key)' is missing; the file is no complete model")
    }

    private func wrong(_ key: String, _ expected: String) -> SwiftletError {
        let name = "\(architecture).\(key)"
        return SwiftletError(
            .malformed, "\(file.path): '\(name)' is \(describe(file[name])), expected \(expected)")
    }

    /// A number as itself, a string in quotes and shortened, anything else by its type.
    private func describe(_ value: GGUFValue?) -> String {
        guard let value else { return "missing" }
        if let int = value.int { return "\(int)" }
        if let double = value.double { return "\(double)" }
        if let string = value.string { return "the string '\(string.prefix(40))'" }
        return "of type \(value.type)"
    }
}
