import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import SwiftletEngine

/// Takes requests from connections, and answers them through the table of routes.
struct Dispatcher: Sendable {
    let context: ServerContext
    let table: RouteTable
    let cors: CrossOrigin
    private let bodies: BodyReader
    private let idle: IdleWatch

    init(_ context: ServerContext, _ table: RouteTable) {
        self.context = context
        self.table = table
        cors = CrossOrigin(context.settings)
        bodies = BodyReader(limit: context.settings.bodyLimit, limitOfAll: context.settings.allBodiesLimit)
        // Memory that only speeds up the next request goes back soon, that of threads which have ended meanwhile later:
        // libdispatch lets them wait for five seconds.
        idle = IdleWatch(after: .milliseconds(200), .seconds(6)) { [host = context.host] in
            host.rest()
            SystemHeap.trim()
        }
    }

    /// Answers one request.
    ///
    /// - Throws: if the client cannot be written to; the connection is closed then.
    func respond(
        _ request: Request, _ writer: consuming ResponseWriter, _ channel: any Channel
    ) async throws {
        let start = ContinuousClock.now
        let asksForWork = request.method == .post
        if asksForWork { idle.begin() }
        defer { if asksForWork { idle.end() } }
        let target = request.head.path ?? "/"
        let connection = await ConnectionMonitor.state(of: channel)
        let meta = ServerRequest(
            method: request.method, path: Self.trimmed(RequestTarget.path(target)),
            query: RequestTarget.query(target), authority: request.head.authority, headers: request.headers,
            body: [],
            id: RequestIdentifier.of(request.headers), start: start, connection: connection)
        let body = IncomingBody(request)
        let (answer, route) = await answer(meta, body)
        let status: Int
        switch answer {
        case .whole(let reply):
            status = reply.status.code
            try await send(reply, meta, writer, channel)
        case .events(let events):
            status = 200
            try await stream(events, meta, writer, channel)
        }
        note(meta, route: route, status: status)
        try await body.discard(channel)
    }

    /// What to answer, whatever happens.
    private func answer(_ meta: ServerRequest, _ body: IncomingBody) async -> (Answer, route: String) {
        var dialect = Dialect.openAI
        var name = "other"
        do throws(APIError) {
            if meta.method == .options { return (.whole(cors.preflight), "preflight") }
            try cors.check(meta)
            let match = table.find(meta.method, meta.path)
            if case .route(let route, _) = match { (dialect, name) = (route.dialect, route.path) }
            let isPublic = if case .route(let route, _) = match { route.isPublic } else { false }
            guard isPublic || context.settings.keys.admit(meta.headers) else {
                throw APIError(.authentication, "Invalid API Key", code: "invalid_api_key")
            }
            switch match {
            case .route(let route, let parameters):
                return (try await run(route, parameters, meta, body), name)
            case .otherMethods(let methods):
                var reply = reply(
                    APIError(
                        .method,
                        "\(meta.path.prefix(100)) does not take \(meta.method.rawValue), only "
                            + methods.map(\.rawValue).joined(separator: ", "), code: "method_not_allowed"),
                    dialect)
                reply.headers[.allow] = methods.map(\.rawValue).joined(separator: ", ")
                return (.whole(reply), name)
            case .none:
                throw APIError(
                    .notFound, "there is no \(meta.path.prefix(100)) here; /openapi.json lists what there is",
                    code: "unknown_url")
            }
        } catch {
            return (.whole(reply(error, dialect)), name)
        }
    }

    private func run(
        _ route: Route, _ parameters: [String], _ meta: ServerRequest, _ incoming: IncomingBody
    ) async throws(APIError) -> Answer {
        guard route.method == .post else {
            var meta = meta
            meta.parameters = parameters
            return try await route.handler(meta)
        }
        let body = try await bodies.read(incoming)
        defer { bodies.release(body.count) }
        let whole = ServerRequest(
            method: meta.method, path: meta.path, query: meta.query, authority: meta.authority,
            headers: meta.headers, body: body, parameters: parameters, id: meta.id, start: meta.start,
            connection: meta.connection)
        return try await route.handler(whole)
    }

    private func reply(_ error: APIError, _ dialect: Dialect) -> Reply {
        var reply = Reply(
            status: HTTPResponse.Status(code: error.kind.status),
            contentType: "application/json; charset=utf-8",
            body: error.body(dialect))
        if let seconds = error.retryAfter { reply.headers[.retryAfter] = String(seconds) }
        if error.kind == .authentication { reply.headers[.wwwAuthenticate] = "Bearer" }
        return reply
    }

    // MARK: Sending

    private func head(_ meta: ServerRequest, _ status: HTTPResponse.Status, _ type: String) -> HTTPResponse {
        var head = HTTPResponse(status: status)
        head.headerFields[.contentType] = type
        head.headerFields[.date] = Clock.httpDate
        head.headerFields[.server] = Release.name.replacing(" ", with: "/")
        if let name = RequestIdentifier.header { head.headerFields[name] = meta.id }
        cors.apply(to: &head.headerFields, meta)
        return head
    }

    private func send(
        _ reply: Reply, _ meta: ServerRequest, _ writer: consuming ResponseWriter, _ channel: any Channel
    ) async throws {
        var head = head(meta, reply.status, reply.contentType)
        for field in reply.headers { head.headerFields[field.name] = field.value }
        head.headerFields[.contentLength] = String(reply.body.count)
        guard meta.method != .head else { return try await writer.writeResponse(head) }
        let watch = WriteWatch(channel, seconds: context.settings.timeoutSeconds)
        defer { watch.stop() }
        watch.begin()
        try await writer.write(response: head, body: ResponseBody(byteBuffer: ByteBuffer(bytes: reply.body)))
    }

    private func stream(
        _ body: @Sendable (EventWriter) async -> Void, _ meta: ServerRequest,
        _ writer: consuming ResponseWriter, _ channel: any Channel
    ) async throws {
        var head = head(meta, .ok, "text/event-stream; charset=utf-8")
        head.headerFields[.cacheControl] = "no-cache"
        if let name = HTTPField.Name("X-Accel-Buffering") { head.headerFields[name] = "no" }
        let watch = WriteWatch(channel, seconds: context.settings.timeoutSeconds)
        defer { watch.stop() }
        let events = EventWriter(try await writer.writeHead(head), watch)
        await body(events)
        try await events.finish()
    }

    private func note(_ meta: ServerRequest, route: String, status: Int) {
        context.metrics.answered(route: route, method: Self.name(meta.method), status: status)
        let seconds = (ContinuousClock.now - meta.start).seconds
        let level: Logger.Level = status >= 500 ? .warning : route == "/health" ? .debug : .info
        context.logger.log(
            level: level, "request",
            metadata: [
                "id": "\(meta.id)", "method": "\(meta.method.rawValue)", "path": "\(meta.path.prefix(200))",
                "status": "\(status)", "ms": "\(Int(seconds * 1e3))",
            ])
    }

    /// Methods as labels; clients may make up names.
    private static func name(_ method: HTTPRequest.Method) -> String {
        [.get, .head, .post, .delete, .put, .patch, .options].contains(method) ? method.rawValue : "other"
    }

    /// A path without slashes at its end.
    private static func trimmed(_ path: String) -> String {
        var path = path[...]
        while path.utf8.count > 1, path.hasSuffix("/") { path.removeLast() }
        return String(path)
    }
}

/// The name of a request: the client's, if it is a plain one, else a new one.
enum RequestIdentifier {
    static let header = HTTPField.Name("X-Request-Id")

    static func of(_ headers: HTTPFields) -> String {
        guard let name = header.flatMap({ headers[$0] }), (1...128).contains(name.utf8.count),
            name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { return Identifier.make("req_") }
        return name
    }
}
