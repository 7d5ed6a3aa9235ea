import NIOCore
import NIOPosix
import SwiftletEngine
import SwiftletTensor

/// The generations of one HTTP request, one per prompt; they run side by side and end together.
final class GenerationRun: Sendable {
    /// What happens, and in which generation.
    enum Event: Sendable {
        case generation(index: Int, GenerationEvent)
        /// Nothing happened for a while.
        case silence
    }

    private let scheduler: Scheduler
    private let identifiers: [String]
    private let streams: [AsyncStream<GenerationEvent>]
    private let request: ServerRequest
    private let metrics: ServerMetrics

    /// Hands the generations to the scheduler.
    ///
    /// - Throws: what the scheduler refuses; then none of them runs.
    init(
        _ requests: [GenerationRequest], _ engine: Engine, for request: ServerRequest,
        _ metrics: ServerMetrics
    ) throws(APIError) {
        scheduler = engine.scheduler
        self.metrics = metrics
        self.request = request
        var (identifiers, streams): ([String], [AsyncStream<GenerationEvent>]) = ([], [])
        for generation in requests {
            do {
                streams.append(try engine.scheduler.submit(generation))
                identifiers.append(generation.id)
            } catch {
                for identifier in identifiers { engine.scheduler.cancel(identifier) }
                throw Self.error(error)
            }
        }
        (self.identifiers, self.streams) = (identifiers, streams)
    }

    /// What the scheduler says, for clients.
    static func error(_ error: SwiftletError) -> APIError {
        var answer = APIError(error)
        switch error.code {
        case .busy:
            answer.kind = .unavailable
            answer.retryAfter = 1
            answer.code = "server_busy"
        case .limit: answer.kind = .invalidRequest
        default: break
        }
        return answer
    }

    private func cancel() {
        for identifier in identifiers { scheduler.cancel(identifier) }
    }

    /// Calls `body` with every event in order, until it returns false, all generations have ended or the client has
    /// gone; whatever still runs then is cancelled.
    ///
    /// - Parameter pingSeconds: after so much silence there is an event, too.
    func forEach(pingSeconds: Int? = nil, _ body: (Event) async -> Bool) async {
        let watch = request.connection.onClose { [self] in cancel() }
        var times = TokenTimes(request.start, metrics)
        defer {
            request.connection.forget(watch)
            cancel()
            times.end(isGone: request.connection.isClosed)
        }
        func note(_ event: Event) async -> Bool {
            if case .generation(let index, .token(let token)) = event { times.note(index, token.choice) }
            return await body(event)
        }
        if streams.count == 1, pingSeconds == nil {
            for await event in streams[0] where await !note(.generation(index: 0, event)) { return }
            return
        }
        await forEachMerged(pingSeconds, note)
    }

    /// Answers a stream: calls `body` with the events of every generation, until all have ended, one has failed, or the
    /// client has gone or does not read.
    ///
    /// - Parameters:
    ///   - writer: where the answer goes.
    ///   - ping: says that the server is at work, after so much silence.
    /// - Returns: the failure.
    func stream(
        to writer: EventWriter, pingSeconds: Int?,
        ping: (EventWriter) async -> Void = { await $0.ping() },
        _ body: (_ index: Int, _ event: GenerationEvent) async -> Void
    ) async -> APIError? {
        var failure: APIError?
        await forEach(pingSeconds: pingSeconds) { event in
            switch event {
            case .silence: await ping(writer)
            case .generation(_, .failed(let error)): failure = Self.error(error)
            case .generation(let index, let event): await body(index, event)
            }
            return !writer.isBroken && failure == nil
        }
        return failure
    }

    private func forEachMerged(_ pingSeconds: Int?, _ body: (Event) async -> Bool) async {
        let (merged, source) = AsyncStream.makeStream(of: Event?.self)
        // A task that sleeps would stay in memory for all its time, however early the stream ends.
        let clock = pingSeconds.map { seconds in
            let pause = TimeAmount.seconds(Int64(seconds))
            return MultiThreadedEventLoopGroup.singleton.any().scheduleRepeatedTask(
                initialDelay: pause, delay: pause
            ) { _ in source.yield(.silence) }
        }
        defer { clock?.cancel() }
        await withTaskGroup(of: Void.self) { group in
            for (index, stream) in streams.enumerated() {
                group.addTask {
                    for await event in stream { source.yield(.generation(index: index, event)) }
                    source.yield(nil)
                }
            }
            var (running, isSilent) = (streams.count, false)
            for await event in merged {
                switch event {
                case nil: running -= 1
                case .silence?:
                    if isSilent, await !body(.silence) { running = 0 }
                    isSilent = true
                case let event?:
                    isSilent = false
                    if await !body(event) { running = 0 }
                }
                if running == 0 { break }
            }
            group.cancelAll()
        }
    }

    /// Waits until all generations have ended.
    ///
    /// - Returns: what became of each, in order.
    /// - Throws: the first failure, or that the client has gone.
    func collect() async throws(APIError) -> [GenerationResult] {
        var results = streams.map { _ in GenerationResult() }
        var failure: APIError?
        await forEach { event in
            guard case .generation(let index, let event) = event else { return true }
            if case .failed(let error) = event {
                failure = Self.error(error)
                return false
            }
            results[index].add(event)
            return true
        }
        if let failure { throw failure }
        guard !request.connection.isClosed, results.allSatisfy(\.isComplete) else {
            throw APIError(.unavailable, "the request was cancelled", code: "cancelled")
        }
        return results
    }
}

/// Measures when the tokens of a request come.
private struct TokenTimes {
    private struct Choice: Hashable {
        let generation, number: Int
    }

    private let start: ContinuousClock.Instant
    private let metrics: ServerMetrics
    private var last: [Choice: ContinuousClock.Instant] = [:]

    init(_ start: ContinuousClock.Instant, _ metrics: ServerMetrics) {
        self.start = start
        self.metrics = metrics
    }

    mutating func note(_ generation: Int, _ choice: Int) {
        let (now, place) = (ContinuousClock.now, Choice(generation: generation, number: choice))
        if let previous = last[place] {
            metrics.sawToken(after: (now - previous).seconds)
        } else {
            metrics.sawFirstToken(after: (now - start).seconds)
        }
        last[place] = now
    }

    func end(isGone: Bool) {
        if isGone { metrics.sawClientGo() } else { metrics.sawEnd(after: (.now - start).seconds) }
    }
}

/// What became of one generation.
struct GenerationResult: Sendable {
    /// One answer.
    struct Choice: Sendable {
        var text = ""
        var tokens: [GeneratedToken] = []
        var end: FinishedChoice?
    }

    private(set) var progress: PromptProgress?
    /// When the first token came.
    private(set) var firstToken: ContinuousClock.Instant?
    private(set) var promptLogprobs: [PromptLogprob] = []
    private(set) var choices: [Choice] = []

    /// Whether every answer has ended.
    var isComplete: Bool { !choices.isEmpty && choices.allSatisfy { $0.end != nil } }

    /// The slot of an answer; -1 before that is known.
    func slot(of choice: Int) -> Int { progress?.slots.dropFirst(choice).first ?? -1 }

    /// Takes what happened.
    mutating func add(_ event: GenerationEvent) {
        switch event {
        case .queued, .failed: break
        case .prompt(let progress): self.progress = progress
        case .promptLogprobs(let logprobs): promptLogprobs += logprobs
        case .token(let token):
            grow(to: token.choice)
            if firstToken == nil { firstToken = .now }
            choices[token.choice].text += token.text
            choices[token.choice].tokens.append(token)
        case .finished(let end):
            grow(to: end.choice)
            choices[end.choice].text += end.text
            choices[end.choice].end = end
        }
    }

    private mutating func grow(to index: Int) {
        while choices.count <= index { choices.append(Choice()) }
    }
}

extension GenerationResult {
    /// Takes what happened but for the texts and tokens, which a stream has told already.
    mutating func addEnds(_ event: GenerationEvent) {
        switch event {
        case .prompt, .finished: add(event)
        default: break
        }
    }
}
