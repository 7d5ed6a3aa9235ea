import Foundation
import Logging
import SwiftletFormats

@testable import SwiftletEngine
@testable import SwiftletServer

/// A server with the built-in model on a free port of this machine.
final class TestServer: Sendable {
    let port: Int
    let host: ModelHost
    private let task: Task<Void, any Error>

    /// The server that most tests share.
    static let shared = Task { try await TestServer() }

    /// Runs tests with a server of their own.
    static func with(
        _ settings: ServerSettings = TestServer.short, slots: Int = 2, host: ModelHost? = nil,
        _ body: (TestServer) async throws -> Void
    ) async throws {
        let server = try await TestServer(settings, slots: slots, host: host)
        do { try await body(server) } catch {
            server.task.cancel()
            throw error
        }
        await server.end()
    }

    init(_ settings: ServerSettings = TestServer.settings, slots: Int = 4, host: ModelHost? = nil)
        async throws
    {
        var settings = settings
        settings.port = 0
        let host = try host ?? ModelHost(Self.engine(slots: slots))
        var logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        logger.logLevel = .critical
        let server = try SwiftletServer(host: host, settings: settings, modelName: "tales", logger: logger)
        let (ports, source) = AsyncStream.makeStream(of: Int.self)
        task = Task {
            defer { source.finish() }
            try await server.run(signals: false) { source.yield($1) }
        }
        var iterator = ports.makeAsyncIterator()
        guard let port = await iterator.next() else {
            _ = try await task.value
            throw SocketClient.Failure(description: "the server does not listen")
        }
        self.port = port
        self.host = host
    }

    /// Little patience at the end.
    static var short: ServerSettings {
        var settings = ServerSettings()
        settings.shutdownSeconds = 5
        return settings
    }

    /// What the shared server shows.
    static var settings: ServerSettings {
        var settings = short
        settings.showsMetrics = true
        settings.slotDirectory = FileManager.default.temporaryDirectory.path
        return settings
    }

    /// An engine for the built-in model.
    static func engine(
        slots: Int, queueLimit: Int = 64, context: Int = 512,
        _ change: (inout Scheduler.Options) -> Void = { _ in }
    ) throws -> Engine {
        let model = try Model.load(nil)
        var options = Scheduler.Options()
        options.slotCount = slots
        options.contextLength = context
        options.queueLimit = queueLimit
        options.threadCount = 2
        change(&options)
        return try Engine(try Scheduler(model, options), template: try model.chatTemplate())
    }

    /// What the scheduler reports.
    var snapshot: SchedulerSnapshot? { host.ready?.scheduler.snapshot }

    /// Stops the scheduler's thread between two steps until it is signalled.
    func gate() throws -> DispatchSemaphore {
        let gate = DispatchSemaphore(value: 0)
        guard let scheduler = host.ready?.scheduler else {
            throw SocketClient.Failure(description: "the server has no model")
        }
        scheduler.mailbox.post { _ in gate.wait() }
        return gate
    }

    /// Waits until nothing runs.
    ///
    /// - Returns: whether that was so in time.
    func becomesIdle(within seconds: Double = 10) async throws -> Bool {
        try await becomes(within: seconds) { $0.runningRequests == 0 && $0.waitingRequests == 0 }
    }

    /// Waits until the scheduler reports something.
    ///
    /// - Returns: whether that was so in time.
    func becomes(
        within seconds: Double = 10, _ isWanted: (SchedulerSnapshot) -> Bool
    ) async throws -> Bool {
        let start = ContinuousClock.now
        while ContinuousClock.now - start < .seconds(seconds) {
            if let snapshot, isWanted(snapshot) { return true }
            try await Task.sleep(for: .milliseconds(20))
        }
        return false
    }

    /// Ends the server.
    func end() async {
        task.cancel()
        _ = try? await task.value
    }

    // MARK: Requests

    /// The bytes of a request.
    static func request(
        _ method: String, _ path: String, _ body: [UInt8]?, _ headers: [String: String] = [:],
        closes: Bool = true
    ) -> [UInt8] {
        var text = "\(method) \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        if closes { text += "Connection: close\r\n" }
        for (name, value) in headers { text += "\(name): \(value)\r\n" }
        if let body { text += "Content-Type: application/json\r\nContent-Length: \(body.count)\r\n" }
        return Array((text + "\r\n").utf8) + (body ?? [])
    }

    /// Sends a request on a connection of its own and reads the answer.
    func send(
        _ method: String, _ path: String, _ body: [UInt8]? = nil, headers: [String: String] = [:]
    ) async throws -> HTTPReply {
        let client = try SocketClient(port: port)
        try await client.send(Self.request(method, path, body, headers))
        let bytes = try await client.read { HTTPReply($0, isEnd: false) != nil }
        guard let reply = HTTPReply(bytes, isEnd: true) else {
            throw SocketClient.Failure(description: "no answer to \(method) \(path)")
        }
        return reply
    }

    /// Asks for a page.
    func get(_ path: String, headers: [String: String] = [:]) async throws -> HTTPReply {
        try await send("GET", path, headers: headers)
    }

    /// Sends JSON.
    func post(_ path: String, _ json: String, headers: [String: String] = [:]) async throws -> HTTPReply {
        try await send("POST", path, Array(json.utf8), headers: headers)
    }
}

extension JSON {
    /// A value inside: names of members and numbers of elements with dots between.
    func at(_ path: String) -> JSON? {
        path.split(separator: ".").reduce(Optional(self)) { value, step in
            Int(step).flatMap { value?[$0] } ?? value?[String(step)]
        }
    }

    /// The names of an object's members, in order.
    var keys: [String] { members.map { $0.key.string ?? "" } }
}
