import Foundation
import SwiftletCache
import SwiftletFormats
import SwiftletModels
import SwiftletTensor
import SwiftletTestSupport
import SwiftletText
import Testing

@testable import SwiftletEngine

@Suite("Plans of memory")
struct MemoryPlanTests {
    private static let prompt = 960
    private let model: Model
    private let header: ModelHeader
    private let directory = TemporaryDirectory()

    /// A model of random weights whose context holds many pages.
    init() throws {
        let path = directory.path + "/planned.gguf"
        let shape = try SyntheticShape("hidden=64,inner=64,layers=5,heads=2,kv-heads=2,context=2048")
        try SyntheticModel(.llama, shape, format: .f32).write(to: path)
        (model, header) = (try Model.load(path), try ModelHeader(path))
    }

    private func request(_ policies: [String], _ budget: KVBudget = .share(0.5)) -> MemoryPlan.Request {
        var request = MemoryPlan.Request(contextLength: Self.prompt, memoryBytes: 1 << 40)
        request.policies = policies
        request.budgets = [budget]
        return request
    }

    private func cost(_ policy: String, _ budget: KVBudget = .share(0.5)) throws -> MemoryPlan.Cost {
        let plan = try MemoryPlan(header, request([policy], budget))
        return try #require(plan.entries.first).cost.get()
    }

    /// What a session really holds after the prompt, at most on the way, and of activations.
    private func measured(_ policy: String, _ budget: String = "50%") throws -> CacheReport.AfterPrompt {
        let parsed = try model.policy(policy)
        let policy = try model.policy(policy, budget: parsed.statedBudget == nil ? nil : budget)
        let session = try EngineFixture.session({ $0.policy = policy }, model: model)
        _ = try session.feed((0..<Self.prompt).map { TokenID(3 + $0 * 37 % 1_000) })
        return try #require(session.cacheReport.afterPrompt)
    }

    private func expectClose(
        _ found: Int, _ expected: Int, _ what: String, slack: Int = 0,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let error = Double(max(abs(found - expected) - slack, 0)) / Double(max(expected, 1))
        #expect(
            error <= 0.02, "\(what): planned \(found), measured \(expected)", sourceLocation: sourceLocation)
    }

    @Test(
        "what is planned is what a session holds, within 2 %",
        arguments: [
            "full", "f32", "q8_0", "q4_0", "kivi", "kivi:bits=4,residual=64", "age:f16=100,q8_0=300",
            "rotate+q4_0",
            "streaming", "h2o", "tova", "snapkv", "expected", "pyramidkv", "adakv+snapkv", "zigzagkv", "d2o",
            "pyramidinfer", "pqcache", "snapkv+q8_0",
        ])
    func agrees(policy: String) throws {
        let plan = try cost(policy)
        let found = try measured(policy)
        // Where the text divides the rows, it also says how many of a head's last page are used.
        let page = 64 * (2 * 32 * 2 + 4)
        let slack = plan.cache.dependsOnText ? 5 * 2 * page / 2 : 0
        expectClose(plan.cache.heldBytes, found.bytes, "\(policy) held", slack: slack)
        expectClose(plan.cache.peakBytes, found.peakBytes, "\(policy) peak", slack: slack)
        expectClose(plan.activationBytes, found.activationBytes, "\(policy) activations")
        #expect(abs(plan.cache.meanRows - found.meanRows) < 1)
        #expect(
            plan.cache.dependsOnText == ["adakv+snapkv", "zigzagkv", "d2o"].contains(policy), "\(policy)")
    }

    @Test("bounds in rows and bytes, and shared layers", arguments: ["snapkv", "kvsharer"])
    func bounds(policy: String) throws {
        if policy == "snapkv" {
            for (budget, text) in [(KVBudget.rows(200), "200"), (.bytes(400 << 10), "400KiB")] {
                let plan = try cost(policy, budget)
                expectClose(plan.cache.heldBytes, try measured(policy, text).bytes, text)
            }
            return
        }
        let path = directory.path + "/map.json"
        var options = KVCalibration.Options()
        (options.samples, options.tokens, options.threadCount) = (2, 12, 1)
        let text = Array("The quick brown fox jumps over the lazy dog, and the dog does not mind.".utf8)
        let calibration = try KVCalibration(text: text, named: "fox", model: model, options: options)
        try #require(try calibration.kvsharer(borrowers: 2, threshold: -1)).write(to: path)
        let plan = try cost("kvsharer:\(path)")
        let found = try measured("kvsharer:\(path)")
        expectClose(plan.cache.heldBytes, found.bytes, "shared")
        expectClose(plan.cache.peakBytes, found.peakBytes, "shared peak")
        #expect(try plan.cache.heldBytes * 5 == cost("full").cache.heldBytes * 3)
    }

    @Test("the longest context fits, one token more does not")
    func longest() throws {
        let full = try cost("full")
        var request = request(["full", "q4_0", "streaming"])
        request.memoryBytes = full.totalBytes
        let plan = try MemoryPlan(header, request)
        #expect(plan.entries[0].fits && plan.entries[1].fits)
        for entry in plan.entries {
            #expect(entry.fits == (entry.longestContext >= Self.prompt))
            guard entry.longestContext < 2_048, entry.longestContext > 0 else { continue }
            var longer = request
            longer.contextLength = entry.longestContext
            longer.policies = [entry.policy]
            #expect(try MemoryPlan(header, longer).entries.allSatisfy(\.fits))
            longer.contextLength = entry.longestContext + 1
            #expect(try MemoryPlan(header, longer).entries.allSatisfy { !$0.fits })
        }
        #expect(plan.recommendation.entry?.policy == "full")
        request.memoryBytes -= 1
        #expect(try MemoryPlan(header, request).recommendation.entry?.policy == "q4_0")
        request.users = 3
        let many = try MemoryPlan(header, request)
        let cache = full.cache
        #expect(many.entries[0].totalBytes == full.totalBytes + 2 * cache.heldBytes)
    }

    @Test("every policy of the list is priced or says why not")
    func defaults() throws {
        var request = request([])
        request.policies = nil
        request.budgets = [.share(0.9)]
        let plan = try MemoryPlan(header, request)
        #expect(plan.entries.count > 20 && plan.entries[0].policy == "full")
        #expect(plan.entries.count { $0.totalBytes == nil } == 0, "\(plan.entries)")
        let json = try JSON.parse(Array(plan.json.utf8), source: "plan")
        #expect(json["entries"].map { Array($0.elements).count } == plan.entries.count)
        #expect(json["recommendation"]?["policy"]?.string == "full")
    }

    @Test("contexts, memories and numbers out of range are refused")
    func refusals() throws {
        var request = request(["full"])
        request.contextLength = 4_000
        expectError(.limit, "4000", "2048") { try MemoryPlan(header, request) }
        request.contextLength = 0
        expectError(.invalidArgument, "0 tokens") { try MemoryPlan(header, request) }
        request.contextLength = 100
        request.memoryBytes = 1 << 10
        expectError(.limit, "weights", "at least") { try MemoryPlan(header, request) }
        expectError(.invalidArgument, "h2o") { try MemoryPlan(header, self.request(["h20"])) }
    }

    @Test("a file that ends behind its header is planned for, and refused by everything else")
    func headerOnly() throws {
        let whole = try Data(contentsOf: URL(filePath: header.path))
        let file = try GGUFFile(path: header.path)
        let start = try #require(file.tensors.map(\.offset).min())
        for length in [start, start - 3, start + 100] {
            let path = directory.write(whole.prefix(length), to: "cut.gguf")
            let cut = try ModelHeader(path)
            #expect(cut.weightBytes == header.weightBytes && cut.weights == .header)
            #expect(cut.configuration == header.configuration)
            #expect(try cut.fingerprint() == nil)
            let plan = try MemoryPlan(cut, request(["full", "h2o"]))
            #expect(
                try plan.entries.map(\.totalBytes)
                    == MemoryPlan(header, request(["full", "h2o"])).entries.map(\.totalBytes))
            expectError(.malformed, "cut.gguf") { try Model.load(path) }
            let opened = try GGUFFile(path: path, headerOnly: true)
            #expect(!opened.holdsData)
            let last = try #require(opened.tensors.last)
            expectError(.missing, last.name) { try opened.tensor(named: last.name) }
        }
        #expect(header.weights == .complete && header.weightBytes == model.weightBytes)
        let early = directory.write(whole.prefix(start / 2), to: "early.gguf")
        expectError(.malformed, "early.gguf") { try ModelHeader(early) }
    }

    @Test("safetensors headers and a lone config.json are enough")
    func directories() throws {
        let source = URL(filePath: EngineFixture.path).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "llama-gqa")
        let whole = try ModelHeader(source.path)
        #expect(whole.weights == .complete)
        #expect(try whole.weightBytes == Model.load(source.path, needsTokenizer: false).weightBytes)
        let directory = TemporaryDirectory()
        directory.write(try Data(contentsOf: source.appending(path: "config.json")), to: "config.json")
        let lone = try ModelHeader(directory.path)
        #expect(lone.weights == .configuration && lone.configuration == whole.configuration)
        #expect(lone.weightBytes == 2 * (try #require(whole.configuration.parameterCount)))
        let weights = try Data(contentsOf: source.appending(path: "model.safetensors"))
        let length = weights.prefix(8).enumerated().reduce(8) { $0 + Int($1.element) << (8 * $1.offset) }
        directory.write(weights.prefix(length), to: "model.safetensors")
        let cut = try ModelHeader(directory.path)
        #expect(cut.weights == .header && cut.weightBytes == whole.weightBytes)
        expectError(.malformed, "model.safetensors") { try Model.load(directory.path, needsTokenizer: false) }
    }

    @Test("a report of this model decides, one of another is refused")
    func reports() throws {
        func report(_ hash: String) -> String {
            """
            {"manifest": {"model": "m", "model_hash": "\(hash)", "date": "2026-01-02", "architecture": "llama",
            "weight_bytes": 1}, "entries": [
            {"policy": "full", "budget": null, "quality": {"aware": {"score": 0.9}}},
            {"policy": "q4_0", "budget": null, "quality": {"aware": {"score": 0.4}, "agnostic": {"score": 0.5}}},
            {"policy": "h2o", "budget": "30%", "quality": {"aware": {"score": 0.8}}},
            {"policy": "knorm", "budget": "30%", "quality": {}}]}
            """
        }
        directory.write(report(model.fingerprint), to: "report.json")
        let measured = try PlanReport(directory: directory.path, for: header)
        #expect(measured.isVerified && measured.entries.count == 3)
        var request = request(["full", "q4_0", "streaming"])
        let full = try cost("full")
        request.users = 20
        request.memoryBytes = full.totalBytes + 19 * full.cache.heldBytes - 1
        let plan = try MemoryPlan(header, request, report: measured)
        #expect(
            plan.recommendation.entry?.policy == "h2o" && plan.recommendation.entry?.budget == .share(0.3))
        #expect(plan.recommendation.reason.contains("80.0 %, the full cache 90.0 %"))
        #expect(plan.recommendation.reason.contains("report.json"))
        directory.write(report("0123"), to: "report.json")
        expectError(.mismatch, "report.json", "0123", model.fingerprint) {
            try PlanReport(directory: directory.path, for: header)
        }
        directory.write("[]", to: "report.json")
        expectError(.malformed, "report.json") { try PlanReport(directory: directory.path, for: header) }
    }
}
