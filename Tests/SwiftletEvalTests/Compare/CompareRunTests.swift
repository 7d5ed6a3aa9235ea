import Foundation
import SwiftletCache
import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletEval

@Suite struct CompareRunTests {
    // full 1, streaming, random, snapkv and tova 2 each: 9 candidates; each has a cost and 2 documents in 2 modes
    private static let candidates = 9
    private static let parts = 9 * (1 + 2 * 2)

    @Test("a run measures everything once and reports it")
    func complete() throws {
        let directory = TemporaryDirectory()
        let run = try CompareFixture.run(directory.path + "/new/report")
        #expect(run.total == Self.parts && run.done == 0)
        var seen: [Int] = []
        let isDone = try run.measure { done, total in
            seen.append(done)
            return total == Self.parts
        }
        #expect(isDone)
        #expect(seen == seen.sorted() && seen.last == Self.parts && run.done == Self.parts)
        let results = run.results()
        #expect(results.isComplete && results.entries.count == Self.candidates)
        #expect(results.tasks == ["letters", CompareFixture.hostile])
        for entry in results.entries {
            #expect(entry.refusal == nil && entry.qualities.map(\.mode) == [.aware, .agnostic])
            for quality in entry.qualities {
                #expect(quality.caseCount == 3 && quality.documentCount == 2 && quality.tasks.count == 2)
                #expect((quality.score.low...quality.score.high).contains(quality.score.value))
                #expect((quality.overFull == nil) == (entry.candidate.policy == "full"))
                let isBaseline = ["full", "streaming"].contains(entry.candidate.policy)
                #expect((quality.overStreaming == nil) == isBaseline)
            }
            let cost = try #require(entry.cost)
            #expect(cost.promptTokens > 20 && cost.bytesAfterPrompt > 0 && cost.peakBytes >= cost.heldBytes)
            #expect(cost.firstTokenSeconds > 0 && cost.tokensPerSecond > 0 && cost.cacheBytesPerToken > 0)
        }
        let rows = try #require(results.entries[2].cost?.layerRows)
        #expect(results.entries[2].candidate.name == "streaming 16" && rows.allSatisfy { $0 == 16 })
    }

    @Test("a run goes on where it was stopped, and measures nothing twice", arguments: [1, 7, 12, 30])
    func resumption(stop: Int) throws {
        let directory = TemporaryDirectory()
        do {
            let run = try CompareFixture.run(directory.path)
            var calls = 0
            #expect(
                try !run.measure { _, _ in
                    calls += 1
                    return calls < stop * 3
                })
            #expect(run.done < Self.parts)
            try run.report().write(to: directory.path)
            let html = try String(contentsOfFile: directory.path + "/report.html", encoding: .utf8)
            #expect(html.contains("This report is partial: \(run.done) of \(Self.parts)"))
        }
        let before = try CompareFixture.lines(directory.path)
        let run = try CompareFixture.run(directory.path)
        #expect(run.done == before.count - 1)
        #expect(try run.measure())
        let after = try CompareFixture.lines(directory.path)
        #expect(
            after.starts(with: before) && after.count == 1 + Self.parts && Set(after).count == after.count)
        let whole = TemporaryDirectory()
        let other = try CompareFixture.run(whole.path)
        #expect(try other.measure())
        for (a, b) in zip(run.results().entries, other.results().entries) {
            #expect(a.qualities.map(\.score) == b.qualities.map(\.score))
        }
    }

    @Test("a torn last line is forgotten")
    func tornLine() throws {
        let directory = TemporaryDirectory()
        do { try CompareFixture.run(directory.path).measure() }
        let path = directory.path + "/results.jsonl"
        let whole = try Data(contentsOf: URL(filePath: path))
        for cut in [1, 9, 60] {
            try whole.dropLast(cut).write(to: URL(filePath: path))
            let run = try CompareFixture.run(directory.path)
            #expect(run.done == Self.parts - 1)
            #expect(try run.measure() && run.done == Self.parts)
            #expect(try CompareFixture.lines(directory.path).count == 1 + Self.parts)
        }
        for torn in ["", "{\"kind\":\"pl"] {  // killed before anything was measured
            try Data(torn.utf8).write(to: URL(filePath: path))
            #expect(try CompareFixture.run(directory.path).done == 0)
        }
    }

    @Test("results of something else, damaged lines and bad directories are refused")
    func refusals() throws {
        let directory = TemporaryDirectory()
        func error(_ path: String, _ plan: ComparePlan = CompareFixture.plan()) -> SwiftletError? {
            do { _ = try CompareFixture.run(path, plan) } catch { return error as? SwiftletError }
            return nil
        }
        do {
            let run = try CompareFixture.run(directory.path)
            #expect(error(directory.path)?.message.contains("is being written by another run") == true)
            _ = run.done
        }
        #expect(error(directory.path, CompareFixture.plan(seed: 2))?.code == .mismatch)
        #expect(
            try CompareFixture.run(directory.path, CompareFixture.plan(seed: 2), startsAnew: true).done == 0)
        let path = directory.path + "/results.jsonl"
        let plan = try #require(try CompareFixture.lines(directory.path).first)
        try Data("\(plan)\n{\"kind\":\"score\"}\n\(plan)\n".utf8).write(to: URL(filePath: path))
        let damaged = error(directory.path, CompareFixture.plan(seed: 2))
        #expect(damaged?.code == .malformed && damaged?.message.contains("line 2 is damaged") == true)
        #expect(error("/dev/null/report")?.code == .unwritable)
        #expect(error(path)?.code == .unwritable)
        var unknown = CompareFixture.plan()
        unknown.policies = ["snapvk"]
        #expect(error(directory.path, unknown)?.message.contains("snapkv") == true)
        var long = CompareFixture.plan()
        long.add([
            TaskCase(
                id: "long", task: "t", context: String(repeating: "x", count: 99), question: "q",
                answers: ["a"],
                metric: .f1)
        ])
        #expect(error(directory.path, long)?.code == .limit)
        var empty = CompareFixture.plan()
        empty.ownCases = []
        #expect(error(directory.path, empty)?.code == .invalidArgument)
    }

    @Test("a policy that refuses a budget is reported as such")
    func refusedBudget() throws {
        let directory = TemporaryDirectory()
        var plan = CompareFixture.plan()
        plan.policies = ["streaming:sinks=8"]
        plan.budgets = [.rows(4), .rows(12)]
        let run = try CompareFixture.run(directory.path, plan)
        #expect(try run.measure())
        let refused = try #require(run.results().entries.first { $0.candidate.name == "streaming:sinks=8 4" })
        #expect(refused.qualities.isEmpty && refused.cost == nil && refused.refusedCount == 4)
        #expect(refused.refusal?.contains("keeps 8 in any case") == true)
        let html = ComparePage(try run.report()).html
        #expect(html.contains("<b>streaming:sinks=8 4</b>, 4 times"))
        #expect(try CompareFixture.run(directory.path + "/2", plan).done == 0)
    }
}

@Suite struct CompareResultsTests {
    @Test("cases of one document are drawn together, and pairs are those of both")
    func pairs() throws {
        let documents = ["x", "y", "z"].map { id in
            CompareDocument([
                TaskCase(
                    id: id, task: id == "z" ? "two" : "one", context: "", question: "q", answers: [],
                    metric: .f1),
                TaskCase(id: id + "2", task: "one", context: "", question: "q", answers: [], metric: .f1),
            ])
        }
        let (mine, full) = (
            CompareCandidate(policy: "h2o", budget: "20%"), CompareCandidate(policy: "full", budget: nil)
        )
        var table = ScoreTable()
        func add(_ candidate: CompareCandidate, _ scores: [[Double]?]) {
            for (document, scores) in zip(documents, scores) {
                guard let scores else { continue }
                table.add(.init(candidate: candidate, mode: .aware, document: document.id, scores: scores))
            }
        }
        add(mine, [[1, 0], [1, 1], [0, 0.5]])
        add(full, [[1, 1], nil, [0.5, 1]])
        let quality = try #require(
            CompareResults.Quality(mine, .aware, table, documents, tasks: ["one", "two"], seed: 1))
        #expect(abs(quality.score.value - 3.5 / 6) < 1e-12 && quality.caseCount == 6)
        // x: 0 and −1; z: −0.5 and −0.5
        #expect(
            quality.overFull?.value == -0.5 && quality.overFull?.low == -0.5 && quality.overFull?.high == -0.5
        )
        #expect(quality.overStreaming == nil && quality.tasks.map(\.task) == ["one", "two"])
        #expect(quality.tasks[0].score.value == 0.75 && quality.tasks[1].score.value == 0.25)
        #expect(CompareResults.Quality(mine, .agnostic, table, documents, tasks: [], seed: 1) == nil)
    }
}
