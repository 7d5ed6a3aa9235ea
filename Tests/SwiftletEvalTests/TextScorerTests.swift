import Foundation
import SwiftletCache
import SwiftletEngine
import SwiftletTensor
import SwiftletTestSupport
import SwiftletText
import Testing

@testable import SwiftletEval

@Suite struct TextScorerTests {
    static let policies = [
        "full", "streaming:sinks=1", "h2o", "snapkv:window=4", "snapkv:window=4,decode=every", "tova",
        "knorm", "pyramidkv:window=4", "zigzag:queries=4+h2o", "d2o", "streaming+slots",
        "adakv+snapkv:window=4", "snapkv:window=4+slots", "q8_0", "rotate+q4_0", "kivi:bits=2,residual=64",
        "pqcache",
    ]

    private func score(
        _ tokens: [TokenID], prompt: Int, cuts: [Int] = [], _ options: Session.Options, _ model: Model
    ) throws -> Scored {
        var scored = Scored()
        var scorer = try #require(
            try TextScorer(try Session(model, options), prompt: Array(tokens[..<prompt])))
        let ends = cuts + [tokens.count]
        for (start, end) in zip([prompt] + cuts, ends) {
            #expect(
                try scorer.score(Array(tokens[start..<end])) { scored.add($0, $1) } == end - start)
        }
        return scored
    }

    @Test(
        "under the full cache the rows are those of one prompt, wherever the prompt ends",
        arguments: [1, 7, 24])
    func full(prompt: Int) throws {
        let model = try EvalFixture.model()
        let tokens = EvalFixture.tokens(25)
        let options = try EvalFixture.options(model: model)
        var rows: [[Float]] = []
        try Session(model, options).feed(tokens) { rows.append(Array($1)) }
        let scored = try score(tokens, prompt: prompt, options, model)
        #expect(scored.targets == Array(tokens[prompt...]))
        #expect(scored.rows == Array(rows[(prompt - 1)...].dropLast()))
    }

    @Test("the rows are those of tokens that go one by one, however the text is cut", arguments: policies)
    func steps(policy: String) throws {
        let isFormat = ["q8_0", "rotate+q4_0", "kivi:bits=2,residual=64", "pqcache"].contains(policy)
        let model = isFormat ? try Model.load(nil) : try EvalFixture.model()
        let (prompt, count) = isFormat ? (16, 24) : (30, 60)
        let tokens = EvalFixture.tokens(count)
        var options = try EvalFixture.options(
            policy == "full" ? nil : policy, budget: isFormat || policy == "full" ? nil : "12", model: model)
        options.batchSize = 7
        let session = try Session(model, options)
        var rows = [try #require(try session.feed(Array(tokens[..<prompt])))]
        for token in tokens[prompt..<(count - 1)] {
            rows.append(try #require(try session.step(token) { Array($0) }))
        }
        for cuts in isFormat ? [[20]] : [[], [31, 40], [45]] {
            let scored = try score(tokens, prompt: prompt, cuts: cuts, options, model)
            #expect(scored.rows == rows, "\(cuts)")
            #expect(scored.targets == Array(tokens[prompt...]))
        }
    }

    @Test("a batch is used only where nothing would differ")
    func batches() throws {
        let model = try Model.load(nil)
        for (policy, isBatched) in [
            ("snapkv:window=4", true), ("h2o", false), ("kivi", false), ("pqcache", false),
        ] {
            let session = try Session(model, try EvalFixture.options(policy, model: model))
            #expect(session.sequence.onlyAppends == isBatched, "\(policy)")
        }
    }

    @Test func stopsBetweenTokens() throws {
        let model = try EvalFixture.model()
        let tokens = EvalFixture.tokens(20)
        let session = try Session(model, try EvalFixture.options("h2o", budget: "8", model: model))
        var scorer = try #require(try TextScorer(session, prompt: Array(tokens[..<10])))
        var scored = Scored()
        let count = try scorer.score(Array(tokens[10...]), progress: { $0 < 4 }) { scored.add($0, $1) }
        #expect(count == 4 && scored.targets == Array(tokens[10..<14]))
        var options = try EvalFixture.options(model: model)
        options.batchSize = 1
        #expect(try TextScorer(try Session(model, options), prompt: [3, 4], progress: { _ in false }) == nil)
    }

    @Test func refusesWhatDoesNotFit() throws {
        let model = try EvalFixture.model()
        let options = try EvalFixture.options(model: model, contextLength: 8)
        var scorer = try #require(try TextScorer(try Session(model, options), prompt: EvalFixture.tokens(6)))
        expectError(.limit, "holds 8") { _ = try scorer.score(EvalFixture.tokens(9)) { _, _ in } }
        expectError(.invalidArgument, "320") { _ = try scorer.score([320]) { _, _ in } }
    }
}

extension TextScorerTests {
    @Test("log probabilities are those of the obvious formula")
    func logSoftmax() {
        let row: [Float] = [0, 1.5, -2, 1.5, -.infinity]
        row.withUnsafeBufferPointer { row in
            let found = LogSoftmax(row)
            #expect(found.likeliest == 1)
            let probabilities = (0..<5).map { exp(found.logProbability(of: $0)) }
            #expect(abs(probabilities.reduce(0, +) - 1) < 1e-15 && probabilities[4] == 0)
            #expect(abs(probabilities[1] / probabilities[0] - exp(1.5)) < 1e-14)
        }
        for row: [Float] in [[.nan, 0], [.infinity, 0], [-.infinity, -.infinity]] {
            row.withUnsafeBufferPointer { #expect(LogSoftmax($0).logProbability(of: 1).isNaN) }
        }
    }
}
