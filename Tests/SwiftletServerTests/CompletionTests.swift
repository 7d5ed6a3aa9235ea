import SwiftletFormats
import Testing

@testable import SwiftletServer

@Suite struct CompletionTests {
    @Test("a prompt may be a text, tokens, or a list of either")
    func prompts() async throws {
        let server = try await TestServer.shared.value
        let text = "Once upon a time"
        let tokens = try await server.post(
            "/tokenize", #"{"content": "\#(text)", "add_special": true}"#
        ).json["tokens"]?.elements.compactMap(\.int)
        let ids = try #require(tokens)
        let forms = [
            "\"\(text)\"", "\(ids)", "[\"\(text)\"]", "[\(ids)]", "[\"\(text)\", \(ids)]",
            "{\"prompt_string\": \"\(text)\"}",
        ]
        var texts: Set<String> = []
        for form in forms {
            let reply = try await server.post(
                "/v1/completions", "{\"prompt\": \(form), \"max_tokens\": 4, \"temperature\": 0}")
            #expect(reply.status == 200, "\(form): \(reply.text)")
            let choices = try #require(try reply.json["choices"])
            #expect(choices.elements.compactMap { $0["index"]?.int } == Array(0..<choices.count))
            texts.formUnion(choices.elements.compactMap { $0["text"]?.string })
            #expect(try reply.json.at("usage.prompt_tokens")?.int == ids.count * choices.count)
        }
        #expect(texts.count == 1)
    }

    @Test("echo and log-probabilities as evaluation programs read them", arguments: [0, 1, 3])
    func echo(maxTokens: Int) async throws {
        let server = try await TestServer.shared.value
        let ids =
            try await server.post(
                "/tokenize", #"{"content": "Once upon a time there was", "add_special": true}"#
            ).json["tokens"]?.elements.compactMap(\.int) ?? []
        let fields =
            "\"prompt\": \(ids), \"echo\": true, \"logprobs\": 2, \"max_tokens\": \(maxTokens), \"temperature\": 0"
        let json = try await server.post("/v1/completions", "{\(fields)}").json
        let logprobs = try #require(json.at("choices.0.logprobs"))
        for name in ["tokens", "token_logprobs", "top_logprobs", "text_offset"] {
            #expect(logprobs[name]?.count == ids.count + maxTokens, "\(name)")
        }
        #expect(
            logprobs.at("token_logprobs.0")?.isNull == true && logprobs.at("top_logprobs.0")?.isNull == true)
        let values = logprobs["token_logprobs"]?.elements.dropFirst().compactMap(\.double) ?? []
        #expect(values.count == ids.count + maxTokens - 1 && values.allSatisfy { $0 < 0 })
        let text = try #require(json.at("choices.0.text")?.string)
        #expect(text.hasPrefix("Once upon a time there was"))
        // Every offset is where its token stands in the text, but for the one that begins the prompt.
        let tokens = logprobs["tokens"]?.elements.compactMap(\.string) ?? []
        let offsets = logprobs["text_offset"]?.elements.compactMap(\.int) ?? []
        let scalars = Array(text.unicodeScalars)
        for (token, offset) in zip(tokens, offsets).dropFirst() {
            let place = scalars[offset..<min(offset + token.unicodeScalars.count, scalars.count)]
            #expect(String(String.UnicodeScalarView(place)) == token)
        }
        let stream = try await server.post("/v1/completions", "{\(fields), \"stream\": true}")
        #expect(try stream.chunks.compactMap { $0.at("choices.0.text")?.string }.joined() == text)
        let streamed = try stream.chunks.flatMap {
            Array($0.at("choices.0.logprobs.tokens")?.elements ?? $0.elements)
        }
        #expect(streamed.compactMap(\.string) == tokens)
    }

    @Test("one token behind an echo has its entry even if it ends the text")
    func echoBeforeTheEnd() async throws {
        let server = try await TestServer.shared.value
        let end =
            try await server.post("/tokenize", #"{"content": "<|end|>"}"#).json.at("tokens.0")?.int ?? -1
        let json = try await server.post(
            "/v1/completions",
            """
            {"prompt": [5, 6, 7], "echo": true, "logprobs": 1, "max_tokens": 1, "temperature": 0,
             "logit_bias": {"\(end)": 1000}}
            """
        ).json
        #expect(json.at("choices.0.logprobs.token_logprobs")?.count == 4)
    }

    @Test("the sum of a prompt's log-probabilities is that of its steps")
    func consistent() async throws {
        let server = try await TestServer.shared.value
        let first = try await server.post(
            "/v1/completions",
            #"{"prompt": "Once upon", "max_tokens": 3, "temperature": 0, "logprobs": 0, "echo": true}"#
        ).json
        let text = try #require(first.at("choices.0.text")?.string)
        let second = try await server.post(
            "/v1/completions", "{\"prompt\": \"\(text)\", \"max_tokens\": 0, \"logprobs\": 0, \"echo\": true}"
        ).json
        let a = first.at("choices.0.logprobs.token_logprobs")?.elements.compactMap(\.double) ?? []
        let b = second.at("choices.0.logprobs.token_logprobs")?.elements.compactMap(\.double) ?? []
        #expect(a.count == b.count)
        for (x, y) in zip(a, b) { #expect(abs(x - y) < 1e-3) }
    }

    @Test func choicesOfSeveralPrompts() async throws {
        let server = try await TestServer.shared.value
        let body = #""prompt": ["Once", "The dog"], "n": 2, "max_tokens": 3, "seed": 5"#
        let json = try await server.post("/v1/completions", "{\(body)}").json
        #expect(json["choices"]?.elements.compactMap { $0["index"]?.int } == [0, 1, 2, 3])
        let chunks = try await server.post("/v1/completions", "{\(body), \"stream\": true}").chunks
        for (index, choice) in (json["choices"].map { Array($0.elements) } ?? []).enumerated() {
            let own = chunks.filter { $0.at("choices.0.index")?.int == index }
            #expect(own.compactMap { $0.at("choices.0.text")?.string }.joined() == choice["text"]?.string)
        }
    }

    @Test("biases forbid and force tokens, in all forms")
    func biases() async throws {
        let server = try await TestServer.shared.value
        func text(_ bias: String) async throws -> String? {
            try await server.post(
                "/v1/completions",
                "{\"prompt\": \"Once upon\", \"max_tokens\": 1, \"temperature\": 0, \"logit_bias\": \(bias)}"
            ).json.at("choices.0.text")?.string
        }
        #expect(try await text("{}") == " a")
        let id = try await server.post("/tokenize", #"{"content": " a"}"#).json.at("tokens.0")?.int ?? -1
        for bias in ["{\"\(id)\": -100}", "[[\(id), false]]", "[[\" a\", -100]]", "{\" a\": -100}"] {
            #expect(try await text(bias) != " a", "\(bias)")
        }
        #expect(try await text("[[\(id + 1), 1000]]") != " a")
    }

    @Test func leastNumberOfTokens() async throws {
        let server = try await TestServer.shared.value
        let json = try await server.post(
            "/v1/completions",
            #"{"prompt": "<|user|>Hi<|end|><|assistant|>", "max_tokens": 40, "min_tokens": 40, "temperature": 0}"#
        ).json
        #expect(json.at("usage.completion_tokens")?.int == 40)
    }

    @Test("the native shape, whole and streamed")
    func native() async throws {
        let server = try await TestServer.shared.value
        let body = #""prompt": "Once upon a time", "n_predict": 6, "temperature": 0, "n_probs": 2"#
        let json = try await server.post("/completion", "{\(body), \"return_tokens\": true}").json
        #expect(json["stop"]?.bool == true && json["stop_type"]?.string == "limit")
        #expect(json["tokens"]?.count == 6 && json["truncated"]?.bool == false)
        #expect(json.at("generation_settings.n_predict")?.int == 6)
        #expect(json.at("timings.predicted_n")?.int == 6)
        #expect(json["timings"]?.members.allSatisfy { $0.value.double.map { $0 >= 0 } == true } == true)
        #expect(json["completion_probabilities"]?.count == 6)
        #expect(json.at("completion_probabilities.0.top_logprobs")?.count == 2)
        let stream = try await server.post(
            "/completion", "{\(body), \"stream\": true, \"return_progress\": true}")
        let chunks = try stream.chunks.filter { $0["prompt_progress"] == nil }
        let progress = try stream.chunks.compactMap { $0["prompt_progress"] }
        #expect(progress.first?["processed"]?.int == progress.first?["cache"]?.int)
        #expect(progress.last?["processed"]?.int == progress.last?["total"]?.int)
        #expect(chunks.count == 7)
        #expect(chunks.dropLast().allSatisfy { $0["stop"]?.bool == false && $0["tokens"]?.count == 1 })
        #expect(chunks.compactMap { $0["content"]?.string }.joined() == json["content"]?.string)
        let list = try await server.post("/completion", #"{"prompt": ["a", "b"], "n_predict": 1}"#).json
        #expect(list.kind == .array && list.count == 2)
        let chosen = try await server.post(
            "/completion",
            "{\(body), \"response_fields\": [\"content\", \"generation_settings/n_predict\", \"x\"]}")
        #expect(try chosen.json.keys == ["content", "generation_settings/n_predict"])
    }

    @Test func unendingTextsEndWithTheContext() async throws {
        let host = ModelHost(try TestServer.engine(slots: 1, context: 64))
        try await TestServer.with(host: host) { server in
            let json = try await server.post(
                "/completion", #"{"prompt": "Once", "n_predict": -1, "ignore_eos": true, "temperature": 0}"#
            ).json
            #expect(json["truncated"]?.bool == true)
            #expect(json.at("generation_settings.logit_bias.0.bias")?.isNull == true)
            let total = (json["tokens_evaluated"]?.int ?? 0) + (json["tokens_predicted"]?.int ?? 0)
            #expect(total == 64)
        }
    }

    @Test("probabilities with which tokens were drawn add up, and are certain at temperature 0")
    func drawnProbabilities() async throws {
        let server = try await TestServer.shared.value
        let body =
            #""prompt": "Once upon", "n_predict": 4, "n_probs": 5, "post_sampling_probs": true, "seed": 3"#
        let json = try await server.post(
            "/completion", "{\(body), \"top_k\": 4, \"temperature\": 1.2}"
        ).json
        let tokens = try #require(json["completion_probabilities"])
        #expect(tokens.count == 4)
        for token in tokens.elements {
            let tops = Array(try #require(token["top_probs"]).elements)
            let probabilities = tops.compactMap { $0["prob"]?.double }
            #expect((1...4).contains(tops.count) && abs(probabilities.reduce(0, +) - 1) < 1e-6)
            #expect(zip(probabilities, probabilities.dropFirst()).allSatisfy { $0 >= $1 })
            let own = tops.first { $0["id"]?.int == token["id"]?.int }
            #expect(own?["prob"]?.double == token["prob"]?.double && token["logprob"] == nil)
        }
        let greedy = try await server.post("/completion", "{\(body), \"temperature\": 0}").json
        for token in try #require(greedy["completion_probabilities"]).elements {
            #expect(token["prob"]?.double == 1 && token["top_probs"]?.count == 1)
        }
    }

    @Test("stages that are not named are switched off, and their order is fixed")
    func samplers() async throws {
        let server = try await TestServer.shared.value
        func settings(_ fields: String) async throws -> JSON {
            try await server.post(
                "/completion",
                "{\"prompt\": \"a\", \"n_predict\": 1, \"top_k\": 7, \"top_p\": 0.5, \"temperature\": 0.3, \(fields)}"
            ).json
        }
        for order in [#"["top_k", "dry"]"#, #""k""#, #"["top-k"]"#] {
            let json = try await settings("\"samplers\": \(order)")
            #expect(json.at("generation_settings.top_k")?.int == 7, "\(json)")
            #expect(json.at("generation_settings.top_p")?.double == 1)
            #expect(json.at("generation_settings.temperature")?.double == 1)
        }
        for order in [#"["top_p", "top_k"]"#, #""tk""#, #"["juggling"]"#, "7"] {
            let json = try await settings("\"samplers\": \(order)")
            #expect(json.at("error.param")?.string == "samplers", "\(json)")
        }
        let same = try await settings(
            #""samplers": ["penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature"]"#
        )
        #expect(same.at("generation_settings.top_p")?.double == 0.5)
    }
}
