import SwiftletTensor
public import SwiftletText

/// What to generate and when to stop.
public struct GenerationOptions: Sendable {
    /// The most tokens to generate; `nil` goes on to the end of the context.
    public var maxTokens: Int?
    /// Texts that end the generation; they are not part of the output.
    public var stopStrings: [String] = []
    /// Tokens that end the generation.
    public var stopTokens: Set<TokenID> = []
    /// Goes on at stop tokens, unless ``constraint`` allows nothing else.
    public var ignoresStopTokens = false
    /// Tokens that are generated before a stop token or a stop string may end the text; fewer if ``constraint`` allows no
    /// more.
    public var minTokens = 0
    /// Added to the logits of tokens before anything else.
    public var logitBias: [TokenID: Double] = [:]
    /// Says which tokens may come next; `nil` allows all.
    public var constraint: (any TokenConstraint)?
    /// How tokens are drawn.
    public var sampling = SamplingOptions()

    /// No limit, no stops, plain sampling.
    public init() {}

    /// The model's own settings.
    public init(defaultsOf model: Model) {
        sampling = model.generationDefaults.sampling
        stopTokens = model.stopTokens
    }

    /// Checks every range.
    ///
    /// - Throws: `.invalidArgument` naming the flag, the value and the range.
    func validate(for model: Model) throws(SwiftletError) {
        try sampling.validate()
        if let maxTokens, maxTokens < 0 {
            throw SwiftletError(
                .invalidArgument, "the number of tokens (-n) is \(maxTokens); expected 0 or more")
        }
        guard minTokens >= 0 else {
            throw SwiftletError(
                .invalidArgument, "the least number of tokens is \(minTokens); expected 0 or more")
        }
        try model.check(logitBias.keys.sorted())
        for (token, bias) in logitBias where bias.isNaN {
            throw SwiftletError(.invalidArgument, "the bias of token \(token) is not a number")
        }
    }
}

/// Why a generation ended.
public enum FinishReason: Hashable, Sendable {
    /// The model wrote one of its stop tokens.
    case stopToken(TokenID)
    /// The text reached a stop string.
    case stopString(String)
    /// The number of tokens asked for is reached.
    case length
    /// The context is full.
    case context
    /// The constraint allows no token any more.
    case constraint
    /// Somebody cancelled it; what was written stays.
    case cancelled

    /// A short name for reports: `stop`, `length`, `context` or `cancelled`.
    public var name: String {
        switch self {
        case .stopToken, .stopString, .constraint: "stop"
        case .length: "length"
        case .context: "context"
        case .cancelled: "cancelled"
        }
    }
}

/// What a generation cost.
public struct GenerationStatistics: Hashable, Sendable {
    /// Tokens of the prompt that were processed.
    public var promptTokens = 0
    /// Tokens of the prompt that came from the prompt cache on disk instead.
    public var restoredTokens = 0
    /// Tokens of the prompt that came from another request's cache in memory.
    public var reusedTokens = 0
    /// Time from when it was asked for until its prompt was begun.
    public var queueSeconds = 0.0
    /// Time from when it was asked for to the first token; 0 without one.
    public var firstTokenSeconds = 0.0
    /// Time for all of the prompt.
    public var promptSeconds = 0.0
    /// Tokens generated.
    public var generatedTokens = 0
    /// Time from the first generated token's logits to the last token.
    public var generationSeconds = 0.0
    /// Bytes of cached rows when it ended.
    public var cacheBytes = 0

    /// Prompt tokens per second, 0 without a prompt.
    public var promptRate: Double { promptSeconds > 0 ? Double(promptTokens) / promptSeconds : 0 }
    /// Generated tokens per second; the first token belongs to the prompt's time.
    public var generationRate: Double {
        generationSeconds > 0 ? Double(max(generatedTokens - 1, 0)) / generationSeconds : 0
    }
}
