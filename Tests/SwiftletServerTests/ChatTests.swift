import SwiftletFormats
import Testing

@testable import SwiftletServer

@Suite struct ChatTests {
    static let question = #""messages": [{"role": "user", "content": "Tell me a story"}], "temperature": 0"#

    @Test func answerHasOpenAIsShape() async throws {
        let server = try await TestServer.shared.value
        let reply = try await server.post("/v1/chat/completions", "{\(Self.question), \"max_tokens\": 6}")
        #expect(reply.status == 200, "\(reply.text)")
        let json = try reply.json
        #expect(json["object"]?.string == "chat.completion")
        #expect(json["id"]?.string?.hasPrefix("chatcmpl-") == true)
        #expect(json["model"]?.string == "tales")
        #expect(json["system_fingerprint"]?.string?.hasPrefix("b") == true)
        #expect(json.at("choices.0.message.role")?.string == "assistant")
        #expect(json.at("choices.0.message.content")?.string?.isEmpty == false)
        #expect(json.at("choices.0.finish_reason")?.string == "length")
        #expect(json.at("choices.0.logprobs")?.isNull == true)
        #expect(json.at("usage.completion_tokens")?.int == 6)
        let total = try #require(json.at("usage.total_tokens")?.int)
        #expect(json.at("usage.prompt_tokens")?.int == total - 6)
        #expect(json.at("usage.prompt_tokens_details.cached_tokens")?.int != nil)
    }

    @Test("a stream tells the same text: role, pieces, end, usage, [DONE]")
    func stream() async throws {
        let server = try await TestServer.shared.value
        let whole = try await server.post(
            "/v1/chat/completions", "{\(Self.question), \"max_tokens\": 20, \"min_tokens\": 20}")
        let reply = try await server.post(
            "/v1/chat/completions",
            "{\(Self.question), \"max_tokens\": 20, \"min_tokens\": 20, \"stream\": true, \"stream_options\": {\"include_usage\": true}}"
        )
        #expect(reply.status == 200)
        #expect(reply.headers["content-type"]?.hasPrefix("text/event-stream") == true)
        #expect(reply.events.last == "[DONE]")
        let chunks = try reply.chunks
        #expect(chunks.allSatisfy { $0["object"]?.string == "chat.completion.chunk" })
        #expect(Set(chunks.map { $0["id"]?.string }).count == 1)
        #expect(chunks[0].at("choices.0.delta.role")?.string == "assistant")
        #expect(chunks[0].at("choices.0.delta.content")?.isNull == true)
        let middle = chunks.dropFirst().dropLast(2)
        #expect(middle.allSatisfy { $0.at("choices.0.finish_reason")?.isNull == true })
        #expect(middle.allSatisfy { $0.at("choices.0.delta.role") == nil && $0["usage"]?.isNull == true })
        let text = middle.compactMap { $0.at("choices.0.delta.content")?.string }.joined()
        #expect(text == (try whole.json.at("choices.0.message.content")?.string))
        let end = chunks[chunks.count - 2]
        #expect(end.at("choices.0.delta")?.count == 0)
        #expect(end.at("choices.0.finish_reason")?.string == "length")
        #expect(chunks.last?["choices"]?.count == 0)
        #expect(chunks.last?.at("usage.completion_tokens")?.int == 20)
    }

    @Test func streamWithoutUsageHasNone() async throws {
        let server = try await TestServer.shared.value
        let reply = try await server.post(
            "/v1/chat/completions", "{\(Self.question), \"max_tokens\": 2, \"stream\": true}")
        #expect(try reply.chunks.allSatisfy { $0["usage"] == nil && $0["choices"]?.count == 1 })
        #expect(reply.events.last == "[DONE]")
    }

    @Test("log-probabilities join to the text, whole and streamed", arguments: [false, true])
    func logprobs(isStream: Bool) async throws {
        let server = try await TestServer.shared.value
        let reply = try await server.post(
            "/v1/chat/completions",
            "{\(Self.question), \"max_tokens\": 5, \"logprobs\": true, \"top_logprobs\": 3, \"stream\": \(isStream)}"
        )
        let parts = isStream ? try reply.chunks.dropFirst().dropLast() : [try reply.json]
        let tokens = parts.flatMap { Array($0.at("choices.0.logprobs.content")?.elements ?? $0.elements) }
        #expect(tokens.count == 5)
        let content = parts.compactMap {
            ($0.at("choices.0.delta.content") ?? $0.at("choices.0.message.content"))?.string
        }.joined()
        #expect(tokens.compactMap { $0["token"]?.string }.joined() == content)
        for token in tokens {
            #expect(token["logprob"]?.double.map { $0 <= 0 } == true)
            #expect(
                token["bytes"]?.elements.compactMap(\.int)
                    == token["token"]?.string.map { $0.utf8.map(Int.init) })
            let top = try #require(token["top_logprobs"])
            #expect(top.count == 3)
            // Temperature 0 takes the likeliest.
            #expect(top[0]?["logprob"]?.double == token["logprob"]?.double)
            let values = top.elements.compactMap { $0["logprob"]?.double }
            #expect(values == values.sorted(by: >))
        }
    }

    @Test func severalChoices() async throws {
        let server = try await TestServer.shared.value
        let fields = #""messages": [{"role": "user", "content": "Hi"}], "seed": 3, "n": 3, "max_tokens": 4"#
        let json = try await server.post("/v1/chat/completions", "{\(fields)}").json
        let choices = Array(try #require(json["choices"]).elements)
        #expect(choices.compactMap { $0["index"]?.int } == [0, 1, 2])
        #expect(json.at("usage.completion_tokens")?.int == 12)
        let stream = try await server.post("/v1/chat/completions", "{\(fields), \"stream\": true}").chunks
        for (index, choice) in choices.enumerated() {
            let own = stream.filter { $0.at("choices.0.index")?.int == index }
            #expect(own.first?.at("choices.0.delta.role")?.string == "assistant")
            #expect(own.last?.at("choices.0.finish_reason")?.string != nil)
            let text = own.compactMap { $0.at("choices.0.delta.content")?.string }.joined()
            #expect(text == choice.at("message.content")?.string)
        }
    }

    @Test("what a request does not say is the same as null")
    func nulls() async throws {
        let server = try await TestServer.shared.value
        let reply = try await server.post(
            "/v1/chat/completions",
            """
            {"model": null, \(Self.question), "max_tokens": 2, "stop": null, "n": null, "seed": null, "tools": null,
             "logit_bias": null, "stream": null, "stream_options": null, "response_format": null, "user": "me",
             "top_logprobs": null, "logprobs": null, "kv_policy": null, "metadata": {"a": "b"}, "store": false}
            """)
        #expect(reply.status == 200, "\(reply.text)")
    }

    @Test("an answer at the end is gone on with")
    func prefill() async throws {
        let server = try await TestServer.shared.value
        let talk =
            #"[{"role": "system", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": "Hi"}]}, {"role": "assistant", "content": "Once"}]"#
        let text = try await server.post("/apply-template", "{\"messages\": \(talk)}").json["prompt"]?.string
        #expect(text?.hasSuffix("Once") == true)
        let plain = try await server.post(
            "/apply-template", #"{"messages": [{"role": "user", "content": "Hi"}]}"#
        ).json["prompt"]?.string
        #expect(plain == "<|bos|><|user|>Hi<|end|><|assistant|>")
        let counted = try await server.post("/v1/chat/completions/input_tokens", "{\"messages\": \(talk)}")
            .json
        #expect(counted["input_tokens"]?.int.map { $0 > 4 } == true)
    }

    @Test func stopStringsEndTheText() async throws {
        let server = try await TestServer.shared.value
        let long = try await server.post("/v1/chat/completions", "{\(Self.question), \"max_tokens\": 30}")
        let text = try #require(try long.json.at("choices.0.message.content")?.string)
        let words = text.split(separator: " ")
        try #require(words.count > 3)
        let stop = " \(words[2])"
        let reply = try await server.post(
            "/v1/chat/completions", "{\(Self.question), \"max_tokens\": 30, \"stop\": [\"zzz\", \"\(stop)\"]}"
        )
        let cut = try #require(try reply.json.at("choices.0.message.content")?.string)
        #expect(text.hasPrefix(cut) && !cut.contains(stop))
        #expect(try reply.json.at("choices.0.finish_reason")?.string == "stop")
    }

    @Test("a policy per request, with what the cache held")
    func policy() async throws {
        let server = try await TestServer.shared.value
        let story = String(repeating: "Once upon a time there was a small dog. ", count: 8)
        let reply = try await server.post(
            "/v1/chat/completions",
            """
            {"messages": [{"role": "user", "content": "\(story)"}], "max_tokens": 4, "temperature": 0,
             "kv_policy": "snapkv", "kv_budget": "30%", "return_kv_stats": true, "return_kv_view": true}
            """)
        #expect(reply.status == 200, "\(reply.text)")
        let stats = try #require(try reply.json.at("choices.0.kv_stats"))
        #expect(stats["policy"]?.string == "snapkv")
        let (held, full) = (stats["bytes"]?.int ?? 0, stats["full_bytes"]?.int ?? 0)
        #expect(held > 0 && held < full)
        #expect(stats["saved_bytes"]?.int == full - held)
        let layers = try #require(try reply.json.at("choices.0.kv_view.layers"))
        #expect(layers.count > 0 && layers[0]?.at("heads.0.positions")?.count ?? 0 > 0)
    }
}
