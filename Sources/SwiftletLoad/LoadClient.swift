import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import SwiftletEngine
import SwiftletFormats
import SwiftletTensor

/// Sends requests to a server that speaks OpenAI's completions, and notes when the pieces of an answer come.
struct LoadClient: Sendable {
    let options: LoadOptions
    let http: HTTPClient
    /// Most bytes of an answer that is no stream.
    private static let largestAnswer = 1 << 20
    /// The data of the last event.
    private static let end = Array("[DONE]".utf8)

    /// Sends one request and waits for the whole answer.
    func send(_ request: LoadRequest, since start: ContinuousClock.Instant) async -> LoadOutcome {
        let sent = ContinuousClock.now
        var outcome = LoadOutcome(start: (sent - start).seconds)
        do {
            let response = try await http.execute(
                self.request("/v1/completions", body: request.body(options)),
                timeout: .seconds(Int64(options.timeoutSeconds)))
            if response.status == .ok {
                try await read(response.body, into: &outcome, since: sent)
            } else {
                outcome.failure = await "HTTP \(response.status.code): \(message(of: response))"
            }
        } catch {
            outcome.failure = "\(error)"
        }
        outcome.duration = (ContinuousClock.now - sent).seconds
        return outcome
    }

    /// The number of tokens that the server's model knows.
    ///
    /// - Throws: `.unreadable` if there is no answer, `.missing` if it does not say.
    func vocabularySize() async throws(SwiftletError) -> Int {
        let response: HTTPClientResponse
        let body: ByteBuffer
        do {
            response = try await http.execute(request("/v1/models", body: nil), timeout: .seconds(30))
            body = try await response.body.collect(upTo: Self.largestAnswer)
        } catch {
            throw SwiftletError(
                .unreadable, "no answer from \(options.url)/v1/models (\(error)); is a server running there?")
        }
        guard response.status == .ok else {
            throw SwiftletError(
                .unreadable, "\(options.url)/v1/models answers with HTTP \(response.status.code)")
        }
        let json = try JSON.parse(Array(body.readableBytesView), source: "\(options.url)/v1/models")
        guard let size = json["data"]?[0]?["meta"]?["n_vocab"]?.int, size > 0 else {
            throw SwiftletError(
                .missing,
                "\(options.url)/v1/models does not say how many tokens the model knows; give it with --vocabulary"
            )
        }
        return size
    }

    private func request(_ path: String, body: [UInt8]?) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: options.url + path)
        request.method = body == nil ? .GET : .POST
        // Some servers end connections between two requests without a word; a new one each time costs little.
        request.headers.add(name: "Connection", value: "close")
        if let key = options.apiKey { request.headers.add(name: "Authorization", value: "Bearer \(key)") }
        if let body {
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(body)
        }
        return request
    }

    private func read(
        _ body: HTTPClientResponse.Body, into outcome: inout LoadOutcome, since sent: ContinuousClock.Instant
    ) async throws {
        var stream = EventStream()
        var isDone = false
        for try await buffer in body {
            let now = (ContinuousClock.now - sent).seconds
            for event in stream.add(buffer.readableBytesView) {
                if event == Self.end {
                    isDone = true
                } else {
                    note(try JSON.parse(event, source: "an event"), at: now, in: &outcome)
                }
            }
        }
        if outcome.failure == nil, !isDone { outcome.failure = "the answer ends without [DONE]" }
    }

    /// Takes in one event: an error, a piece of text, or what was used.
    private func note(_ event: JSON, at seconds: Double, in outcome: inout LoadOutcome) {
        if let error = event["error"] {
            outcome.failure = error["message"]?.string ?? error.string ?? "an error without a message"
        }
        if let usage = event["usage"], !usage.isNull {
            outcome.promptTokens = usage["prompt_tokens"]?.int ?? 0
            outcome.answerTokens = usage["completion_tokens"]?.int ?? 0
        }
        // The last piece only says why the answer ended.
        if let choice = event["choices"]?[0], choice["finish_reason"]?.string == nil {
            outcome.pieces.append(seconds)
        }
    }

    private func message(of response: HTTPClientResponse) async -> String {
        guard let body = try? await response.body.collect(upTo: Self.largestAnswer) else {
            return "no message"
        }
        let bytes = Array(body.readableBytesView)
        let json = try? JSON.parse(bytes, source: "an error")
        return json?["error"]?["message"]?.string ?? String(decoding: bytes.prefix(200), as: UTF8.self)
    }
}
