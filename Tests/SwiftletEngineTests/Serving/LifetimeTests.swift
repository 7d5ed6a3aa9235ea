import Dispatch
import Foundation
import SwiftletCache
import SwiftletTensor
import SwiftletTestSupport
import SwiftletText
import Testing

@testable import SwiftletEngine

@Suite struct LifetimeTests {
    private let model: Model

    init() throws { model = try EngineFixture.model() }

    /// Waits until the scheduler has nothing to do.
    private func settle(_ scheduler: Scheduler) async throws {
        while await scheduler.perform({ !$0.running.isEmpty || !$0.waiting.isEmpty }) == true {
            try await Task.sleep(for: .milliseconds(2))
        }
        _ = await scheduler.perform { _ in }
    }

    @Test("a reader that goes away ends its request and no other", arguments: ["full", "streaming"])
    func dropped(policy: String) async throws {
        let scheduler = try ServingFixture.scheduler(model)
        let others = try (0..<3).map { seed in
            try ServingFixture.request("\(seed)", EngineFixture.prompt(10 + seed, seed: seed), 30) {
                $0.policy = try model.policy(policy, budget: policy == "full" ? nil : "8")
            }
        }
        let tasks = others.map { other in Task { try await scheduler.complete(other) } }
        let gate = DispatchSemaphore(value: 0)
        let open = try ServingFixture.request("open", EngineFixture.prompt(9), nil)
        var pausing = open
        pausing.options.constraint = Pausing(gate: gate, after: 5)
        var count = 0
        for await event in try scheduler.submit(pausing) {
            if case .token = event { count += 1 }
            if count == 3 { break }
        }
        gate.signal()
        let task = Task { try await scheduler.complete(open) }
        task.cancel()
        await #expect(throws: SwiftletError.self) { try await task.value }
        _ = try scheduler.submit(open)
        for (task, other) in zip(tasks, others) {
            #expect(try Written(await task.value.choices[0]) == ServingFixture.alone(model, other))
        }
        try await settle(scheduler)
        let snapshot = scheduler.snapshot
        // Those that were never read may have been faster than their end.
        #expect(snapshot.finishedRequests + snapshot.cancelledRequests == 6)
        #expect(snapshot.finishedRequests >= 3 && snapshot.cancelledRequests >= 1)
        #expect(snapshot.slots.allSatisfy { $0.activity == .idle })
        await scheduler.shutdown()
    }

    @Test func cancelledByName() async throws {
        let scheduler = try ServingFixture.scheduler(model) { $0.slotCount = 1 }
        let gate = DispatchSemaphore(value: 0)
        scheduler.mailbox.post { _ in gate.wait() }
        let waiting = try scheduler.submit(try ServingFixture.request("w", EngineFixture.prompt(9), nil))
        scheduler.cancel("w")
        gate.signal()
        var last: GenerationEvent?
        for await event in waiting { last = event }
        guard case .failed(let error) = last else {
            Issue.record("\(String(describing: last))")
            return
        }
        #expect(error.code == .busy)
        let running = try scheduler.submit(
            try ServingFixture.request("r", EngineFixture.prompt(9), nil) {
                $0.options.constraint = Pausing(gate: gate, after: 5)
            })
        var text = ""
        var end: FinishedChoice?
        for await event in running {
            switch event {
            case .token(let token):
                text += token.text
                scheduler.cancel("r")
                gate.signal()
            case .finished(let choice): end = choice
            default: continue
            }
        }
        #expect(end?.reason == .cancelled)
        let alone = try ServingFixture.alone(
            model, try ServingFixture.request("r", EngineFixture.prompt(9), nil))
        #expect(alone.text.hasPrefix(text))
        await scheduler.shutdown()
    }

    @Test func shutdown() async throws {
        let scheduler = try ServingFixture.scheduler(model)
        let request = try ServingFixture.request("g", EngineFixture.prompt(20), 20)
        let stream = try scheduler.submit(request)
        await scheduler.shutdown(timeout: .seconds(60))
        var reason: FinishReason?
        for await event in stream {
            if case .finished(let end) = event { reason = end.reason }
        }
        #expect(reason == .length)
        expectError(.busy, "shutting down") { _ = try scheduler.submit(request) }
        #expect(await scheduler.cacheView(of: "g") == nil)
        await scheduler.shutdown()

        let hasty = try ServingFixture.scheduler(model) { $0.slotCount = 1 }
        let gate = DispatchSemaphore(value: 0)
        hasty.mailbox.post { _ in gate.wait() }
        let streams = try (0..<3).map {
            try hasty.submit(try ServingFixture.request("\($0)", EngineFixture.prompt(20), nil))
        }
        hasty.mailbox.post { $0.cancelAll() }
        gate.signal()
        await hasty.shutdown()
        for stream in streams {
            var last: GenerationEvent?
            for await event in stream { last = event }
            guard case .failed = last else {
                Issue.record("\(String(describing: last))")
                continue
            }
        }
    }

    @Test func idleTakesNoTime() async throws {
        let scheduler = try ServingFixture.scheduler(model)
        _ = try await scheduler.complete(try ServingFixture.request("i", EngineFixture.prompt(20)))
        @Sendable func processorTime(_: ServingLoop) -> UInt64 { threadNanoseconds() }
        let before = try #require(await scheduler.perform(processorTime))
        try await Task.sleep(for: .milliseconds(150))
        let after = try #require(await scheduler.perform(processorTime))
        #expect(after - before < 20_000_000)
        await scheduler.shutdown()
    }

    @Test func views() async throws {
        let scheduler = try ServingFixture.scheduler(model) { $0.memoryBytes = 1 << 20 }
        let request = try ServingFixture.request("v", EngineFixture.prompt(40), 12) {
            $0.policy = try model.policy("d2o", budget: "12")
            $0.tracesCache = true
            $0.choiceCount = 2
        }
        var views: [CacheTrace.Moment] = []
        for await event in try scheduler.submit(request) {
            if case .token = event, let view = await scheduler.cacheView(of: "v") {
                #expect(view.layers.count == 2 && view.report.tokenCount >= 40)
            }
            if case .finished(let end) = event { views.append(try #require(end.view)) }
        }
        var options = Session.Options()
        options.threadCount = 1
        options.policy = request.policy
        let trace = try #require(
            try CacheTrace.record(Session(model, options), prompt: request.prompt, generating: 11))
        let expected = try #require(trace.moments.last)
        #expect(views.count == 2)
        for view in views {
            #expect(view.layers.map(\.heads) == expected.layers.map(\.heads))
            #expect(view.layers.contains { $0.heads.contains { !$0.merged.isEmpty } })
        }
        #expect(await scheduler.cacheView(of: "v") == nil)
        await scheduler.shutdown()
    }

    @Test("a prompt that goes layer by layer lets answers go on in between")
    func layerMajor() async throws {
        let scheduler = try ServingFixture.scheduler(model) { $0.memoryBytes = 1 << 20 }
        let gate = DispatchSemaphore(value: 0)
        scheduler.mailbox.post { _ in gate.wait() }
        let writing = try scheduler.submit(try ServingFixture.request("w", EngineFixture.prompt(3), nil))
        let reading = try scheduler.submit(
            try ServingFixture.request("r", EngineFixture.prompt(40), 2) {
                $0.policy = try model.policy("knorm", budget: "8")
            })
        gate.signal()
        var done: [Int] = []
        for await event in reading {
            if case .prompt(let progress) = event { done.append(progress.done) }
        }
        #expect(done == [0, 20, 40])  // two layers
        for await event in writing {
            if case .failed(let error) = event { throw error }
        }
        await scheduler.shutdown()
    }

    /// All tokens; stops the scheduler's thread behind some of them until it is signalled.
    private struct Pausing: TokenConstraint {
        let gate: DispatchSemaphore
        let after: Int
        var count = 0

        mutating func allowedTokens() -> [UInt64] { Array(repeating: .max, count: 5) }

        mutating func accept(_ token: TokenID) {
            count += 1
            if count == after { gate.wait() }
        }
    }

    /// Every token but the forbidden ones; after some tokens, none.
    private struct Allowing: TokenConstraint {
        let forbidden: Set<TokenID>
        let count: Int
        var accepted: [TokenID] = []

        mutating func allowedTokens() -> [UInt64] {
            if accepted.count == count { return [] }
            var words = [UInt64](repeating: .max, count: 5)  // 320 tokens
            for token in forbidden { words[Int(token) / 64] &= ~(1 << UInt64(token % 64)) }
            return words
        }

        mutating func accept(_ token: TokenID) { accepted.append(token) }
    }

    @Test func constraints() async throws {
        let scheduler = try ServingFixture.scheduler(model)
        var request = try ServingFixture.request("c", EngineFixture.prompt(20), 20)
        let free = try ServingFixture.alone(model, request)
        request.options.constraint = Allowing(forbidden: Set(free.tokens), count: 5)
        request.choiceCount = 2
        let choices = try await scheduler.complete(request).choices
        for choice in choices {
            let found = Written(choice)
            #expect(found.tokens.count == 5 && found.reason == .constraint)
            #expect(Set(found.tokens).isDisjoint(with: free.tokens))
            #expect(try found == ServingFixture.alone(model, request))
        }
        await scheduler.shutdown()
    }
}

/// Processor time of this thread in nanoseconds.
private func threadNanoseconds() -> UInt64 {
    var time = timespec()
    guard clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0 else { return 0 }
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
