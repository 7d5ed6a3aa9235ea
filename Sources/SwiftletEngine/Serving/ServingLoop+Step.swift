import SwiftletCache
import SwiftletModels
import SwiftletTensor
import SwiftletText

/// One trip through the model, and what comes of it.
extension ServingLoop {
    /// A row of logits with what is to be done about it.
    private enum RowTask {
        case draw(ServingChoice, GenerationRequest)
        case score(ServingJob, position: Int, top: Int)
    }

    /// Sends a token of every answer and some rows of prompts through the model.
    func step() {
        let begin = clock.now
        var answers: [(job: ServingJob, choice: ServingChoice)] = []
        for job in writing {
            for choice in job.choices where !choice.isFinished { answers.append((job, choice)) }
        }
        let capacity = answers.isEmpty ? setup.options.batchSize : setup.options.chunkSize
        let isLayerMajor = reading.first?.layerMajor != nil
        let prompts = isLayerMajor ? [] : takePromptRows(capacity)
        stepBatch(answers, prompts)
        if isLayerMajor { advanceLayers(capacity) }
        rotatePrompts()
        counters.steps += 1
        counters.busySeconds += (clock.now - begin).seconds
        counters.peakBytes = max(counters.peakBytes, setup.pool.heldBytes)
    }

    private func stepBatch(
        _ answers: [(job: ServingJob, choice: ServingChoice)], _ prompts: [(job: ServingJob, part: BatchPart)]
    ) {
        let generating = answers.compactMap { answer in
            answer.choice.next.map { BatchPart(generating: $0, answer.choice.session.sequence) }
        }
        precondition(generating.count == answers.count, "an answer has no token to go on with")
        let parts = generating + prompts.map(\.part)
        guard !parts.isEmpty else { return }
        let failures: [Int: SwiftletError]
        do {
            failures = try runner.step(parts) { rows, logits in use(rows, logits, answers, prompts) }
        } catch {
            return stepApart(answers, prompts, error)
        }
        let jobs = answers.map(\.job) + prompts.map(\.job)
        for (index, error) in failures where isRunning(jobs[index]) { fail(jobs[index], error) }
        for (job, choice) in answers where isRunning(job) {
            if let token = choice.next { choice.session.tokens.append(token) }
            settle(choice, of: job)
        }
        for (job, part) in prompts where isRunning(job) { note(part, of: job) }
    }

    private func isRunning(_ job: ServingJob) -> Bool { running.contains { $0 === job } }

    /// After a failure in the model no row of the step counts. Every request tries again alone, so that only those end
    /// that fail again, and those whose policy has taken notes in the failed step.
    private func stepApart(
        _ answers: [(job: ServingJob, choice: ServingChoice)],
        _ prompts: [(job: ServingJob, part: BatchPart)], _ error: SwiftletError
    ) {
        let isAlone = answers.count + prompts.count == 1
        func canRepeat(_ sequence: KVSequence) -> Bool {
            !isAlone && sequence.rowsFollowFromTokens
                && (try? sequence.truncate(to: sequence.length)) != nil
        }
        for answer in answers where isRunning(answer.job) {
            if canRepeat(answer.choice.session.sequence) {
                stepBatch([answer], [])
            } else {
                fail(answer.job, error)
            }
        }
        for prompt in prompts where isRunning(prompt.job) {
            if canRepeat(prompt.part.sequence) { stepBatch([], [prompt]) } else { fail(prompt.job, error) }
        }
    }

    /// Draws tokens and scores prompts from some rows of logits, on all threads.
    private func use(
        _ rows: ArraySlice<BatchRow>, _ logits: Activations,
        _ answers: [(job: ServingJob, choice: ServingChoice)],
        _ prompts: [(job: ServingJob, part: BatchPart)]
    ) {
        var tasks: [(row: Int, task: RowTask)] = []
        var ends: [(row: Int, job: ServingJob)] = []
        for (index, row) in rows.enumerated() {
            if row.part < answers.count {
                let (job, choice) = answers[row.part]
                tasks.append((index, .draw(choice, job.request)))
                continue
            }
            let (job, part) = prompts[row.part - answers.count]
            if let top = job.request.promptLogprobs {
                let position = (job.session?.tokens.count ?? 0) + row.token
                tasks.append((index, .score(job, position: position, top: top)))
            }
            if part.endsPrompt, row.token == part.tokens.count - 1 { ends.append((index, job)) }
        }
        var scores = [PromptLogprob?](repeating: nil, count: tasks.count)
        scores.withUnsafeMutableBufferPointer { scores in
            runner.compute.run(tasks.count) { task, _ in
                let row = logits.vector(tasks[task].row)
                switch tasks[task].task {
                case .draw(let choice, let request): choice.draw(row, for: request)
                case .score(let job, let position, let top):
                    scores[task] = job.score(position: position, row, top: top)
                }
            }
        }
        for (index, score) in scores.enumerated() {
            if let score, case .score(let job, _, _) = tasks[index].task { job.promptLogprobs.append(score) }
        }
        for (row, job) in ends { endPrompt(of: job, logits.vector(row)) }
    }

    /// Notes that some rows of a prompt are done.
    private func note(_ part: BatchPart, of job: ServingJob) {
        counters.promptTokens += part.tokens.count
        job.tellPromptLogprobs()
        if let failure = job.failure { return fail(job, failure) }
        if part.endsPrompt { return settle(promptOf: job) }
        job.session?.tokens += part.tokens
        job.tellProgress()
    }

    /// Adds the token that was drawn to an answer, or ends that.
    func settle(_ choice: ServingChoice, of job: ServingJob) {
        if choice.state.isComplete { return finish(choice, of: job, .length) }
        guard let token = choice.drawn else {
            return finish(choice, of: job, text: choice.state.flush()?.text ?? "")
        }
        if job.firstToken == nil { job.firstToken = clock.now }
        let isFull = choice.session.tokens.count >= setup.contextLength
        let piece = choice.state.take(token, contextIsFull: isFull)
        if let piece, piece.token != nil {
            counters.generatedTokens += 1
            job.tell(
                .token(
                    GeneratedToken(
                        choice: choice.index, id: token, bytes: setup.model.tokenizer?.bytes(of: token) ?? [],
                        text: piece.text, logprob: choice.logprobs?.token, top: choice.logprobs?.top ?? [])))
        }
        if choice.state.finishReason != nil {
            let text = piece?.token == nil ? piece?.text ?? "" : ""
            finish(choice, of: job, text: text)
        } else if choice.state.isComplete {
            finish(choice, of: job, .length)
        } else {
            choice.next = token
        }
    }

    private func finish(_ choice: ServingChoice, of job: ServingJob, _ reason: FinishReason) {
        finish(choice, of: job, text: choice.state.finish(reason)?.text ?? "")
    }

    /// Ends an answer whose state says why, and its request with the last of them.
    func finish(_ choice: ServingChoice, of job: ServingJob, text: String) {
        choice.isFinished = true
        let now = clock.now
        var statistics = GenerationStatistics()
        statistics.reusedTokens = job.reusedTokens
        statistics.restoredTokens = job.restoredTokens
        statistics.promptTokens = job.request.prompt.count - job.reusedTokens - job.restoredTokens
        statistics.generatedTokens = choice.state.tokens.count
        statistics.cacheBytes = choice.session.cacheBytes
        if let begin = job.begin, let end = job.promptEnd {
            statistics.queueSeconds = (begin - job.arrival).seconds
            statistics.promptSeconds = (end - begin).seconds
            statistics.generationSeconds = (now - end).seconds
            statistics.firstTokenSeconds = job.firstToken.map { ($0 - job.arrival).seconds } ?? 0
            if job.choices.count(where: \.isFinished) == 1 {
                counters.promptSeconds += statistics.promptSeconds
            }
            counters.generationSeconds += statistics.generationSeconds
        }
        job.tell(
            .finished(
                FinishedChoice(
                    choice: choice.index, reason: choice.state.finishReason ?? .length, text: text,
                    statistics: statistics, cache: choice.session.cacheReport,
                    fullCacheBytes: fullBytes(choice.session.tokens.count),
                    view: job.request.tracesCache ? choice.view : nil)))
        choice.session.sequence.didMerge = nil
        keep(choice.session, of: job, slot: choice.slot)
        release(slot: choice.slot)
        guard job.choices.allSatisfy(\.isFinished) else {
            return setup.mailbox.note(freeSlots: freeSlots.count)
        }
        if job.isCancelled { counters.cancelledRequests += 1 } else { counters.finishedRequests += 1 }
        remove(job)
    }
}
