import Foundation
import SwiftletFormats
import SwiftletTestSupport
import Testing

@testable import swiftlet

extension CommandTests {
    @Suite struct EvalTextTests {
        private static let text = String(
            repeating: "the quick brown fox jumps over the lazy dog, and the dog sleeps on. ", count: 4)
        private let directory = TemporaryDirectory()
        private let file: String

        init() throws {
            file = directory.path + "/text.txt"
            try Data(Self.text.utf8).write(to: URL(filePath: file))
        }

        private func json(_ arguments: String) async throws -> JSON {
            let words = ["eval"] + arguments.split(separator: " ").map(String.init)
            let run = try await CommandRun(
                words + ["-f", file, "-m", Fixture.gguf, "-t", "1", "-c", "32", "--json"])
            #expect(run.status == 0, "\(run.errors)")
            return try run.json()
        }

        @Test("perplexity as text and as JSON, the same for every batch")
        func perplexity() async throws {
            let found = try await json("ppl --chunks 3")
            let loss = try #require(found["nll"]?.double)
            #expect(abs((found["ppl"]?.double ?? 0) / exp(loss) - 1) < 1e-12)
            #expect(found["tokens"]?.int == 3 * 15 && found["windows"]?.int == 3)
            #expect(found["running_ppl"]?.list.compactMap(\.double).last == found["ppl"]?.double)
            #expect(found["complete"]?.bool == true && found["cache"]?["policy"]?.string == "full")
            #expect(try await json("ppl --chunks 3 -b 5")["ppl"]?.double == found["ppl"]?.double)
            let run = try await CommandRun([
                "eval", "ppl", "-f", file, "-m", Fixture.gguf, "-c", "32", "--chunks", "3",
            ])
            let value = String(format: "%.4f", found["ppl"]?.double ?? 0)
            #expect(
                run.text.hasPrefix("[1]")
                    && run.text.contains("[3]\(value),\nFinal estimate: PPL = \(value) +/- "))
        }

        @Test("a budget of all gives the bits of the full cache and no divergence")
        func unreached() async throws {
            let full = try await json("ppl")
            for policy in ["h2o", "snapkv", "streaming"] {
                let flags = "--kv-policy \(policy) --kv-budget 100%"
                #expect(
                    try await json("ppl \(flags)")["running_ppl"]?.list.compactMap(\.double)
                        == full["running_ppl"]?.list.compactMap(\.double))
                let divergence = try await json("kl \(flags)")
                for key in ["kl", "reverse_kl", "delta_log_p"] {
                    #expect(divergence[key]?["mean"]?.double == 0 && divergence[key]?["error"]?.double == 0)
                    #expect(divergence[key]?["quantiles"]?["1.0"]?.double == 0)
                }
                #expect(divergence["top1_agreement"]?.double == 1)
            }
        }

        @Test("divergence agrees with the two perplexities")
        func divergence() async throws {
            let flags = "--kv-policy streaming:sinks=1 --kv-budget 6"
            let found = try await json("kl \(flags)")
            let full = try #require(try await json("ppl")["ppl"]?.double)
            #expect(abs((found["ppl_full"]?.double ?? 0) / full - 1) < 1e-12)
            let tested = try #require(found["ppl_tested"]?.double)
            #expect(abs(tested / (try await json("ppl \(flags)")["ppl"]?.double ?? 0) - 1) < 1e-12)
            let change = try #require(found["delta_log_p"]?["mean"]?.double)
            #expect(abs(log(tested / (found["ppl_full"]?.double ?? 0)) + change) < 1e-9)
            #expect(
                (found["kl"]?["mean"]?.double ?? 0) > 0 && (found["reverse_kl"]?["mean"]?.double ?? 0) > 0)
            #expect(found["cache"]?["mean_rows"]?.double == 6)
            let bf16 = try await json("kl -ctk bf16 -ctv bf16")
            #expect((bf16["kl"]?["mean"]?.double ?? 1) < (found["kl"]?["mean"]?.double ?? 0))
        }

        @Test("overlapping windows score every token but the first")
        func stride() async throws {
            let found = try await json("ppl --ppl-stride 8")
            #expect(found["mode"]?.string == "stride")
            #expect(found["tokens"]?.int == (found["text_tokens"]?.int ?? 0) - 1)
            #expect((found["ppl_guide"]?.double ?? 0) > 1)
            #expect(try await json("ppl --mode stride")["tokens"]?.int == found["tokens"]?.int)
        }

        @Test("calibration of two caches, with a picture")
        func calibration() async throws {
            let picture = directory.path + "/reliability.svg"
            let found = try await json(
                "calibration --bins 5 --kv-policy streaming:sinks=1 --kv-budget 6 --picture \(picture)")
            let caches = found["caches"]?.list ?? []
            #expect(caches.compactMap { $0["name"]?.string } == ["full", "streaming:sinks=1, budget 6"])
            let positions = try #require(found["positions"]?.int)
            for cache in caches {
                func sum(_ bins: String, _ field: String) -> Int {
                    cache[bins]?.list.reduce(0) { $0 + ($1[field]?.int ?? 0) } ?? 0
                }
                #expect(sum("bins_all", "count") == positions * 320 && sum("bins_all", "hits") == positions)
                #expect(sum("bins_top", "count") == positions)
                #expect(cache["full_ece_interval"]?.list.count == 2)
                #expect(
                    (0...2).contains(cache["full_ece"]?.double ?? 3) && cache["classwise_ece"]?.double != nil)
            }
            let loss = try #require(caches.first?["nll"]?.double)
            #expect(abs(exp(loss) / ((try await json("ppl"))["ppl"]?.double ?? 0) - 1) < 1e-9)
            #expect(found["difference"]?["nll"]?.double != nil)
            let svg = try String(contentsOfFile: picture, encoding: .utf8)
            #expect(svg.hasPrefix("<svg") && svg.contains("streaming:sinks=1, budget 6: all tokens"))
            let run = try await CommandRun([
                "eval", "calibration", "-f", file, "-m", Fixture.gguf, "-c", "32", "--chunks", "2", "--temp",
                "2",
                "--picture", "/no/such/x.svg",
            ])
            #expect(run.status == 74 && run.errors.contains("/no/such"))
            #expect(run.text.hasPrefix("        ") && run.text.contains("full: all tokens, Full-ECE"))
        }

        @Test("an interrupted run keeps what it has")
        func interrupt() async throws {
            let long = directory.path + "/long.txt"
            try Data(String(repeating: Self.text, count: 1_000).utf8).write(to: URL(filePath: long))
            let command = try CommandProcess(["eval", "ppl", "-f", long, "-m", Fixture.gguf, "-c", "32"])
            while command.process.isRunning, command.outputCount < 20 {
                try await Task.sleep(for: .milliseconds(2))
            }
            command.process.interrupt()
            let run = try await command.wait()
            #expect(run.status == 130)
            #expect(
                run.text.contains("Final estimate: PPL = ") && run.errors.contains("stopped by Ctrl-C after"))
        }

        @Test(
            "wrong input ends with one helpful line",
            arguments: [
                ("ppl", 64, ["--file"]), ("ppl -f /no/such", 66, ["/no/such", "-f"]),
                ("ppl -f EMPTY", 64, ["empty"]), ("ppl -f BINARY", 65, ["UTF-8", "byte 2"]),
                ("ppl -f TEXT -c 5000", 64, ["has 5000", "tokens", "-c"]),
                ("ppl -f TEXT -c 1", 64, ["(-c) is 1"]),
                ("ppl -f TEXT --chunks 0", 64, ["--chunks", "-1"]), ("ppl -f TEXT --mode x", 64, ["stride"]),
                ("ppl -f TEXT --mode chunks --ppl-stride 4", 64, ["--ppl-stride"]),
                ("ppl -f TEXT --ppl-stride 0", 64, ["--ppl-stride", "1 to 512"]),
                ("ppl -f TEXT --prefix 600", 64, ["--prefix", "1 to 511"]),
                ("ppl -f TEXT --stride 9 --kv-policy h2o", 64, ["--mode chunks", "h2o"]),
                ("ppl -f TEXT --kv-policy nothing", 64, ["nothing"]),
                ("kl -f TEXT", 64, ["--kv-policy"]), ("kl -f TEXT -ctk q9", 64, ["q9"]),
                ("calibration -f TEXT --bins 0", 64, ["--bins", "1 to 1000"]),
                ("calibration -f TEXT --temp 0", 64, ["--temp"]),
                ("calibration -f TEXT --picture x.png", 64, ["x.png", ".svg"]),
            ])
        func oneLine(_ arguments: String, _ status: Int32, _ words: [String]) async throws {
            let binary = directory.write([0x41, 0x42, 0xFF, 0x43], to: "binary")
            let empty = directory.write([], to: "empty")
            let paths = ["TEXT": file, "BINARY": binary, "EMPTY": empty]
            let run = try await CommandRun(
                ["eval"] + arguments.split(separator: " ").map { paths[String($0)] ?? String($0) }
                    + ["-m", Fixture.gguf])
            #expect(run.status == status && run.output.isEmpty, "\(run.errors)")
            let errors = run.errors.split(separator: "\n").filter { $0.hasPrefix("swiftlet: error: ") }
            #expect(errors.count == 1)
            for word in words { #expect(errors.first?.contains(word) == true, "\(run.errors)") }
        }
    }
}
