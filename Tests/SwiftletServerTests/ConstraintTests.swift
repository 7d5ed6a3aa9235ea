import SwiftletEngine
import SwiftletFormats
import Testing

@testable import SwiftletServer

@Suite struct ConstraintTests {
    static let question =
        #""messages": [{"role": "user", "content": "Write"}], "max_tokens": 200, "temperature": 0"#
    static let tool =
        #"{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"n": {"type": "integer", "maximum": 99, "minimum": 10}}, "required": ["n"]}}}"#

    @Test(
        "answers satisfy what the request asks for",
        arguments: [
            (
                #""response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"const": "foo"}}}"#,
                "\"foo\""
            ),
            (#""response_format": {"type": "json_object", "schema": {"const": "42"}}"#, "\"42\""),
            (#""json_schema": {"enum": [7]}"#, "7"), (##""grammar": "root ::= \"a\"{5,5}""##, "aaaaa"),
        ])
    func satisfied(field: String, text: String) async throws {
        let server = try await TestServer.shared.value
        let reply = try await server.post("/v1/chat/completions", "{\(Self.question), \(field)}")
        #expect(reply.status == 200, "\(reply.text)")
        #expect(try reply.json.at("choices.0.message.content")?.string == text)
        #expect(try reply.json.at("choices.0.finish_reason")?.string == "stop")
    }

    @Test(
        "constraints that cannot be read are refused with the field named",
        arguments: [
            (#""response_format": {"type": "json_object", "schema": 123}"#, "response_format.schema"),
            (
                #""response_format": {"type": "json_object", "schema": {"type": "hiccup"}}"#,
                "response_format.schema"
            ),
            (#""response_format": {"type": "json_schema"}"#, "response_format.json_schema"),
            (#""grammar": "root ::= this is (not valid""#, "grammar"),
            (#""grammar": "root ::= \"a\"", "json_schema": {}"#, "json_schema"),
            (#""tools": [], "tool_choice": "required""#, "tool_choice"),
            (
                #""tools": [\#(tool)], "tool_choice": {"type": "function", "function": {"name": "x"}}"#,
                "tool_choice"
            ),
            (#""tools": [\#(tool)], "tool_choice": "maybe""#, "tool_choice"),
        ])
    func refused(field: String, name: String) async throws {
        let server = try await TestServer.shared.value
        let reply = try await server.post("/v1/chat/completions", "{\(Self.question), \(field)}")
        #expect(reply.status == 400, "\(field): \(reply.text)")
        #expect(try reply.json.at("error.param")?.string == name, "\(reply.text)")
    }

    /// An engine whose template says how calls are written.
    private static func host() throws -> ModelHost {
        let engine = try TestServer.engine(slots: 2)
        let source =
            "{# <tool_call> #}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}<|assistant|>"
        return ModelHost(
            try Engine(
                engine.scheduler,
                template: try ChatTemplate(source, name: "test", tokenizer: engine.scheduler.model.tokenizer))
        )
    }

    @Test("calls that are demanded are made, in all interfaces")
    func calls() async throws {
        try await TestServer.with(host: try Self.host()) { server in
            let body = "{\(Self.question), \"tools\": [\(Self.tool)], \"tool_choice\": \"required\""
            let json = try await server.post("/v1/chat/completions", body + "}").json
            let choice = try #require(json.at("choices.0"))
            #expect(choice["finish_reason"]?.string == "tool_calls", "\(json)")
            #expect(choice.at("message.content")?.isNull == true)
            let call = try #require(choice.at("message.tool_calls.0"))
            #expect(call["type"]?.string == "function" && call["id"]?.string?.hasPrefix("call_") == true)
            #expect(call.at("function.name")?.string == "get_weather")
            let arguments = try #require(call.at("function.arguments")?.string)
            #expect(
                try JSON.parse(Array(arguments.utf8), source: "arguments")["n"]?.int.map { (10...99) ~= $0 }
                    == true)

            let chunks = try await server.post("/v1/chat/completions", body + ", \"stream\": true}").chunks
            let calls = chunks.compactMap { $0.at("choices.0.delta.tool_calls.0") }
            #expect(
                calls.first?.at("function.name")?.string == "get_weather" && calls.first?["index"]?.int == 0)
            #expect(calls.first?["id"] != nil && calls.dropFirst().allSatisfy { $0["id"] == nil })
            let told = calls.compactMap { $0.at("function.arguments")?.string }.joined()
            #expect(told == arguments)
            #expect(chunks.last?.at("choices.0.finish_reason")?.string == "tool_calls")

            let tool = #"{"name": "get_weather", "input_schema": {"type": "object", "properties": {}}}"#
            let fields = "\(Self.question), \"tools\": [\(tool)], \"tool_choice\": {\"type\": \"any\"}"
            let message = try await server.post("/v1/messages", "{\(fields)}").json
            #expect(message["stop_reason"]?.string == "tool_use", "\(message)")
            #expect(message.at("content.0.type")?.string == "tool_use")
            #expect(message.at("content.0.name")?.string == "get_weather")
            #expect(message.at("content.0.input")?.kind == .object)
            let events = try await server.post("/v1/messages", "{\(fields), \"stream\": true}").chunks
            let starts = events.filter { $0["type"]?.string == "content_block_start" }
            #expect(starts.map { $0.at("content_block.type")?.string } == ["tool_use"])
            #expect(events.contains { $0.at("delta.type")?.string == "input_json_delta" })
        }
    }

    @Test("strict tools may be called or not, where the template marks calls")
    func strict() async throws {
        let tool =
            #"{"type": "function", "function": {"name": "f", "strict": true, "parameters": {"type": "object"}}}"#
        let body = "{\(Self.question), \"tools\": [\(tool)], \"max_tokens\": 8"
        try await TestServer.with(host: try Self.host()) { server in
            let free = try await server.post("/v1/chat/completions", body + "}")
            #expect(free.status == 200, "\(free.text)")
            #expect(try free.json.at("choices.0.message.content")?.string?.isEmpty == false)
            let demanded = try await server.post(
                "/v1/chat/completions", body + #", "tool_choice": "required"}"#)
            #expect(demanded.status == 200, "\(demanded.text)")
            let twice = try await server.post(
                "/v1/chat/completions", body + #", "response_format": {"type": "json_object"}}"#)
            #expect(twice.status == 400 && twice.text.contains("strict"), "\(twice.text)")
        }
        let server = try await TestServer.shared.value
        let refused = try await server.post("/v1/chat/completions", body + "}")
        #expect(refused.status == 400, "\(refused.text)")
        #expect(try refused.json.at("error.param")?.string == "tools[0].function.strict")
    }
}
