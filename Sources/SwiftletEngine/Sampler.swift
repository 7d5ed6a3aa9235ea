public import SwiftletText

/// Draws tokens from logits through a fixed chain of stages.
///
/// Penalties change logits, the filters drop candidates, temperature flattens or sharpens what is left, and one
/// token is drawn. With temperature 0 the likeliest token after the penalties wins; ties go to the lower id.
///
/// ```swift
/// let sampler = Sampler(.greedy, history: prompt)
/// let token = logits.withUnsafeBufferPointer { sampler.sample($0) }
/// sampler.accept(token)
/// ```
public final class Sampler {
    /// The order in which stages run.
    public static let stageOrder = [
        "penalties", "top-k", "typical", "top-p", "min-p", "temperature", "draw",
    ]

    /// The settings.
    public let options: SamplingOptions
    /// The seed in use.
    public let seed: UInt64
    private var random: Xoshiro256
    private var distribution = Distribution()
    private var history: [TokenID] = []
    private var counts: [TokenID: Int] = [:]  // of the last `repeatLastN` tokens of the history
    private var penalized: [Float] = []

    /// A sampler at the start of a text.
    ///
    /// - Parameters:
    ///   - options: must be valid, see ``SamplingOptions/validate()``.
    ///   - history: tokens that the penalties already know, the prompt.
    public init(_ options: SamplingOptions, history: [TokenID] = []) {
        self.options = options
        seed = options.seed ?? UInt64.random(in: 0...UInt64(UInt32.max))
        random = Xoshiro256(seed: seed)
        let known = options.repeatLastN < 0 ? history[...] : history.suffix(options.repeatLastN)
        for token in known { accept(token) }
    }

    /// Adds a token to what the penalties know.
    public func accept(_ token: TokenID) {
        guard hasPenalties, options.repeatLastN != 0 else { return }
        history.append(token)
        counts[token, default: 0] += 1
        guard options.repeatLastN > 0, history.count > options.repeatLastN else { return }
        let forgotten = history[history.count - options.repeatLastN - 1]
        if let count = counts[forgotten] { counts[forgotten] = count > 1 ? count - 1 : nil }
    }

    /// Draws the next token.
    ///
    /// - Parameter logits: `[vocabulary]`, at least one. NaN counts as −∞; if all are −∞, all are equal.
    /// - Complexity: O(V), plus sorting the tokens that top-k leaves or that top-p may keep. Nothing is
    ///   allocated after the first draws, but for typical sampling.
    public func sample(_ logits: UnsafeBufferPointer<Float>) -> TokenID {
        guard hasPenalties, !counts.isEmpty else { return choose(logits) }
        penalized.removeAll(keepingCapacity: true)
        penalized.append(contentsOf: logits)
        for (token, count) in counts where penalized.indices.contains(Int(token)) {
            penalized[Int(token)] = penalize(penalized[Int(token)], count)
        }
        return penalized.withUnsafeBufferPointer(choose)
    }

    /// The tokens among which the last draw chose, the likeliest first; of equal ones the lower ids. Those without
    /// probability are left out.
    var lastCandidates: [Candidate] {
        distribution.candidates.filter { $0.probability > 0 }.sorted {
            $0.probability != $1.probability ? $0.probability > $1.probability : $0.id < $1.id
        }
    }

    private func choose(_ logits: UnsafeBufferPointer<Float>) -> TokenID {
        if options.temperature == 0 {
            let token = Self.likeliest(of: logits)
            distribution.fill(only: token)
            return token
        }
        distribution.fill(with: logits, topK: options.topK)
        distribution.keepTypical(options.typicalP)
        distribution.keepTopP(options.topP)
        distribution.dropBelow(options.minP)
        distribution.applyTemperature(options.temperature)
        return distribution.draw(&random)
    }

    /// The index of the largest logit, the lower one among equals.
    package static func likeliest(of logits: UnsafeBufferPointer<Float>) -> TokenID {
        var best = -Float.infinity
        var index = 0
        for (candidate, logit) in logits.enumerated() where logit > best {
            (best, index) = (logit, candidate)
        }
        return TokenID(index)
    }

    private var hasPenalties: Bool {
        options.repeatPenalty != 1 || options.presencePenalty != 0 || options.frequencyPenalty != 0
    }

    /// The logit of a token that was seen `count` times.
    ///
    /// Sources: Keskar et al., 2019, arXiv:1909.05858, §4.1, with negative logits multiplied as the common
    /// implementations do; presence and frequency as in OpenAI's completions interface.
    private func penalize(_ logit: Float, _ count: Int) -> Float {
        let logit = Double(logit)
        let scaled = logit > 0 ? logit / options.repeatPenalty : logit * options.repeatPenalty
        return Float(scaled - options.presencePenalty - Double(count) * options.frequencyPenalty)
    }
}
