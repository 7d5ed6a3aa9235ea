import Dispatch
import SwiftletCache
import SwiftletModels
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

    /// Lets the model fail in its first layer while three answers are written, or a prompt is read beside two, and once
    /// more for the one of them that tries again last but one, or last.
    private static func breakModel(of loop: ServingLoop, whileReading: Bool, isLasting: Bool) {
        var (failures, retries) = (0, 0)
        loop.runner.afterLayer = { [weak loop] layer, _ throws(SwiftletError) in
            guard let loop, layer == 0 else { return }
            if failures > 0 {
                retries += 1
                guard isLasting, retries == (whileReading ? 3 : 2) else { return }
            } else {
                guard loop.writing.count == (whileReading ? 2 : 3) else { return }
                guard loop.reading.isEmpty != whileReading else { return }
            }
            failures += 1
            throw SwiftletError(.limit, "failure \(failures)")
        }
    }

    @Test(
        "a failure in the model costs only those that fail again, and others go on",
        arguments: [false, true], [false, true])
    func modelFailure(whileReading: Bool, isLasting: Bool) async throws {
        let scheduler = try ServingFixture.scheduler(model)
        let gate = DispatchSemaphore(value: 0)
        scheduler.mailbox.post { loop in
            gate.wait()
            Self.breakModel(of: loop, whileReading: whileReading, isLasting: isLasting)
        }
        let requests = try (0..<3).map {
            try ServingFixture.request("\($0)", EngineFixture.prompt($0 < 2 ? 7 : 24, seed: $0), 20)
        }
        let streams = try requests.map { try scheduler.submit($0) }
        gate.signal()
        for (index, stream) in streams.enumerated() {
            var tokens: [TokenID] = []
            var failure: SwiftletError?
            for await event in stream {
                if case .token(let token) = event { tokens.append(token.id) }
                if case .failed(let error) = event { failure = error }
            }
            let fails = isLasting && index == (whileReading ? 2 : 1)
            #expect(failure?.message == (fails ? "failure 2" : nil))
            let expected = try ServingFixture.alone(model, requests[index]).tokens
            #expect(fails ? expected.starts(with: tokens) && tokens.count < 20 : tokens == expected)
        }
        #expect(scheduler.snapshot.failedRequests == (isLasting ? 1 : 0))
        let later = try ServingFixture.request("later", EngineFixture.prompt(30, seed: 5))
        let answer = try await scheduler.complete(later).choices[0]
        #expect(try Written(answer) == ServingFixture.alone(model, later))
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

    @Test("a slot's file is written and read while others go on")
    func slotFiles() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/slot.bin"
        let scheduler = try ServingFixture.scheduler(model)
        let kept = try ServingFixture.request("k", EngineFixture.prompt(40)) { $0.slot = 0 }
        _ = try await scheduler.complete(kept)
        let gate = DispatchSemaphore(value: 0)
        await scheduler.perform { loop in
            loop.saver.async { gate.wait() }
            loop.restorer.async { gate.wait() }
        }
        func expectAnswer(seed: Int) async throws {
            let other = try ServingFixture.request("o", EngineFixture.prompt(9, seed: seed)) { $0.slot = 1 }
            let answer = try await scheduler.complete(other).choices[0]
            #expect(try Written(answer) == ServingFixture.alone(model, other))
        }
        let saving = Task { try await scheduler.saveSlot(0, to: path) }
        while await scheduler.perform({ $0.filesAtWork }) == 0 { await Task.yield() }
        try await expectAnswer(seed: 3)
        #expect(System.kind(of: path) == nil)
        #expect(try await scheduler.eraseSlot(0) == 47)  // what is being written stays until that is done
        gate.signal()
        let saved = try await saving.value
        let restoring = Task { try await scheduler.restoreSlot(2, from: path) }
        while await scheduler.perform({ $0.filesAtWork }) == 0 { await Task.yield() }
        try await expectAnswer(seed: 4)
        #expect(scheduler.snapshot.slots[2].keptTokens == 0)
        gate.signal()
        #expect(try await restoring.value == saved)
        let (files, bytes) = try #require(await scheduler.perform { ($0.filesAtWork, $0.fileBytes) })
        #expect(files == 0 && bytes == 0)
        let again = try await scheduler.complete(kept).choices[0]
        #expect(again.end.statistics.reusedTokens == 39)
        #expect(try Written(again) == ServingFixture.alone(model, kept))
        let missing = await Task { try await scheduler.restoreSlot(2, from: path + "x") }.result
        #expect(throws: SwiftletError.self) { _ = try missing.get() }
        await scheduler.shutdown()
    }

    @Test(
        "a file that is being read when the end comes is given up, and one that is being written is finished")
    func slotFilesAtTheEnd() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/slot.bin"
        let scheduler = try ServingFixture.scheduler(model)
        _ = try await scheduler.complete(
            try ServingFixture.request("k", EngineFixture.prompt(40)) { $0.slot = 0 })
        _ = try await scheduler.saveSlot(0, to: path)
        let (readGate, writeGate) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        await scheduler.perform { loop in
            loop.restorer.async { readGate.wait() }
            loop.saver.async { writeGate.wait() }
        }
        let restoring = Task { try await scheduler.restoreSlot(2, from: path) }
        let saving = Task { try await scheduler.saveSlot(0, to: path + "2") }
        while await scheduler.perform({ $0.filesAtWork }) != 2 { await Task.yield() }
        let end = Task { await scheduler.shutdown() }
        writeGate.signal()
        await end.value
        readGate.signal()
        let read = await restoring.result
        expectError(.busy, "shutting down") { _ = try read.get() }
        #expect(try await saving.value.tokenCount == 47)
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
