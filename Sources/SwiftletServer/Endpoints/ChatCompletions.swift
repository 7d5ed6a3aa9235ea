import SwiftletEngine
import SwiftletFormats
import SwiftletTemplate
import SwiftletText

/// `POST /v1/chat/completions`.
struct ChatCompletions: Sendable {
    let context: ServerContext

    func callAsFunction(_ request: ServerRequest) async throws(APIError) -> Answer {
        let engine = try context.host.engine()
        var fields = try RequestFields(body: request.body)
        var chat = try ChatFields.read(&fields, context.settings)
        var asked = try GenerationFields(&fields, engine, context.settings)
        try Self.readLogprobs(&fields, into: &asked)
        try Self.refuseOthers(&fields)
        try fields.finish()
        try chat.constrain(&asked.options, engine)
        let rendered = try chat.render(engine)
        asked.options.addStops(of: engine.template, engine.tokenizer)
        let shape = ChatShape(engine: engine, model: context.modelName, asked: asked, prompt: rendered)
        let run = try GenerationRun(
            [asked.request(id: shape.id, prompt: rendered.prompt.tokens)], engine, for: request,
            context.metrics)
        guard asked.isStream else {
            let results = try await run.collect()
            return .json(shape.whole(results[0]))
        }
        return .events { writer in
            var stream = ChatStream(shape: shape, writer: writer, start: request.start)
            await stream.run(run)
        }
    }

    /// `POST /v1/chat/completions/input_tokens`: how many tokens a conversation has.
    func countTokens(_ request: ServerRequest) throws(APIError) -> Answer {
        let engine = try context.host.engine()
        var fields = try RequestFields(body: request.body)
        let rendered = try ChatFields.read(&fields, context.settings).render(engine)
        var json = JSONWriter()
        json.object { $0.member("input_tokens", rendered.prompt.tokens.count) }
        return .json(json.bytes)
    }

    /// `POST /apply-template`: the text of a conversation.
    func applyTemplate(_ request: ServerRequest) throws(APIError) -> Answer {
        let engine = try context.host.engine()
        var fields = try RequestFields(body: request.body)
        let text = try ChatFields.read(&fields, context.settings).text(engine)
        var json = JSONWriter()
        json.object { $0.member("prompt", text) }
        return .json(json.bytes)
    }

    private static func readLogprobs(
        _ fields: inout RequestFields, into asked: inout GenerationFields
    ) throws(APIError) {
        let wanted = try fields.bool("logprobs") ?? false
        let count = try fields.int("top_logprobs", in: 0...20)
        guard wanted || count == nil || count == 0 else {
            throw .field(fields.path("top_logprobs"), "is only possible together with logprobs: true")
        }
        if wanted { asked.topLogprobs = count ?? 0 }
        if let count = try fields.int("n_probs", in: 0...100), count > 0 { asked.topLogprobs = count }
    }

    private static func refuseOthers(_ fields: inout RequestFields) throws(APIError) {
        let modalities = try fields.strings("modalities", maximum: 8) ?? ["text"]
        guard modalities == ["text"] else {
            throw .refused(fields.path("modalities"), "this model writes text only")
        }
        try fields.refuse("audio", "this model writes text only")
        try fields.refuse("prediction", "predicted outputs are not used")
        try fields.refuse("web_search_options", "this server searches nothing")
        try fields.refuse("suffix", "this server does not fill in texts")
        try fields.refuse("echo", "only /v1/completions repeats its prompt")
    }
}

extension GenerationOptions {
    /// What ends an answer in a chat, besides the request's own stops.
    mutating func addStops(of template: ChatTemplate, _ tokenizer: Tokenizer) {
        stopTokens.formUnion(template.stopTokens(tokenizer))
        stopStrings += template.stopStrings
    }
}
