public import SwiftletText

/// What to generate and when to stop.
public struct GenerationOptions: Sendable {
    /// The most tokens to generate; `nil` goes on to the end of the context.
    public var maxTokens: Int?
    /// Texts that end the generation; they are not part of the output.
    public var stopStrings: [String] = []
    /// Tokens that end the generation.
    public var stopTokens: Set<TokenID> = []
    /// Goes on at stop tokens.
    public var ignoresStopTokens = false
    /// How tokens are drawn.
    public var sampling = SamplingOptions()

    /// No limit, no stops, plain sampling.
    public init() {}

    /// The model's own settings.
    public init(defaultsOf model: Model) {
        sampling = model.generationDefaults.sampling
        stopTokens = model.stopTokens
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
    /// Somebody cancelled it; what was written stays.
    case cancelled

    /// A short name for reports: `stop`, `length`, `context` or `cancelled`.
    public var name: String {
        switch self {
        case .stopToken, .stopString: "stop"
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
    /// Time for both.
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
