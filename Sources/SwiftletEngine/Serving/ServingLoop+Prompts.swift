import SwiftletCache
import SwiftletModels
import SwiftletTensor
import SwiftletText

/// Reading prompts: some rows per step, or layer by layer between steps.
extension ServingLoop {
    /// Announces what is left of a prompt, or goes on with its answers if nothing is.
    func beginPrompt(of job: ServingJob, _ session: Session) throws(SwiftletError) {
        if job.request.tracesCache {
            let merges = CacheTrace.MergeRecord()
            merges.follow(session.sequence)
            job.merges = merges
        }
        job.tellProgress()
        let left = job.request.prompt.count - session.tokens.count
        if left == 0 {
            guard let logits = job.promptLogits else {
                throw SwiftletError(.mismatch, "a kept cache of the whole prompt came without logits")
            }
            try logits.withUnsafeBufferPointer { logits throws(SwiftletError) in
                try startChoices(of: job, session)
                for choice in job.choices where job.request.options.maxTokens != 0 {
                    choice.draw(logits, for: job.request)
                }
            }
            return settle(promptOf: job)
        }
        job.phase = session.tokens.isEmpty ? .prefill : .laterTurn
        guard try session.sequence.beginPrompt(left) == .layerMajor else { return }
        job.layerMajor = try LayerMajorPrompt(
            Array(job.request.prompt[session.tokens.count...]), session.sequence,
            tile: setup.options.batchSize,
            phase: job.phase, Workspace(), runner)
    }

    /// A request at the front that has taken so many rows goes behind the others.
    private static let turn = 1_024

    /// The next rows of prompts, as many as fit.
    ///
    /// Prompts come one after the other, so that the first is done soon; long ones let others go before now and then.
    func takePromptRows(_ capacity: Int) -> [(job: ServingJob, part: BatchPart)] {
        var left = capacity
        var taken: [(job: ServingJob, part: BatchPart)] = []
        for (index, job) in reading.enumerated() where left > 0 && job.layerMajor == nil {
            guard let session = sessionToRead(job, after: reading[..<index]) else { continue }
            let prompt = job.request.prompt[session.tokens.count...].prefix(left)
            let isLast = session.tokens.count + prompt.count == job.request.prompt.count
            let wanted: Runner.Wanted = job.request.promptLogprobs != nil ? .all : isLast ? .last : .none
            taken.append(
                (
                    job,
                    BatchPart(
                        prompt: Array(prompt), session.sequence, phase: job.phase, wanted: wanted,
                        endsPrompt: isLast)
                ))
            left -= prompt.count
            job.turnRows += prompt.count
        }
        return taken
    }

    /// The session that goes on reading a prompt; `nil` if it pays to wait for an earlier prompt that begins alike.
    ///
    /// A prompt that has not been begun takes what others have read since it was admitted.
    private func sessionToRead(_ job: ServingJob, after earlier: ArraySlice<ServingJob>) -> Session? {
        guard let session = job.session, job.turnRows == 0, session.tokens.count == job.reusedTokens,
            reusesBeginnings(job)
        else { return job.session }
        let key = PrefixCache.Key(session.sequence)
        let enough = session.tokens.count + PrefixCache.leastTokens
        for other in earlier where other.layerMajor == nil {
            guard let source = other.session, source.sequence.isFull, PrefixCache.Key(source.sequence) == key
            else { continue }
            let common = min(
                PrefixCache.common(other.request.prompt, job.request.prompt), job.request.prompt.count - 1)
            if common >= enough, source.tokens.count < common { return nil }
        }
        guard let (other, count) = longest(key, job.request.prompt), count >= enough,
            let fork = try? continuing(other, after: count, for: job)
        else { return session }
        if job.reusedTokens == 0 { counters.prefixHits += 1 }
        counters.reusedTokens += count - job.reusedTokens
        job.reusedTokens = count
        job.sharedBytes = job.need.page
        job.session = fork
        job.phase = .laterTurn
        job.merges?.follow(fork.sequence)
        return fork
    }

    /// Lets others go before a long prompt.
    func rotatePrompts() {
        guard reading.count > 1, let first = reading.first, first.turnRows >= Self.turn else { return }
        first.turnRows = 0
        reading.append(reading.removeFirst())
    }

    /// Sends the first prompt through some layers, if it goes layer by layer.
    func advanceLayers(_ capacity: Int) {
        guard let job = reading.first, var prompt = job.layerMajor, let session = job.session else { return }
        job.layerMajor = nil  // one owner
        let layers = setup.model.configuration.layerCount
        let count = job.request.prompt.count
        let steps = max(capacity * layers / count, 1)
        job.turnRows += max(steps * count / layers, 1)
        do {
            for _ in 0..<min(steps, layers - prompt.layer) { try prompt.advance(runner) }
            guard prompt.layer == layers else {
                job.layerMajor = prompt
                job.tell(
                    .prompt(
                        PromptProgress(
                            total: count, done: count * prompt.layer / layers, reused: 0, slots: job.slots)))
                return
            }
            try finishLayers(prompt, of: job, session)
        } catch {
            fail(job, error)
        }
    }

    private func finishLayers(
        _ prompt: LayerMajorPrompt, of job: ServingJob, _ session: Session
    ) throws(SwiftletError) {
        let known = session.tokens.count
        let top = job.request.promptLogprobs
        try prompt.finish(runner, wanted: top == nil ? .last : .all) { position, logits in
            if let top, let score = job.score(position: Int(position), logits, top: top) {
                job.promptLogprobs.append(score)
            }
            if Int(position) == job.request.prompt.count - 1 { endPrompt(of: job, logits) }
        }
        if let failure = job.failure { throw failure }
        counters.promptTokens += session.tokens.count - known
        job.tellPromptLogprobs()
        settle(promptOf: job)
    }

    /// Makes the choices of a prompt whose last row is done, draws their first tokens, and keeps what is worth it.
    func endPrompt(of job: ServingJob, _ logits: UnsafeBufferPointer<Float>) {
        guard let session = job.session else { return }
        session.tokens = job.request.prompt
        save(job, session, logits: logits)
        keep(prompt: session, logits: logits, of: job)
        do {
            try startChoices(of: job, session)
        } catch {
            return job.failure = error
        }
        guard job.request.options.maxTokens != 0 else { return }
        for choice in job.choices { choice.draw(logits, for: job.request) }
    }

    /// Makes the choices of a request whose prompt is read; the others fork the first one's cache.
    func startChoices(of job: ServingJob, _ session: Session) throws(SwiftletError) {
        for (index, slot) in job.slots.enumerated() {
            let state = try GenerationState(
                setup.model, job.request.options, context: job.request.prompt, choice: index)
            let own = index == 0 ? session : session.fork()
            let shared = job.request.policy.prefixIsReusable ? job.need.page : session.cacheBytes
            let merges = index == 0 ? job.merges : job.merges?.copy()
            merges?.follow(own.sequence)
            job.choices.append(
                ServingChoice(
                    index: index, slot: slot, own, state, sharedBytes: index == 0 ? job.sharedBytes : shared,
                    merges: merges))
        }
    }

    /// Goes on with the answers of a prompt that was read.
    func settle(promptOf job: ServingJob) {
        reading.removeAll { $0 === job }
        writing.append(job)
        job.promptEnd = clock.now
        job.session?.notePrompt()
        for choice in job.choices where choice.index > 0 { choice.session.notePrompt() }
        job.tellProgress()
        for choice in job.choices { settle(choice, of: job) }
    }
}
