import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport

/// A checkpoint of random weights whose hidden size fills blocks of 32 numbers and whose inner size does not.
enum SyntheticWeights {
    /// Writes config.json and model.safetensors into `folder` and returns its path.
    static func directory(
        in folder: TemporaryDirectory, seed: UInt64 = 1, layers: Int = 1, headSize: Int = 16
    ) -> String {
        let config = """
            {"model_type": "llama", "hidden_size": 64, "intermediate_size": 48, "num_hidden_layers": \(layers),
             "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": \(headSize), "vocab_size": 40,
             "max_position_embeddings": 512, "tie_word_embeddings": true}
            """
        folder.write(config, to: "model/config.json")
        let (queries, keys) = (4 * headSize, 2 * headSize)
        let perLayer: [(String, [Int])] = [
            ("input_layernorm.weight", [64]), ("self_attn.q_proj.weight", [queries, 64]),
            ("self_attn.k_proj.weight", [keys, 64]), ("self_attn.v_proj.weight", [keys, 64]),
            ("self_attn.o_proj.weight", [64, queries]), ("post_attention_layernorm.weight", [64]),
            ("mlp.gate_proj.weight", [48, 64]), ("mlp.up_proj.weight", [48, 64]),
            ("mlp.down_proj.weight", [64, 48]),
        ]
        let shapes =
            [("model.embed_tokens.weight", [40, 64])]
            + (0..<layers).flatMap { layer in perLayer.map { ("model.layers.\(layer).\($0.0)", $0.1) } }
            + [("model.norm.weight", [64])]
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
