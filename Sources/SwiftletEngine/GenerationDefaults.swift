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

    /// What is used where the files say nothing: moderate sampling with the numbers of llama.cpp.
    public init() {
        sampling.temperature = 0.8
        sampling.topK = 40
        sampling.topP = 0.95
        sampling.minP = 0.05
    }

    /// Reads `generation_config.json`; keys that Swiftlet has no stage for are ignored.
    ///
    /// As in the reference, an absent `do_sample` takes the likeliest token, an absent `top_k` is 50, `null`
    /// switches a stage off, and the penalty looks at the whole text.
    /// - Throws: `.malformed` naming the file and the key.
    init(generationConfig json: JSON, source: String) throws(SwiftletError) {
        func wrong(_ key: String, _ value: JSON, _ expected: String) -> SwiftletError {
            SwiftletError(
                .malformed, "\(source): '\(key)' is \(value.kind.rawValue), expected \(expected)")
        }
        func number(_ key: String, orElse off: Double) throws(SwiftletError) -> Double {
            guard let value = json[key], !value.isNull else { return off }
            guard let number = value.double, number.isFinite else { throw wrong(key, value, "a number") }
            return number
        }
        var samples = false
        if let value = json["do_sample"], !value.isNull {
            guard let bool = value.bool else { throw wrong("do_sample", value, "true or false") }
            samples = bool
        }
        sampling.temperature = samples ? try number("temperature", orElse: 1) : 0
        if samples {
            let count = json["top_k"] == nil ? 50 : try number("top_k", orElse: 0)
            sampling.topK = try Self.integer(count, "top_k", source)
            sampling.topP = try number("top_p", orElse: 1)
            sampling.minP = try number("min_p", orElse: 0)
            sampling.typicalP = try number("typical_p", orElse: 1)
        }
        sampling.repeatPenalty = try number("repetition_penalty", orElse: 1)
        sampling.repeatLastN = -1
        if let value = json["eos_token_id"], !value.isNull {
            let expected = "a token id or a list of them"
            for id in value.kind == .array ? Array(value.elements) : [value] {
                guard let id = id.int.flatMap({ TokenID(exactly: $0) }) else {
                    throw wrong("eos_token_id", id, expected)
                }
                stopTokens.insert(id)
            }
        }
        try check(source, keys: Self.configurationKeys)
    }

    /// Reads the sampling keys of a GGUF file; absent ones are as in ``init()``.
    ///
    /// - Throws: `.malformed` naming the file and the key.
    init(gguf file: GGUFFile) throws(SwiftletError) {
        self.init()
        func number(_ name: String, orElse fallback: Double) throws(SwiftletError) -> Double {
            guard let value = file["general.sampling.\(name)"] else { return fallback }
            guard let number = value.double, number.isFinite else {
                throw SwiftletError(
                    .malformed, "\(file.path): 'general.sampling.\(name)' is \(value.type), expected a number"
                )
            }
            return number
        }
        sampling.temperature = try number("temp", orElse: sampling.temperature)
        sampling.topK = try Self.integer(
            try number("top_k", orElse: Double(sampling.topK)), "general.sampling.top_k", file.path)
        sampling.topP = try number("top_p", orElse: sampling.topP)
        sampling.minP = try number("min_p", orElse: sampling.minP)
        sampling.repeatPenalty = try number("penalty_repeat", orElse: sampling.repeatPenalty)
        sampling.repeatLastN = try Self.integer(
            try number("penalty_last_n", orElse: Double(sampling.repeatLastN)),
            "general.sampling.penalty_last_n", file.path)
        try check(file.path, keys: Self.ggufKeys)
    }

    private static let configurationKeys = [
        "--temp": "temperature", "--top-k": "top_k", "--top-p": "top_p", "--min-p": "min_p",
        "--typical": "typical_p", "--repeat-penalty": "repetition_penalty",
    ]

    private static let ggufKeys = [
        "--temp": "temp", "--top-k": "top_k", "--top-p": "top_p", "--min-p": "min_p",
        "--repeat-penalty": "penalty_repeat", "--repeat-last-n": "penalty_last_n",
    ].mapValues { "general.sampling.\($0)" }

    private static func integer(
        _ number: Double, _ key: String, _ source: String
    ) throws(SwiftletError) -> Int {
        guard let integer = Int(exactly: number) else {
            throw SwiftletError(.malformed, "\(source): '\(key)' is \(number), expected an integer")
        }
        return integer
    }

    private func check(_ source: String, keys: [String: String]) throws(SwiftletError) {
        guard let (flag, problem) = sampling.firstProblem else { return }
        throw SwiftletError(.malformed, "\(source): '\(keys[flag] ?? flag)' \(problem)")
    }
}
