import Foundation
import SwiftletFormats
import SwiftletTestSupport
import Testing

extension CommandTests {
    @Suite struct PlanTests {
        @Test("a 7B model whose weights are not on disk is planned for")
        func sevenBillion() async throws {
            let directory = TemporaryDirectory()
            let path = directory.path + "/7b.gguf"
            let made = try await CommandRun(["synth", "--shape", "7b", "--header-only", path])
            #expect(made.status == 0)
            #expect(try Data(contentsOf: URL(filePath: path)).count < 4 << 20)
            let run = try await CommandRun(["plan", "-m", path, "-c", "4096", "--memory", "8GiB", "--json"])
            #expect(run.status == 0, "\(run.errors)")
            let json = try run.json()
            #expect(json["weights"]?.string == "header")
            let rows = json["entries"]?.list ?? []
            let full = try #require(rows.first)
            // 4096 tokens × 32 layers × 32 heads × (2 × 128 numbers of 2 bytes and a position)
            #expect(full["cache_bytes"]?.int == 4_096 * 32 * 32 * (2 * 128 * 2 + 4))
            #expect(full["fits"]?.bool == false && (full["longest_context"]?.int ?? 0) > 1_000)
            #expect(rows.contains { $0["fits"]?.bool == true })
            #expect(json["recommendation"]?["policy"]?.string == "q8_0")
            let text = try await CommandRun(["plan", "-m", path, "--memory", "8GiB"]).text
            #expect(text.contains("use q8_0: ") && text.contains("--kv-policy q8_0\n"))
            let other = try await CommandRun(["run", "-m", path, "hello"])
            #expect(other.status == 65)
        }

        @Test("the built-in model fits everywhere")
        func builtIn() async throws {
            let run = try await CommandRun(["plan", "--memory", "1GiB", "--users", "2"])
            #expect(run.status == 0 && run.errors.isEmpty)
            #expect(run.text.contains("for each of 2 users") && run.text.contains("use full: "))
        }

        @Test(
            "what is wrong is named",
            arguments: [
                (["-c", "99999"], "99999"), (["--memory", "2"], "--memory"),
                (["--memory", "1KiB"], "weights"),
                (["--users", "0"], "--users"), (["-b", "0"], "-b"), (["-c", "-1"], "-c"),
                (["--budgets", "x"], "--budgets"), (["--policy", "h20"], "h2o"), (["-m", "/none"], "/none"),
                (["--report", "/none"], "/none"),
            ])
        func refusals(arguments: [String], words: String) async throws {
            let run = try await CommandRun(["plan"] + arguments)
            #expect(run.status != 0 && run.output.isEmpty)
            #expect(run.errors.contains(words), "\(run.errors)")
            #expect(run.errors.split(separator: "\n").count == 1)
        }
    }
}
