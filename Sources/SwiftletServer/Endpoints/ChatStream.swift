import SwiftletEngine
import SwiftletFormats
import SwiftletTemplate

/// Writes an answer to `/v1/chat/completions` as it comes.
///
/// Per choice: a chunk with the role, chunks with what is new, and one with the reason of its end; then, if asked for,
/// a chunk with the usage and no choices; then `[DONE]`.
struct ChatStream {
    private struct Choice {
        var text: AnswerText
        /// Tokens whose log-probabilities were not told yet.
        var pending: [GeneratedToken] = []
        var hasCalls = false
        var tokenCount = 0
        var firstToken: ContinuousClock.Instant?
    }

    private let shape: ChatShape
    private let writer: EventWriter
    private let start: ContinuousClock.Instant
    private var choices: [Choice]
    private var progress = ProgressFilter()
    private var result = GenerationResult()

    init(shape: ChatShape, writer: EventWriter, start: ContinuousClock.Instant) {
        self.shape = shape
        self.writer = writer
        self.start = start
        choices = (0..<shape.asked.choiceCount).map { _ in Choice(text: shape.prompt.parser) }
    }

    mutating func run(_ run: GenerationRun) async {
        for index in choices.indices {
            await chunk(index) { json in
                json.member("role", "assistant")
                json.nullMember("content")
            }
        }
        let failure = await run.stream(to: writer, pingSeconds: shape.asked.pingSeconds) { await add($1) }
        if let failure { return await writer.failure(failure) }
        guard result.isComplete else { return }
        if shape.asked.includesUsage { await usage() }
        await writer.done()
    }

    private mutating func add(_ event: GenerationEvent) async {
        result.addEnds(event)
        switch event {
        case .queued, .promptLogprobs, .failed: break
        case .prompt(let progress):
            guard shape.asked.showsProgress else { return }
            for progress in self.progress.new(progress) { await tell(progress) }
        case .token(let token):
            if let rest = progress.rest, shape.asked.showsProgress { await tell(rest) }
            if shape.asked.topLogprobs != nil { choices[token.choice].pending.append(token) }
            choices[token.choice].tokenCount += 1
            if choices[token.choice].firstToken == nil { choices[token.choice].firstToken = .now }
            for delta in choices[token.choice].text.read(token.text) { await self.delta(delta, token.choice) }
        case .finished(let end): await finish(end)
        }
    }

    private mutating func finish(_ end: FinishedChoice) async {
        let index = end.choice
        var deltas = choices[index].text.read(end.text)
        deltas += choices[index].text.finish()
        for delta in deltas { await self.delta(delta, index) }
        let hasCalls = choices[index].hasCalls
        let reason = hasCalls ? end.reason.nameAfterCalls : end.reason.openAIName
        await chunk(
            index, reason: reason,
            with: { json in
                shape.cache(end, &json)
                if shape.asked.showsTimings, !shape.asked.includesUsage {
                    json.timings(Timings(end.statistics))
                }
            }
        ) { _ in }
    }

    private mutating func delta(_ delta: AnswerDelta, _ index: Int) async {
        if case .call = delta { choices[index].hasCalls = true }
        let tokens = choices[index].pending
        choices[index].pending = []
        await chunk(index, tokens: tokens) { json in
            switch delta {
            case .content(let text): json.member("content", text)
            case .reasoning(let text): json.member("reasoning_content", text)
            case .call(let number, let name, let id):
                json.key("tool_calls")
                json.array {
                    $0.toolCall(Answered.Call(id: id ?? Identifier.make("call_"), name: name), index: number)
                }
            case .arguments(let number, let text):
                json.key("tool_calls")
                json.array { json in
                    json.object { json in
                        json.member("index", number)
                        json.key("function")
                        json.object { $0.member("arguments", text) }
                    }
                }
            }
        }
    }

    // MARK: Chunks

    private func chunk(
        _ index: Int, reason: String? = nil, tokens: [GeneratedToken]? = nil,
        with more: (inout JSONWriter) -> Void = { _ in }, _ delta: (inout JSONWriter) -> Void
    ) async {
        await writer.event { json in
            head(&json)
            json.key("choices")
            json.array { json in
                json.object { json in
                    json.member("index", index)
                    json.key("delta")
                    json.object(delta)
                    json.chatLogprobs(shape.asked.topLogprobs == nil ? nil : tokens, shape.engine.tokenizer)
                    json.member("finish_reason", optional: reason)
                }
            }
            if shape.asked.includesUsage { json.nullMember("usage") }
            if shape.asked.showsTimings, tokens != nil { json.timings(timings(index)) }
            more(&json)
        }
    }

    private func head(_ json: inout JSONWriter) { shape.head("chat.completion.chunk", &json) }

    private func tell(_ progress: PromptProgress) async {
        await writer.event { json in
            head(&json)
            json.key("choices")
            json.array { json in
                json.object { json in
                    json.member("index", 0)
                    json.key("delta")
                    json.object { _ in }
                    json.nullMember("finish_reason")
                }
            }
            if shape.asked.includesUsage { json.nullMember("usage") }
            json.progress(progress, since: start)
            if shape.asked.showsTimings { json.timings(Timings(progress, since: start)) }
        }
    }

    private func usage() async {
        await writer.event { json in
            head(&json)
            json.key("choices")
            json.array { _ in }
            json.usage(TokenUsage([result], prompts: [shape.prompt.prompt]))
            if let end = result.choices.first?.end { json.timings(Timings(end.statistics)) }
        }
    }

    /// Times so far.
    private func timings(_ index: Int) -> Timings {
        Timings(
            result.progress, since: start, tokenCount: choices[index].tokenCount,
            firstToken: choices[index].firstToken)
    }
}

/// Makes the progress of a prompt a series that begins with what was reused, grows and ends with all tokens.
struct ProgressFilter {
    private var last: PromptProgress?

    /// What a report tells that is new.
    mutating func new(_ progress: PromptProgress) -> [PromptProgress] {
        var series: [PromptProgress] = []
        if last == nil {
            var begin = progress
            begin.done = begin.reused
            series.append(begin)
            last = begin
        }
        guard let last, progress.done > last.done else { return series }
        self.last = progress
        return series + [progress]
    }

    /// The end, once, if it was not told before.
    var rest: PromptProgress? {
        mutating get {
            guard var end = last, end.done < end.total else { return nil }
            end.done = end.total
            last = end
            return end
        }
    }
}

extension EventWriter {
    /// Says that an answer cannot go on.
    func failure(_ error: APIError) async { await event(error.body(.openAI)) }
}
