import SwiftletFormats
import Testing

@testable import SwiftletServer

@Suite struct OtherDialectTests {
    static let messages =
        #""max_tokens": 8, "min_tokens": 8, "temperature": 0, "messages": [{"role": "user", "content": "Say hello"}]"#

    @Test func messages() async throws {
        let server = try await TestServer.shared.value
        let reply = try await server.post(
            "/v1/messages", "{\(Self.messages), \"system\": [{\"type\": \"text\", \"text\": \"Be brief.\"}]}")
        #expect(reply.status == 200, "\(reply.text)")
        let json = try reply.json
        #expect(json["type"]?.string == "message" && json["role"]?.string == "assistant")
        #expect(json.at("content.0.type")?.string == "text")
        #expect(json["stop_reason"]?.string == "max_tokens" && json["stop_sequence"]?.isNull == true)
        let names = [
            "input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens",
        ]
        for name in names { #expect(json.at("usage.\(name)")?.int != nil, "\(name)") }
        #expect(json["timings"] == nil)
    }

    @Test func messageStream() async throws {
        let server = try await TestServer.shared.value
        let whole = try await server.post("/v1/messages", "{\(Self.messages)}").json
        let reply = try await server.post("/v1/messages", "{\(Self.messages), \"stream\": true}")
        let names = reply.eventNames.filter { $0 != "content_block_delta" }
        #expect(
            names == [
                "message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop",
            ])
        let chunks = try reply.chunks
        #expect(chunks.compactMap { $0["type"]?.string } == reply.eventNames)
        #expect(chunks[0].at("message.content")?.count == 0)
        #expect(chunks[0].at("message.usage.input_tokens")?.int.map { $0 > 0 } == true)
        let text = chunks.compactMap { $0.at("delta.text")?.string }.joined()
        #expect(text == whole.at("content.0.text")?.string)
        #expect(chunks[chunks.count - 2].at("delta.stop_reason")?.string == "max_tokens")
    }

    @Test func messageErrorsHaveTheirOwnShape() async throws {
        let server = try await TestServer.shared.value
        let reply = try await server.post("/v1/messages", #"{"messages": []}"#)
        #expect(reply.status == 400)
        #expect(try reply.json["type"]?.string == "error")
        #expect(try reply.json.at("error.type")?.string == "invalid_request_error")
        let count = try await server.post("/v1/messages/count_tokens", "{\(Self.messages)}").json
        #expect(count.keys == ["input_tokens"])
    }

    @Test("tools and their results are taken")
    func toolResults() async throws {
        let server = try await TestServer.shared.value
        let reply = try await server.post(
            "/v1/messages",
            """
            {"max_tokens": 2, "messages": [{"role": "user", "content": "Weather?"},
             {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}]},
             {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "rain"}]}]}
            """)
        #expect(reply.status == 200, "\(reply.text)")
    }

    @Test func response() async throws {
        let server = try await TestServer.shared.value
        let body = #""input": "Say hello", "max_output_tokens": 8, "min_tokens": 8, "temperature": 0"#
        let json = try await server.post("/v1/responses", "{\(body)}").json
        #expect(json["object"]?.string == "response" && json["id"]?.string?.hasPrefix("resp_") == true)
        #expect(json["status"]?.string == "incomplete")
        #expect(json.at("incomplete_details.reason")?.string == "max_output_tokens")
        #expect(json.at("output.0.type")?.string == "message")
        #expect(json.at("output.0.content.0.type")?.string == "output_text")
        #expect(json.at("usage.output_tokens")?.int == 8)
        let reply = try await server.post("/v1/responses", "{\(body), \"stream\": true}")
        let names = reply.eventNames.filter { $0 != "response.output_text.delta" }
        #expect(
            names == [
                "response.created", "response.in_progress", "response.output_item.added",
                "response.content_part.added", "response.output_text.done", "response.content_part.done",
                "response.output_item.done", "response.completed",
            ])
        let chunks = try reply.chunks
        #expect(chunks.compactMap { $0["sequence_number"]?.int } == Array(0..<chunks.count))
        let text = chunks.compactMap { $0["delta"]?.string }.joined()
        #expect(text == json.at("output.0.content.0.text")?.string)
        #expect(chunks.last?.at("response.output.0.content.0.text")?.string == text)
    }

    @Test func responseTakesItems() async throws {
        let server = try await TestServer.shared.value
        let reply = try await server.post(
            "/v1/responses",
            """
            {"instructions": "Be brief.", "max_output_tokens": 2, "store": false, "input": [
             {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
             {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
             {"type": "function_call_output", "call_id": "c", "output": "rain"}]}
            """)
        #expect(reply.status == 200, "\(reply.text)")
    }
}
