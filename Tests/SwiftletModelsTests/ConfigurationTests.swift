import Foundation
import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletModels

/// Reads a `config.json` with this text.
func configuration(_ text: String) throws -> DecoderConfiguration {
    let folder = TemporaryDirectory()
    folder.write(text, to: "config.json")
    let source = try ModelSource(.directory(folder.path))
    return try ModelRegistry.architecture(of: source).configuration(of: source)
}

@Suite("Configurations of Hugging Face directories")
struct ConfigurationTests {
    static let names = ["llama", "mistral", "qwen2", "qwen3"]

    @Test("an empty file means the reference's defaults")
    func defaults() throws {
        let llama = try configuration(#"{"model_type": "llama"}"#)
        let expected = DecoderConfiguration(
            architecture: "llama", vocabularySize: 32_000, hiddenSize: 4_096, innerSize: 11_008,
            layerCount: 32,
            headCount: 32, kvHeadCount: 32, headSize: 128, contextLength: 2_048, normEpsilon: 1e-6,
            rope: Rope(base: 10_000, rotatedSize: 128), windows: Array(repeating: nil, count: 32))
        #expect(llama == expected)

        var mistral = expected
        mistral.architecture = "mistral"
        (mistral.innerSize, mistral.kvHeadCount, mistral.contextLength) = (14_336, 8, 131_072)
        mistral.windows = Array(repeating: 4_096, count: 32)
        #expect(try configuration(#"{"model_type": "mistral"}"#) == mistral)

        var qwen2 = expected
        qwen2.architecture = "qwen2"
        (qwen2.vocabularySize, qwen2.innerSize, qwen2.contextLength) = (151_936, 22_016, 32_768)
        qwen2.hasQueryKeyValueBias = true
        #expect(try configuration(#"{"model_type": "qwen2"}"#) == qwen2)

        var qwen3 = qwen2
        qwen3.architecture = "qwen3"
        (qwen3.hasQueryKeyValueBias, qwen3.form.headNorm) = (false, .perHead)
        #expect(try configuration(#"{"model_type": "qwen3"}"#) == qwen3)
    }

    @Test(
        "KV heads: an absent key is the default, a null is one per query head",
        arguments: zip(names, [16, 8, 32, 32]))
    func kvHeads(name: String, absent: Int) throws {
        let start = #"{"model_type": "\#(name)", "num_attention_heads": 16, "hidden_size": 64, "head_dim": 4"#
        if absent <= 16 {
            #expect(try configuration(start + "}").kvHeadCount == absent)
        } else {
            #expect(throws: SwiftletError.self) { try configuration(start + "}") }
        }
        #expect(try configuration(start + #", "num_key_value_heads": null}"#).kvHeadCount == 16)
        #expect(try configuration(start + #", "num_key_value_heads": 2}"#).kvHeadCount == 2)
    }

    @Test("head size: given, by architecture, or a share of the hidden size")
    func headSize() throws {
        func size(_ name: String, _ more: String = "") throws -> Int {
            try configuration(
                #"{"model_type": "\#(name)", "hidden_size": 1024, "num_attention_heads": 32, "num_key_value_heads": 8\#(more)}"#
            )
            .headSize
        }
        #expect(try size("llama") == 32 && size("mistral") == 32 && size("qwen2") == 32)
        #expect(try size("qwen3") == 128)
        for name in Self.names {
            #expect(try size(name, #", "head_dim": 50"#) == 50)
            #expect(try size(name, #", "head_dim": null"#) == size(name))
        }
    }

    @Test("Mistral's window: absent is 4096, null is none")
    func mistralWindow() throws {
        func windows(_ more: String) throws -> [Int?] {
            try configuration(#"{"model_type": "mistral", "num_hidden_layers": 2\#(more)}"#).windows
        }
        #expect(try windows("") == [4_096, 4_096])
        #expect(try windows(#", "sliding_window": null"#) == [nil, nil])
        #expect(try windows(#", "sliding_window": 7"#) == [7, 7])
    }

    @Test("Qwen's windows: only when used, by type or from a layer on", arguments: ["qwen2", "qwen3"])
    func qwenWindows(name: String) throws {
        func windows(_ more: String) throws -> [Int?] {
            try configuration(#"{"model_type": "\#(name)", "num_hidden_layers": 3\#(more)}"#).windows
        }
        let none: [Int?] = [nil, nil, nil]
        let types = #", "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]"#
        let used = #", "use_sliding_window": true"#
        #expect(try windows("") == none)
        #expect(try windows(#", "sliding_window": 8"#) == none)
        #expect(
            try windows(#", "sliding_window": 8, "max_window_layers": 0, "use_sliding_window": false"#)
                == none)
        #expect(try windows(#", "sliding_window": 8"# + types) == none)
        #expect(try windows(used + #", "sliding_window": 8"#) == none, "layers below 28 see everything")
        #expect(try windows(used + #", "sliding_window": 8, "max_window_layers": 1"#) == [nil, 8, 8])
        #expect(try windows(used + #", "max_window_layers": 2"#) == [nil, nil, 4_096])
        #expect(try windows(used + #", "sliding_window": null, "max_window_layers": 0"#) == none)
        #expect(try windows(used + #", "sliding_window": 8, "max_window_layers": 0"# + types) == [8, nil, 8])
    }

    @Test("biases", arguments: names)
    func biases(name: String) throws {
        let given = try configuration(
            #"{"model_type": "\#(name)", "attention_bias": true, "mlp_bias": true}"#)
        #expect(given.hasQueryKeyValueBias == (name != "mistral"))
        #expect(given.hasOutputBias == (name == "llama" || name == "qwen3"))
        #expect(given.hasFeedForwardBias == (name == "llama"))
    }

    @Test(
        "activations",
        arguments: [
            ("silu", Activation.silu), ("swish", .silu), ("gelu", .gelu), ("gelu_pytorch_tanh", .geluTanh),
            ("gelu_new", .geluTanh),
        ])
    func activations(name: String, activation: Activation) throws {
        #expect(
            try configuration(#"{"model_type": "llama", "hidden_act": "\#(name)"}"#).activation == activation)
    }

    @Test(
        "a null is as good as an absent key",
        arguments: [
            "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
            "head_dim",
            "max_position_embeddings", "rms_norm_eps", "hidden_act", "tie_word_embeddings", "rope_theta",
            "rope_scaling",
            "rope_parameters", "attention_bias", "mlp_bias",
        ])
    func nulls(key: String) throws {
        #expect(
            try configuration(#"{"model_type": "llama", "\#(key)": null}"#)
                == configuration(#"{"model_type": "llama"}"#))
    }

    // MARK: Rotation

    private func rope(_ keys: String) throws -> Rope {
        try configuration(
            #"{"model_type": "llama", "hidden_size": 64, "num_attention_heads": 4, "max_position_embeddings": 512, \#(keys)}"#
        ).rope
    }

    @Test("every setting that the reference was asked about", arguments: 0..<17)
    func references(index: Int) throws {
        let list = try JSON.parse(contentsOf: "\(ModelFixture.folder)/rope.json")
        #expect(list.count == 17)
        let entry = try #require(list[index])
        let reader = ConfigurationReader(json: entry, source: "rope.json")
        let rope = try reader.rope(
            headSize: try #require(entry["head_dim"]?.int),
            contextLength: try #require(entry["max_position_embeddings"]?.int))
        let frequencies = try #require(entry["inverseFrequencies"]).elements.compactMap(\.double)
        #expect(rope.frequencies.count == frequencies.count)
        // The reference computes in float32, a few roundings of 2⁻²⁴ each: powers of the base, then the blend.
        for (found, expected) in zip(rope.frequencies, frequencies) {
            #expect(abs(found - expected) <= 2e-6 * abs(expected))
        }
        #expect(abs(rope.attentionFactor - (try #require(entry["attentionFactor"]?.double))) < 1e-12)
    }

    @Test("the base: in the parameters, beside them, or 10000")
    func base() throws {
        func base(_ keys: String) throws -> Rope { try rope(keys) }
        let (ten, five) = (Rope(base: 10_000, rotatedSize: 16), Rope(base: 5_000, rotatedSize: 16))
        #expect(try rope(#""vocab_size": 9"#) == ten)
        #expect(try rope(#""rope_theta": 5000"#) == five)
        #expect(try rope(#""rope_parameters": {"rope_type": "default", "rope_theta": 5000.0}"#) == five)
        #expect(try rope(#""rope_theta": 7.0, "rope_parameters": {"rope_theta": 5000.0}"#) == five)
        #expect(try rope(#""rope_theta": 5e3, "rope_parameters": {"rope_type": "default"}"#) == five)
    }

    @Test("the older rope_scaling wins unless it is empty")
    func precedence() throws {
        let newer = #""rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 5000.0}"#
        let linear = Rope(base: 5_000, rotatedSize: 16, scaling: .linear(factor: 2))
        #expect(try rope(newer) == linear)
        #expect(try rope(newer + #", "rope_scaling": null"#) == linear)
        #expect(try rope(newer + #", "rope_scaling": {}"#) == linear)
        #expect(
            try rope(newer + #", "rope_scaling": {"type": "linear", "factor": 8}"#)
                == Rope(base: 10_000, rotatedSize: 16, scaling: .linear(factor: 8)))
        #expect(
            try rope(#""rope_scaling": {"rope_type": "default", "type": "linear", "factor": 8}"#)
                == Rope(base: 10_000, rotatedSize: 16), "the newer name of the type wins")
    }

    @Test("a share of the head may rotate")
    func partial() throws {
        #expect(try rope(#""partial_rotary_factor": 0.5"#) == Rope(base: 10_000, rotatedSize: 8))
        #expect(
            try rope(#""partial_rotary_factor": 0.5, "rope_parameters": {"partial_rotary_factor": 0.25}"#)
                == Rope(base: 10_000, rotatedSize: 4))
    }

    @Test("YaRN without a factor stretches to the context length")
    func yarn() throws {
        let scaling = #""rope_scaling": {"rope_type": "yarn", "original_max_position_embeddings": 128"#
        let expected = Rope.Scaling.yarn(
            factor: 4, betaFast: 32, betaSlow: 1, originalContext: 128,
            attentionFactor: Rope.yarnMagnitude(4, 1), truncate: true)
        let rotation = Rope(base: 10_000, rotatedSize: 16, scaling: expected)
        #expect(try rope(scaling + "}") == rotation)
        #expect(try rope(scaling + #", "factor": 4}"#) == rotation)
        #expect(try rope(scaling + #", "beta_fast": 0, "beta_slow": null}"#) == rotation)
    }
}
