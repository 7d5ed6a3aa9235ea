import SwiftletFormats
import SwiftletTensor

/// Encoders, whose norms follow the residuals or whose layers see in both directions.
extension GGUFFamily {
    static func bert(_ c: DecoderConfiguration) -> GGUFFamily {
        var family = encoder(c, "bert")
        family.form.normPlace = .residual
        family.form.hasFinalNorm = false
        family.form.isGated = false
        family.form.position = c.form.position
        family.rotates = false
        family.activation = .gelu
        // Positions in the file begin with the first that a text has.
        if case .learned(_, let offset) = c.form.position {
            family.skippedRows = ["position_embd.weight": offset]
        }
        family.keys.append(("token_type_count", GGUFValue(UInt32(c.form.tokenTypeCount))))
        return family
    }

    static func nomicBERT(_ c: DecoderConfiguration) -> GGUFFamily {
        var family = encoder(c, "nomic-bert")
        family.merged = [("attn_qkv", ["attn_q", "attn_k", "attn_v"])]
        family.form.normPlace = .residual
        family.form.hasFinalNorm = false
        family.ropeBase = 1_000
        family.aliases = ["rope_theta": "rotary_emb_base", "partial_rotary_factor": "rotary_emb_fraction"]
        family.keys.append(("token_type_count", GGUFValue(UInt32(c.form.tokenTypeCount))))
        return family
    }

    static func modernBERT(_ c: DecoderConfiguration) -> GGUFFamily {
        var family = encoder(c, "modern-bert")
        family.merged = [("attn_qkv", ["attn_q", "attn_k", "attn_v"]), ("ffn_up", ["ffn_gate", "ffn_up"])]
        family.form.normsHaveBiases = c.form.normsHaveBiases
        family.form.firstLayerHasAttentionNorm = false
        family.activation = .gelu
        family.ropeBase = 160_000
        family.aliases = ["rope_theta": "global_rope_theta"]
        let local = c.layerRopes.lazy.compactMap(\.self).first
        family.layerRopes = c.windows.map { $0 == nil ? nil : local }
        // The period that readers take for granted is 3; every first layer of a period has no window.
        let period = max(c.windows.dropFirst().firstIndex { $0 == nil } ?? c.layerCount, 1)
        family.windowPeriod = period
        family.startsWithoutWindow = true
        family.keys += [("rope.scaling.type", GGUFValue("none")), ("hidden_activation", GGUFValue("gelu"))]
        if period != 3 {
            family.keys.append(("attention.sliding_window_pattern", GGUFValue(UInt32(period))))
        }
        if let base = local?.plainBase {
            family.keys.append(("rope.freq_base_swa", GGUFValue(Float(base))))
        }
        if let window = c.windows.lazy.compactMap(\.self).first {
            family.keys.append(("attention.sliding_window", GGUFValue(UInt32(window - 1))))
        }
        return family
    }

    private static func encoder(_ c: DecoderConfiguration, _ architecture: String) -> GGUFFamily {
        var family = GGUFFamily(architecture: architecture)
        family.form.isBidirectional = true
        family.form.norm = .layer
        family.form.normsHaveBiases = true
        family.form.normalizesEmbeddings = true
        family.form.tokenTypeCount = c.form.tokenTypeCount
        family.keys = [("attention.causal", GGUFValue(false))]
        return family
    }
}
