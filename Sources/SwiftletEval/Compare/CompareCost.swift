import SwiftletCache
import SwiftletEngine
import SwiftletFormats
import SwiftletTensor
import SwiftletText

/// What one policy costs on one prompt: times of a session of its own, and bytes that were counted.
public struct CompareCost: Hashable, Sendable {
    /// The policy with its bound.
    public let candidate: CompareCandidate
    /// Tokens of the prompt.
    public var promptTokens = 0
    /// Seconds from the prompt to the first token.
    public var firstTokenSeconds = 0.0
    /// Tokens per second after it.
    public var tokensPerSecond = 0.0
    /// Bytes held when the prompt was done.
    public var bytesAfterPrompt = 0
    /// Bytes held at the end.
    public var heldBytes = 0
    /// The most bytes ever held at once.
    public var peakBytes = 0
    /// Bytes of the cache that the last token read.
    public var cacheBytesPerToken = 0
    /// Bytes of weights that every token reads.
    public var weightBytesPerToken = 0
    /// Rows per KV head of every layer after the prompt; 0 for layers that store none.
    public var layerRows: [Double] = []

    init(_ candidate: CompareCandidate) { self.candidate = candidate }

    /// Times of which the middle counts.
    private static let repetitions = 3
    /// Tokens that are generated.
    private static let tokens = 32

    /// Measures.
    ///
    /// - Parameter prompt: with which sessions begin; shorter by the generated tokens than the context.
    /// - Returns: `nil` if it was cancelled.
    static func measure(
        _ candidate: CompareCandidate, _ model: Model, _ options: Session.Options, prompt: [TokenID],
        isCancelled: () -> Bool
    ) throws(SwiftletError) -> CompareCost? {
        var cost = CompareCost(candidate)
        var prefills: [Double] = []
        var rates: [Double] = []
        let clock = ContinuousClock()
        for _ in 0..<repetitions {
            let session = try Session(model, options)
            let begin = clock.now
            guard let logits = try session.feed(prompt, progress: { _ in !isCancelled() }) else { return nil }
            var token = logits.withUnsafeBufferPointer(Sampler.likeliest(of:))
            let first = clock.now
            let count = min(tokens, session.contextLength - session.tokens.count)
            cost.layerRows = session.layerRows
            for _ in 0..<count {
                guard !isCancelled(), let next = try session.step(token, Sampler.likeliest(of:)) else {
                    return nil
                }
                token = next
            }
            prefills.append((first - begin).seconds)
            let seconds = (clock.now - first).seconds
            rates.append(seconds > 0 ? Double(count) / seconds : 0)
            cost.note(session.cacheReport)
        }
        cost.promptTokens = prompt.count
        cost.firstTokenSeconds = Quantile.of(sorted: prefills.sorted(), 0.5)
        cost.tokensPerSecond = Quantile.of(sorted: rates.sorted(), 0.5)
        return cost
    }

    private mutating func note(_ report: CacheReport) {
        bytesAfterPrompt = report.afterPrompt?.bytes ?? 0
        heldBytes = report.use.bytes
        peakBytes = report.peakBytes
        cacheBytesPerToken = report.read?.cache ?? 0
        weightBytesPerToken = report.read?.weights ?? 0
    }

    // MARK: Log and report

    /// Members other than the candidate.
    func write(to writer: inout JSONWriter) {
        writer.member("prompt_tokens", promptTokens)
        writer.member("first_token_seconds", firstTokenSeconds)
        writer.member("tokens_per_second", tokensPerSecond)
        writer.member("bytes_after_prompt", bytesAfterPrompt)
        writer.member("held_bytes", heldBytes)
        writer.member("peak_bytes", peakBytes)
        writer.member("cache_bytes_per_token", cacheBytesPerToken)
        writer.member("weight_bytes_per_token", weightBytesPerToken)
        writer.key("layer_rows")
        writer.array { writer in for rows in layerRows { writer.value(rows) } }
    }

    /// Reads what ``write(to:)`` wrote.
    init?(_ candidate: CompareCandidate, _ json: JSON) {
        self.init(candidate)
        guard let promptTokens = json["prompt_tokens"]?.int, let first = json["first_token_seconds"]?.double,
            let rate = json["tokens_per_second"]?.double, let after = json["bytes_after_prompt"]?.int,
            let held = json["held_bytes"]?.int, let peak = json["peak_bytes"]?.int,
            let cache = json["cache_bytes_per_token"]?.int, let weights = json["weight_bytes_per_token"]?.int,
            let rows = json["layer_rows"]
        else { return nil }
        self.promptTokens = promptTokens
        firstTokenSeconds = first
        tokensPerSecond = rate
        bytesAfterPrompt = after
        heldBytes = held
        peakBytes = peak
        cacheBytesPerToken = cache
        weightBytesPerToken = weights
        layerRows = rows.elements.compactMap(\.double)
    }
}

extension Session {
    /// Rows per KV head of every layer; 0 for layers that store none.
    fileprivate var layerRows: [Double] {
        sequence.layout.layers.enumerated().map { layer, shape in
            guard sequence.layout.ownsSlot(layer) else { return 0 }
            let rows = (0..<shape.kvHeadCount).reduce(0) { $0 + sequence.rowCount(layer: layer, head: $1) }
            return Double(rows) / Double(shape.kvHeadCount)
        }
    }
}
