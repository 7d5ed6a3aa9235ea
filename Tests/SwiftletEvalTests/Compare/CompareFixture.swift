import Foundation
import SwiftletCache
import SwiftletEngine

@testable import SwiftletEval

/// A small comparison on the tiny model: two documents of a user, two policies beside the baselines.
enum CompareFixture {
    static let hostile = "<script>alert(1)</script> & \"quotes\", 'commas'"

    static func plan(seed: UInt64 = 1) -> ComparePlan {
        var plan = ComparePlan(lengths: [])
        plan.policies = ["snapkv:window=4", "tova", "snapkv:window=4"]
        plan.budgets = [.share(0.3), .rows(16)]
        plan.tasks = []
        plan.seed = seed
        plan.add(
            [("a", "abcdefghij"), ("b", "abcdefghij"), ("c", "zyxwvutsrq")].map { id, context in
                TaskCase(
                    id: id, task: id == "c" ? hostile : "letters", context: context, question: "What \(id)?",
                    answers: ["abc", id], metric: .edit, maxTokens: 4)
            })
        return plan
    }

    static func run(
        _ directory: String, _ plan: ComparePlan = plan(), startsAnew: Bool = false
    ) throws -> CompareRun {
        let model = try EvalFixture.model()
        return try CompareRun(
            plan, model, try EvalFixture.options(model: model), style: .plain, directory: directory,
            startsAnew: startsAnew)
    }

    /// Lines of the log.
    static func lines(_ directory: String) throws -> [Substring] {
        try String(contentsOfFile: directory + "/results.jsonl", encoding: .utf8).split(separator: "\n")
    }
}
