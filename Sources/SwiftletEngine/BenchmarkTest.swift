/// What one line of a benchmark measures: tokens of a prompt, generated tokens, and what is cached before.
public struct BenchmarkTest: Hashable, Sendable {
    /// Tokens that are processed together, in batches.
    public var promptTokens: Int
    /// Tokens that are processed one by one, after the prompt.
    public var generatedTokens: Int
    /// Rows of the cache before the first of them; not timed.
    public var depth: Int

    /// A test of so many tokens.
    public init(promptTokens: Int = 0, generatedTokens: Int = 0, depth: Int = 0) {
        self.promptTokens = promptTokens
        self.generatedTokens = generatedTokens
        self.depth = depth
    }

    /// Tokens that are timed.
    public var tokenCount: Int { promptTokens + generatedTokens }

    /// The name that llama-bench gives it, such as `pp512` or `tg128 @ d8192`.
    public var name: String {
        var parts: [String] = []
        if promptTokens > 0 { parts.append("pp\(promptTokens)") }
        if generatedTokens > 0 { parts.append("tg\(generatedTokens)") }
        return parts.joined(separator: "+") + (depth > 0 ? " @ d\(depth)" : "")
    }
}
