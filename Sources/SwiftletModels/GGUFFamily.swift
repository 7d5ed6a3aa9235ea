import SwiftletFormats
import SwiftletTensor

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// How the models of one architecture are written as GGUF files: what its readers take for granted, and what its own
/// keys say.
///
/// Source: keys, and tensors that are stored as one, as llama.cpp's converter writes them
/// (github.com/ggml-org/llama.cpp), 2026.
struct GGUFFamily {
    typealias Keys = [(name: String, value: GGUFValue)]

    /// The name under `general.architecture`.
    let architecture: String
    /// Whether rows of queries and keys are reordered, so that adjacent dimensions rotate together.
    var interleavesHeads = false
    /// Tensors of a layer that are stored as one, in this order.
    var merged: [(stem: String, parts: [String])] = []
    /// Tensors of a layer that have another name in the file, by their stems.
    var renamed: [String: String] = [:]
    /// Rows at the beginning of a table that are left out, by the name of the tensor.
    var skippedRows: [String: Int] = [:]
    /// The form that a reader arrives at.
    var form = DecoderForm()
    /// The only activation of the feed-forward blocks.
    var activation = Activation.silu
    /// Rotations of single layers that a reader arrives at.
    var layerRopes: [Rope?] = []
    /// Every so many layers one has no window; `nil` if all have the same.
    var windowPeriod: Int?
    /// Whether that is the first of so many layers, not the last.
    var startsWithoutWindow = false
    /// θ where a directory's configuration does not say it.
    var ropeBase = 10_000.0
    /// The share of a head that rotates, where the configuration does not say it.
    var rotaryShare = 1.0
    /// Names of keys in `config.json` that other architectures call otherwise.
    var aliases: [String: String] = [:]
    /// Whether positions rotate at all.
    var rotates = true
    /// Keys beside those that all models have, or in their place.
    var keys: Keys = []

    /// The family of a model, or `nil` if its files cannot be written yet.
    static func of(_ c: DecoderConfiguration) -> GGUFFamily? {
        switch c.architecture {
        case "llama", "mistral", "mixtral": llama(c)
        case "granite": granite(c)
        case "smollm3": smollm3(c)
        case "qwen2": GGUFFamily(architecture: "qwen2")
        case "qwen3": qwen3()
        case "qwen2_moe": qwenExperts(c, "qwen2moe")
        case "qwen3_moe": qwenExperts(c, "qwen3moe")
        case "olmo2": olmo2()
        case "gemma": gemma(c)
        case "gemma2", "gemma3": laterGemma(c)
        case "phi3": phi3(c)
        case "starcoder2": plain("starcoder2")
        case "gpt2": gpt2(c)
        case "gpt_neox": neoX(c)
        case "stablelm": stableLM(c)
        case "phi": phi2()
        case "cohere": cohere(c, "command-r")
        case "cohere2": cohere(c, "cohere2")
        case "falcon": falcon(c)
        case "bloom": bloom(c)
        case "mpt": mpt(c)
        case "bert": bert(c)
        case "nomic_bert": nomicBERT(c)
        case "modernbert": modernBERT(c)
        case "deepseek_v2": deepSeek(c)
        default: nil
        }
    }

    /// Whether layer norms, not RMS norms, are used.
    var isCentred: Bool { form.norm == .layer }

    // MARK: With pairs side by side

    private static func llama(_ c: DecoderConfiguration) -> GGUFFamily {
        var family = GGUFFamily(architecture: "llama", interleavesHeads: true)
        guard let experts = c.form.experts else { return family }
        family.form.experts = ExpertForm(
            count: experts.count, used: experts.used, innerSize: c.innerSize, layers: allLayers(c))
        family.form.experts?.normalizes = true
        family.keys = expertKeys(experts)
        return family
    }

    private static func granite(_ c: DecoderConfiguration) -> GGUFFamily {
        var family = GGUFFamily(architecture: "granite", interleavesHeads: true)
        family.form.attentionScale = c.form.attentionScale
        family.form.embeddingScale = c.form.embeddingScale
        family.form.residualScale = c.form.residualScale
        family.form.logitScale = c.form.logitScale
        family.keys = [
            ("attention.scale", GGUFValue(c.attentionScale)),
            ("embedding_scale", GGUFValue(c.form.embeddingScale)),
            ("residual_scale", GGUFValue(c.form.residualScale)),
            ("logit_scale", GGUFValue(1 / c.form.logitScale)),
        ]
        return family
    }

    private static func smollm3(_ c: DecoderConfiguration) -> GGUFFamily {
        var family = GGUFFamily(architecture: "smollm3", interleavesHeads: true)
        let still = Rope(base: 10_000, rotatedSize: 0, pairing: c.rope.pairing)
        family.layerRopes = (0..<c.layerCount).map { ($0 + 1) % 4 == 0 ? still : nil }
        family.ropeBase = 2_000_000
        return family
    }

    // MARK: With experts

    private static func qwen3() -> GGUFFamily {
        var family = GGUFFamily(architecture: "qwen3")
        family.form.headNorm = .perHead
        return family
    }

    private static func qwenExperts(_ c: DecoderConfiguration, _ architecture: String) -> GGUFFamily {
        var family = GGUFFamily(architecture: architecture)
        let isThird = architecture == "qwen3moe"
        if isThird { family.form.headNorm = .perHead }
        guard let experts = c.form.experts else { return family }
        var expected = ExpertForm(
            count: experts.count, used: experts.used, innerSize: experts.innerSize, layers: allLayers(c))
        expected.normalizes = isThird
        (expected.sharedSize, expected.gatesShared) = (experts.sharedSize, experts.gatesShared)
        family.form.experts = expected
        family.keys =
            expertKeys(experts) + [("expert_feed_forward_length", GGUFValue(UInt32(experts.innerSize)))]
        if experts.sharedSize > 0 {
            family.keys.append(("expert_shared_feed_forward_length", GGUFValue(UInt32(experts.sharedSize))))
        }
        return family
    }

    private static func allLayers(_ c: DecoderConfiguration) -> [Bool] {
        Array(repeating: true, count: c.layerCount)
    }

    static func expertKeys(_ experts: ExpertForm) -> Keys {
        [
            ("expert_count", GGUFValue(UInt32(experts.count))),
            ("expert_used_count", GGUFValue(UInt32(experts.used))),
        ]
    }

    // MARK: With other norms

    private static func olmo2() -> GGUFFamily {
        var family = GGUFFamily(architecture: "olmo2")
        family.form.normPlace = .after
        family.form.headNorm = .whole
        return family
    }

    private static func gemma(_ c: DecoderConfiguration) -> GGUFFamily {
        var family = GGUFFamily(architecture: c.architecture)
        family.form.normOffset = 1
        family.form.embeddingScale = Float(c.hiddenSize).squareRoot()
        family.activation = .geluTanh
        return family
    }

    private static func laterGemma(_ c: DecoderConfiguration) -> GGUFFamily {
        var family = gemma(c)
        let isThird = c.architecture == "gemma3"
        family.form.normPlace = .around
        family.form.logitCap = c.form.logitCap
        // Readers know one exception by its number of layers.
        let isLargest = c.layerCount == (isThird ? 62 : 46)
        let scale = 1 / Float(isLargest ? c.hiddenSize / c.headCount : c.headSize).squareRoot()
        let isUsual = (c.attentionScale - scale).magnitude <= 1e-6 * scale
        family.form.attentionScale = isUsual ? c.form.attentionScale : scale
        family.windowPeriod = isThird ? 6 : 2
        family.ropeBase = isThird ? 1_000_000 : 10_000
        family.keys = [("final_logit_softcapping", GGUFValue(c.form.logitCap ?? 0))]
        if isThird {
            family.form.headNorm = .perHead
            let local = c.layerRopes.lazy.compactMap(\.self).first
            family.layerRopes = c.windows.map { $0 == nil ? nil : local }
            if let base = local?.plainBase {
                family.keys.append(("rope.freq_base_swa", GGUFValue(Float(base))))
            }
        } else {
            family.form.scoreCap = c.form.scoreCap
            family.keys.append(("attn_logit_softcapping", GGUFValue(c.form.scoreCap ?? 0)))
        }
        return family
    }

    // MARK: With tensors that are stored as one

    private static func phi3(_ c: DecoderConfiguration) -> GGUFFamily {
        var family = GGUFFamily(architecture: "phi3")
        family.merged = [("attn_qkv", ["attn_q", "attn_k", "attn_v"]), ("ffn_up", ["ffn_gate", "ffn_up"])]
        // Without the key, readers take a window for granted.
        if c.windows.allSatisfy({ $0 == nil }) {
            family.keys = [("attention.sliding_window", GGUFValue(UInt32(0)))]
        }
        return family
    }

    private static func gpt2(_ c: DecoderConfiguration) -> GGUFFamily {
        var family = plain("gpt2")
        family.merged = [("attn_qkv", ["attn_q", "attn_k", "attn_v"])]
        family.form.position = .learned(count: c.contextLength, offset: 0)
        family.rotates = false
        return family
    }

    private static func neoX(_ c: DecoderConfiguration) -> GGUFFamily {
        var family = plain("gptneox")
        family.merged = [("attn_qkv", ["attn_q", "attn_k", "attn_v"])]
        family.activation = .gelu
        let isParallel = c.form.residual == .parallel
        family.form.residual = isParallel ? .parallel : .sequential
        family.keys = [("use_parallel_residual", GGUFValue(isParallel))]
        family.rotaryShare = 0.25
        family.aliases = ["partial_rotary_factor": "rotary_pct", "rope_theta": "rotary_emb_base"]
        return family
    }

    private static func stableLM(_ c: DecoderConfiguration) -> GGUFFamily {
        var family = GGUFFamily(architecture: "stablelm")
        family.form.norm = .layer
        family.form.normsHaveBiases = true
        family.form.headNormKind = .layer
        let isShared = c.form.residual == .shared
        family.form.residual = isShared ? .shared : .sequential
        family.keys = [("use_parallel_residual", GGUFValue(isShared))]
        family.rotaryShare = 0.25
        return family
    }

    private static func phi2() -> GGUFFamily {
        var family = plain("phi2")
        family.form.headNormKind = .layer
        family.form.headNormsHaveBiases = true
        family.form.residual = .shared
        family.form.hasLogitBias = true
        family.rotaryShare = 0.5
        return family
    }

    private static func cohere(_ c: DecoderConfiguration, _ architecture: String) -> GGUFFamily {
        var family = GGUFFamily(architecture: architecture)
        family.form.norm = .layer
        family.form.headNormKind = .layer
        family.form.residual = .shared
        family.form.logitScale = c.form.logitScale
        family.keys = [
            ("logit_scale", GGUFValue(c.form.logitScale)), ("rope.scaling.type", GGUFValue("none")),
        ]
        if architecture == "cohere2" {
            family.windowPeriod = 4
            let still = Rope(base: 10_000, rotatedSize: 0, pairing: c.rope.pairing)
            family.layerRopes = c.windows.map { $0 == nil ? still : nil }
        } else {
            family.form.headNorm = c.form.headNorm == .eachHead ? .eachHead : .none
            family.ropeBase = 500_000
        }
        return family
    }

    /// Layer norms with biases, and feed-forward blocks without a gate.
    static func plain(_ name: String) -> GGUFFamily {
        var family = GGUFFamily(architecture: name)
        family.form.norm = .layer
        family.form.normsHaveBiases = true
        family.form.isGated = false
        family.activation = .geluTanh
        return family
    }
}

extension GGUFFamily {
    /// The name of a tensor in the file.
    func fileName(of name: String) -> String {
        var fields = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard fields.count == 4, let stem = renamed[fields[2]] else { return name }
        fields[2] = stem
        return fields.joined(separator: ".")
    }

    /// The windows that a reader arrives at, from the size that the file says.
    func windows(_ c: DecoderConfiguration) -> [Int?] {
        let size = c.windows.lazy.compactMap(\.self).first
        guard let windowPeriod else { return Array(repeating: c.windows.first ?? nil, count: c.layerCount) }
        let place = startsWithoutWindow ? 0 : windowPeriod - 1
        return (0..<c.layerCount).map { $0 % windowPeriod != place ? size : nil }
    }
}

extension Rope {
    /// θ of a rotation without scaling, as far as it can be told from its second frequency.
    var plainBase: Double? {
        guard pairs > 1, frequencies[1] > 0 else { return nil }
        let base = pow(frequencies[1], -Double(pairs)).rounded()
        return Rope(base: base, rotatedSize: 2 * pairs, pairing: pairing) == self ? base : nil
    }
}
