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
        if let (flag, problem) = firstProblem {
            throw SwiftletError(.invalidArgument, "\(flag) \(problem)")
        }
    }

    /// The flag of the first setting out of range, and what is wrong with it.
    var firstProblem: (flag: String, problem: String)? {
        let integers = [("--top-k", topK, 0), ("--repeat-last-n", repeatLastN, -1)]
        for (flag, value, least) in integers where !(least...Int(Int32.max)).contains(value) {
            return (flag, "is \(value); expected an integer from \(least) to \(Int32.max)")
        }
        let numbers = [
            ("--top-p", topP, 0.0...1), ("--min-p", minP, 0...1), ("--typical", typicalP, 0...1),
            ("--temp", temperature, 0...1e9), ("--presence-penalty", presencePenalty, -1e6...1e6),
            ("--frequency-penalty", frequencyPenalty, -1e6...1e6),
        ]
        for (flag, value, range) in numbers where !range.contains(value) {
            return (
                flag,
                "is \(value); expected a number from \(Int(range.lowerBound)) to \(Int(range.upperBound))"
            )
        }
        guard repeatPenalty > 0, repeatPenalty <= 1e6 else {
            return ("--repeat-penalty", "is \(repeatPenalty); expected a number above 0, at most 1000000")
        }
        return nil
    }
}
