import SwiftletCache
import SwiftletModels
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletEngine

@Suite("Reports of the cache")
struct CacheReportTests {
    private let model: Model

    init() throws { model = try EngineFixture.model() }

    private func session(_ policy: String?, budget: String? = nil) throws -> Session {
        let policy = try model.policy(policy, budget: budget)
        return try EngineFixture.session({ $0.policy = policy }, model: model)
    }

    @Test("what was asked for and what became of it", arguments: ["25%", "10", "20KiB"])
    func budgets(budget: String) throws {
        let session = try session("streaming:sinks=1", budget: budget)
        #expect(session.cacheReport.afterPrompt == nil && session.cacheReport.budgetKept == nil)
        _ = try session.feed(EngineFixture.prompt(40))
        let report = session.cacheReport
        #expect(report.policy == "streaming:sinks=1" && report.tokenCount == 40 && report.read == nil)
        #expect(try report.budget == KVBudget(parsing: budget))
        let after = try #require(report.afterPrompt)
        #expect(after.meanRows == report.meanRows && after.bytes == report.use.bytes)
        #expect(after.peakBytes >= after.bytes && after.activationBytes > 0)
        switch report.budgetKept {
        case .share(let share): #expect(share == 0.25 && budget == "25%")
        case .rows(let rows): #expect(rows == 10 && budget == "10")
        case .bytes(let bytes): #expect(bytes <= 20 << 10 && budget == "20KiB")
        case nil: Issue.record("no figure")
        }
    }

    @Test("a generated token reads the weights and every row once")
    func reads() throws {
        let c = model.configuration
        let row = c.layerCount * c.kvHeadCount * c.headSize * 2 * 2
        for (policy, rows) in [(nil, 31), ("streaming:sinks=1,decode=append", 11), ("f32", 62)] {
            let session = try session(policy, budget: policy == "f32" || policy == nil ? nil : "10")
            _ = try session.feed(EngineFixture.prompt(30))
            _ = try session.step(5) { _ in }
            let read = try #require(session.cacheReport.read)
            #expect(read.cache == rows * row)
            #expect(read.all == read.weights + read.cache && read.weights > model.weightBytes / 2)
        }
    }

    @Test("column sums that grow with every token are read, too")
    func tables() throws {
        let session = try session("h2o", budget: "10")
        _ = try session.feed(EngineFixture.prompt(30))
        _ = try session.step(5) { _ in }
        let c = model.configuration
        let rows = 11 * c.layerCount * c.kvHeadCount * c.headSize * 2 * 2
        let sums = c.layerCount * c.kvHeadCount * 10 * 4
        #expect(session.cacheReport.read?.cache == rows + sums)
    }

    @Test(
        "no prompt holds more than was foreseen",
        arguments: [
            nil, "streaming:sinks=1", "h2o", "zigzag+snapkv:window=2", "knorm+f32", "pyramidkv:window=2",
        ])
    func foresight(policy: String?) throws {
        let session = try session(policy, budget: policy == nil ? nil : "30%")
        let needed = try session.sequence.bytesNeeded(reading: 48)
        _ = try session.feed(EngineFixture.prompt(48))
        // A page of every head may be filled in part.
        let c = model.configuration
        let page = 64 * c.headSize * 2 * 4 + 64 * 4
        #expect(session.peakCacheBytes <= needed + c.layerCount * c.kvHeadCount * page)
        #expect(needed > 0)
    }

    @Test("a policy that compresses layer by layer needs less memory for a prompt")
    func memory() throws {
        let full = try session(nil).sequence.bytesNeeded(reading: 60)
        let layered = try session("streaming", budget: "20%").sequence.bytesNeeded(reading: 60)
        let waiting = try session("zigzag+snapkv:window=2", budget: "20%").sequence.bytesNeeded(reading: 60)
        let layers = model.configuration.layerCount
        #expect(layered * 5 * layers == full * (layers + 4))  // a fifth of all layers, and the rest of one
        #expect(waiting > full)  // by what it records
        let session = try session("streaming", budget: "2")
        expectError(.invalidArgument, "streaming") {
            _ = try session.feed(EngineFixture.prompt(30))
            return nil
        }
        #expect(session.tokens.isEmpty)
    }

    @Test("traces show what is kept, merged and shared", arguments: ["d2o", "h2o", "streaming:sinks=2", nil])
    func traces(policy: String?) throws {
        let session = try session(policy, budget: policy == nil ? nil : "12")
        let trace = try #require(
            try CacheTrace.record(session, prompt: EngineFixture.prompt(40), generating: 3))
        #expect(trace.promptTokens == 40 && trace.moments.map(\.generatedTokens) == [0, 3])
        var merged = 0
        for moment in trace.moments {
            let seen = Int32(40 + moment.generatedTokens)
            for layer in moment.layers {
                #expect((layer.budget != nil) == (policy != nil))
                for head in layer.heads {
                    #expect(head.positions == head.positions.sorted() && head.positions.last == seen - 1)
                    #expect(Set(head.merged).isSubset(of: head.positions))
                    #expect(policy == nil ? head.positions.count == Int(seen) : head.positions.count <= 60)
                    merged += head.merged.count
                }
            }
        }
        #expect((merged > 0) == (policy == "d2o"))
        #expect(try CacheTrace.record(self.session(nil), prompt: [1, 2], generating: 9) { $0 < 5 } == nil)
        expectError(.limit, "-n") {
            _ = try CacheTrace.record(self.session(nil), prompt: [1, 2], generating: 63)
            return nil
        }
    }
}
