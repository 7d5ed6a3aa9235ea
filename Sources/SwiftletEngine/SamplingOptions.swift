public import SwiftletTensor

/// How the next token is drawn from the logits; every default switches its stage off.
///
/// Stages run in the order of ``Sampler/stageOrder``.
public struct SamplingOptions: Hashable, Sendable {
    /// Divides the logits before drawing; 0 takes the likeliest token.
    public var temperature: Double = 1
    /// Keeps the k likeliest tokens; 0 keeps all.
    public var topK = 0
    /// Keeps the likeliest tokens until they hold this much probability; 1 keeps all.
    public var topP: Double = 1
    /// Drops tokens below this share of the likeliest one's probability; 0 keeps all.
    public var minP: Double = 0
    /// Keeps the tokens whose surprise is nearest the expected one until they hold this much probability.
    public var typicalP: Double = 1
    /// Divides positive and multiplies negative logits of recent tokens; 1 is off.
    public var repeatPenalty: Double = 1
    /// Subtracted once from the logits of recent tokens.
    public var presencePenalty: Double = 0
    /// Subtracted from the logits of recent tokens for every occurrence.
    public var frequencyPenalty: Double = 0
    /// How many of the last tokens, prompt included, the penalties look at; −1 is all.
    public var repeatLastN = 64
    /// Seed of the random draws; `nil` picks one.
    public var seed: UInt64?

    /// Everything off, temperature 1.
    public init() {}

    /// The likeliest token, always.
    public static var greedy: SamplingOptions {
        var options = SamplingOptions()
        options.temperature = 0
        return options
    }

    /// Checks every range.
    ///
    /// - Throws: `.invalidArgument` naming the flag, the value and the range.
    public func validate() throws(SwiftletError) {
        try Self.check("--temp", temperature, in: 0...Double(Float.greatestFiniteMagnitude))
        try Self.check("--top-k", Double(topK), in: 0...Double(Int32.max))
        try Self.check("--top-p", topP, in: 0...1)
        try Self.check("--min-p", minP, in: 0...1)
        try Self.check("--typical", typicalP, in: 0...1)
        try Self.check("--repeat-penalty", repeatPenalty, in: Double.leastNormalMagnitude...1e6)
        try Self.check("--presence-penalty", presencePenalty, in: -1e6...1e6)
        try Self.check("--frequency-penalty", frequencyPenalty, in: -1e6...1e6)
        try Self.check("--repeat-last-n", Double(repeatLastN), in: -1...Double(Int32.max))
    }

    private static func check(
        _ flag: String, _ value: Double, in range: ClosedRange<Double>
    ) throws(SwiftletError) {
        guard range.contains(value) else {
            throw SwiftletError(
                .invalidArgument,
                "\(flag) is \(value); expected a number from \(range.lowerBound) to \(range.upperBound)")
        }
    }
}
