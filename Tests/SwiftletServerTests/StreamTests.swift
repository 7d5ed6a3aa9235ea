import Dispatch
import Foundation
import SwiftletFormats
import Testing

@testable import SwiftletEngine
@testable import SwiftletServer

/// What happens to a stream between its first byte and its last.
@Suite struct StreamTests {
    private static let prompt = String(repeating: "Once upon a time there was a dog. ", count: 12)

    /// What a connection says, as far as it has come.
    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test("comments keep the connection while nothing happens")
    func pings() async throws {
        try await TestServer.with { server in
            let gate = try server.gate()
            let client = try SocketClient(port: server.port)
            let body = #"{"prompt": "Once", "n_predict": 2, "stream": true, "sse_ping_interval": 1}"#
            try await client.send(TestServer.request("POST", "/completion", Array(body.utf8)))
            var bytes = try await client.read { Self.text($0).contains("\n: ping\n\n") }
            gate.signal()
            #expect(!Self.text(bytes).contains("data: {"))
            bytes += try await client.read { Self.text($0).hasSuffix("0\r\n\r\n") }
            let reply = try #require(HTTPReply(bytes, isEnd: true))
            #expect(reply.status == 200)
            #expect(try reply.chunks.last?["stop"]?.bool == true)
        }
    }

    @Test("a prompt tells how much of it is done", arguments: ["/completion", "/v1/chat/completions"])
    func progress(path: String) async throws {
        let host = ModelHost(try TestServer.engine(slots: 2) { $0.batchSize = 16 })
        try await TestServer.with(host: host) { server in
            let message = "{\"role\": \"user\", \"content\": \"\(Self.prompt)\"}"
            let asked =
                path == "/completion" ? "\"prompt\": \"\(Self.prompt)\"" : "\"messages\": [\(message)]"
            let chunks = try await server.post(
                path, "{\(asked), \"max_tokens\": 2, \"stream\": true, \"return_progress\": true}"
            ).chunks
            let progress = chunks.compactMap { $0["prompt_progress"] }
            let done = progress.compactMap { $0["processed"]?.int }
            let total = try #require(progress.first?["total"]?.int)
            #expect(total > 100 && progress.allSatisfy { $0["total"]?.int == total })
            #expect(done.first == 0 && done.last == total && done.count > total / 16)
            #expect(zip(done, done.dropFirst()).allSatisfy { $0 <= $1 })
            #expect(progress.allSatisfy { $0["cache"]?.int == 0 && ($0["time_ms"]?.double ?? -1) >= 0 })
        }
    }

    @Test(
        "what goes wrong after the first byte is an event",
        arguments: [
            ("/completion", #""prompt": "a""#), ("/v1/completions", #""prompt": "a""#),
            ("/v1/chat/completions", #""messages": [{"role": "user", "content": "a"}]"#),
            ("/v1/responses", #""input": "a""#),
            ("/v1/messages", #""max_tokens": 9, "messages": [{"role": "user", "content": "a"}]"#),
        ])
    func lateError(path: String, asked: String) async throws {
        try await TestServer.with { server in
            let gate = try server.gate()
            let client = try SocketClient(port: server.port)
            try await client.send(
                TestServer.request("POST", path, Array("{\(asked), \"stream\": true}".utf8)))
            var bytes = try await client.read { Self.text($0).contains("\r\n\r\n") }
            server.host.ready?.scheduler.mailbox.post { $0.cancelAll() }
            gate.signal()
            bytes += try await client.read { Self.text($0).hasSuffix("0\r\n\r\n") }
            let reply = try #require(HTTPReply(bytes, isEnd: true))
            #expect(reply.status == 200)
            let last = try #require(try reply.chunks.last)
            let error = path == "/v1/responses" ? last : try #require(last["error"])
            #expect(error["message"]?.string?.contains("cancelled") == true, "\(reply.text)")
            #expect(
                try reply.chunks.count { $0["error"]?.kind == .object || $0["type"]?.string == "error" } == 1)
        }
    }

    @Test("a client that goes away ends its request before the next step", arguments: [true, false])
    func disconnect(isStream: Bool) async throws {
        try await TestServer.with { server in
            let client = try SocketClient(port: server.port)
            let body = #"{"prompt": "Once", "n_predict": -1, "ignore_eos": true, "stream": \#(isStream)}"#
            try await client.send(TestServer.request("POST", "/completion", Array(body.utf8)))
            if isStream {
                _ = try await client.read { $0.count > 500 }
            } else {
                #expect(try await server.becomes { $0.generatingChoices == 1 })
            }
            let gate = try server.gate()
            client.hangUp()
            let scheduler = try #require(server.host.ready?.scheduler)
            // The thread stands still: whatever was cancelled is told in the mailbox by now.
            try await Task.sleep(for: .milliseconds(300))
            let asked = Task { await scheduler.perform { $0.counters.steps } }
            gate.signal()
            let before = try #require(await asked.value)
            #expect(try await server.becomesIdle())
            let after = try #require(await scheduler.perform { $0.counters.steps })
            #expect(after - before <= 1, "\(after - before) steps after the client had gone")
            #expect(server.snapshot?.cancelledRequests == 1)
        }
    }

    @Test("at the end running requests finish, and others find nobody")
    func shutdown() async throws {
        let server = try await TestServer(TestServer.short, slots: 2)
        let client = try SocketClient(port: server.port)
        let body = #"{"prompt": "The dog", "n_predict": 60, "ignore_eos": true, "stream": true}"#
        try await client.send(TestServer.request("POST", "/completion", Array(body.utf8)))
        var bytes = try await client.read { Self.text($0).contains("data: {") }
        let end = Task { await server.end() }
        bytes += try await client.read { _ in false }
        await end.value
        let reply = try #require(HTTPReply(bytes, isEnd: true))
        #expect(try reply.chunks.last?["tokens_predicted"]?.int == 60)
        #expect(throws: SocketClient.Failure.self) { _ = try SocketClient(port: server.port) }
    }

    @Test("requests that take too long are cut off at the end, and told so")
    func hastyShutdown() async throws {
        var settings = ServerSettings()
        settings.shutdownSeconds = 1
        let host = ModelHost(try TestServer.engine(slots: 1, context: 2_048))
        let server = try await TestServer(settings, host: host)
        let client = try SocketClient(port: server.port)
        // Answers are slowed down, so that this one cannot end by itself.
        let scheduler = try #require(host.ready?.scheduler)
        let pacer = Task {
            while !Task.isCancelled {
                await scheduler.perform { _ in Thread.sleep(forTimeInterval: 0.05) }
            }
        }
        try await client.send(TestServer.request("POST", "/completion", ConnectionTests.endless))
        var bytes = try await client.read { Self.text($0).contains("data: {") }
        let start = ContinuousClock.now
        let end = Task { await server.end() }
        bytes += try await client.read { _ in false }
        await end.value
        pacer.cancel()
        #expect(ContinuousClock.now - start < .seconds(30))  // all of it would take more than 100
        let last = try #require(try HTTPReply(bytes, isEnd: true)?.chunks.last)
        #expect(last["stop"]?.bool == true && last["stop_type"]?.string == "none")
    }
}
