import SwiftletFormats
package import SwiftletTensor

/// Mixtral: Mistral with experts. GGUF files of Mixtral models carry the architecture name `llama`.
///
/// Source: Jiang et al., 2024, arXiv:2401.04088, §2.
package enum Mixtral: Architecture {
    package static let names = ["mixtral"]

    package static func configuration(of source: ModelSource) throws(SwiftletError) -> DecoderConfiguration {
        switch source {
        case .gguf(let file):
            return try Llama.gguf(file, "mixtral")
        case .directory(let directory):
            let keys = try ConfigurationReader(directory)
            var c = try keys.decoder(
                "mixtral",
                defaults: .init(
                    innerSize: 14_336, kvHeadCount: 8, contextLength: 131_072, vocabularySize: 32_000,
                    normEpsilon: 1e-5, ropeBase: 1_000_000))
            c.windows = Array(repeating: try keys.int("sliding_window"), count: c.layerCount)
            var experts = ExpertForm(
                count: try keys.int("num_local_experts") ?? 8, used: try keys.int("num_experts_per_tok") ?? 2,
                innerSize: c.innerSize, layers: Array(repeating: true, count: c.layerCount))
            experts.normalizes = true
            c.form.experts = experts
            return try c.validated(source: keys.source)
        }
    }

    package static func tensors(_ configuration: DecoderConfiguration) -> TensorMap {
        var map = TensorMap.llama(["ffn_gate_inp": "block_sparse_moe.gate"])
        map.stacked = [
            "ffn_gate_exps": "block_sparse_moe.experts.*.w1",
            "ffn_down_exps": "block_sparse_moe.experts.*.w2",
            "ffn_up_exps": "block_sparse_moe.experts.*.w3",
        ]
        return map
    }
}
