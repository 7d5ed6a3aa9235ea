import Dispatch
import SwiftletCache
import SwiftletTensor
import SwiftletTestSupport
import SwiftletText
import Testing

@testable import SwiftletEngine

/// What happens to one request, and not to those beside it.
@Suite struct IsolationTests {
    private let model: Model

    init() throws { model = try EngineFixture.model() }

    /// Divides no budget once it has seen a layer.
    private struct Refusing: KVLayerAllocator {
        var isStatic: Bool { false }
        func statistic(of layer: KVLayerView) -> Double { 7 }
        func budgets(for demand: KVDemand) throws(SwiftletError) -> [Int] {
            guard !demand.statistics.contains(7) else { throw SwiftletError(.limit, "nothing is left") }
            return UniformLayers().budgets(for: demand)
        }
    }

    @Test("a policy that fails ends its own request and no other")
    func failure() async throws {
        let scheduler = try ServingFixture.scheduler(model) { $0.memoryBytes = 1 << 20 }
        let gate = DispatchSemaphore(value: 0)
        scheduler.mailbox.post { _ in gate.wait() }
        let others = try ["full", "streaming", "snapkv:window=4"].enumerated().map { index, policy in
            try ServingFixture.request("\(index)", EngineFixture.prompt(10 + index, seed: index), 20) {
                $0.policy = try model.policy(policy, budget: index == 0 ? nil : "8")
            }
        }
        let streams = try others.map { try scheduler.submit($0) }
        let failing = try scheduler.submit(
            try ServingFixture.request("f", EngineFixture.prompt(14, seed: 9)) {
                $0.policy = try model.policy("snapkv:window=4", budget: "8")
                $0.policy.layers = Refusing()
            })
        gate.signal()
        var last: GenerationEvent?
        for await event in failing { last = event }
        guard case .failed(let error) = last else {
            Issue.record("\(String(describing: last))")
            return
        }
        #expect(error.message == "nothing is left")
        for (stream, other) in zip(streams, others) {
            var tokens: [TokenID] = []
            for await event in stream { if case .token(let token) = event { tokens.append(token.id) } }
            #expect(try tokens == ServingFixture.alone(model, other).tokens)
        }
        #expect(scheduler.snapshot.failedRequests == 1)
        await scheduler.shutdown()
    }

    @Test("a request for a busy slot waits for it, and others go before")
    func slot() async throws {
        let scheduler = try ServingFixture.scheduler(model) { $0.slotCount = 3 }
        let gate = DispatchSemaphore(value: 0)
        scheduler.mailbox.post { _ in gate.wait() }
        func submit(_ id: String, _ slot: Int?) throws -> AsyncStream<GenerationEvent> {
            try scheduler.submit(
                try ServingFixture.request(id, EngineFixture.prompt(12), 6) { $0.slot = slot })
        }
        let streams = [try submit("a", 1), try submit("b", 1), try submit("c", nil), try submit("d", 2)]
        gate.signal()
        var slots: [[Int]] = []
        for stream in streams {
            var found: [Int] = []
            for await event in stream { if case .prompt(let progress) = event { found = progress.slots } }
            slots.append(found)
        }
        #expect(slots == [[1], [1], [0], [2]])
        expectError(.invalidArgument, "expected 0 to 2") { _ = try submit("e", 3) }
        await scheduler.shutdown()
    }

    @Test("a prompt that comes from the disk lets others go on")
    func restoring() async throws {
        let directory = try TemporaryDirectory()
        let store = try PromptCacheStore(directory: directory.path) { Issue.record("\($0)") }
        let stored = try ServingFixture.request("s", EngineFixture.prompt(40))
        let first = try ServingFixture.scheduler(model) { $0.promptCache = store }
        _ = try await first.complete(stored)
        await first.shutdown()
        let scheduler = try ServingFixture.scheduler(model) { $0.promptCache = store }
        let gate = DispatchSemaphore(value: 0)
        await scheduler.perform { loop in loop.restorer.async { gate.wait() } }
        let waiting = Task { try await scheduler.complete(stored) }
        let cancelled = try scheduler.submit(try ServingFixture.request("c", EngineFixture.prompt(30)))
        scheduler.cancel("c")
        let other = try ServingFixture.request("o", EngineFixture.prompt(9, seed: 3)) {
            $0.cachesPrompt = false
        }
        let answer = try await scheduler.complete(other)
        #expect(try Written(answer.choices[0]) == ServingFixture.alone(model, other))
        gate.signal()
        let restored = try await waiting.value
        #expect(restored.choices[0].end.statistics.restoredTokens == 39)
        #expect(try Written(restored.choices[0]) == ServingFixture.alone(model, stored))
        for await event in cancelled { if case .token = event { Issue.record("\(event)") } }
        await scheduler.shutdown(timeout: .seconds(10))
    }

    /// Some tokens, then nothing but the end.
    private struct Ending: TokenConstraint {
        let end: TokenID
        var left: Int

        mutating func allowedTokens() -> [UInt64] {
            var words = [UInt64](repeating: left > 0 ? .max : 0, count: 5)  // 320 tokens
            words[Int(end) / 64] |= 1 << UInt64(end % 64)
            return words
        }

        mutating func accept(_ token: TokenID) { left -= 1 }
    }

    @Test("a least number of tokens gives way to the end of a constraint")
    func leastTokens() throws {
        var request = try ServingFixture.request("m", EngineFixture.prompt(20), 20)
        let free = try ServingFixture.alone(model, request)
        request.options.stopTokens = [free.tokens[2]]
        request.options.minTokens = 10
        request.options.constraint = Ending(end: free.tokens[2], left: 6)
        let short = try ServingFixture.alone(model, request)
        #expect(short.tokens.count == 6 && short.reason == .stopToken(free.tokens[2]))
        request.options.constraint = Ending(end: free.tokens[2], left: 15)
        let long = try ServingFixture.alone(model, request)
        #expect((10...15).contains(long.tokens.count))
        request.options.ignoresStopTokens = true
        let open = try ServingFixture.alone(model, request)
        #expect(open.tokens.count == 15 && open.reason == .constraint)
        request.options.constraint = Ending(end: 70, left: 0)
        request.options.ignoresStopTokens = false
        request.options.stopTokens = []
        request.options.logitBias = [70: -.infinity]
        #expect(try ServingFixture.alone(model, request).reason == .constraint)
    }
}
