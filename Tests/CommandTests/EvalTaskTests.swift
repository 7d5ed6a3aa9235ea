import Foundation
import SwiftletFormats
import SwiftletTestSupport
import Testing

@testable import swiftlet

extension CommandTests {
    @Suite struct EvalTaskTests {
        private static let short = ["--lengths", "160", "--samples", "1", "-t", "1"]

        @Test("needle prints a table, an object and a picture")
        func needle() async throws {
            let directory = TemporaryDirectory()
            let picture = directory.path + "/map.svg"
            let run = try await CommandRun(
                ["eval", "needle", "--depths", "100,0%", "--picture", picture] + Self.short)
            #expect(run.status == 0, "\(run.errors)")
            let lines = run.text.split(separator: "\n")
            #expect(lines.count == 5 && lines[0] == "single, full, question-agnostic, built-in")
            #expect(lines[2].hasPrefix("0 %") && lines[3].hasPrefix("100 %") && lines[4].hasPrefix("mean "))
            #expect(!run.text.contains("\u{1B}"))
            let svg = try String(contentsOfFile: picture, encoding: .utf8)
            #expect(svg.hasPrefix("<svg xmlns=") && svg.contains("single, full") && !svg.contains("nan"))

            let json = try await CommandRun(
                ["eval", "needle", "--depths", "50", "--json", "--mode", "aware", "--kv-policy", "snapkv"]
                    + ["--kv-budget", "50%"] + Self.short
            ).json()
            #expect(json["policy"]?.string == "snapkv" && json["budget"]?.string == "50%")
            #expect(json["mode"]?.string == "aware" && json["complete"]?.bool == true)
            let cell = try #require(json["cells"]?[0])
            #expect(cell["length"]?.int == 160 && cell["depth"]?.double == 0.5)
            #expect(cell["cases"]?[0]?["id"]?.string == "single-160-50%-0")
            #expect(cell["score"]?.double == json["score"]?.double)
        }

        @Test("exported cases are cases for tasks, with the same answers")
        func export() async throws {
            let arguments = ["eval", "needle", "--task", "multiquery"] + Self.short
            let lines = try await CommandRun(arguments + ["--export", "-"])
            #expect(lines.status == 0 && lines.text.split(separator: "\n").count == 4)
            let tasks = try await CommandRun(
                ["eval", "tasks", "-", "--json", "-t", "1"], input: lines.output
            ).json()
            let needle = try await CommandRun(arguments + ["--json"]).json()
            let answers = { (json: JSON?) in (json?.list ?? []).compactMap { $0["answer"]?.string } }
            #expect(answers(tasks["cases"]).count == 4)
            #expect(answers(tasks["cases"]) == answers(needle["cells"]?[0]?["cases"]))
            #expect(tasks["tasks"]?[0]?["task"]?.string == "multiquery" && tasks["skipped"]?.int == 0)
        }

        @Test("lines that are no case are refused, or skipped and counted")
        func badLines() async throws {
            let good =
                #"{"context": "Anna lives in the red mill.", "question": "Where does Anna live?", "#
                + #""answers": ["In the red mill."], "metric": "exact", "task": "<home>", "max_tokens": 8}"#
            let file = Array("\(good)\nnonsense\n\(good.replacing("exact", with: "rouge"))\n".utf8)
            let refused = try await CommandRun(["eval", "tasks", "-", "-t", "1"], input: file)
            #expect(refused.status == 65 && refused.output.isEmpty)
            #expect(refused.errors.contains("standard input, line 2: not JSON"), "\(refused.errors)")
            let skipped = try await CommandRun(
                ["eval", "tasks", "-", "-t", "1", "--skip-bad", "-v"], input: file)
            #expect(skipped.status == 0, "\(skipped.errors)")
            #expect(skipped.text.contains("<home>") && skipped.text.contains("2 skipped"), "\(skipped.text)")
            #expect(skipped.errors.contains("line 3: unknown metric 'rouge'"))
            #expect(skipped.errors.contains("line 1: "))
        }

        @Test(
            "wrong flags are refused by name",
            arguments: [
                (["needle", "--lengths", "9,x"], 64, "--lengths is '9,x'"),
                (["needle", "--lengths", ""], 64, "--lengths is ''"),
                (["needle", "--depths", "0,101"], 64, "--depths is '0,101'"),
                (["needle", "--samples", "0"], 64, "--samples is 0"),
                (["needle", "--task", "count", "--depths", "0"], 64, "--depths has no meaning"),
                (["needle", "--task", "needles"], 64, "needles"),
                (["needle", "--picture", "x.png"], 64, "--picture is 'x.png'"),
                (["needle", "--lengths", "20"], 69, "'single' needs at least"),
                (["needle", "--lengths", "99999"], 69, "the context holds 2048"),
                (
                    [
                        "needle", "--kv-budget", "2", "--kv-policy", "streaming:sinks=4", "--lengths", "160",
                        "--samples",
                        "1",
                    ], 64, "keeps"
                ),
                (["tasks", "/nonexistent"], 66, "/nonexistent cannot be read"),
                (["tasks", "-", "--metric", "bleu"], 64, "bleu"), (["tasks", "-"], 65, "holds no case"),
            ])
        func refusals(arguments: [String], status: Int32, message: String) async throws {
            let run = try await CommandRun(["eval"] + arguments)
            #expect(run.status == status, "\(run.errors)")
            #expect(run.errors.contains(message), "\(run.errors)")
        }

        @Test("a case that does not fit the context is refused, or skipped")
        func tooLong() async throws {
            let long = String(repeating: "word ", count: 300)
            let line = { (context: String) in
                #"{"context": "\#(context)", "question": "q", "answers": ["a"], "metric": "f1", "max_tokens": 4}"#
                    + "\n"
            }
            let file = Array((line(long) + line("short")).utf8)
            let arguments = ["eval", "tasks", "-", "-c", "128", "-t", "1"]
            let refused = try await CommandRun(arguments, input: file)
            #expect(refused.status == 69 && refused.errors.contains("case 'line 1' has"), "\(refused.errors)")
            let skipped = try await CommandRun(arguments + ["--skip-bad"], input: file)
            #expect(skipped.status == 0 && skipped.text.contains("1 skipped"))
            #expect(
                try await CommandRun(arguments + ["--skip-bad"], input: Array(line(long).utf8)).status == 69)
        }
    }
}
