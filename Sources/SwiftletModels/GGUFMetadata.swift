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

    /// The configuration that all architectures of the Llama family store in the same keys.
    func configuration(pairing: Rope.Pairing) throws(SwiftletError) -> DecoderConfiguration {
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
        guard valueSize == headSize else {
            throw SwiftletError(
                .unsupported,
                "\(file.path): keys of \(headSize) and values of \(valueSize) dimensions; expected equal sizes"
            )
        }
        let layerCount = try int("block_count")
        let contextLength = try int("context_length")
        let slidingWindow = try optionalInt("attention.sliding_window") ?? 0
        let window = slidingWindow > 0 ? slidingWindow : nil
        return DecoderConfiguration(
            architecture: architecture, vocabularySize: embedding.shape[0], hiddenSize: hiddenSize,
            innerSize: try int("feed_forward_length"), layerCount: layerCount, headCount: headCount,
            kvHeadCount: try optionalInt("attention.head_count_kv") ?? headCount, headSize: headSize,
            contextLength: contextLength,
            normEpsilon: Float(try optionalDouble("attention.layer_norm_rms_epsilon") ?? 1e-5),
            rope: try rope(headSize: headSize, contextLength: contextLength, pairing: pairing),
            windows: Array(repeating: window, count: min(max(layerCount, 0), 1 << 14)),
            tiesEmbeddings: !file.tensors.contains { $0.name == "output.weight" },
            hasQueryKeyValueBias: has("blk.0.attn_q.bias"), hasOutputBias: has("blk.0.attn_output.bias"),
            hasFeedForwardBias: has("blk.0.ffn_up.bias"))
    }

    private func has(_ tensor: String) -> Bool { file.tensors.contains { $0.name == tensor } }

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

    private func missing(_ key: String) -> SwiftletError {
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
