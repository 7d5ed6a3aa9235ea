import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import SwiftletFormats
import SwiftletTensor

/// One answer of a server, with the header fields of the redirections that led to it.
struct HubAnswer {
    /// The answer; its body has not been read.
    let response: HTTPClientResponse
    /// Header fields, those of the first server first.
    let trail: [HTTPHeaders]
    /// The address that answered.
    let address: String

    /// The first server's value of a field.
    func first(_ name: String) -> String? { trail.lazy.compactMap { $0.first(name: name) }.first }
}

/// Sends requests to the hub: follows redirections without giving the token away, and tells failures apart.
struct HubClient: Sendable {
    let settings: HubSettings
    private let http: HTTPClient
    private let origin: HubOrigin?
    private static let mostRedirections = 10
    /// Most bytes of an answer that is read as a whole.
    private static let largestDocument = 64 << 20

    init(_ settings: HubSettings) {
        self.settings = settings
        origin = HubOrigin(settings.endpoint)
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.httpVersion = .http1Only
        // What fails is told, and tried again by our own rules.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.timeout = .init(
            connect: .nanoseconds(Int64(settings.connectTimeoutSeconds * 1e9)),
            read: .nanoseconds(Int64(settings.readTimeoutSeconds * 1e9)))
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    /// Ends all connections; nothing can be sent afterwards.
    func shutdown() async { try? await http.shutdown() }

    /// Sends a request and follows redirections.
    ///
    /// - Parameters:
    ///   - staysAtHome: whether a redirection to another server is an answer, not followed.
    ///   - fields: further header fields.
    /// - Throws: ``HubFailure``, or `CancellationError`.
    func send(
        _ method: HTTPMethod, _ address: String, _ fields: [(String, String)] = [], staysAtHome: Bool = false
    ) async throws -> HubAnswer {
        var address = address
        var trail: [HTTPHeaders] = []
        while trail.count <= Self.mostRedirections {
            guard let target = HubOrigin(address) else {
                throw HubFailure.final(
                    SwiftletError(
                        .malformed, "\(settings.endpoint) leads to '\(address)', expected http or https"))
            }
            if origin?.scheme == "https", target.scheme != "https" {
                throw HubFailure.final(
                    SwiftletError(
                        .unsupported,
                        "\(settings.endpoint) leads from https to \(address), which anybody could change"))
            }
            let response = try await execute(method, address, fields, to: target)
            trail.append(response.headers)
            guard (300..<400).contains(response.status.code), response.status != .notModified,
                let location = response.headers.first(name: "location")
            else { return HubAnswer(response: response, trail: trail, address: address) }
            guard let next = URL(string: location, relativeTo: URL(string: address))?.absoluteString else {
                throw HubFailure.transient("the server leads to '\(location)', which is no address")
            }
            if staysAtHome, HubOrigin(next) != origin {
                return HubAnswer(response: response, trail: trail, address: address)
            }
            address = next
        }
        throw HubFailure.final(
            SwiftletError(
                .malformed,
                "\(address): \(Self.mostRedirections) redirections lead nowhere; is HF_ENDPOINT right?"))
    }

    /// Reads a JSON document from the hub, patiently.
    func document(_ address: String, _ subject: String) async throws -> JSON {
        try await HubFailure.retrying(settings.retries, subject) {
            let answer = try await send(.GET, address)
            guard answer.response.status == .ok else { throw await failure(answer, subject) }
            let body = try await Self.translating {
                try await answer.response.body.collect(upTo: Self.largestDocument)
            }
            return try JSON.parse(Array(body.readableBytesView), source: address)
        }
    }

    private func execute(
        _ method: HTTPMethod, _ address: String, _ fields: [(String, String)], to target: HubOrigin
    ) async throws -> HTTPClientResponse {
        var request = HTTPClientRequest(url: address)
        request.method = method
        request.headers.add(name: "User-Agent", value: "swiftlet")
        // Sizes and hashes are those of the file, not of a compressed one.
        request.headers.add(name: "Accept-Encoding", value: "identity")
        for (name, value) in fields { request.headers.add(name: name, value: value) }
        if let token = settings.token, target == origin {
            request.headers.add(name: "Authorization", value: "Bearer \(token)")
        }
        let message = request
        return try await Self.translating { try await http.execute(message, deadline: .distantFuture) }
    }

    /// Turns errors of a connection into failures that may be tried again.
    static func translating<Value>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch let error as HubFailure {
            throw error
        } catch let error as SwiftletError {
            throw error
        } catch {
            if Task.isCancelled || error is CancellationError { throw CancellationError() }
            throw HubFailure.transient(reason(error))
        }
    }

    /// An error of a connection in a few words.
    private static func reason(_ error: any Error) -> String {
        if let error = error as? HTTPClientError {
            switch error {
            case .connectTimeout: return "the server cannot be reached"
            case .readTimeout: return "the server went silent"
            case .remoteConnectionClosed: return "the connection broke"
            default: return "the connection failed (\(error.shortDescription))"
            }
        }
        if error is NIOTooManyBytesError { return "the answer is too long" }
        if let error = error as? IOError {
            return "the connection failed (\(System.message(error.errnoCode)))"
        }
        let text = "\(error)".split(whereSeparator: \.isNewline).joined(separator: " ")
        return "the connection failed (\(text.prefix(160)))"
    }

    /// What an answer that is no success means.
    func failure(_ answer: HubAnswer, _ subject: String) async -> any Error {
        let status = answer.response.status
        let headers = answer.response.headers
        let said = await Self.message(of: answer.response)
        switch status.code {
        case 408, 429, 500, 502, 503, 504:
            let requested = RetryPolicy.requestedDelay(
                retryAfter: headers.first(name: "retry-after"), rateLimit: headers.first(name: "ratelimit"))
            let reason =
                status.code == 429
                ? "the server wants fewer requests (HTTP 429)" : "the server fails (HTTP \(status.code))"
            return HubFailure.transient(reason, afterSeconds: requested)
        case 401, 403: return HubFailure.final(refusal(status, headers, subject, said))
        case 404, 410: return HubFailure.final(absence(headers, subject))
        default:
            return HubFailure.final(
                SwiftletError(.unreadable, "\(subject): \(answer.address) answers HTTP \(status.code)\(said)")
            )
        }
    }

    private func refusal(
        _ status: HTTPResponseStatus, _ headers: HTTPHeaders, _ subject: String, _ said: String
    ) -> SwiftletError {
        let repository = subject.split(separator: ":").first.map(String.init) ?? subject
        if headers.first(name: "x-error-code") == "GatedRepo" {
            return SwiftletError(
                .unreadable,
                "\(subject) is given only to those who accept its terms: do that at \(settings.endpoint)/\(repository)"
                    + (settings.token == nil
                        ? ", then set HF_TOKEN to a token of yours" : " with the token's account"))
        }
        guard settings.token == nil else {
            return SwiftletError(
                .unreadable,
                "\(subject): \(settings.endpoint) refuses the token (HTTP \(status.code))\(said); check HF_TOKEN, and "
                    + "whether the name is right")
        }
        return SwiftletError(
            .unreadable,
            "\(subject) does not exist or is private (HTTP \(status.code)); check the name, or set HF_TOKEN to a token "
                + "that may read it")
    }

    private func absence(_ headers: HTTPHeaders, _ subject: String) -> SwiftletError {
        switch headers.first(name: "x-error-code") {
        case "RevisionNotFound":
            SwiftletError(
                .missing, "\(subject): there is no such revision; check what follows @ or --revision")
        case "EntryNotFound":
            SwiftletError(.missing, "\(subject): the file is not in the repository; check its name")
        default:
            SwiftletError(.missing, "\(subject): not found at \(settings.endpoint); check the name")
        }
    }

    /// What the server says about an error, after a colon; empty if nothing.
    private static func message(of response: HTTPClientResponse) async -> String {
        var text = response.headers.first(name: "x-error-message")
        if text == nil, let body = try? await response.body.collect(upTo: 1 << 16) {
            text = (try? JSON.parse(Array(body.readableBytesView), source: "an error"))?["error"]?.string
        }
        guard let text, !text.isEmpty else { return "" }
        let plain = String(
            text.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7F }.map(Character.init))
        return ": " + plain.prefix(200)
    }
}
