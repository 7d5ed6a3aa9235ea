import SwiftletFormats
import SwiftletTestSupport
import Testing

@testable import SwiftletServer

@Suite struct RefusalTests {
    static let chat = #""messages": [{"role": "user", "content": "Hi"}]"#

    /// Path, body and the field that must be named.
    static let wrong: [(String, String, String?)] = [
        ("/v1/chat/completions", "", nil), ("/v1/chat/completions", "{", nil),
        ("/v1/chat/completions", "[]", nil), ("/v1/chat/completions", "null", nil),
        ("/v1/chat/completions", "{}", "messages"),
        ("/v1/chat/completions", #"{"messages": null}"#, "messages"),
        ("/v1/chat/completions", #"{"messages": "x"}"#, "messages"),
        ("/v1/chat/completions", #"{"messages": []}"#, "messages"),
        ("/v1/chat/completions", #"{"messages": [123]}"#, "messages[0]"),
        ("/v1/chat/completions", #"{"messages": [{}]}"#, "messages[0].role"),
        ("/v1/chat/completions", #"{"messages": [{"role": 123}]}"#, "messages[0].role"),
        ("/v1/chat/completions", #"{"messages": [{"role": "judge", "content": ""}]}"#, "messages[0].role"),
        ("/v1/chat/completions", #"{"messages": [{"role": "user", "content": 5}]}"#, "messages[0].content"),
        (
            "/v1/chat/completions",
            #"{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}"#,
            "messages[0].content[0].type"
        ),
        (
            "/v1/chat/completions",
            #"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "assistant", "content": "c"}]}"#,
            "messages"
        ),
        ("/v1/chat/completions", "{\(chat), \"temperature\": \"hot\"}", "temperature"),
        ("/v1/chat/completions", "{\(chat), \"temperature\": -1}", "temperature"),
        ("/v1/chat/completions", "{\(chat), \"temperature\": NaN}", "temperature"),
        ("/v1/chat/completions", "{\(chat), \"top_p\": 1.5}", "top_p"),
        ("/v1/chat/completions", "{\(chat), \"max_tokens\": 1e99}", "max_tokens"),
        ("/v1/chat/completions", "{\(chat), \"max_tokens\": 1.5}", "max_tokens"),
        ("/v1/chat/completions", "{\(chat), \"n\": 0}", "n"),
        ("/v1/chat/completions", "{\(chat), \"n\": 1000000}", "n"),
        ("/v1/chat/completions", "{\(chat), \"stream\": 1}", "stream"),
        ("/v1/chat/completions", "{\(chat), \"stop\": [1]}", "stop[0]"),
        ("/v1/chat/completions", "{\(chat), \"stop\": {}}", "stop"),
        ("/v1/chat/completions", "{\(chat), \"logit_bias\": {\"99999\": 1}}", "logit_bias.99999"),
        ("/v1/chat/completions", "{\(chat), \"logit_bias\": [[1]]}", "logit_bias[0]"),
        ("/v1/chat/completions", "{\(chat), \"top_logprobs\": 3}", "top_logprobs"),
        ("/v1/chat/completions", "{\(chat), \"logprobs\": true, \"top_logprobs\": 21}", "top_logprobs"),
        (
            "/v1/chat/completions", "{\(chat), \"stream_options\": {\"include_usage\": true}}",
            "stream_options"
        ),
        ("/v1/chat/completions", "{\(chat), \"kv_policy\": \"nothing\"}", "kv_policy"),
        ("/v1/chat/completions", "{\(chat), \"kv_policy\": \"kvsharer:/etc/passwd\"}", "kv_policy"),
        ("/v1/chat/completions", "{\(chat), \"kv_policy\": \"pqcache:tier=file,dir=/tmp\"}", "kv_policy"),
        ("/v1/chat/completions", "{\(chat), \"kv_policy\": \"snapkv\", \"kv_budget\": \"x\"}", "kv_policy"),
        ("/v1/chat/completions", "{\(chat), \"kv_type_k\": \"q9\"}", "kv_type_k"),
        ("/v1/chat/completions", "{\(chat), \"best_of\": 2}", "best_of"),
        ("/v1/chat/completions", "{\(chat), \"functions\": []}", "functions"),
        ("/v1/chat/completions", "{\(chat), \"modalities\": [\"audio\"]}", "modalities"),
        ("/v1/chat/completions", "{\(chat), \"mirostat\": 2}", "mirostat"),
        ("/v1/chat/completions", "{\(chat), \"temprature\": 1}", "temprature"),
        ("/v1/chat/completions", "{\(chat), \"tools\": [{}]}", "tools[0].type"),
        (
            "/v1/chat/completions", "{\(chat), \"response_format\": {\"type\": \"sound\"}}",
            "response_format.type"
        ),
        (
            "/v1/chat/completions",
            "{\(chat), \"add_generation_prompt\": true, \"continue_final_message\": true}",
            "continue_final_message"
        ),
        ("/v1/completions", "{}", "prompt"), ("/v1/completions", #"{"prompt": []}"#, "prompt"),
        ("/v1/completions", #"{"prompt": [-1]}"#, "prompt[0]"),
        ("/v1/completions", #"{"prompt": [1e9]}"#, "prompt[0]"),
        ("/v1/completions", #"{"prompt": [[1], 2]}"#, "prompt[0]"),
        ("/v1/completions", #"{"prompt": true}"#, "prompt"),
        ("/v1/completions", #"{"prompt": "a", "suffix": "b"}"#, "suffix"),
        ("/v1/completions", #"{"prompt": "a", "best_of": 3}"#, "best_of"),
        ("/v1/completions", #"{"prompt": "a", "logprobs": 100}"#, "logprobs"),
        (
            "/v1/completions", #"{"prompt": {"prompt_string": "a", "multimodal_data": ["x"]}}"#,
            "prompt.multimodal_data"
        ),
        (
            "/v1/completions", #"{"prompt": {"prompt_string": "a", "multimodal_data": "x"}}"#,
            "prompt.multimodal_data"
        ),
        ("/v1/messages", "{\(chat)}", nil), ("/v1/responses", "{}", "input"),
        ("/v1/responses", #"{"input": "a", "previous_response_id": "x"}"#, "previous_response_id"),
        ("/tokenize", #"{"content": 5}"#, "content"), ("/tokenize", "{}", "content"),
        ("/detokenize", #"{"tokens": ["a"]}"#, "tokens[0]"),
        ("/detokenize", #"{"tokens": [99999]}"#, "tokens[0]"),
        ("/apply-template", "{}", "messages"),
    ]

    @Test("wrong requests are refused with the field named", arguments: wrong.indices)
    func refused(index: Int) async throws {
        let (path, body, field) = Self.wrong[index]
        let server = try await TestServer.shared.value
        let reply = try await server.post(path, body)
        #expect(reply.status == 400, "\(path) \(body): \(reply.text)")
        let error = try #require(try reply.json["error"])
        #expect(error["message"]?.string?.isEmpty == false)
        guard path != "/v1/messages" else { return }
        #expect(error["type"]?.string == "invalid_request_error", "\(body)")
        #expect(error["param"]?.string == field, "\(body): \(reply.text)")
        #expect(error.keys == ["message", "type", "param", "code"])
    }

    @Test func longPromptsAreRefusedWithFigures() async throws {
        let server = try await TestServer.shared.value
        let long = String(repeating: "Once upon a time. ", count: 200)
        for (path, body) in [
            (
                "/v1/chat/completions",
                #"{"messages": [{"role": "user", "content": "\#(long)"}], "stream": true}"#
            ),
            ("/completion", #"{"prompt": "\#(long)"}"#),
        ] {
            let reply = try await server.post(path, body)
            #expect(reply.status == 400)
            let error = try #require(try reply.json["error"])
            #expect(error["type"]?.string == "exceed_context_size_error")
            #expect(error["message"]?.string?.contains("exceeds the available context size") == true)
            #expect(error["n_ctx"]?.int == 512 && error["n_prompt_tokens"]?.int.map { $0 > 512 } == true)
        }
    }

    @Test("bodies with changed bytes never break the server", arguments: 0..<60 as Range<UInt64>)
    func mutations(seed: UInt64) async throws {
        let server = try await TestServer.shared.value
        let bodies = [
            "{\(Self.chat), \"max_tokens\": 1, \"stop\": [\"a\"], \"logit_bias\": {\"5\": 1}, \"seed\": 1}",
            #"{"prompt": ["a", [1, 2]], "max_tokens": 1, "echo": true, "logprobs": 1, "kv_policy": "snapkv"}"#,
        ]
        var random = SplitMix64(seed: seed)
        var body = Array(bodies[Int(seed % 2)].utf8)
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let place = Int.random(in: 0..<body.count, using: &random)
            switch Int.random(in: 0..<3, using: &random) {
            case 0: body[place] = UInt8.random(in: 0...255, using: &random)
            case 1: body.remove(at: place)
            default: body.insert(UInt8.random(in: 32...126, using: &random), at: place)
            }
        }
        let reply = try await server.send(
            "POST", seed % 2 == 0 ? "/v1/chat/completions" : "/v1/completions", body)
        #expect([200, 400].contains(reply.status), "\(String(decoding: body, as: UTF8.self)): \(reply.text)")
        #expect(try reply.json.kind == .object)
    }
}
