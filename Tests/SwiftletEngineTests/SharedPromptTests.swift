import SwiftletCache
import SwiftletTensor
import SwiftletText
import Testing

@testable import SwiftletEngine

@Suite struct SharedPromptTests {
    private static let policies = [
        "streaming", "random", "knorm", "tova", "snapkv:window=4", "h2o", "expected",
        "pyramid+snapkv:window=4",
        "zigzag+snapkv:window=4", "adakv+snapkv:window=4", "d2o", "streaming+slots", "pqcache",
    ]
    /// Those that need larger heads, or more tokens, than the tiny model has.
    private static let largePolicies = ["h2o+q8_0", "kivi", "pyramidinfer"]

    /// Rows and the next few tokens' logits.
    private func future(_ session: Session, _ logits: [Float]) throws -> [[Float]] {
        var rows: [[Float]] = [logits]
        for layer in session.sequence.layout.storingLayers {
            for head in 0..<session.sequence.layout.layers[layer].kvHeadCount {
                rows.append(session.sequence.positions(layer: layer, head: head).map(Float.init))
            }
        }
        rows.append(try #require(try session.feed(EngineFixture.prompt(4, seed: 9))))
        for token in EngineFixture.prompt(4, seed: 5) {
            rows.append(try #require(try session.step(token) { Array($0) }))
        }
        return rows
    }

    @Test("sessions from a shared prompt go on like those that read it themselves", arguments: policies)
    func equality(policy: String) throws {
        try expectEquality(policy, try EngineFixture.model(), tokens: 40, rows: 20)
    }

    @Test("so they do on a larger model", arguments: largePolicies)
    func largeEquality(policy: String) throws {
        try expectEquality(policy, try Model.load(nil), tokens: 96, rows: nil)
    }

    private func expectEquality(_ policy: String, _ model: Model, tokens: Int, rows: Int?) throws {
        let prompt = EngineFixture.prompt(tokens)
        var options = Session.Options()
        options.threadCount = 1
        options.batchSize = 16
        options.policy = try model.policy(policy)
        let shared = try #require(try SharedPrompt(model, options, prompt: prompt))
        var budgets: [KVBudget?] = [.share(0.25), .share(0.8)]
        if let rows { budgets += [.rows(rows), nil, .share(1), .share(0.25)] }
        for budget in budgets {
            var own = options
            own.policy.budget = budget
            let alone = try Session(model, own)
            let read = Result { () throws(SwiftletError) in try alone.feed(prompt) }
            let started = Result { () throws(SwiftletError) in try shared.start(budget: budget) }
            guard case .success(let logits?) = read else {
                #expect(throws: SwiftletError.self) { try started.get() }
                continue
            }
            let start = try started.get()
            #expect(start.session.tokens == prompt)
            let fork = start.session.fork()
            let expected = try future(alone, logits)
            #expect(try future(fork, start.logits) == expected, "\(policy) \(String(describing: budget))")
            #expect(try future(start.session, start.logits) == expected)
        }
    }

    @Test func refusedAndCancelled() throws {
        let model = try EngineFixture.model()
        var options = Session.Options()
        options.batchSize = 8
        options.policy = try model.policy("streaming:sinks=4")
        let shared = try #require(try SharedPrompt(model, options, prompt: EngineFixture.prompt(30)))
        #expect(throws: SwiftletError.self) { try shared.start(budget: .rows(2)) }
        #expect(try shared.start(budget: .rows(8)).session.cacheReport.meanRows == 8)
        #expect(
            try SharedPrompt(model, options, prompt: EngineFixture.prompt(30), isCancelled: { true }) == nil)
        #expect(throws: SwiftletError.self) {
            try SharedPrompt(model, options, prompt: EngineFixture.prompt(99))
        }
    }
}
