import Foundation
import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletCache
@testable import SwiftletModels

/// A line of `config.json` that cannot be, and what the message has to say about it.
struct WrongLine: Sendable, CustomTestStringConvertible {
    let line: String
    let code: SwiftletError.Code
    let mentions: [String]

    init(_ line: String, _ code: SwiftletError.Code, _ mentions: String...) {
        self.line = line
        self.code = code
        self.mentions = mentions
    }

    var testDescription: String { line }
}

@Suite("Wrong configurations are refused with a sentence")
struct ConfigurationErrorTests {
    private func check(_ text: String, _ wrong: WrongLine) throws {
        let error = #expect(throws: SwiftletError.self) { try configuration(text) }
        guard let error else { return }
        #expect(error.code == wrong.code, "\(error)")
        for part in ["config.json"] + wrong.mentions { #expect(error.message.contains(part), "\(error)") }
    }

    @Test(
        "wrong types name the key and what was found",
        arguments: [
            WrongLine(#""hidden_size": "64""#, .malformed, "hidden_size", "'64'", "integer"),
            WrongLine(#""hidden_size": 64.5"#, .malformed, "hidden_size", "64.5", "integer"),
            WrongLine(#""num_hidden_layers": 1e99"#, .malformed, "num_hidden_layers", "1e+99"),
            WrongLine(#""num_attention_heads": true"#, .malformed, "num_attention_heads", "true"),
            WrongLine(#""num_key_value_heads": []"#, .malformed, "num_key_value_heads", "array"),
            WrongLine(#""vocab_size": {}"#, .malformed, "vocab_size", "object"),
            WrongLine(#""vocab_size": 99999999999999999999"#, .malformed, "vocab_size", "1e+20"),
            WrongLine(#""rms_norm_eps": "small""#, .malformed, "rms_norm_eps", "'small'", "number"),
            WrongLine(#""rms_norm_eps": NaN"#, .malformed, "rms_norm_eps", "nan"),
            WrongLine(#""rope_theta": Infinity"#, .malformed, "rope_theta", "inf"),
            WrongLine(#""tie_word_embeddings": 1"#, .malformed, "tie_word_embeddings", "1", "true or false"),
            WrongLine(#""attention_bias": "no""#, .malformed, "attention_bias", "'no'"),
            WrongLine(#""hidden_act": 3"#, .malformed, "hidden_act", "3", "string"),
            WrongLine(#""rope_scaling": "yarn""#, .malformed, "rope_scaling", "'yarn'", "object"),
            WrongLine(#""rope_parameters": 4"#, .malformed, "rope_parameters", "4", "object"),
            WrongLine(
                #""rope_parameters": {"rope_theta": "x"}"#, .malformed, "rope_parameters", "rope_theta", "'x'"
            ),
            WrongLine(#""rope_parameters": {"rope_type": 1}"#, .malformed, "rope_type", "1"),
        ])
    func types(wrong: WrongLine) throws { try check(#"{"model_type": "llama", \#(wrong.line)}"#, wrong) }

    @Test(
        "sizes that contradict each other or no model has",
        arguments: [
            WrongLine(#""num_attention_heads": 0"#, .malformed, "0 attention heads"),
            WrongLine(#""num_attention_heads": -4"#, .malformed, "-4 attention heads"),
            WrongLine(#""num_attention_heads": 5"#, .malformed, "4096", "5"),
            WrongLine(#""num_key_value_heads": 5"#, .malformed, "32", "5"),
            WrongLine(#""num_key_value_heads": 0"#, .malformed, "0"),
            WrongLine(#""num_key_value_heads": -1"#, .malformed, "-1"),
            WrongLine(#""num_key_value_heads": 64"#, .malformed, "32", "64"),
            WrongLine(#""num_hidden_layers": 0"#, .malformed, "0 layers"),
            WrongLine(#""num_hidden_layers": -1"#, .malformed, "-1 layers"),
            WrongLine(#""num_hidden_layers": 9223372036854775807"#, .malformed, "9223372036854775807 layers"),
            WrongLine(#""hidden_size": 0"#, .malformed, "head size 0"),
            WrongLine(#""hidden_size": -4096"#, .malformed, "-128"),
            WrongLine(#""hidden_size": -4096, "head_dim": 8"#, .malformed, "-4096"),
            WrongLine(#""hidden_size": 9223372036854775776"#, .malformed, "head size"),
            WrongLine(#""hidden_size": 1099511627776, "head_dim": 8"#, .malformed, "1099511627776"),
            WrongLine(#""head_dim": -8"#, .malformed, "-8"),
            WrongLine(#""head_dim": 9223372036854775807"#, .malformed, "9223372036854775807"),
            WrongLine(#""head_dim": 7"#, .unsupported, "7"),
            WrongLine(#""vocab_size": 0"#, .malformed, "vocabulary", "0"),
            WrongLine(#""vocab_size": 9223372036854775807"#, .malformed, "9223372036854775807"),
            WrongLine(#""intermediate_size": -9223372036854775808"#, .malformed, "-9223372036854775808"),
            WrongLine(#""max_position_embeddings": 0"#, .malformed, "context length 0"),
            WrongLine(#""max_position_embeddings": 9223372036854775807"#, .malformed, "9223372036854775807"),
            WrongLine(#""rms_norm_eps": -1e-5"#, .malformed, "-1e-05"),
            WrongLine(#""rms_norm_eps": 1e300"#, .malformed, "inf"),
        ])
    func sizes(wrong: WrongLine) throws { try check(#"{"model_type": "llama", \#(wrong.line)}"#, wrong) }

    @Test(
        "rotations that cannot be",
        arguments: [
            WrongLine(#""rope_theta": 0"#, .malformed, "base 0"),
            WrongLine(#""rope_theta": -10000"#, .malformed, "base -10000"),
            WrongLine(#""partial_rotary_factor": 1.5"#, .malformed, "1.5"),
            WrongLine(#""partial_rotary_factor": -0.5"#, .malformed, "-0.5"),
            WrongLine(
                #""rope_scaling": {"type": "proportional", "factor": 2}"#, .unsupported, "'proportional'",
                "yarn"),
            WrongLine(#""rope_scaling": {"type": "dynamic"}"#, .malformed, "'dynamic'", "factor"),
            WrongLine(#""rope_scaling": {"rope_type": "longrope"}"#, .malformed, "'short_factor'"),
            WrongLine(#""rope_scaling": {"type": "linear"}"#, .malformed, "linear", "factor"),
            WrongLine(#""rope_scaling": {"type": "linear", "factor": 0}"#, .malformed, "linear", "factor"),
            WrongLine(#""rope_scaling": {"type": "linear", "factor": -2}"#, .malformed, "linear", "factor"),
            WrongLine(#""rope_scaling": {"type": "linear", "factor": 1e-320}"#, .malformed, "inf"),
            WrongLine(
                #""rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1}"#, .malformed,
                "high_freq_factor"),
            WrongLine(
                #""rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4}"#,
                .malformed, "4.0"),
            WrongLine(
                #""rope_scaling": {"rope_type": "yarn", "factor": 2, "original_max_position_embeddings": 0}"#,
                .malformed, "original_max_position_embeddings", "0"),
            WrongLine(#""rope_scaling": {"rope_type": "yarn", "factor": -2}"#, .malformed, "factor"),
            WrongLine(
                #""rope_scaling": {"rope_type": "yarn", "factor": 2, "beta_fast": -1}"#, .malformed, "nan"),
        ])
    func rotations(wrong: WrongLine) throws { try check(#"{"model_type": "llama", \#(wrong.line)}"#, wrong) }

    @Test(
        "windows and names that are not known",
        arguments: [
            WrongLine(#""model_type": "mistral", "sliding_window": 0"#, .malformed, "window is 0"),
            WrongLine(#""model_type": "mistral", "sliding_window": -3"#, .malformed, "window is -3"),
            WrongLine(
                #""model_type": "mistral", "sliding_window": "8""#, .malformed, "sliding_window", "'8'"),
            WrongLine(
                #""model_type": "qwen2", "num_hidden_layers": 2, "layer_types": ["full_attention"]"#,
                .malformed, "1 layer types", "2 layers"),
            WrongLine(
                #""model_type": "qwen3", "layer_types": ["linear_attention"]"#, .unsupported,
                "'linear_attention'"),
            WrongLine(
                #""model_type": "qwen3", "layer_types": "full_attention""#, .malformed, "layer_types",
                "'full_attention'"),
            WrongLine(#""model_type": "qwen3", "layer_types": [1]"#, .malformed, "layer_types", "array"),
            WrongLine(
                #""model_type": "qwen2", "use_sliding_window": 1"#, .malformed, "use_sliding_window", "1"),
            WrongLine(#""model_type": "llama", "hidden_act": "selu""#, .unsupported, "'selu'", "silu"),
        ])
    func names(wrong: WrongLine) throws { try check("{\(wrong.line)}", wrong) }

    @Test(
        "architectures that are not known or not named",
        arguments: [
            (#"{"model_type": "gpt3"}"#, "'gpt3'"), (#"{"model_type": "Llama"}"#, "'Llama'"),
            ("{}", "model_type"),
            (#"{"model_type": null}"#, "model_type"), (#"{"model_type": 3}"#, "model_type"),
        ])
    func architectures(text: String, mention: String) throws {
        let error = #expect(throws: SwiftletError.self) { try configuration(text) }
        let message = try #require(error).message
        #expect(message.contains(mention) && message.contains("llama, mistral, "), "\(message)")
    }

    @Test("a window beyond 32 bits sees everything")
    func hugeWindow() throws {
        let folder = TemporaryDirectory()
        try Checkpoint("mistral").write(to: folder)
        let config = String(decoding: try Checkpoint("mistral").config(), as: UTF8.self)
        #expect(config.contains(#""sliding_window": null"#))
        folder.write(
            config.replacing(#""sliding_window": null"#, with: #""sliding_window": 5000000000"#),
            to: "config.json")
        let (wide, none) = (try Bench(directory: folder.path), try Bench("mistral"))
        let ids = SeamModels.prompt(12)
        #expect(try wide.logits(ids, wide.sequence()) == none.logits(ids, none.sequence()))
    }
}
