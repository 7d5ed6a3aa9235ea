import Dispatch
import SwiftletCache
import SwiftletTensor
import SwiftletTestSupport
import SwiftletText
import Testing

@testable import SwiftletEngine

@Suite struct AdmissionTests {
    private let model: Model

    init() throws { model = try EngineFixture.model() }

    /// Stops the scheduler's thread between two steps until it is signalled.
    private func gate(_ scheduler: Scheduler) -> DispatchSemaphore {
        let gate = DispatchSemaphore(value: 0)
        scheduler.mailbox.post { _ in gate.wait() }
        return gate
    }

    @Test func queueIsBounded() async throws {
        let scheduler = try ServingFixture.scheduler(model) {
            $0.slotCount = 2
            $0.queueLimit = 3
        }
        let gate = gate(scheduler)
        let streams = try (0..<5).map { index in
            try scheduler.submit(ServingFixture.request("\(index)", EngineFixture.prompt(12, seed: index)))
        }
        expectError(.busy, "5 requests are waiting") {
            _ = try scheduler.submit(try ServingFixture.request("6", EngineFixture.prompt(5)))
        }
        #expect(scheduler.snapshot.waitingRequests == 5 && scheduler.snapshot.refusedRequests == 1)
        gate.signal()
        var places: [[Int]] = []
        for stream in streams {
            var ahead: [Int] = []
            for await event in stream {
                if case .queued(let count) = event { ahead.append(count) }
            }
            places.append(ahead)
        }
        #expect(places[..<3] == [[], [], [0]] && places[4].first == 2 && places[4].last == 0)
        #expect(places.allSatisfy { zip($0, $0.dropFirst()).allSatisfy(>) })
        #expect(scheduler.snapshot.waitingRequests == 0)
        await scheduler.shutdown()
    }

    @Test func whatCanNeverFit() async throws {
        let scheduler = try ServingFixture.scheduler(model) {
            $0.slotCount = 2
            $0.memoryBytes = 12_000  // one page of every head
        }
        func refuse(
            _ code: SwiftletError.Code, _ words: String, _ prompt: [TokenID] = EngineFixture.prompt(8),
            _ change: (inout GenerationRequest) throws -> Void
        ) throws {
            let request = try ServingFixture.request("r", prompt, 4, change)
            expectError(code, words) { _ = try scheduler.submit(request) }
        }
        try refuse(.limit, "the context holds 64", EngineFixture.prompt(65)) { _ in }
        try refuse(.limit, "all caches together may hold 12000") { $0.choiceCount = 2 }
        try refuse(.limit, "number of answers is 3; expected 1 to 2") { $0.choiceCount = 3 }
        try refuse(.invalidArgument, "there is no token", []) { _ in }
        try refuse(.invalidArgument, "token id 320", [320]) { _ in }
        try refuse(.invalidArgument, "-n") { $0.options.maxTokens = -1 }
        try refuse(.invalidArgument, "least number") { $0.options.minTokens = -1 }
        try refuse(.invalidArgument, "token id 999") { $0.options.logitBias = [999: 1] }
        try refuse(.invalidArgument, "bias of token 3") { $0.options.logitBias = [3: .nan] }
        try refuse(.invalidArgument, "likeliest tokens is 321") { $0.topLogprobs = 321 }
        try refuse(.invalidArgument, "--top-p") { $0.options.sampling.topP = 2 }
        try refuse(.invalidArgument, "budget") { $0.policy = try model.policy("streaming", budget: "2") }
        _ = try await scheduler.complete(try ServingFixture.request("fits", EngineFixture.prompt(8), 4))
        await scheduler.shutdown()
        expectError(.invalidArgument, "--parallel") {
            _ = try ServingFixture.scheduler(model) { $0.slotCount = 0 }
        }
        expectError(.limit, "--kv-memory") { _ = try ServingFixture.scheduler(model) { $0.memoryBytes = 99 } }
    }

    /// Random requests that share beginnings, in so little memory that kept caches leave all the time.
    @Test("the bound of memory holds, and answers do not depend on it", arguments: 0..<6 as Range<UInt64>)
    func memory(seed: UInt64) async throws {
        var random = SplitMix64(seed: seed)
        let bound = Int.random(in: 30_000...90_000, using: &random)
        let scheduler = try ServingFixture.scheduler(model) {
            $0.slotCount = 6
            $0.memoryBytes = bound
        }
        let policies = ["full", "full", "pqcache", "knorm", "streaming", "h2o"]
        let requests = try (0..<24).map { index in
            let shared = Int.random(in: 0...40, using: &random)
            let prompt =
                EngineFixture.prompt(shared, seed: Int.random(in: 0...1, using: &random))
                + EngineFixture.prompt(Int.random(in: 1...10, using: &random), seed: index)
            let policy = policies.randomElement(using: &random) ?? "full"
            return try ServingFixture.request("\(index)", prompt, Int.random(in: 0...14, using: &random)) {
                $0.policy = try model.policy(policy)
                if !["full", "pqcache"].contains(policy) { $0.policy.budget = .rows(9) }
                $0.choiceCount = Int.random(in: 1...2, using: &random)
            }
        }
        let taken = requests.filter { (try? scheduler.submit($0)) != nil }
        _ = taken  // those streams are dropped, so that their requests end at any time
        try await withThrowingTaskGroup(of: Void.self) { group in
            for request in requests {
                group.addTask {
                    do {
                        let completion = try await scheduler.complete(request)
                        let expected = try ServingFixture.alone(model, request)
                        for choice in completion.choices {
                            #expect(
                                Written(choice) == expected, "\(request.id) \(request.policy.specification)")
                        }
                    } catch let error as SwiftletError where error.code == .limit {
                        #expect(error.message.contains("--kv-memory"))
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(scheduler.pool.peakBytes <= bound)
        let snapshot = scheduler.snapshot
        #expect(snapshot.peakBytes <= bound && snapshot.heldBytes <= bound)
        await scheduler.shutdown()
        #expect(scheduler.pool.heldBytes == 0)
    }
}
