import Foundation
import SwiftletFormats
import SwiftletTestSupport
import Testing

@testable import swiftlet

extension CommandTests {
    @Suite struct EvalCompareTests {
        private static let cases = (1...3).map {
            #"{"context": "letters \#($0)", "question": "q", "answers": ["x"], "metric": "edit", "max_tokens": 2}"#
                + "\n"
        }.joined()
        private static let model = ["-m", Fixture.gguf, "-t", "1", "--style", "plain"]

        private func compare(_ directory: String, _ more: [String] = []) -> [String] {
            ["eval", "compare", "-o", directory, "--cases", "-", "--policy", "tova", "--budgets", "50%"]
                + Self.model + more
        }

        @Test("a comparison prints a table and writes three files")
        func report() async throws {
            let directory = TemporaryDirectory()
            let path = directory.path + "/a/b"
            let run = try await CommandRun(compare(path), input: Array(Self.cases.utf8))
            #expect(run.status == 0, "\(run.errors)")
            let lines = run.text.split(separator: "\n")
            #expect(lines.count == 5 && lines[0].hasPrefix("policy     budget"), "\(run.text)")
            #expect(lines[1].hasPrefix("full ") && lines[4].hasPrefix("tova       50%"))
            #expect(run.errors.contains("wrote \(path)/report.html, .json and .csv"))
            let json = try JSON.parse(contentsOf: path + "/report.json")
            #expect(json["complete"]?.bool == true && json["entries"]?.count == 4)
            for name in ["report.html", "report.csv", "results.jsonl"] {
                #expect(FileManager.default.fileExists(atPath: "\(path)/\(name)"))
            }
            let again = try await CommandRun(compare(path, ["--json"]), input: Array(Self.cases.utf8))
            #expect(again.errors.contains("28 of 28 parts are in \(path) already"), "\(again.errors)")
            #expect(try again.json()["entries"]?[3]?["quality"]?.count == 2)
            let other = try await CommandRun(compare(path, ["--seed", "2"]), input: Array(Self.cases.utf8))
            #expect(other.status == 65 && other.errors.contains("--force"), "\(other.errors)")
            #expect(
                try await CommandRun(
                    compare(path, ["--seed", "2", "--force"]), input: Array(Self.cases.utf8)
                ).status == 0)
        }

        @Test("Ctrl-C leaves a partial report, and a kill nothing broken")
        func interrupted() async throws {
            let directory = TemporaryDirectory()
            let cases = (1...600).map {
                #"{"context": "letters \#($0)", "question": "q", "answers": ["x"], "metric": "edit"}"# + "\n"
            }.joined()
            let file = directory.path + "/cases.jsonl"
            try Data(cases.utf8).write(to: URL(filePath: file))
            let arguments =
                [
                    "eval", "compare", "-o", directory.path, "--cases", file, "--policy", "tova", "--budgets",
                    "50%",
                ]
                + Self.model
            let log = directory.path + "/results.jsonl"
            for number in [SIGINT, SIGKILL] {
                let command = try CommandProcess(arguments)
                let known = (try? Data(contentsOf: URL(filePath: log)).count) ?? 0
                for _ in 0..<400 where ((try? Data(contentsOf: URL(filePath: log)).count) ?? 0) < known + 900
                {
                    try await Task.sleep(for: .milliseconds(50))
                }
                kill(command.process.processIdentifier, number)
                let run = try await command.wait()
                #expect(run.status == (number == SIGINT ? 130 : SIGKILL))
                if number == SIGINT {
                    #expect(run.errors.contains("run the same command to go on"), "\(run.errors)")
                }
                let json = try JSON.parse(contentsOf: directory.path + "/report.json")
                #expect(json["complete"]?.bool == false && json["done"]?.int ?? 0 > 0)
            }
        }

        @Test(
            "wrong flags are refused by name",
            arguments: [
                ([], 64, "output"), (["-o", "/dev/null/x"], 74, "/dev/null/x"),
                (["-o", "/tmp/never", "--policy", "snapvk"], 64, "did you mean 'snapkv'"),
                (["-o", "/tmp/never", "--budgets", "10%,x"], 64, "--budgets is 'x'"),
                (["-o", "/tmp/never", "--tasks", "single,many"], 64, "--tasks is 'single,many'"),
                (["-o", "/tmp/never", "--lengths", "5000"], 69, "the context holds 2048"),
                (["-o", "/tmp/never", "--cases", "/nonexistent"], 66, "/nonexistent cannot be read"),
            ])
        func refusals(arguments: [String], status: Int32, message: String) async throws {
            let run = try await CommandRun(["eval", "compare"] + arguments)
            #expect(run.status == status && run.errors.contains(message), "\(run.errors)")
            #expect(!FileManager.default.fileExists(atPath: "/tmp/never"))
        }
    }
}
