import SwiftletEngine
import SwiftletFormats

/// `POST /completion`, in llama-server's shape.
struct NativeCompletion: Sendable {
    let context: ServerContext

    func callAsFunction(_ request: ServerRequest) async throws(APIError) -> Answer {
        let engine = try context.host.engine()
        var fields = try RequestFields(body: request.body)
        let (prompts, isList) = try PromptFields.read(
            &fields, engine.target, limit: context.settings.choiceLimit)
        var asked = try GenerationFields(
            &fields, engine, context.settings, lengths: ["n_predict", "max_tokens", "max_completion_tokens"])
        if let count = try fields.int("n_probs", in: 0...100), count > 0 { asked.topLogprobs = count }
        asked.logprobsAreDrawn = try fields.bool("post_sampling_probs") ?? false
        let returnsTokens = try fields.bool("return_tokens") ?? false
        let chosen = try fields.strings("response_fields", maximum: 256) ?? []
        try fields.refuse("input_prefix", "this server does not fill in texts")
        try fields.refuse("input_suffix", "this server does not fill in texts")
        try fields.finish()
        let shape = NativeShape(
            engine: engine, model: context.modelName, asked: asked, prompts: prompts,
            returnsTokens: returnsTokens, chosen: chosen)
        let requests = prompts.map { asked.request(id: Identifier.make("cmpl-"), prompt: $0.tokens) }
        let run = try GenerationRun(requests, engine, for: request, context.metrics)
        guard asked.isStream else {
            let answers = shape.whole(try await run.collect())
            let isOne = answers.count == 1 && !isList
            return .json(
                isOne ? answers[0] : Array("[".utf8) + answers.joined(separator: ",".utf8) + "]".utf8)
        }
        return .events { writer in
            var stream = NativeStream(shape: shape, writer: writer, start: request.start)
            await stream.run(run)
        }
    }
}

/// Writes an answer to `/completion` as it comes: a part per token, and one for the end.
struct NativeStream {
    private let shape: NativeShape
    private let writer: EventWriter
    private let start: ContinuousClock.Instant
    private var results: [GenerationResult]
    private var progress: [ProgressFilter]

    init(shape: NativeShape, writer: EventWriter, start: ContinuousClock.Instant) {
        self.shape = shape
        self.writer = writer
        self.start = start
        results = shape.prompts.map { _ in GenerationResult() }
        progress = shape.prompts.map { _ in ProgressFilter() }
    }

    mutating func run(_ run: GenerationRun) async {
        let failure = await run.stream(to: writer, pingSeconds: shape.asked.pingSeconds) { await add($1, $0) }
        if let failure { await writer.failure(failure) }
    }

    private mutating func add(_ event: GenerationEvent, _ prompt: Int) async {
        results[prompt].add(event)
        switch event {
        case .queued, .promptLogprobs, .failed: break
        case .prompt(let progress):
            guard shape.asked.showsProgress else { return }
            for progress in self.progress[prompt].new(progress) { await tell(progress, prompt) }
        case .token(let token):
            if let rest = progress[prompt].rest, shape.asked.showsProgress { await tell(rest, prompt) }
            let seen = results[prompt]
            await writer.event { shape.part(prompt, token, seen, since: start, &$0) }
        case .finished(let end):
            await writer.event(shape.end(prompt, end.choice, results[prompt], isStream: true))
        }
    }

    private func tell(_ progress: PromptProgress, _ prompt: Int) async {
        await writer.event { json in
            json.member("index", prompt * shape.asked.choiceCount)
            json.member("content", "")
            json.member("tokens", [Int]())
            json.member("stop", false)
            json.progress(progress, since: start)
            if shape.asked.showsTimings { json.timings(Timings(progress, since: start)) }
        }
    }
}
