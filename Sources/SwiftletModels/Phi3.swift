import SwiftletFormats
package import SwiftletTensor

/// Phi-3, 3.5 and 4 (mini): the form of Llama with projections that are stored together, and LongRoPE.
///
/// Source: Abdin et al., 2024, arXiv:2404.14219, §2.
package enum Phi3: Architecture {
    package static let names = ["phi3"]

    package static func configuration(of source: ModelSource) throws(SwiftletError) -> DecoderConfiguration {
        switch source {
        case .gguf(let file):
            return try GGUFMetadata(file: file, architecture: "phi3").configuration(pairing: .halves)
                .validated(source: file.path)
        case .directory(let directory):
            let keys = try ConfigurationReader(directory)
            var c = try keys.decoder(
                "phi3",
                defaults: .init(
                    hiddenSize: 3_072, innerSize: 8_192, contextLength: 4_096, vocabularySize: 32_064,
                    normEpsilon: 1e-5))
            c.windows = Array(repeating: try keys.int("sliding_window"), count: c.layerCount)
            return try c.validated(source: keys.source)
        }
    }

    package static func tensors(_ c: DecoderConfiguration) -> TensorMap {
        var map = TensorMap.llama
        let (width, kvWidth) = (c.headCount * c.headSize, c.kvHeadCount * c.headSize)
        map.divide("self_attn.qkv_proj", ["attn_q": width, "attn_k": kvWidth, "attn_v": kvWidth])
        map.divide("mlp.gate_up_proj", ["ffn_gate": c.innerSize, "ffn_up": c.innerSize])
        return map
    }
}
