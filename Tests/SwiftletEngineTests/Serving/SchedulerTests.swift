import SwiftletCache
import SwiftletTensor
import SwiftletTestSupport
import SwiftletText
import Testing

@testable import SwiftletEngine

@Suite struct SchedulerTests {
    private let model: Model

    init() throws { model = try EngineFixture.model() }

    /// Policies of every kind: all rows, prompts by chunks and layer by layer, retrieval, merging, renumbering.
    private static let policies = [
        "full", "streaming", "snapkv:window=4", "h2o", "tova", "knorm", "adakv+snapkv:window=4", "d2o",
        "pqcache",
        "streaming+slots", "zigzag+snapkv:window=4", "pyramid+snapkv:window=4",
    ]

    private func requests(_ count: Int) throws -> [GenerationRequest] {
        try (0..<count).map { index in
            let policy = Self.policies[index % Self.policies.count]
            return try ServingFixture.request(
                "\(index)", EngineFixture.prompt(9 + index * 5 % 31, seed: index), 4 + index % 9
            ) {
                $0.policy = try model.policy(policy)
                if policy != "full", policy != "pqcache" { $0.policy.budget = .rows(8) }
                if index % 3 == 1 { $0.cacheFormat = .f32 }
                if index % 2 == 1 { $0.options.sampling = samplingOptions { $0.seed = UInt64(index) } }
            }
        }
    }

    @Test("requests of all policies side by side get what they get alone", arguments: [1, 2], [3, 8])
    func sideBySide(threads: Int, slots: Int) async throws {
        let scheduler = try ServingFixture.scheduler(model) {
            $0.threadCount = threads
            $0.slotCount = slots
            $0.memoryBytes = 1 << 20
        }
        let requests = try requests(24)
        let found = try await withThrowingTaskGroup(of: (Int, Written).self) { group in
            for (index, request) in requests.enumerated() {
                group.addTask {
                    if index % 4 == 3 { try await Task.sleep(for: .milliseconds(index)) }
                    return (index, Written(try await scheduler.complete(request).choices[0]))
                }
            }
            return try await group.reduce(into: [Int: Written]()) { $0[$1.0] = $1.1 }
        }
        for (index, request) in requests.enumerated() {
            let expected = try ServingFixture.alone(model, request)
            #expect(found[index] == expected, "request \(index): \(request.policy.specification)")
        }
        let snapshot = scheduler.snapshot
        #expect(snapshot.submittedRequests == 24 && snapshot.finishedRequests == 24)
        #expect(snapshot.generatedTokens == found.values.reduce(0) { $0 + $1.tokens.count })
        await scheduler.shutdown()
        #expect(scheduler.snapshot.heldBytes == 0)
    }

    @Test("choices share the prompt and differ by their seed", arguments: ["full", "streaming"])
    func choices(policy: String) async throws {
        let scheduler = try ServingFixture.scheduler(model) { $0.memoryBytes = 1 << 20 }
        let request = try ServingFixture.request("n", EngineFixture.prompt(30), 10) {
            $0.choiceCount = 4
            $0.policy = try model.policy(policy, budget: policy == "full" ? nil : "12")
            $0.options.sampling = samplingOptions { $0.seed = 7 }
        }
        let completion = try await scheduler.complete(request)
        #expect(completion.choices.map(\.end.choice) == [0, 1, 2, 3])
        for (index, choice) in completion.choices.enumerated() {
            #expect(try Written(choice) == ServingFixture.alone(model, request, choice: UInt64(index)))
        }
        #expect(scheduler.snapshot.promptTokens == 30)
        await scheduler.shutdown()
    }

    @Test func events() async throws {
        let scheduler = try ServingFixture.scheduler(model)
        let request = try ServingFixture.request("e", EngineFixture.prompt(40), 3) { $0.topLogprobs = 4 }
        var progress: [PromptProgress] = []
        var tokens: [GeneratedToken] = []
        var ends: [FinishedChoice] = []
        for await event in try scheduler.submit(request) {
            switch event {
            case .prompt(let done): progress.append(done)
            case .token(let token): tokens.append(token)
            case .finished(let end): ends.append(end)
            case .queued, .promptLogprobs: continue
            case .failed(let error): throw error
            }
        }
        #expect(progress.map(\.done) == [0, 16, 32, 40])
        #expect(tokens.count == 3 && ends.count == 1)
        let end = try #require(ends.first)
        #expect(end.reason == .length && end.statistics.generatedTokens == 3)
        #expect(end.statistics.promptTokens == 40 && end.statistics.firstTokenSeconds > 0)
        #expect(end.cache.tokenCount == 42 && end.cache.use.bytes > 0)
        #expect(end.fullCacheBytes >= end.cache.use.pages && end.fullCacheBytes < 2 * end.cache.use.pages)
        for token in tokens {
            #expect(
                token.top.count == 4 && token.top[0].id == token.id && token.logprob == token.top[0].logprob)
            #expect(zip(token.top, token.top.dropFirst()).allSatisfy { $0.logprob >= $1.logprob })
            #expect(token.bytes == model.tokenizer?.bytes(of: token.id))
        }
        await scheduler.shutdown()
    }

    @Test("stop strings, stop tokens and the context end an answer as they do alone", arguments: 0..<6)
    func ends(seed: Int) async throws {
        let scheduler = try ServingFixture.scheduler(model)
        var request = try ServingFixture.request("s", EngineFixture.prompt(20, seed: seed), nil)
        let open = try ServingFixture.alone(model, request)
        #expect(open.reason == .context)
        try await expectAlone(request, scheduler)
        request.options.stopTokens = [open.tokens[6]]
        try await expectAlone(request, scheduler)
        request.options.minTokens = 9
        try await expectAlone(request, scheduler)
        request.options.stopTokens = []
        request.options.minTokens = 0
        let characters = Array(open.text)
        request.options.stopStrings = [String(characters[characters.count / 2..<characters.count / 2 + 3])]
        try await expectAlone(request, scheduler)
        request.options.stopStrings = []
        request.options.logitBias = [open.tokens[0]: -100, 70: 3]
        try await expectAlone(request, scheduler)
        request.options.maxTokens = 0
        try await expectAlone(request, scheduler)
        await scheduler.shutdown()
    }

    private func expectAlone(_ request: GenerationRequest, _ scheduler: Scheduler) async throws {
        let choice = try await scheduler.complete(request).choices[0]
        #expect(try Written(choice) == ServingFixture.alone(model, request))
    }

    @Test("scores of a prompt are those of its logits", arguments: ["full", "knorm", "h2o"])
    func promptScores(policy: String) async throws {
        let scheduler = try ServingFixture.scheduler(model)
        let prompt = EngineFixture.prompt(45)
        let request = try ServingFixture.request("p", prompt, 0) {
            $0.policy = try model.policy(policy)
            $0.promptLogprobs = 3
        }
        let scores = try await scheduler.complete(request).promptLogprobs
        #expect(scores.map(\.position) == Array(prompt.indices) && scores.map(\.id) == prompt)
        #expect(scores[0].logprob == nil && scores[0].top.isEmpty)
        let session = try EngineFixture.session({ $0.policy = request.policy }, model: model)
        try session.feed(prompt) { position, logits in
            guard position + 1 < prompt.count else { return }
            let row = LogSoftmax(logits)
            #expect(scores[position + 1].logprob == row.logProbability(of: prompt[position + 1]))
            #expect(scores[position + 1].top.first?.id == row.likeliest)
        }
        #expect(try await scheduler.complete(request).prompt.reused == 0)
        await scheduler.shutdown()
    }
}
