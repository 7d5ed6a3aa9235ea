import SwiftletEngine
import SwiftletFormats
import SwiftletTemplate

/// Writes an answer to `/v1/responses` as it comes, in numbered events with names.
struct ResponseStream {
    private let shape: ResponseShape
    private let writer: EventWriter
    private let start: ContinuousClock.Instant
    private var text: AnswerText
    private var items: [ResponseItem] = []
    private var isOpen = false
    private var number = 0
    private var result = GenerationResult()
    private var progress = ProgressFilter()
    private var tokenCount = 0

    init(shape: ResponseShape, writer: EventWriter, start: ContinuousClock.Instant) {
        self.shape = shape
        self.writer = writer
        self.start = start
        text = shape.prompt.parser
    }

    mutating func run(_ run: GenerationRun) async {
        for type in ["response.created", "response.in_progress"] { await sendResponse(type, nil) }
        let failure = await run.stream(to: writer, pingSeconds: shape.asked.pingSeconds) { await add($1) }
        if let failure { await fail(failure) }
    }

    // MARK: Events

    private mutating func send(_ type: String, _ fill: (inout JSONWriter) -> Void) async {
        let number = number
        self.number += 1
        await writer.event(name: type) { json in
            json.member("type", type)
            json.member("sequence_number", number)
            fill(&json)
        }
    }

    private mutating func sendResponse(_ type: String, _ end: FinishedChoice?) async {
        let (shape, items, result) = (shape, items, result)
        await send(type) { json in
            json.key("response")
            json.object { shape.members(items, end == nil ? nil : result, &$0) }
            guard let end else { return }
            json.timings(Timings(end.statistics))
            if shape.asked.showsCache { json.cacheStatistics(end) }
        }
    }

    private mutating func fail(_ error: APIError) async {
        await send("error") { json in
            json.member("code", error.code ?? error.kind.name)
            json.member("message", error.message)
            json.member("param", optional: error.parameter)
        }
    }

    private mutating func add(_ event: GenerationEvent) async {
        result.addEnds(event)
        switch event {
        case .prompt(let progress):
            guard shape.asked.showsProgress else { return }
            for progress in self.progress.new(progress) { await tell(progress) }
        case .token(let token):
            if let rest = progress.rest, shape.asked.showsProgress { await tell(rest) }
            tokenCount += 1
            for delta in text.read(token.text) { await add(delta) }
        case .finished(let end):
            var deltas = text.read(end.text)
            deltas += text.finish()
            for delta in deltas { await add(delta) }
            if items.isEmpty { await begin(ResponseItem(.message)) }
            await close()
            // Clients wait for this name; the status inside says whether the answer was cut.
            await sendResponse("response.completed", end)
        default: break
        }
    }

    private mutating func tell(_ progress: PromptProgress) async {
        let (shape, items, start) = (shape, items, start)
        await send("response.in_progress") { json in
            json.key("response")
            json.object { shape.members(items, nil, &$0) }
            json.progress(progress, since: start)
        }
    }

    // MARK: Items

    private mutating func add(_ delta: AnswerDelta) async {
        switch delta {
        case .content(let text): await add(text, .message, "response.output_text.delta")
        case .reasoning(let text): await add(text, .reasoning, "response.reasoning_text.delta")
        case .call(_, let name, let id): await begin(ResponseItem(.call, name: name, callID: id))
        case .arguments(_, let text): await add(text, .call, "response.function_call_arguments.delta")
        }
    }

    private mutating func add(_ text: String, _ kind: ResponseItem.Kind, _ type: String) async {
        if !isOpen || items.last?.kind != kind { await begin(ResponseItem(kind)) }
        items[items.count - 1].text += text
        let (item, index) = (items[items.count - 1], items.count - 1)
        let timings = shape.asked.showsTimings ? self.timings : nil
        await send(type) { json in
            Self.place(item, index, &json)
            json.member("delta", text)
            if kind == .message {
                json.key("logprobs")
                json.array { _ in }
            }
            if let timings { json.timings(timings) }
        }
    }

    private static func place(_ item: ResponseItem, _ index: Int, _ json: inout JSONWriter) {
        json.member("item_id", item.id)
        json.member("output_index", index)
        if item.kind != .call { json.member("content_index", 0) }
    }

    private mutating func begin(_ item: ResponseItem) async {
        await close()
        items.append(item)
        isOpen = true
        let index = items.count - 1
        await send("response.output_item.added") { json in
            json.member("output_index", index)
            json.key("item")
            item.write(to: &json, isDone: false)
        }
        guard item.kind != .call else { return }
        await send("response.content_part.added") { json in
            Self.place(item, index, &json)
            json.key("part")
            item.part(to: &json, isEmpty: true)
        }
    }

    private mutating func close() async {
        guard isOpen, let item = items.last else { return }
        isOpen = false
        let index = items.count - 1
        let names: [ResponseItem.Kind: String] = [
            .message: "response.output_text.done", .reasoning: "response.reasoning_text.done",
            .call: "response.function_call_arguments.done",
        ]
        await send(names[item.kind] ?? "") { json in
            Self.place(item, index, &json)
            json.member(item.kind == .call ? "arguments" : "text", item.text)
            if item.kind == .message {
                json.key("logprobs")
                json.array { _ in }
            }
        }
        if item.kind != .call {
            await send("response.content_part.done") { json in
                Self.place(item, index, &json)
                json.key("part")
                item.part(to: &json)
            }
        }
        await send("response.output_item.done") { json in
            json.member("output_index", index)
            json.key("item")
            item.write(to: &json, isDone: true)
        }
    }

    /// Times so far.
    private var timings: Timings { Timings(result.progress, since: start, tokenCount: tokenCount) }
}
