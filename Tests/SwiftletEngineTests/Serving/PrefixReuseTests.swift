import Dispatch
import SwiftletCache
import SwiftletTensor
import SwiftletTestSupport
import SwiftletText
import Testing

@testable import SwiftletEngine

@Suite struct PrefixReuseTests {
    private let model: Model

    init() throws { model = try EngineFixture.model() }

    private func expectReuse(
        _ request: GenerationRequest, _ count: Int, _ scheduler: Scheduler,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let completion = try await scheduler.complete(request)
        #expect(completion.prompt.reused == count, sourceLocation: sourceLocation)
        let statistics = completion.choices[0].end.statistics
        #expect(statistics.reusedTokens == count, sourceLocation: sourceLocation)
        #expect(statistics.promptTokens == request.prompt.count - count, sourceLocation: sourceLocation)
        #expect(
            try Written(completion.choices[0]) == ServingFixture.alone(model, request),
            sourceLocation: sourceLocation)
    }

    @Test("a conversation goes on from its own cache", arguments: ["full", "pqcache"])
    func conversation(policy: String) async throws {
        let scheduler = try ServingFixture.scheduler(model)
        var prompt = EngineFixture.prompt(11)
        var known = 0
        for turn in 0..<4 {
            let request = try ServingFixture.request("\(turn)", prompt, 6) {
                $0.policy = try model.policy(policy)
            }
            try await expectReuse(request, known, scheduler)
            let answer = try ServingFixture.alone(model, request).tokens
            // The last token of an answer has not been through the model.
            known = prompt.count + answer.count - 1
            prompt += answer + EngineFixture.prompt(5, seed: turn + 7)
        }
        let snapshot = scheduler.snapshot
        #expect(snapshot.prefixLookups == 4 && snapshot.prefixHits == 3 && snapshot.keptPrompts == 1)
        await scheduler.shutdown()
    }

    @Test func othersThatBeginAlike() async throws {
        let scheduler = try ServingFixture.scheduler(model)
        let shared = EngineFixture.prompt(30)
        func request(_ id: String, _ prompt: [TokenID], _ policy: String = "full") throws -> GenerationRequest
        {
            try ServingFixture.request(id, prompt) { $0.policy = try model.policy(policy) }
        }
        try await expectReuse(request("a", shared + [5]), 0, scheduler)
        try await expectReuse(request("b", shared + [6]), 30, scheduler)
        try await expectReuse(request("same", shared), 29, scheduler)
        try await expectReuse(request("part", Array(shared[..<20]) + [9, 9]), 20, scheduler)
        try await expectReuse(request("retrieval", shared + [7], "pqcache"), 30, scheduler)
        var other = try request("format", shared + [5])
        other.cacheFormat = .f32
        try await expectReuse(other, 0, scheduler)
        other = try request("unasked", shared + [5])
        other.cachesPrompt = false
        try await expectReuse(other, 0, scheduler)
        try await expectReuse(request("short", Array(shared[..<8]) + [1, 1]), 8, scheduler)
        try await expectReuse(request("too short", Array(shared[..<7]) + [1, 1]), 0, scheduler)
        await scheduler.shutdown()
    }

    @Test(
        "a compressed cache serves the same prompt again, and no other",
        arguments: ["snapkv:window=4", "h2o", "streaming", "tova", "d2o", "adakv+snapkv:window=4"])
    func compressed(policy: String) async throws {
        let scheduler = try ServingFixture.scheduler(model) { $0.memoryBytes = 1 << 20 }
        let prompt = EngineFixture.prompt(33)
        func request(_ prompt: [TokenID], _ budget: String) throws -> GenerationRequest {
            try ServingFixture.request("c", prompt, 12) {
                $0.policy = try model.policy(policy, budget: budget)
            }
        }
        try await expectReuse(request(prompt, "12"), 0, scheduler)
        try await expectReuse(request(prompt, "12"), 33, scheduler)
        try await expectReuse(request(prompt + [4], "12"), 0, scheduler)
        try await expectReuse(request(prompt, "14"), 0, scheduler)
        var many = try request(prompt, "12")
        many.choiceCount = 3
        many.options.sampling = samplingOptions { $0.seed = 3 }
        let completion = try await scheduler.complete(many)
        for (index, choice) in completion.choices.enumerated() {
            #expect(try Written(choice) == ServingFixture.alone(model, many, choice: UInt64(index)))
        }
        await scheduler.shutdown()
    }

    @Test("prompts that come together and begin alike are read once", arguments: [16, 7])
    func together(batchSize: Int) async throws {
        let scheduler = try ServingFixture.scheduler(model) { $0.batchSize = batchSize }
        let gate = DispatchSemaphore(value: 0)
        scheduler.mailbox.post { _ in gate.wait() }
        let shared = EngineFixture.prompt(30)
        let requests = try (0..<5).map { index in
            try ServingFixture.request("\(index)", shared + EngineFixture.prompt(index + 1, seed: index + 3))
        }
        let streams = try requests.map { try scheduler.submit($0) }
        gate.signal()
        for (request, stream) in zip(requests, streams) {
            var tokens: [TokenID] = []
            for await event in stream {
                if case .token(let token) = event { tokens.append(token.id) }
            }
            #expect(try tokens == ServingFixture.alone(model, request).tokens)
        }
        #expect(scheduler.snapshot.promptTokens == 30 + 1 + 2 + 3 + 4 + 5)
        #expect(scheduler.snapshot.prefixHits == 4)
        await scheduler.shutdown()
    }

    @Test("with one slot and no bound a text that goes on finds its beginning")
    func oneSlot() async throws {
        let scheduler = try ServingFixture.scheduler(model) { $0.slotCount = 1 }
        var request = try ServingFixture.request("o", EngineFixture.prompt(30), 4)
        _ = try await scheduler.complete(request)
        request.options.maxTokens = nil  // the whole context is promised
        let again = try await scheduler.complete(request)
        #expect(again.choices[0].end.statistics.reusedTokens == 29)
        await scheduler.shutdown()
    }

    @Test func nothingIsKept() async throws {
        let scheduler = try ServingFixture.scheduler(model) { $0.keepsPrompts = false }
        let request = try ServingFixture.request("n", EngineFixture.prompt(20))
        try await expectReuse(request, 0, scheduler)
        try await expectReuse(request, 0, scheduler)
        #expect(scheduler.snapshot.keptPrompts == 0 && scheduler.pool.heldBytes == 0)
        await scheduler.shutdown()
        let bounded = try ServingFixture.scheduler(model) { $0.keptPromptBytes = 20_000 }
        for seed in 0..<5 {
            try await expectReuse(
                try ServingFixture.request("n", EngineFixture.prompt(20, seed: seed)), 0, bounded)
        }
        #expect(bounded.snapshot.keptPrompts == 2 && bounded.pool.heldBytes <= 20_000)
        await bounded.shutdown()
    }

    @Test("prompts come back from the disk", arguments: ["full", "snapkv:window=4", "pqcache"])
    func disk(policy: String) async throws {
        let directory = try TemporaryDirectory()
        let store = try PromptCacheStore(directory: directory.path) { Issue.record("\($0)") }
        let request = try ServingFixture.request("d", EngineFixture.prompt(40)) {
            $0.policy = try model.policy(policy)
            if policy.hasPrefix("snapkv") { $0.policy.budget = .rows(12) }
        }
        let expected = try ServingFixture.alone(model, request)
        for round in 0..<2 {
            let scheduler = try ServingFixture.scheduler(model) { $0.promptCache = store }
            let completion = try await scheduler.complete(request)
            #expect(Written(completion.choices[0]) == expected)
            let restored = completion.choices[0].end.statistics.restoredTokens
            #expect(restored == (round == 0 ? 0 : policy.hasPrefix("snapkv") ? 40 : 39))
            #expect(scheduler.snapshot.restoredTokens == restored)
            await scheduler.shutdown()
        }
    }

    @Test("slots are saved, restored and erased", arguments: ["full", "snapkv:window=4"])
    func slots(policy: String) async throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/slot.bin"
        let request = try ServingFixture.request("s", EngineFixture.prompt(40)) {
            $0.policy = try model.policy(policy)
            if policy != "full" { $0.policy.budget = .rows(12) }
        }
        let first = try ServingFixture.scheduler(model)
        await #expect(throws: SwiftletError.self) { _ = try await first.saveSlot(0, to: path) }
        await #expect(throws: SwiftletError.self) { _ = try await first.saveSlot(8, to: path) }
        try await expectReuse(request, 0, first)
        let saved = try await first.saveSlot(0, to: path)
        #expect(saved.tokenCount == (policy == "full" ? 47 : 40) && saved.byteCount > 1_000)
        #expect(first.snapshot.slots[0].keptTokens == saved.tokenCount)
        #expect(try await first.eraseSlot(0) == saved.tokenCount)
        try await expectReuse(request, 0, first)
        await first.shutdown()

        let second = try ServingFixture.scheduler(model)
        let restored = try await second.restoreSlot(3, from: path, policy: request.policy)
        #expect(restored == saved)
        await #expect(throws: SwiftletError.self) {
            _ = try await second.restoreSlot(3, from: path, policy: try model.policy("h2o"))
        }
        try await expectReuse(request, policy == "full" ? 39 : 40, second)
        await second.shutdown()
        await #expect(throws: SwiftletError.self) { _ = try await second.eraseSlot(0) }
    }
}
