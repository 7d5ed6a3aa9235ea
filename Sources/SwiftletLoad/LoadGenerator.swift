import AsyncHTTPClient
import NIOCore
import SwiftletEngine
public import SwiftletTensor
import Synchronization

/// Puts load on a server that speaks OpenAI's completions, such as Swiftlet's or llama-server.
///
/// ```swift
/// let report = try await LoadGenerator(LoadOptions(url: "http://127.0.0.1:8080")).run()
/// print(report.answerRate, report.gaps.percentile(95))
/// ```
public struct LoadGenerator: Sendable {
    private let options: LoadOptions

    /// - Throws: `.invalidArgument` for an option out of range.
    public init(_ options: LoadOptions) throws(SwiftletError) {
        try options.validate()
        self.options = options
    }

    /// Sends all requests and waits for their answers.
    ///
    /// - Parameter progress: called with the requests that are done.
    /// - Throws: `.unreadable` if no server answers.
    public func run(
        progress: @escaping @Sendable (_ done: Int) -> Void = { _ in }
    ) async throws(SwiftletError) -> LoadReport {
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = options.requestCount
        configuration.timeout.connect = .seconds(30)
        let http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        let client = LoadClient(options: options, http: http)
        let result: Result<LoadReport, SwiftletError>
        do throws(SwiftletError) {
            var size = options.vocabularySize
            if size == nil { size = try await client.vocabularySize() }
            result = .success(
                await run(LoadRequest.all(options, vocabularySize: size ?? 1), client, progress))
        } catch {
            result = .failure(error)
        }
        try? await http.shutdown()
        return try result.get()
    }

    private func run(
        _ requests: [LoadRequest], _ client: LoadClient, _ progress: @escaping @Sendable (Int) -> Void
    ) async -> LoadReport {
        let start = ContinuousClock.now
        let done = Counter()
        @Sendable func send(_ request: LoadRequest) async -> LoadOutcome {
            let outcome = await client.send(request, since: start)
            progress(done.next() + 1)
            return outcome
        }
        let outcomes: [LoadOutcome]
        switch options.arrival {
        case .closed(let clients): outcomes = await closed(requests, clients: clients, send)
        case .open: outcomes = await open(requests, since: start, send)
        }
        return LoadReport(outcomes: outcomes, seconds: (ContinuousClock.now - start).seconds)
    }

    private func closed(
        _ requests: [LoadRequest], clients: Int,
        _ send: @escaping @Sendable (LoadRequest) async -> LoadOutcome
    ) async -> [LoadOutcome] {
        let indices = Counter()
        let answers = await withTaskGroup(of: [(Int, LoadOutcome)].self) { group in
            for _ in 0..<min(clients, requests.count) {
                group.addTask {
                    var answers: [(Int, LoadOutcome)] = []
                    while true {
                        let index = indices.next()
                        guard index < requests.count else { return answers }
                        answers.append((index, await send(requests[index])))
                    }
                }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
        return answers.sorted { $0.0 < $1.0 }.map(\.1)
    }

    private func open(
        _ requests: [LoadRequest], since start: ContinuousClock.Instant,
        _ send: @escaping @Sendable (LoadRequest) async -> LoadOutcome
    ) async -> [LoadOutcome] {
        let answers = await withTaskGroup(of: (Int, LoadOutcome).self) { group in
            for (index, request) in requests.enumerated() {
                group.addTask {
                    try? await Task.sleep(until: start + .seconds(request.arrival))
                    return (index, await send(request))
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        return answers.sorted { $0.0 < $1.0 }.map(\.1)
    }
}

/// Counts from 0, from any task.
private final class Counter: Sendable {
    private let count = Atomic(0)

    func next() -> Int { count.add(1, ordering: .relaxed).oldValue }
}
