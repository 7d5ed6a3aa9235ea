import SwiftletEngine
import SwiftletFormats
import SwiftletTemplate

/// The JSON of one answer to `/v1/chat/completions`.
struct ChatShape: Sendable {
    let id = Identifier.make("chatcmpl-")
    let created = Clock.seconds
    let engine: Engine
    let model: String
    let asked: GenerationFields
    let prompt: ChatRequest.Rendered

    /// The whole answer.
    func whole(_ result: GenerationResult) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            head("chat.completion", &json)
            json.key("choices")
            json.array { json in
                for (index, choice) in result.choices.enumerated() {
                    json.object { self.choice(index, choice, &$0) }
                }
            }
            json.usage(TokenUsage([result], prompts: [prompt.prompt]))
            if let end = result.choices.first?.end { json.timings(Timings(end.statistics)) }
            verbose(&json)
        }
        return json.bytes
    }

    private func choice(_ index: Int, _ choice: GenerationResult.Choice, _ json: inout JSONWriter) {
        let answer = Answered(choice.text, prompt.parser)
        json.member("index", index)
        json.key("message")
        json.object { json in
            json.member("role", "assistant")
            json.member(
                "content", optional: answer.content.isEmpty && !answer.calls.isEmpty ? nil : answer.content)
            json.nullMember("refusal")
            if !answer.reasoning.isEmpty { json.member("reasoning_content", answer.reasoning) }
            if !answer.calls.isEmpty {
                json.key("tool_calls")
                json.array { json in
                    for call in answer.calls {
                        json.toolCall(call)
                    }
                }
            }
        }
        json.chatLogprobs(asked.topLogprobs == nil ? nil : choice.tokens, engine.tokenizer)
        if let end = choice.end {
            json.member(
                "finish_reason", answer.calls.isEmpty ? end.reason.openAIName : end.reason.nameAfterCalls)
            cache(end, &json)
        }
    }

    /// What the client asked to see of the cache.
    func cache(_ end: FinishedChoice, _ json: inout JSONWriter) {
        if asked.showsCache { json.cacheStatistics(end) }
        if asked.showsCacheView, let view = end.view {
            json.key("kv_view")
            json.cacheView(view, fullBytes: end.fullCacheBytes)
        }
    }

    /// The members that every part of an answer begins with.
    func head(_ object: String, _ json: inout JSONWriter) {
        json.member("id", id)
        json.member("object", object)
        json.member("created", created)
        json.member("model", model)
        json.member("system_fingerprint", Fingerprint.name)
    }

    private func verbose(_ json: inout JSONWriter) {
        guard asked.isVerbose else { return }
        json.key("__verbose")
        json.object { $0.member("prompt", prompt.text) }
    }
}

extension JSONWriter {
    /// Writes a call of a tool; in streams with its number.
    mutating func toolCall(_ call: Answered.Call, index: Int? = nil) {
        object { json in
            if let index { json.member("index", index) }
            json.member("id", call.id)
            json.member("type", "function")
            json.key("function")
            json.object { json in
                json.member("name", call.name)
                json.member("arguments", call.arguments)
            }
        }
    }
}

extension FinishReason {
    /// OpenAI's word for an answer that calls tools.
    var nameAfterCalls: String { openAIName == "stop" ? "tool_calls" : openAIName }
}
