import SwiftletFormats
import SwiftletTensor
public import SwiftletText

/// What a model's own files say about generating with it: `generation_config.json`, or the keys
/// `general.sampling.…` of a GGUF file.
public struct GenerationDefaults: Hashable, Sendable {
    /// Sampling that the model's authors recommend.
    public var sampling = SamplingOptions()
    /// Tokens that end a text, besides the tokenizer's own.
    public var stopTokens: Set<TokenID> = []

    /// Nothing said.
    public init() {}

    /// Reads `generation_config.json`; keys that Swiftlet has no stage for are ignored.
    init(generationConfig json: JSON, source: String) throws(SwiftletError) {
        let isSampling = json["do_sample"]?.bool ?? false
        func number(_ key: String) throws(SwiftletError) -> Double? {
            guard let value = json[key], !value.isNull else { return nil }
            guard let double = value.double, double.isFinite else {
                throw SwiftletError(
                    .malformed, "\(source): '\(key)' is \(value.kind.rawValue), expected a number")
            }
            return double
        }
        if isSampling {
            sampling.temperature = try number("temperature") ?? 1
            sampling.topK = Int(clamping: try number("top_k") ?? 50)  // the reference's default
            sampling.topP = try number("top_p") ?? 1
            sampling.minP = try number("min_p") ?? 0
            sampling.typicalP = try number("typical_p") ?? 1
        } else {
            sampling.temperature = 0
        }
        if let penalty = try number("repetition_penalty") {
            sampling.repeatPenalty = penalty
            sampling.repeatLastN = -1  // the reference looks at everything
        }
        if let ids = json["eos_token_id"] {
            let found = ids.kind == .array ? ids.elements.map(\.int) : ids.isNull ? [] : [ids.int]
            stopTokens = Set(found.compactMap { $0.flatMap { TokenID(exactly: $0) } })
            guard stopTokens.count == Set(found).count else {
                throw SwiftletError(
                    .malformed, "\(source): 'eos_token_id' holds something else than token ids")
            }
        }
        try validate(source)
    }

    /// Reads the sampling keys of a GGUF file.
    init(gguf file: GGUFFile) throws(SwiftletError) {
        func number(_ key: String) -> Double? { file["general.sampling.\(key)"]?.double }
        sampling.temperature = number("temp") ?? 0.8
        sampling.topK = Int(clamping: number("top_k") ?? 40)
        sampling.topP = number("top_p") ?? 0.95
        sampling.minP = number("min_p") ?? 0.05
        sampling.repeatPenalty = number("penalty_repeat") ?? 1
        sampling.repeatLastN = Int(clamping: number("penalty_last_n") ?? 64)
        try validate(file.path)
    }

    private func validate(_ source: String) throws(SwiftletError) {
        do { try sampling.validate() } catch {
            throw SwiftletError(.malformed, "\(source): \(error.message)")
        }
    }
}

extension Int {
    /// The nearest integer of a number, at the ends of the range if it lies outside; 0 for NaN.
    fileprivate init(clamping number: Double) {
        self = Int(exactly: number.rounded()) ?? (number > 0 ? .max : number < 0 ? .min : 0)
    }
}
