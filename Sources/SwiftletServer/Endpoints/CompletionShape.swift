import SwiftletEngine
import SwiftletFormats
import SwiftletText

/// The JSON of one answer to `/v1/completions`.
struct CompletionShape: Sendable {
    let id = Identifier.make("cmpl-")
    let created = Clock.seconds
    let engine: Engine
    let model: String
    let asked: GenerationFields
    let prompts: [Prompt]
    let echoes: Bool

    /// The number of a choice among those of all prompts.
    func index(prompt: Int, choice: Int) -> Int { prompt * asked.choiceCount + choice }

    /// The text of a prompt as it is repeated.
    func echo(_ prompt: Int) -> String {
        var tokens = prompts[prompt].tokens[...]
        if let bos = engine.tokenizer.bos, tokens.first == bos { tokens.removeFirst() }
        return engine.tokenizer.decode(Array(tokens))
    }

    /// Collects the log-probabilities of a choice.
    func logprobs(prompt: Int) -> TextLogprobs? {
        guard let count = asked.topLogprobs else { return nil }
        let offset = echoes ? 0 : echo(prompt).unicodeScalars.count
        return TextLogprobs(engine.tokenizer, count: count, offset: offset, continuing: !echoes)
    }

    /// The whole answer.
    func whole(_ results: [GenerationResult]) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            head(&json)
            json.key("choices")
            json.array { json in
                for (prompt, result) in results.enumerated() {
                    for (number, choice) in result.choices.enumerated() {
                        json.object { self.choice(prompt, number, choice, result, &$0) }
                    }
                }
            }
            json.usage(TokenUsage(results, prompts: prompts))
            if let end = results.first?.choices.first?.end { json.timings(Timings(end.statistics)) }
            if asked.isVerbose, let prompt = prompts.first {
                json.key("__verbose")
                json.object { $0.member("prompt", prompt.text(engine)) }
            }
        }
        return json.bytes
    }

    private func choice(
        _ prompt: Int, _ number: Int, _ choice: GenerationResult.Choice, _ result: GenerationResult,
        _ json: inout JSONWriter
    ) {
        json.member("index", index(prompt: prompt, choice: number))
        json.member("text", (echoes ? echo(prompt) : "") + choice.text)
        var logprobs = logprobs(prompt: prompt)
        if echoes { for token in result.promptLogprobs { logprobs?.add(token) } }
        for token in choice.tokens { logprobs?.add(token) }
        write(logprobs, &json)
        if let end = choice.end {
            json.member("finish_reason", end.reason.openAIName)
            cache(end, &json)
        }
    }

    func write(_ logprobs: TextLogprobs?, _ json: inout JSONWriter) {
        json.key("logprobs")
        if let logprobs { logprobs.write(to: &json) } else { json.null() }
    }

    /// What the client asked to see of the cache.
    func cache(_ end: FinishedChoice, _ json: inout JSONWriter) {
        if asked.showsCache { json.cacheStatistics(end) }
        if asked.showsCacheView, let view = end.view {
            json.key("kv_view")
            json.cacheView(view, fullBytes: end.fullCacheBytes)
        }
    }

    func head(_ json: inout JSONWriter) {
        json.member("id", id)
        json.member("object", "text_completion")
        json.member("created", created)
        json.member("model", model)
        json.member("system_fingerprint", Fingerprint.name)
    }
}
