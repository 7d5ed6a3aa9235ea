import SwiftletTensor
import Testing

@testable import SwiftletEval

@Suite struct TaskFileTests {
    private static let good =
        #"{"context": "Anna lives in the mill.", "question": "Where?", "answers": ["mill"], "metric": "exact"}"#

    private func file(_ text: String, metric: AnswerMetric? = nil, skipsBad: Bool = false) throws -> TaskFile
    {
        try TaskFile(Array(text.utf8), named: "cases.jsonl", metric: metric, skipsBad: skipsBad)
    }

    @Test("a case of few members has defaults")
    func defaults() throws {
        let found = try #require(try file("\u{FEFF}\n\(Self.good)\r\n \t\n").cases.first)
        #expect(found.id == "line 2" && found.task == "tasks" && found.metric == .exact && !found.needsAll)
        #expect(found.maxTokens == 32 && found.length == nil && found.depth == nil)
        #expect(found.context == "Anna lives in the mill." && found.answers == ["mill"])
    }

    @Test("what is written is read again")
    func roundTrip() throws {
        let cases = [
            TaskCase(
                id: "é\n\"1\"", task: "x", context: "a\u{0}b\u{2028}", question: "q", answers: ["1", "👍"],
                needsAll: true, metric: .rougeL, maxTokens: 7, length: 512, depth: 0.25),
            TaskCase(id: "2", task: "y", context: "", question: "q", answers: [""], metric: .f1),
        ]
        #expect(try file(TaskFile.lines(cases)).cases == cases)
    }

    @Test("lines of LongBench are read as they are")
    func longBench() throws {
        let line =
            #"{"input": "Who?", "context": "…", "answers": ["A", "B"], "length": 9, "dataset": "qa", "#
            + #""language": "en", "all_classes": null, "_id": "f00"}"#
        let found = try #require(try file(line, metric: .f1).cases.first)
        #expect(found.id == "f00" && found.task == "qa" && found.question == "Who?" && found.metric == .f1)
        #expect(found.answers == ["A", "B"])
    }

    @Test(
        "bad lines are refused with their number and the reason",
        arguments: [
            (#"{"context": "c""#, "line 2: not JSON:"), ("[1]", "line 2: expected an object"),
            ("nonsense", "line 2: not JSON:"), ("\u{1}", "line 2: not JSON:"),
            (#"{"question": "q", "answers": ["a"], "metric": "f1"}"#, "'context' is missing"),
            (#"{"context": "c", "answers": ["a"], "metric": "f1"}"#, "'question' is missing"),
            (#"{"context": "", "question": " ", "answers": ["a"], "metric": "f1"}"#, "both empty"),
            (#"{"context": "c", "question": "q", "metric": "f1"}"#, "'answers' is missing"),
            (#"{"context": "c", "question": "q", "answers": null, "metric": "f1"}"#, "'answers' is missing"),
            (#"{"context": "c", "question": "q", "answers": [], "metric": "f1"}"#, "'answers' is empty"),
            (#"{"context": "c", "question": "q", "answers": ["a", 4], "metric": "f1"}"#, "'answers' is 4"),
            (#"{"context": "c", "question": "q", "answers": ["a"]}"#, "'metric' is missing"),
            (
                #"{"context": "c", "question": "q", "answers": ["a"], "metric": "rogueL"}"#,
                "unknown metric 'rogueL'"
            ),
            (
                #"{"context": "c", "question": "q", "answers": [" "], "metric": "contains"}"#,
                "an empty answer"
            ),
            (#"{"context": 1, "question": "q", "answers": ["a"], "metric": "f1"}"#, "'context' is 1"),
            (
                #"{"context": "c", "question": "q", "answers": "a", "metric": "f1", "match": "some"}"#,
                "'match' is 'some'"
            ),
            (
                #"{"context": "c", "question": "q", "answers": "a", "metric": "f1", "max_tokens": 0}"#,
                "'max_tokens' is 0"
            ),
            (
                #"{"context": "c", "question": "q", "answers": "a", "metric": "f1", "depth": 1.5}"#,
                "'depth' is 1.5"
            ),
            (
                #"{"id": "line 1", "context": "c", "question": "q", "answers": "a", "metric": "f1"}"#,
                "used on line 1"
            ),
        ])
    func bad(line: String, reason: String) throws {
        let text = "\(Self.good)\n\(line)\n\(Self.good)\n"
        let error = #expect(throws: SwiftletError.self) { try file(text) }
        #expect(error?.code == .malformed)
        #expect(error?.message.hasPrefix("cases.jsonl, line 2: ") == true, "\(error?.message ?? "")")
        #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
        let skipped = try file(text, skipsBad: true)
        #expect(skipped.cases.map(\.id) == ["line 1", "line 3"] && skipped.badLines.map(\.number) == [2])
        #expect(skipped.badLines.first?.message == error?.message)
    }

    @Test("a file without cases is refused")
    func empty() throws {
        for text in ["", "\n \n"] { #expect(throws: SwiftletError.self) { try file(text) } }
        let error = #expect(throws: SwiftletError.self) { try file("x\ny", skipsBad: true) }
        #expect(error?.message.contains("all of its 2 lines are bad") == true)
        #expect(throws: SwiftletError.self) {
            try TaskFile([0x7B, 0xFF, 0x7D], named: "x")
        }
    }
}
