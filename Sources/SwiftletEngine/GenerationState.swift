import Foundation
import SwiftletTensor
import SwiftletText

/// A text being written, without the cache: how its tokens are drawn, what text they are, and when it ends.
///
/// Draw a token, take it, process it; then draw the next one. The session's text and every answer of a scheduler go
/// through here.
struct GenerationState {
    /// Why it ended; `nil` while it goes on. Text that was held back may still follow.
    private(set) var finishReason: FinishReason?
    /// Tokens so far, without the stop token.
    private(set) var tokens: [TokenID] = []
    /// The seed of the draws.
    var seed: UInt64 { sampler.seed }

    private let options: GenerationOptions
    private let sampler: Sampler
    private let forbidsStops: Bool
    private var constraint: (any TokenConstraint)?
    private var decoder: StreamingDecoder
    private var stops: StopMatcher
    private var isFlushed = false
    private var changed: [Float] = []  // logits with biases, without forbidden tokens

    /// - Parameters:
    ///   - options: valid for the model.
    ///   - context: the text that it goes on from, which the penalties look at.
    ///   - choice: added to the seed.
    /// - Throws: `.missing` for a model without tokenizer.
    init(
        _ model: Model, _ options: GenerationOptions, context: [TokenID], choice: Int = 0
    ) throws(SwiftletError) {
        guard let tokenizer = model.tokenizer else {
            throw SwiftletError(.missing, "\(model.name) has no tokenizer, so it cannot write text")
        }
        self.options = options
        var sampling = options.sampling
        sampling.seed = sampling.seed.map { $0 &+ UInt64(choice) }
        sampler = Sampler(sampling, history: context)
        decoder = StreamingDecoder(
            tokenizer, skipSpecial: true, continuing: context.contains { !tokenizer.isSpecial($0) })
        stops = StopMatcher(options.stopStrings)
        constraint = options.constraint
        forbidsStops = options.minTokens > 0 && !options.ignoresStopTokens && !options.stopTokens.isEmpty
    }

    /// Whether it has as many tokens as were asked for.
    var isComplete: Bool { tokens.count == options.maxTokens }

    /// Draws the next token.
    ///
    /// - Parameter logits: `[vocabulary]`.
    /// - Returns: `nil` if no token is allowed; that ends the text.
    mutating func draw(_ logits: UnsafeBufferPointer<Float>) -> TokenID? {
        let forbidsStops = forbidsStops && tokens.count < options.minTokens
        guard forbidsStops || constraint != nil || !options.logitBias.isEmpty else {
            return sampler.sample(logits)
        }
        changed.removeAll(keepingCapacity: true)
        changed.append(contentsOf: logits)
        for (token, bias) in options.logitBias { changed[Int(token)] += Float(bias) }
        if let allowed = constraint?.allowedTokens() {
            changed.forbid(allBut: forbidsStops || options.ignoresStopTokens ? goingOn(allowed) : allowed)
            guard changed.contains(where: { $0 > -.infinity }) else {
                finishReason = .constraint
                return nil
            }
        } else if forbidsStops {
            for token in options.stopTokens where changed.indices.contains(Int(token)) {
                changed[Int(token)] = -.infinity
            }
        }
        return changed.withUnsafeBufferPointer(sampler.sample)
    }

    /// Allowed tokens without those that end the text. Where a constraint allows nothing else, the text ends there however
    /// few tokens it has.
    private func goingOn(_ allowed: [UInt64]) -> [UInt64] {
        var words = allowed
        for token in options.stopTokens where words.indices.contains(Int(token) / 64) {
            words[Int(token) / 64] &= ~(1 << UInt64(token % 64))
        }
        return options.ignoresStopTokens || words.contains { $0 != 0 } ? words : allowed
    }

    /// The logarithms of the probabilities with which the last token was drawn, and the likeliest beside it.
    func drawnLogprobs(of token: TokenID, top: Int) -> (token: Double, top: [TokenLogprob]) {
        let all = sampler.lastCandidates.map { TokenLogprob(id: $0.id, logprob: log($0.probability)) }
        return (all.first { $0.id == token }?.logprob ?? 0, Array(all.prefix(top)))
    }

    /// Adds a token that was drawn, or ends the text.
    ///
    /// - Parameter contextIsFull: whether there is no room to process it.
    /// - Returns: what can be shown now.
    mutating func take(_ token: TokenID, contextIsFull: Bool) -> Generation.Piece? {
        if !options.ignoresStopTokens, options.stopTokens.contains(token) { return finish(.stopToken(token)) }
        if contextIsFull { return finish(.context) }
        tokens.append(token)
        sampler.accept(token)
        constraint?.accept(token)
        let text = decoder.append(token)
        guard tokens.count > options.minTokens else { return Generation.Piece(text: text, token: token) }
        let output = stops.append(text)
        if let stop = output.stop {
            finishReason = .stopString(stop)
            isFlushed = true
        }
        return Generation.Piece(text: output.text, token: token)
    }

    /// Ends the text here; what was held back follows.
    mutating func cancel() {
        if finishReason == nil { finishReason = .cancelled }
    }

    /// Ends the text for a reason.
    ///
    /// - Returns: text that was held back.
    mutating func finish(_ reason: FinishReason) -> Generation.Piece? {
        finishReason = reason
        return flush()
    }

    /// Text that was held back, once.
    mutating func flush() -> Generation.Piece? {
        guard !isFlushed else { return nil }
        isFlushed = true
        let output = stops.append(decoder.finish())
        if let stop = output.stop { finishReason = .stopString(stop) }
        let text = output.text + stops.finish()
        return text.isEmpty ? nil : Generation.Piece(text: text, token: nil)
    }
}

extension [Float] {
    /// Sets every logit to −∞ whose bit is 0.
    fileprivate mutating func forbid(allBut allowed: [UInt64]) {
        for first in stride(from: 0, to: count, by: 64) {
            let word = first / 64 < allowed.count ? allowed[first / 64] : 0
            guard word != .max else { continue }
            for bit in 0..<Swift.min(64, count - first) where word >> UInt64(bit) & 1 == 0 {
                self[first + bit] = -.infinity
            }
        }
    }
}
