import SwiftletFormats
package import SwiftletTensor

/// How one architecture turns an opened file into a model. One file per architecture conforms.
package protocol Architecture: SendableMetatype {
    /// Names under `model_type` in `config.json` and under `general.architecture` in GGUF files.
    static var names: [String] { get }
    /// Sizes and constants, read from the file's configuration.
    static func configuration(of source: ModelSource) throws(SwiftletError) -> DecoderConfiguration
    /// What tensors are called in Hugging Face checkpoints.
    static func tensors(_ configuration: DecoderConfiguration) -> TensorMap
    /// What is stored as one, or called otherwise, in GGUF files.
    static func ggufTensors(_ configuration: DecoderConfiguration) -> TensorMap
    /// The model with its weights, which stay mapped.
    static func load(_ source: ModelSource) throws(SwiftletError) -> any LanguageModel
}

extension Architecture {
    /// The names of Llama's checkpoints.
    package static func tensors(_ configuration: DecoderConfiguration) -> TensorMap { .llama }

    /// The usual names.
    package static func ggufTensors(_ configuration: DecoderConfiguration) -> TensorMap {
        .gguf(configuration)
    }

    /// A decoder as the configuration describes it.
    package static func load(_ source: ModelSource) throws(SwiftletError) -> any LanguageModel {
        let configuration = try configuration(of: source)
        switch source {
        case .directory(let directory):
            return try Decoder(
                configuration, WeightLoader(try directory.weights(), tensors(configuration)))
        case .gguf(let file):
            return try Decoder(configuration, WeightLoader(file, ggufTensors(configuration)))
        }
    }
}

/// The architectures that Swiftlet runs.
package enum ModelRegistry {
    private static let architectures: [any Architecture.Type] = [
        Llama.self, Mistral.self, Qwen2.self, Qwen3.self, Gemma.self, Phi3.self, Mixtral.self, QwenMoE.self,
        SmolLM3.self, OLMo2.self, Granite.self, GPT2.self, StableLM.self, Phi2.self, GPTNeoX.self,
        StarCoder2.self, Cohere.self, Falcon.self, Bloom.self, MPT.self, DeepSeekV2.self, BERT.self,
        NomicBERT.self, ModernBERT.self, LFM2.self,
    ]

    private static let byName: [String: any Architecture.Type] = Dictionary(
        uniqueKeysWithValues: architectures.flatMap { type in type.names.map { ($0, type) } })

    /// All names, for messages.
    package static var names: String {
        architectures.flatMap { $0.names }.sorted().joined(separator: ", ")
    }

    /// An architecture by one of its names.
    static func architecture(named name: String) -> (any Architecture.Type)? { byName[name] }

    /// The architecture of a file.
    ///
    /// - Throws: `.unsupported`, naming what was found and what is known.
    package static func architecture(of source: ModelSource) throws(SwiftletError) -> any Architecture.Type {
        let name = try source.architectureName()
        guard let architecture = byName[name] else {
            throw SwiftletError(
                .unsupported,
                "\(source.path): the architecture '\(name)' is not supported; expected one of \(names)")
        }
        return architecture
    }
}
