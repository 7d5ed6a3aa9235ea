import SwiftletFormats
import SwiftletTensor

/// Models whose positions get in otherwise than in Llama: by what distance costs, or beside latent vectors.
extension GGUFFamily {
    static func falcon(_ c: DecoderConfiguration) -> GGUFFamily {
        var family = plain("falcon")
        family.merged = [("attn_qkv", ["attn_q", "attn_k", "attn_v"])]
        family.activation = .gelu
        family.form.residual = c.form.residual == .parallel ? .parallel : .shared
        if c.form.residual == .parallel {
            family.renamed = ["attn_norm": "attn_norm_2", "ffn_norm": "attn_norm"]
        }
        family.keys = [("tensor_data_layout", GGUFValue("jploski"))]
        return family
    }

    static func bloom(_ c: DecoderConfiguration) -> GGUFFamily {
        var family = plain("bloom")
        family.merged = [("attn_qkv", ["attn_q", "attn_k", "attn_v"])]
        family.form.normalizesEmbeddings = true
        family.form.position = .slopes(AlibiSlopes.bloom(c.headCount))
        family.rotates = false
        return family
    }

    static func mpt(_ c: DecoderConfiguration) -> GGUFFamily {
        var family = plain("mpt")
        family.merged = [("attn_qkv", ["attn_q", "attn_k", "attn_v"])]
        family.activation = .gelu
        family.form.normsHaveBiases = false
        family.form.position = .slopes(AlibiSlopes.mpt(c.headCount, maximum: 8))
        family.form.projectionLimit = c.form.projectionLimit
        family.rotates = false
        family.keys = [("attention.max_alibi_bias", GGUFValue(Float(8)))]
        if let limit = c.form.projectionLimit {
            family.keys.append(("attention.clamp_kqv", GGUFValue(limit)))
        }
        return family
    }

    static func deepSeek(_ c: DecoderConfiguration) -> GGUFFamily {
        var family = GGUFFamily(architecture: "deepseek2")
        guard let latent = c.form.latent else { return family }
        family.form.latent = latent
        family.form.attentionScale = c.form.attentionScale  // compared with its key where the keys are made
        // Readers see one key of all heads.
        family.keys = [
            ("attention.head_count_kv", GGUFValue(UInt32(1))),
            ("attention.key_length", GGUFValue(UInt32(latent.rank + latent.rotatedSize))),
            ("attention.value_length", GGUFValue(UInt32(latent.rank))),
            ("attention.kv_lora_rank", GGUFValue(UInt32(latent.rank))),
            ("attention.key_length_mla", GGUFValue(UInt32(latent.plainSize + latent.rotatedSize))),
            ("attention.value_length_mla", GGUFValue(UInt32(latent.valueSize))),
        ]
        if let rank = latent.queryRank {
            family.keys.append(("attention.q_lora_rank", GGUFValue(UInt32(rank))))
        }
        let experts = c.form.experts
        let dense = experts?.layers.firstIndex(of: true) ?? c.layerCount
        let width = experts?.innerSize ?? c.innerSize
        family.keys += [
            ("leading_dense_block_count", GGUFValue(UInt32(dense))),
            ("expert_feed_forward_length", GGUFValue(UInt32(width))),
            ("expert_shared_count", GGUFValue(UInt32((experts?.sharedSize ?? 0) / max(width, 1)))),
        ]
        guard let experts else { return family }
        var expected = ExpertForm(
            count: experts.count, used: experts.used, innerSize: width,
            layers: (0..<c.layerCount).map { $0 >= dense })
        expected.sharedSize = experts.sharedSize / max(width, 1) * width
        expected.scale = experts.scale
        family.form.experts = expected
        family.keys += expertKeys(experts) + [("expert_weights_scale", GGUFValue(experts.scale))]
        return family
    }
}
