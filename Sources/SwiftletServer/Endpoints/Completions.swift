import SwiftletEngine
import SwiftletFormats

/// `POST /v1/completions`.
struct Completions: Sendable {
    let context: ServerContext

    /// Tokens that are written if the request does not say.
    ///
    /// Source: OpenAI's reference of this endpoint.
    private static let defaultLength = 16

    func callAsFunction(_ request: ServerRequest) async throws(APIError) -> Answer {
        let engine = try context.host.engine()
        var fields = try RequestFields(body: request.body)
        let (prompts, _) = try PromptFields.read(
            &fields, engine.target, limit: context.settings.choiceLimit)
        var asked = try GenerationFields(
            &fields, engine, context.settings,
            defaultLength: context.settings.maxTokens ?? Self.defaultLength)
        let echoes = try fields.bool("echo") ?? false
        asked.topLogprobs = try Self.logprobs(&fields)
        try fields.refuse("suffix", "this server does not fill in texts")
        try fields.finish()
        // Evaluation programs ask for one token behind a text and drop its entry: one that ends the text must be there,
        // too, or they would drop another.
        if echoes, asked.topLogprobs != nil, asked.options.maxTokens == 1 {
            asked.options.ignoresStopTokens = true
        }
        let shape = CompletionShape(
            engine: engine, model: context.modelName, asked: asked, prompts: prompts, echoes: echoes)
        let requests = prompts.indices.map { index in
            var generation = asked.request(id: Identifier.make("cmpl-"), prompt: prompts[index].tokens)
            if echoes { generation.promptLogprobs = asked.topLogprobs }
            return generation
        }
        let run = try GenerationRun(requests, engine, for: request, context.metrics)
        guard asked.isStream else { return .json(shape.whole(try await run.collect())) }
        return .events { writer in
            var stream = CompletionStream(shape: shape, writer: writer, start: request.start)
            await stream.run(run)
        }
    }

    /// `logprobs` as a number of likely tokens; `true` counts as 1.
    private static func logprobs(_ fields: inout RequestFields) throws(APIError) -> Int? {
        if let count = try fields.int("n_probs", in: 0...100), count > 0 { return count }
        guard let value = fields.value("logprobs") else { return nil }
        if let bool = value.bool { return bool ? 1 : nil }
        return try fields.int("logprobs", in: 0...20)
    }
}
