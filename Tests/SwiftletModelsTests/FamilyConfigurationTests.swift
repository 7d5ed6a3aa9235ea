import SwiftletCache
import SwiftletTensor
import Testing

@testable import SwiftletModels

/// What published files of the further architectures say, as far as it changes the arithmetic.
@Suite("Configurations of published models")
struct FamilyConfigurationTests {
    @Test("Gemma 3 as it was published: two bases, a period of windows, the text part of a larger file")
    func gemma3() throws {
        let c = try configuration(
            """
            {"model_type": "gemma3", "text_config": {"hidden_size": 2560, "intermediate_size": 10240,
            "model_type": "gemma3_text", "num_hidden_layers": 34, "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
            "sliding_window": 1024}}
            """)
        #expect(c.windows.prefix(7) == [1024, 1024, 1024, 1024, 1024, nil, 1024])
        #expect(c.rope == Rope(base: 1_000_000, rotatedSize: 256, scaling: .linear(factor: 8)))
        #expect(c.layerRopes[0] == Rope(base: 10_000, rotatedSize: 256) && c.layerRopes[5] == nil)
        #expect(c.attentionScale == 1 / 16 && c.form.logitCap == nil && c.tiesEmbeddings)
    }

    @Test("Pythia: older keys for the rotation")
    func pythia() throws {
        let c = try configuration(
            """
            {"model_type": "gpt_neox", "hidden_size": 512, "num_attention_heads": 8, "num_hidden_layers": 6,
            "intermediate_size": 2048, "rotary_pct": 0.25, "rotary_emb_base": 5000, "vocab_size": 50304}
            """)
        #expect(c.rope == Rope(base: 5_000, rotatedSize: 16) && c.form.residual == .parallel)
        #expect(c.hasFeedForwardBias && c.hasQueryKeyValueBias && !c.form.isGated && !c.tiesEmbeddings)
    }

    @Test("DeepSeek-V2-Lite: YaRN's factor goes into the scores")
    func deepSeek() throws {
        let c = try configuration(
            """
            {"model_type": "deepseek_v2", "q_lora_rank": null, "num_experts_per_tok": 6, "n_routed_experts": 64,
            "first_k_dense_replace": 1, "moe_intermediate_size": 1408, "n_shared_experts": 2, "hidden_size": 2048,
            "num_attention_heads": 16, "num_key_value_heads": 16, "num_hidden_layers": 27,
            "max_position_embeddings": 163840, "rope_scaling": {"type": "yarn", "factor": 40, "mscale": 0.707,
            "mscale_all_dim": 0.707, "beta_fast": 32, "beta_slow": 1, "original_max_position_embeddings": 4096}}
            """)
        let magnitude = Rope.yarnMagnitude(40, 0.707)
        #expect(abs(Double(c.attentionScale) - magnitude * magnitude / 192.0.squareRoot()) < 1e-7)
        #expect(c.form.latent?.queryRank == nil && c.form.experts?.layers.first == false)
        #expect(c.cacheLayers[0].keySize == 576 && c.cacheLayers[0].valueSize == 512)
        #expect(c.cacheLayers[0].kvHeadCount == 1 && c.rope.attentionFactor == 1)
    }

    @Test("slopes of numbers of heads that are no power of two")
    func slopes() {
        #expect(AlibiSlopes.bloom(4) == [0.25, 0.0625, 0.015625, 0.00390625])
        #expect(AlibiSlopes.bloom(6).suffix(2) == [0.5, 0.125])
        #expect(AlibiSlopes.mpt(3, maximum: 8) == [0.0625, 0.00390625, 0.25])
        #expect(AlibiSlopes.bloom(1) == [1.0 / 256] && AlibiSlopes.mpt(1, maximum: 8) == [1.0 / 256])
    }

    @Test(
        "what is not implemented is refused by name",
        arguments: [
            (
                #""model_type": "deepseek_v2", "num_experts_per_tok": 2, "scoring_func": "sigmoid""#,
                "'scoring_func'"
            ),
            (
                #""model_type": "deepseek_v2", "num_experts_per_tok": 2, "topk_method": "noaux_tc""#,
                "noaux_tc"
            ),
            (#""model_type": "bloom", "apply_residual_connection_post_layernorm": true"#, "post_layernorm"),
            (#""model_type": "mpt", "no_bias": false"#, "'no_bias'"),
            (#""model_type": "mpt", "attn_config": {"qk_ln": true}"#, "'qk_ln'"),
            (#""model_type": "gpt2", "add_cross_attention": true"#, "'add_cross_attention'"),
            (#""model_type": "bert", "position_embedding_type": "relative_key""#, "relative_key"),
            (#""model_type": "bert", "is_decoder": true"#, "'is_decoder'"),
            (#""model_type": "nomic_bert", "prenorm": true"#, "'prenorm'"),
            (#""model_type": "gemma2", "use_bidirectional_attention": true"#, "bidirectional"),
        ])
    func refusals(line: String, mention: String) throws {
        let error = #expect(throws: SwiftletError.self) { try configuration("{\(line)}") }
        #expect(error?.code == .unsupported && error?.message.contains(mention) == true)
    }

    @Test(
        "sizes that no model has are refused, not computed with",
        arguments: [
            #""model_type": "mixtral", "num_local_experts": 0"#,
            #""model_type": "mixtral", "num_experts_per_tok": 9"#,
            #""model_type": "qwen3_moe", "moe_intermediate_size": -1"#,
            #""model_type": "deepseek_v2", "num_experts_per_tok": 2, "kv_lora_rank": 0"#,
            #""model_type": "deepseek_v2", "num_experts_per_tok": 2, "qk_rope_head_dim": 7"#,
            #""model_type": "deepseek_v2", "num_experts_per_tok": 2, "topk_method": "group_limited_greedy", "n_group": 7"#,
            #""model_type": "gpt2", "n_positions": -4"#,
            #""model_type": "mpt", "attn_config": {"clip_qkv": -1}"#,
            #""model_type": "gemma2", "attn_logit_softcapping": -2"#,
            #""model_type": "granite", "logits_scaling": 0"#,
            #""model_type": "smollm3", "no_rope_layers": [1, 0]"#,
            #""model_type": "modernbert", "local_attention": -9"#,
            #""model_type": "falcon", "num_kv_heads": 3, "new_decoder_architecture": true"#,
        ])
    func sizes(line: String) throws {
        let error = #expect(throws: SwiftletError.self) { try configuration("{\(line)}") }
        #expect([.malformed, .unsupported].contains(error?.code))
    }
}
