import SwiftletEngine
import SwiftletFormats

/// `POST /v1/responses`, OpenAI's newer interface; nothing is kept between two requests.
struct Responses: Sendable {
    let context: ServerContext

    func callAsFunction(_ request: ServerRequest) async throws(APIError) -> Answer {
        let engine = try context.host.engine()
        var fields = try RequestFields(body: request.body)
        var chat = try ResponsesFields.read(&fields, context.settings)
        var asked = try GenerationFields(
            &fields, engine, context.settings, lengths: ["max_output_tokens", "max_tokens"])
        guard asked.choiceCount == 1 else { throw .refused("n", "there is one answer") }
        if let count = try fields.int("top_logprobs", in: 0...20), count > 0 {
            throw .refused("top_logprobs", "use /v1/chat/completions")
        }
        try fields.finish()
        try chat.constrain(&asked.options, engine)
        let rendered = try chat.render(engine, field: "input")
        asked.options.addStops(of: engine.template, engine.tokenizer)
        let shape = ResponseShape(
            model: context.modelName, asked: asked, prompt: rendered,
            maxTokens: asked.options.maxTokens)
        let run = try GenerationRun(
            [asked.request(id: shape.id, prompt: rendered.prompt.tokens)], engine, for: request,
            context.metrics)
        guard asked.isStream else {
            let result = try await run.collect()[0]
            let choice = result.choices.first ?? .init()
            return .json(shape.whole(ResponseItem.all(of: Answered(choice.text, rendered.parser)), result))
        }
        return .events { writer in
            var stream = ResponseStream(shape: shape, writer: writer, start: request.start)
            await stream.run(run)
        }
    }
}

/// A part of a response: a thought, a message or a call.
struct ResponseItem: Sendable {
    enum Kind: Sendable { case reasoning, message, call }

    let kind: Kind
    let id: String
    var text = ""
    var name = ""
    var callID = ""

    init(_ kind: Kind, name: String = "", callID: String? = nil) {
        self.kind = kind
        self.name = name
        switch kind {
        case .reasoning: id = Identifier.make("rs_")
        case .message: id = Identifier.make("msg_")
        case .call: id = Identifier.make("fc_")
        }
        self.callID = callID ?? Identifier.make("call_")
    }

    /// The items of a whole answer; one without text has an empty message.
    static func all(of answer: Answered) -> [ResponseItem] {
        var items: [ResponseItem] = []
        func add(_ item: ResponseItem, _ text: String) {
            items.append(item)
            items[items.count - 1].text = text
        }
        if !answer.reasoning.isEmpty { add(ResponseItem(.reasoning), answer.reasoning) }
        if !answer.content.isEmpty || answer.calls.isEmpty { add(ResponseItem(.message), answer.content) }
        for call in answer.calls {
            add(ResponseItem(.call, name: call.name, callID: call.id), call.arguments)
        }
        return items
    }

    /// Writes the item; one that has just begun is empty.
    func write(to json: inout JSONWriter, isDone: Bool) {
        json.object { json in
            json.member("id", id)
            switch kind {
            case .reasoning:
                json.member("type", "reasoning")
                json.key("summary")
                json.array { _ in }
                json.key("content")
                json.array { if isDone { part(to: &$0) } }
            case .message:
                json.member("type", "message")
                json.member("status", isDone ? "completed" : "in_progress")
                json.member("role", "assistant")
                json.key("content")
                json.array { if isDone { part(to: &$0) } }
            case .call:
                json.member("type", "function_call")
                json.member("status", isDone ? "completed" : "in_progress")
                json.member("call_id", callID)
                json.member("name", name)
                json.member("arguments", isDone ? text : "")
            }
        }
    }

    /// Writes the one part of the item's content.
    ///
    /// - Parameter isEmpty: whether it has just begun.
    func part(to json: inout JSONWriter, isEmpty: Bool = false) {
        json.object { json in
            json.member("type", kind == .reasoning ? "reasoning_text" : "output_text")
            json.member("text", isEmpty ? "" : text)
            guard kind == .message else { return }
            for name in ["annotations", "logprobs"] {
                json.key(name)
                json.array { _ in }
            }
        }
    }
}

/// The JSON of one answer to `/v1/responses`.
struct ResponseShape: Sendable {
    let id = Identifier.make("resp_")
    let created = Clock.seconds
    let model: String
    let asked: GenerationFields
    let prompt: ChatRequest.Rendered
    let maxTokens: Int?

    func whole(_ items: [ResponseItem], _ result: GenerationResult) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            members(items, result, &json)
            if let end = result.choices.first?.end, asked.showsCache { json.cacheStatistics(end) }
        }
        return json.bytes
    }

    /// Writes the members of a response.
    ///
    /// - Parameter result: `nil` while it is written.
    func members(_ items: [ResponseItem], _ result: GenerationResult?, _ json: inout JSONWriter) {
        let end = result?.choices.first?.end
        let isCut = end.map { $0.reason.openAIName == "length" } ?? false
        json.member("id", id)
        json.member("object", "response")
        json.member("created_at", created)
        json.member("status", result == nil ? "in_progress" : isCut ? "incomplete" : "completed")
        json.nullMember("error")
        json.key("incomplete_details")
        if isCut { json.object { $0.member("reason", "max_output_tokens") } } else { json.null() }
        json.nullMember("instructions")
        json.key("max_output_tokens")
        if let maxTokens { json.value(maxTokens) } else { json.null() }
        json.member("model", model)
        json.key("output")
        json.array { json in for item in items { item.write(to: &json, isDone: true) } }
        json.member("parallel_tool_calls", true)
        json.nullMember("previous_response_id")
        json.member("store", false)
        json.member("temperature", asked.options.sampling.temperature)
        json.member("top_p", asked.options.sampling.topP)
        json.key("text")
        json.object { json in
            json.key("format")
            json.object { $0.member("type", "text") }
        }
        json.member("tool_choice", "auto")
        json.key("tools")
        json.array { _ in }
        json.member("truncation", "disabled")
        json.key("usage")
        if let result { usage(result, &json) } else { json.null() }
        json.nullMember("user")
        json.key("metadata")
        json.object { _ in }
    }

    private func usage(_ result: GenerationResult, _ json: inout JSONWriter) {
        let usage = TokenUsage([result], prompts: [prompt.prompt])
        json.object { json in
            json.member("input_tokens", usage.prompt)
            json.key("input_tokens_details")
            json.object { $0.member("cached_tokens", usage.cached) }
            json.member("output_tokens", usage.completion)
            json.key("output_tokens_details")
            json.object { $0.member("reasoning_tokens", 0) }
            json.member("total_tokens", usage.prompt + usage.completion)
        }
    }
}
