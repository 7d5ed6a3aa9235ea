import Foundation
import SwiftletEngine
import SwiftletFormats
import Testing

@testable import SwiftletServer

@Suite struct ConnectionTests {
    /// A text that goes on to the end of the context.
    static let endless = Array(
        #"{"prompt": "Once upon a time", "n_predict": -1, "ignore_eos": true, "stream": true}"#.utf8)

    @Test("two requests on one connection, also sent together", arguments: [false, true])
    func keepAlive(isPipelined: Bool) async throws {
        let server = try await TestServer.shared.value
        let client = try SocketClient(port: server.port)
        let request = TestServer.request(
            "POST", "/tokenize", Array(#"{"content": "a"}"#.utf8), closes: false)
        try await client.send(isPipelined ? request + request : request)
        let first = try await client.read { HTTPReply($0, isEnd: false) != nil }
        let reply = try #require(HTTPReply(first, isEnd: false))
        #expect(reply.status == 200)
        if !isPipelined { try await client.send(request) }
        var rest = first
        while rest.count < 2 * first.count - 64
            || rest.indices.filter({ rest[$0...].starts(with: "HTTP/1.1 200".utf8) }).count < 2
        {
            let more = try await client.read()
            if more.isEmpty { break }
            rest += more
        }
        #expect(rest.indices.filter { rest[$0...].starts(with: "HTTP/1.1 200".utf8) }.count == 2)
    }

    @Test("a client that goes away ends its own request only", arguments: [true, false])
    func disconnect(isStream: Bool) async throws {
        try await TestServer.with(slots: 2) { server in
            let other = Task {
                try await server.post(
                    "/completion",
                    #"{"prompt": "The dog", "n_predict": 60, "ignore_eos": true, "temperature": 0}"#)
            }
            let client = try SocketClient(port: server.port)
            let body = #"{"prompt": "Once", "n_predict": -1, "ignore_eos": true, "stream": \#(isStream)}"#
            try await client.send(TestServer.request("POST", "/completion", Array(body.utf8)))
            if isStream {
                _ = try await client.read { $0.count > 1_000 }
            } else {
                try await Task.sleep(for: .milliseconds(200))
            }
            client.hangUp()
            let reply = try await other.value
            #expect(try reply.json["tokens_predicted"]?.int == 60)
            #expect(try await server.becomesIdle())
            #expect(server.snapshot?.cancelledRequests == 1)
        }
    }

    @Test("a client that reads nothing is cut off and delays nobody")
    func slowReader() async throws {
        var settings = ServerSettings()
        settings.timeoutSeconds = 2
        try await TestServer.with(settings, slots: 2) { server in
            let client = try SocketClient(port: server.port, receiveBuffer: 1_024)
            let body =
                #"{"prompt": "Once", "n_predict": -1, "ignore_eos": true, "stream": true, "n_probs": 100, "timings_per_token": true}"#
            try await client.send(TestServer.request("POST", "/completion", Array(body.utf8)))
            let quick = try await server.post("/completion", #"{"prompt": "a", "n_predict": 2}"#)
            #expect(quick.status == 200)
            #expect(try await server.becomesIdle(within: 30))
            client.hangUp()
        }
    }

    @Test("a full queue answers 503 with the time to wait")
    func fullQueue() async throws {
        let host = ModelHost(try TestServer.engine(slots: 1, queueLimit: 1))
        try await TestServer.with(host: host) { server in
            var clients: [SocketClient] = []
            for _ in 0..<2 {
                let client = try SocketClient(port: server.port)
                try await client.send(TestServer.request("POST", "/completion", Self.endless))
                _ = try await client.read { !$0.isEmpty }
                clients.append(client)
            }
            let reply = try await server.post("/completion", #"{"prompt": "a", "n_predict": 2}"#)
            #expect(reply.status == 503 && reply.headers["retry-after"] != nil, "\(reply.text)")
            #expect(try reply.json.at("error.type")?.string == "unavailable_error")
            for client in clients { client.hangUp() }
            #expect(try await server.becomesIdle())
        }
    }

    @Test("what is no HTTP is refused")
    func nonsense() async throws {
        let server = try await TestServer.shared.value
        for text in [
            "nonsense\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
            "POST /tokenize HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        ] {
            let client = try SocketClient(port: server.port)
            try await client.send(Array(text.utf8))
            let bytes = try await client.read { $0.count > 12 }
            #expect(
                String(decoding: bytes.prefix(12), as: UTF8.self).hasPrefix("HTTP/1.1 4") || bytes.isEmpty,
                "\(text)")
        }
        #expect(try await server.get("/health").status == 200)
    }

    @Test("an upload that stops half-way leaves the server as it was")
    func halfBody() async throws {
        let server = try await TestServer.shared.value
        let client = try SocketClient(port: server.port)
        try await client.send(
            Array(
                "POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n{\"prompt\": ".utf8))
        try await Task.sleep(for: .milliseconds(50))
        client.hangUp()
        #expect(try await server.get("/health").status == 200)
    }

    @Test(
        "a body that nobody wants is taken to its end, so that its client reads why",
        arguments: [true, false])
    func refusedBody(closes: Bool) async throws {
        var settings = TestServer.short
        settings.bodyLimit = 1 << 20
        try await TestServer.with(settings) { server in
            for path in ["/v1/completions", "/nowhere"] {
                let client = try SocketClient(port: server.port)
                let body = [UInt8](repeating: 0x61, count: 24 << 20)
                try await client.send(TestServer.request("POST", path, body, closes: closes))
                let bytes = try await client.read { HTTPReply($0, isEnd: false) != nil }
                #expect(HTTPReply(bytes, isEnd: true)?.status == (path == "/nowhere" ? 404 : 413))
                if closes { #expect(try await client.read().isEmpty) }
            }
        }
    }

    @Test("a large body is announced before it is sent")
    func expectContinue() async throws {
        let server = try await TestServer.shared.value
        let client = try SocketClient(port: server.port)
        let body = Array(#"{"content": "a"}"#.utf8)
        let head = TestServer.request(
            "POST", "/tokenize", nil,
            [
                "Expect": "100-continue", "Content-Length": "\(body.count)",
            ])
        try await client.send(head)
        let interim = try await client.read { $0.count >= 12 }
        #expect(String(decoding: interim.prefix(12), as: UTF8.self) == "HTTP/1.1 100")
        try await client.send(body)
        let reply = try await client.read { String(decoding: $0, as: UTF8.self).contains("200 OK") }
        #expect(!reply.isEmpty)
    }

    @Test("requests side by side are answered as if alone")
    func crossTalk() async throws {
        let server = try await TestServer.shared.value
        let prompts = ["Once upon a time", "The dog", "Tell me", "A cat", "In the garden", "The sun"]
        func answer(_ prompt: String) async throws -> String? {
            try await server.post(
                "/v1/completions", #"{"prompt": "\#(prompt)", "max_tokens": 12, "temperature": 0}"#
            ).json.at("choices.0.text")?.string
        }
        var alone: [String?] = []
        for prompt in prompts { alone.append(try await answer(prompt)) }
        let together = try await withThrowingTaskGroup(of: (Int, String?).self) { group in
            for (index, prompt) in prompts.enumerated() {
                group.addTask { (index, try await answer(prompt)) }
            }
            var answers = [String?](repeating: nil, count: prompts.count)
            for try await (index, text) in group { answers[index] = text }
            return answers
        }
        #expect(together == alone)
        #expect(alone.allSatisfy { $0?.isEmpty == false })
    }
}
