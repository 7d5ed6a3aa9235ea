import SwiftletEngine
import SwiftletFormats

/// Writes an answer to `/v1/completions` as it comes.
struct CompletionStream {
    private let shape: CompletionShape
    private let writer: EventWriter
    private let start: ContinuousClock.Instant
    private var results: [GenerationResult]
    private var logprobs: [TextLogprobs?]  // by the number of the choice
    private var progress: [ProgressFilter]
    private var hasEchoed: Set<Int> = []

    init(shape: CompletionShape, writer: EventWriter, start: ContinuousClock.Instant) {
        self.shape = shape
        self.writer = writer
        self.start = start
        results = shape.prompts.map { _ in GenerationResult() }
        progress = shape.prompts.map { _ in ProgressFilter() }
        let count = shape.asked.choiceCount
        logprobs = shape.prompts.indices.flatMap { prompt in
            (0..<count).map { _ in shape.logprobs(prompt: prompt) }
        }
    }

    mutating func run(_ run: GenerationRun) async {
        let failure = await run.stream(to: writer, pingSeconds: shape.asked.pingSeconds) { await add($1, $0) }
        if let failure { return await writer.failure(failure) }
        guard results.allSatisfy(\.isComplete) else { return }
        if shape.asked.includesUsage {
            await writer.event { json in
                shape.head(&json)
                json.key("choices")
                json.array { _ in }
                json.usage(TokenUsage(results, prompts: shape.prompts))
                if let end = results.first?.choices.first?.end { json.timings(Timings(end.statistics)) }
            }
        }
        await writer.done()
    }

    private mutating func add(_ event: GenerationEvent, _ prompt: Int) async {
        results[prompt].addEnds(event)
        switch event {
        case .queued, .failed: break
        case .prompt(let progress):
            guard shape.asked.showsProgress else { return }
            for progress in self.progress[prompt].new(progress) { await tell(progress, prompt) }
        case .promptLogprobs(let tokens):
            for choice in 0..<shape.asked.choiceCount {
                let index = shape.index(prompt: prompt, choice: choice)
                for token in tokens { logprobs[index]?.add(token) }
            }
        case .token(let token):
            if let rest = progress[prompt].rest, shape.asked.showsProgress { await tell(rest, prompt) }
            await echo(prompt)
            let index = shape.index(prompt: prompt, choice: token.choice)
            logprobs[index]?.add(token)
            if !token.text.isEmpty { await chunk(prompt, index, token.text) }
        case .finished(let end):
            await echo(prompt)
            let index = shape.index(prompt: prompt, choice: end.choice)
            if !end.text.isEmpty || logprobs[index]?.isEmpty == false { await chunk(prompt, index, end.text) }
            await chunk(prompt, index, "", end: end)
        }
    }

    /// Repeats a prompt in front of its answers.
    private mutating func echo(_ prompt: Int) async {
        guard shape.echoes, hasEchoed.insert(prompt).inserted else { return }
        let text = shape.echo(prompt)
        for choice in 0..<shape.asked.choiceCount {
            await chunk(prompt, shape.index(prompt: prompt, choice: choice), text)
        }
    }

    private mutating func chunk(
        _ prompt: Int, _ index: Int, _ text: String, end: FinishedChoice? = nil
    ) async {
        let tokens = end == nil ? logprobs[index]?.take() : nil
        await writer.event { json in
            shape.head(&json)
            json.key("choices")
            json.array { json in
                json.object { json in
                    json.member("index", index)
                    json.member("text", text)
                    shape.write(tokens, &json)
                    json.member("finish_reason", optional: end?.reason.openAIName)
                }
            }
            if shape.asked.includesUsage { json.nullMember("usage") }
            guard let end else { return }
            shape.cache(end, &json)
            if shape.asked.showsTimings { json.timings(Timings(end.statistics)) }
        }
    }

    private func tell(_ progress: PromptProgress, _ prompt: Int) async {
        await writer.event { json in
            shape.head(&json)
            json.key("choices")
            json.array { json in
                json.object { json in
                    json.member("index", shape.index(prompt: prompt, choice: 0))
                    json.member("text", "")
                    json.nullMember("logprobs")
                    json.nullMember("finish_reason")
                }
            }
            json.progress(progress, since: start)
        }
    }
}
