import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport

/// A checkpoint of random weights whose hidden size fills blocks of 32 numbers and whose inner size does not.
enum SyntheticWeights {
    /// Writes config.json and model.safetensors into `folder` and returns its path.
    static func directory(in folder: TemporaryDirectory, seed: UInt64 = 1) -> String {
        let config = """
            {"model_type": "llama", "hidden_size": 64, "intermediate_size": 48, "num_hidden_layers": 1,
             "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 40,
             "max_position_embeddings": 64, "tie_word_embeddings": true}
            """
        folder.write(config, to: "model/config.json")
        let layer = "model.layers.0"
        let shapes: [(String, [Int])] = [
            ("model.embed_tokens.weight", [40, 64]), ("\(layer).input_layernorm.weight", [64]),
            ("\(layer).self_attn.q_proj.weight", [64, 64]), ("\(layer).self_attn.k_proj.weight", [32, 64]),
            ("\(layer).self_attn.v_proj.weight", [32, 64]), ("\(layer).self_attn.o_proj.weight", [64, 64]),
            ("\(layer).post_attention_layernorm.weight", [64]), ("\(layer).mlp.gate_proj.weight", [48, 64]),
            ("\(layer).mlp.up_proj.weight", [48, 64]), ("\(layer).mlp.down_proj.weight", [64, 48]),
            ("model.norm.weight", [64]),
        ]
        var random = SplitMix64(seed: seed)
        var header = LittleEndianBytes()
        var entries: [String] = []
        var data: [UInt8] = []
        for (name, shape) in shapes {
            let start = data.count
            for number in random.floats(shape.reduce(1, *)) {
                withUnsafeBytes(of: number.bitPattern.littleEndian) { data.append(contentsOf: $0) }
            }
            entries.append(
                #""\#(name)": {"dtype": "F32", "shape": \#(shape), "data_offsets": [\#(start), \#(data.count)]}"#
            )
        }
        header.append(text: Array("{\(entries.joined(separator: ", "))}".utf8))
        folder.write(header.bytes + data, to: "model/model.safetensors")
        return "\(folder.path)/model"
    }
}
