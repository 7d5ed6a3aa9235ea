import SwiftletCache
import SwiftletModels
import SwiftletTensor
import SwiftletText

/// A request in a ``ServingLoop``: it waits, reads its prompt, then its choices write.
final class ServingJob {
    /// Bytes of cache, at most.
    struct Need: Hashable, Sendable {
        /// Of one choice.
        let each: Int
        /// Of all choices.
        let all: Int
        /// Of a page of every KV head of every layer: where a sequence writes into the last page of another.
        let page: Int
    }

    let request: GenerationRequest
    /// The number under which it was taken.
    let serial: UInt64
    let events: AsyncStream<GenerationEvent>.Continuation
    let need: Need
    let arrival: ContinuousClock.Instant

    /// Nobody reads its events any more.
    var isCancelled = false
    /// Requests before it when it was last told.
    var toldAhead: Int?
    /// The cache that the prompt goes into; `nil` while it waits.
    var session: Session?
    /// What the sequence does while the prompt is read.
    var phase = KVPhase.prefill
    /// Progress of a prompt that goes layer by layer.
    var layerMajor: LayerMajorPrompt?
    /// Logits after the prompt, if all of it was known.
    var promptLogits: [Float]?
    /// Scores of the prompt's tokens that have not been told.
    var promptLogprobs: [PromptLogprob] = []
    /// Rows that took in others, if they are to be noted.
    var merges: CacheTrace.MergeRecord?
    private var hasToldFirst = false
    /// Why it cannot go on behind its prompt.
    var failure: SwiftletError?
    /// Rows that the prompt has taken since it came to the front.
    var turnRows = 0
    var reusedTokens = 0
    var restoredTokens = 0
    /// What the prompt cache on disk knows.
    var isStored = true
    var storedPrefixes: [String] = []
    /// Bytes by which pages that are shared with others may have to be copied.
    var sharedBytes = 0
    var slots: [Int] = []
    var choices: [ServingChoice] = []
    var begin: ContinuousClock.Instant?
    var promptEnd: ContinuousClock.Instant?
    var firstToken: ContinuousClock.Instant?

    init(
        _ request: GenerationRequest, serial: UInt64, _ need: Need,
        _ events: AsyncStream<GenerationEvent>.Continuation, arrival: ContinuousClock.Instant
    ) {
        self.request = request
        self.serial = serial
        self.need = need
        self.events = events
        self.arrival = arrival
    }

    /// Tells its reader; nobody may listen.
    func tell(_ event: GenerationEvent) {
        if case .terminated = events.yield(event) { isCancelled = true }
    }

    /// The score of the token behind a position of the prompt; `nil` behind the last.
    ///
    /// - Parameter logits: those at the position, `[vocabulary]`.
    func score(position: Int, _ logits: UnsafeBufferPointer<Float>, top: Int) -> PromptLogprob? {
        guard position + 1 < request.prompt.count else { return nil }
        let row = LogSoftmax(logits)
        let id = request.prompt[position + 1]
        return PromptLogprob(
            position: position + 1, id: id, logprob: row.logProbability(of: id), top: row.likeliest(top))
    }

    /// Tells the scores of the prompt's tokens so far, once; the first token has none.
    func tellPromptLogprobs() {
        guard request.promptLogprobs != nil, !promptLogprobs.isEmpty || request.prompt.count == 1 else {
            return
        }
        if !hasToldFirst {
            hasToldFirst = true
            promptLogprobs.insert(
                PromptLogprob(position: 0, id: request.prompt[0], logprob: nil, top: []), at: 0)
        }
        tell(.promptLogprobs(promptLogprobs))
        promptLogprobs = []
    }

    /// Tells how much of the prompt is done.
    func tellProgress() {
        guard let session else { return }
        tell(
            .prompt(
                PromptProgress(
                    total: request.prompt.count, done: min(session.tokens.count, request.prompt.count),
                    reused: reusedTokens + restoredTokens, slots: slots)))
    }
}

/// One answer of a ``ServingJob``.
final class ServingChoice {
    let index: Int
    let slot: Int
    let session: Session
    var state: GenerationState
    /// Bytes by which pages that are shared with other sequences may have to be copied.
    var sharedBytes: Int
    /// The token that goes through the model next.
    var next: TokenID?
    /// What was drawn from the last logits.
    var drawn: TokenID?
    var logprobs: (token: Double, top: [TokenLogprob])?
    var isFinished = false
    let merges: CacheTrace.MergeRecord?

    init(
        index: Int, slot: Int, _ session: Session, _ state: GenerationState, sharedBytes: Int,
        merges: CacheTrace.MergeRecord?
    ) {
        self.index = index
        self.slot = slot
        self.session = session
        self.state = state
        self.sharedBytes = sharedBytes
        self.merges = merges
    }

    /// What its cache holds now.
    var view: CacheTrace.Moment {
        CacheTrace.Moment(session, merges, generatedTokens: state.tokens.count)
    }

    /// Draws a token; called on any thread, for one row at a time.
    func draw(_ logits: UnsafeBufferPointer<Float>, for request: GenerationRequest) {
        drawn = state.draw(logits)
        logprobs = nil
        guard let top = request.topLogprobs, let drawn else { return }
        if request.logprobsAreDrawn { return logprobs = state.drawnLogprobs(of: drawn, top: top) }
        let row = LogSoftmax(logits)
        logprobs = (row.logProbability(of: drawn), row.likeliest(top))
    }
}

extension LogSoftmax {
    /// The likeliest tokens, the likeliest first; of equal ones the lower ids.
    ///
    /// - Complexity: one comparison per token that is not among them, `count` for each that is.
    func likeliest(_ count: Int) -> [TokenLogprob] {
        guard count > 0 else { return [] }
        var best: [(id: TokenID, logit: Float)] = []
        best.reserveCapacity(count + 1)
        for (id, logit) in logits.enumerated() where best.count < count || logit > best[best.count - 1].logit
        {
            let place = best.firstIndex { $0.logit < logit } ?? best.count
            best.insert((TokenID(id), logit), at: place)
            if best.count > count { best.removeLast() }
        }
        return best.map { TokenLogprob(id: $0.id, logprob: logProbability(of: $0.id)) }
    }
}
