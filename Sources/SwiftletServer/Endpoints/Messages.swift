import SwiftletEngine
import SwiftletFormats
import SwiftletTemplate

/// `POST /v1/messages`, in Anthropic's shape.
struct Messages: Sendable {
    let context: ServerContext

    func callAsFunction(_ request: ServerRequest) async throws(APIError) -> Answer {
        let engine = try context.host.engine()
        var fields = try RequestFields(body: request.body)
        guard fields.has("max_tokens") else { throw fields.missing("max_tokens") }
        var chat = try MessagesFields.read(&fields, context.settings)
        let stops = try fields.strings("stop_sequences", maximum: 64) ?? []
        var asked = try GenerationFields(&fields, engine, context.settings, lengths: ["max_tokens"])
        guard asked.choiceCount == 1 else { throw .refused("n", "there is one answer") }
        try fields.finish()
        asked.options.stopStrings += stops.filter { !$0.isEmpty }
        try chat.constrain(&asked.options, engine)
        let rendered = try chat.render(engine)
        asked.options.addStops(of: engine.template, engine.tokenizer)
        let shape = MessageShape(
            engine: engine, model: context.modelName, asked: asked, prompt: rendered, stops: Set(stops))
        let run = try GenerationRun(
            [asked.request(id: shape.id, prompt: rendered.prompt.tokens)], engine, for: request,
            context.metrics)
        guard asked.isStream else { return .json(shape.whole(try await run.collect()[0])) }
        return .events { writer in
            var stream = MessageStream(shape: shape, writer: writer)
            await stream.run(run)
        }
    }

    /// `POST /v1/messages/count_tokens`.
    func countTokens(_ request: ServerRequest) throws(APIError) -> Answer {
        let engine = try context.host.engine()
        var fields = try RequestFields(body: request.body)
        let chat = try MessagesFields.read(&fields, context.settings)
        let rendered = try chat.render(engine)
        var json = JSONWriter()
        json.object { $0.member("input_tokens", rendered.prompt.tokens.count) }
        return .json(json.bytes)
    }
}

/// The JSON of one answer to `/v1/messages`.
struct MessageShape: Sendable {
    let id = Identifier.make("msg_")
    let engine: Engine
    let model: String
    let asked: GenerationFields
    let prompt: ChatRequest.Rendered
    /// The texts that the client named as ends.
    let stops: Set<String>

    func whole(_ result: GenerationResult) -> [UInt8] {
        let choice = result.choices.first ?? .init()
        let answer = Answered(choice.text, prompt.parser)
        var json = JSONWriter()
        json.object { json in
            json.member("id", id)
            json.member("type", "message")
            json.member("role", "assistant")
            json.member("model", model)
            json.key("content")
            json.array { json in content(answer, &json) }
            ending(choice.end, hasCalls: !answer.calls.isEmpty, &json)
            json.key("usage")
            json.object { usage(result, &$0) }
            if let end = choice.end, asked.showsCache { json.cacheStatistics(end) }
        }
        return json.bytes
    }

    private func content(_ answer: Answered, _ json: inout JSONWriter) {
        if !answer.reasoning.isEmpty {
            json.object { json in
                json.member("type", "thinking")
                json.member("thinking", answer.reasoning)
                json.member("signature", "")
            }
        }
        if !answer.content.isEmpty || answer.calls.isEmpty {
            json.object { json in
                json.member("type", "text")
                json.member("text", answer.content)
            }
        }
        for call in answer.calls {
            json.object { json in
                json.member("type", "tool_use")
                json.member("id", call.id)
                json.member("name", call.name)
                json.key("input")
                if let input = try? JSON.parse(Array(call.arguments.utf8), source: "arguments"),
                    input.kind == .object
                {
                    json.value(input)
                } else {
                    json.object { _ in }
                }
            }
        }
    }

    /// Why it ended.
    func ending(_ end: FinishedChoice?, hasCalls: Bool, _ json: inout JSONWriter) {
        var (reason, stop) = ("end_turn", String?.none)
        switch end?.reason {
        case .length?, .context?, .cancelled?: reason = "max_tokens"
        case .stopString(let text)? where stops.contains(text): (reason, stop) = ("stop_sequence", text)
        default: if hasCalls { reason = "tool_use" }
        }
        json.member("stop_reason", reason)
        json.member("stop_sequence", optional: stop)
    }

    /// Tokens, those of the prompt without the ones that were cached.
    func usage(_ result: GenerationResult, _ json: inout JSONWriter) {
        let cached = result.progress?.reused ?? 0
        json.member("input_tokens", prompt.prompt.tokens.count - cached)
        json.member("cache_creation_input_tokens", 0)
        json.member("cache_read_input_tokens", cached)
        json.member("output_tokens", result.choices.first?.end?.statistics.generatedTokens ?? 0)
    }
}

/// Writes an answer to `/v1/messages` as it comes.
struct MessageStream {
    private enum Block: Hashable { case text, thinking, call(Int) }

    private let shape: MessageShape
    private let writer: EventWriter
    private var text: AnswerText
    private var result = GenerationResult()
    private var open: Block?
    private var blockCount = 0
    private var hasCalls = false

    init(shape: MessageShape, writer: EventWriter) {
        self.shape = shape
        self.writer = writer
        text = shape.prompt.parser
    }

    mutating func run(_ run: GenerationRun) async {
        await start()
        let failure = await run.stream(
            to: writer, pingSeconds: shape.asked.pingSeconds,
            ping: { await $0.event(name: "ping") { $0.member("type", "ping") } }
        ) { await add($1) }
        if let failure { await writer.event(failure.body(.anthropic), name: "error") }
    }

    private func send(_ type: String, _ fill: (inout JSONWriter) -> Void) async {
        await writer.event(name: type) { json in
            json.member("type", type)
            fill(&json)
        }
    }

    private func start() async {
        await send("message_start") { json in
            json.key("message")
            json.object { json in
                json.member("id", shape.id)
                json.member("type", "message")
                json.member("role", "assistant")
                json.member("model", shape.model)
                json.key("content")
                json.array { _ in }
                json.nullMember("stop_reason")
                json.nullMember("stop_sequence")
                json.key("usage")
                json.object { shape.usage(result, &$0) }
            }
        }
    }

    private mutating func add(_ event: GenerationEvent) async {
        result.addEnds(event)
        switch event {
        case .token(let token): for delta in text.read(token.text) { await add(delta) }
        case .finished(let end):
            var deltas = text.read(end.text)
            deltas += text.finish()
            for delta in deltas { await add(delta) }
            if blockCount == 0, open == nil { await begin(.text) }
            await close()
            await finish(end)
        default: break
        }
    }

    private func finish(_ end: FinishedChoice) async {
        await send("message_delta") { json in
            json.key("delta")
            json.object { shape.ending(end, hasCalls: hasCalls, &$0) }
            json.key("usage")
            json.object { shape.usage(result, &$0) }
            if shape.asked.showsCache { json.cacheStatistics(end) }
        }
        await send("message_stop") { _ in }
    }

    // MARK: Blocks

    private mutating func add(_ delta: AnswerDelta) async {
        switch delta {
        case .content(let text):
            if open != .text { await begin(.text) }
            await self.delta("text_delta", "text", text)
        case .reasoning(let text):
            if open != .thinking { await begin(.thinking) }
            await self.delta("thinking_delta", "thinking", text)
        case .call(let index, let name, let id):
            hasCalls = true
            await begin(.call(index), name: name, id: id)
        case .arguments(_, let text): await self.delta("input_json_delta", "partial_json", text)
        }
    }

    private mutating func begin(_ block: Block, name: String = "", id: String? = nil) async {
        await close()
        open = block
        let index = blockCount
        await send("content_block_start") { json in
            json.member("index", index)
            json.key("content_block")
            json.object { json in
                switch block {
                case .text:
                    json.member("type", "text")
                    json.member("text", "")
                case .thinking:
                    json.member("type", "thinking")
                    json.member("thinking", "")
                    json.member("signature", "")
                case .call:
                    json.member("type", "tool_use")
                    json.member("id", id ?? Identifier.make("toolu_"))
                    json.member("name", name)
                    json.key("input")
                    json.object { _ in }
                }
            }
        }
    }

    private func delta(_ type: String, _ field: String, _ text: String) async {
        await send("content_block_delta") { json in
            json.member("index", blockCount)
            json.key("delta")
            json.object { json in
                json.member("type", type)
                json.member(field, text)
            }
        }
    }

    private mutating func close() async {
        guard open != nil else { return }
        let index = blockCount
        await send("content_block_stop") { $0.member("index", index) }
        open = nil
        blockCount += 1
    }
}
