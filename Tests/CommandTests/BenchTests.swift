import SwiftletEngine
import SwiftletFormats
import SwiftletTestSupport
import Testing

@testable import swiftlet

extension CommandTests {
    @Suite struct BenchTests {
        private static let quick = ["bench", "-r", "2", "-t", "1"]

        @Test("every combination is a test, in the form that is asked for")
        func combinations() async throws {
            let arguments =
                Self.quick + [
                    "-m", Fixture.gguf, "-m", Fixture.directory, "-p", "0,4", "-n", "2", "-pg", "3,1", "-d",
                    "0,5",
                    "--fill", "random", "-b", "2",
                ]
            let tests = ["pp4", "tg2", "pp3+tg1", "pp4 @ d5", "tg2 @ d5", "pp3+tg1 @ d5"]
            let rows = try await CommandRun(arguments + ["-o", "json"]).json().list
            #expect(rows.compactMap { $0["test"]?.string } == tests + tests)
            for row in rows {
                #expect(row["samples_ts"]?.list.count == 2)
                #expect((row["median_ts"]?.double ?? 0) > 0 && (row["bytes_per_token"]?.double ?? 0) > 0)
                #expect(row["type_k"]?.string == "f16" && row["n_batch"]?.int == 2)
            }
            let csv = try await CommandRun(arguments + ["-o", "csv"]).text.split(separator: "\n")
            #expect(csv.count == 1 + rows.count)
            #expect(csv[0].split(separator: ",").count == csv[1].split(separator: ",").count)
            let table = try await CommandRun(arguments).text.split(separator: "\n")
            #expect(
                table.count == 2 + rows.count && table.allSatisfy { $0.hasPrefix("|") && $0.hasSuffix("|") })
        }

        @Test("the ceiling stands before the tests and gives shares")
        func ceiling() async throws {
            let rows = try await CommandRun(Self.quick + ["--ceiling", "--json", "-p", "4", "-n", "0"]).json()
                .list
            #expect(rows.compactMap { $0["test"]?.string } == ["ceiling", "pp4"])
            for row in rows { #expect((row["ceiling_read_bytes_per_second"]?.double ?? 0) > 0) }
            #expect((rows.last?["bandwidth_share"]?.double ?? 0) > 0)
            #expect((rows.last?["arithmetic_share"]?.double ?? 0) > 0)
        }

        @Test("policies are measured beside the full cache, each with each budget")
        func policies() async throws {
            let arguments =
                Self.quick + [
                    "-m", Fixture.gguf, "-p", "20", "-n", "0", "--kv-policy", "streaming:sinks=1,f32",
                    "--kv-policy", "h2o:sinks=1,recent=0.25", "--kv-budget", "50%,8",
                ]
            let rows = try await CommandRun(arguments + ["-o", "json"]).json().list
            #expect(
                rows.map { [$0["kv_policy"]?.string, $0["kv_budget"]?.string] } == [
                    ["full", nil], ["streaming:sinks=1", "50%"], ["streaming:sinks=1", "8"], ["f32", nil],
                    ["h2o:sinks=1,recent=0.25", "50%"], ["h2o:sinks=1,recent=0.25", "8"],
                ])
            #expect(rows.compactMap { $0["mean_rows"]?.double } == [20, 10, 8, 20, 10, 8])
            for row in rows.dropFirst() { #expect((row["speedup"]?.double ?? 0) > 0) }
            let table = try await CommandRun(arguments).text
            #expect(table.contains("| streaming:sinks=1 50% |") && table.contains("of bound"))
        }

        @Test(arguments: [
            ("h2o", ["h2o"]), ("h2o,snapkv", ["h2o", "snapkv"]),
            ("snapkv:window=32,kernel=5,h2o+q8_0", ["snapkv:window=32,kernel=5", "h2o+q8_0"]),
            ("zigzag+h2o:sinks=1,f16", ["zigzag+h2o:sinks=1", "f16"]),
            ("kvsharer:a\\,b.json,h2o:sinks=1", ["kvsharer:a\\,b.json", "h2o:sinks=1"]),
        ])
        func policyNames(text: String, names: [String]) {
            #expect(BenchValues.policies(text) == names)
        }

        @Test(arguments: [
            ("512", [512]), ("1,2,8", [1, 2, 8]), ("1-4", [1, 2, 3, 4]), ("4-4", [4]),
            ("512-2048+512", [512, 1_024, 1_536, 2_048]), ("512-5000*2", [512, 1_024, 2_048, 4_096]),
            ("0-3*2", [0]), ("7,1-2", [7, 1, 2]), ("\(Int.max - 1)-\(Int.max)", [Int.max - 1, Int.max]),
        ])
        func values(text: String, meaning: [Int]) throws {
            #expect(try BenchValues.integers(text) == meaning)
        }

        @Test(arguments: ["", ",", "x", "-1", "4-2", "1-9+0", "1-9*1", "1-", "1-9+", "1+2", "0-1000000"])
        func wrongValues(text: String) {
            #expect(throws: (any Error).self) { try BenchValues.integers(text) }
        }

        @Test(
            "wrong flags are named",
            arguments: [
                ("-p", "x"), ("-r", "0"), ("-t", "0"), ("-b", "0"), ("-ctk", "q9"), ("--fill", "x"),
                ("-o", "x"),
                ("-pg", "1"), ("-d", "-1"), ("--kv-budget", "x"),
            ])
        func refusals(flag: String, value: String) async throws {
            let run = try await CommandRun(["bench", flag, value])
            #expect(run.status == 64 && run.output.isEmpty)
            #expect(run.errors.contains(flag) && run.errors.contains("expected"), "\(run.errors)")
            #expect(run.errors.split(separator: "\n").count == 1)
        }

        @Test("unknown policies are refused with the nearest name")
        func unknownPolicy() async throws {
            let run = try await CommandRun(["bench", "-m", Fixture.gguf, "--kv-policy", "snapkw"])
            #expect(run.status != 0 && run.errors.contains("snapkv"), "\(run.errors)")
            let alone = try await CommandRun(["bench", "--kv-budget", "20%"])
            #expect(alone.status == 64 && alone.errors.contains("--kv-policy"))
        }

        @Test func nothingToMeasure() async throws {
            #expect(try await CommandRun(["bench", "-p", "0", "-n", "0"]).status == 64)
        }
    }
}

extension CommandTests {
    @Suite struct QuantizeTests {
        @Test("a smaller model writes text, and the report adds up")
        func quantizes() async throws {
            let directory = TemporaryDirectory()
            let path = directory.path + "/small.gguf"
            _ = try await CommandRun(["quantize", Fixture.gguf, path, "--type", "f16"])
            let arguments = ["quantize", path, directory.path + "/q.gguf", "--type", "Q8_0", "--json"]
            let report = try await CommandRun(arguments).json()
            let rows = report["tensors"]?.list ?? []
            #expect(rows.compactMap { $0["new_bytes"]?.int }.reduce(0, +) == report["output_bytes"]?.int)
            #expect(rows.contains { $0["new_format"]?.string == "q8_0" })
            let run = try await CommandRun([
                "run", "-m", directory.path + "/q.gguf", "a", "-n", "3", "--ignore-eos", "--json",
            ])
            #expect(try run.json()["ids"]?.list.count == 3)

            let again = try await CommandRun(arguments)
            #expect(again.status == 64 && again.errors.contains("--force"))
            let table = try await CommandRun(["quantize", path, path, "--type", "q5_1", "--force"])
            #expect(table.status == 0 && table.text.contains("bits per weight"))
            let twice = try await CommandRun(["quantize", path, path, "--type", "q4_0", "--force"])
            #expect(twice.status == 0 && twice.errors.contains("quantised before"))
        }

        @Test(
            "wrong flags are named",
            arguments: [
                (["--type", "q9"], "--type"), (["--type", "i32"], "not written"), ([], "--type"),
                (["--type", "q8_0", "--tensor-type", "x"], "--tensor-type"),
                (["--type", "q8_0", "--tensor-type", "(=f16"], "regular expression"),
                (["--type", "q8_0", "--tensor-type", "nothing=f16"], "nothing"),
                (["--type", "q8_0", "--output-tensor-type", "q"], "--output-tensor-type"),
                (["--type", "q8_0", "--token-embedding-type", "q"], "--token-embedding-type"),
            ])
        func refusals(flags: [String], words: String) async throws {
            let directory = TemporaryDirectory()
            let run = try await CommandRun(["quantize", Fixture.gguf, directory.path + "/x.gguf"] + flags)
            #expect(run.status != 0 && run.output.isEmpty)
            #expect(run.errors.contains(words), "\(run.errors)")
        }
    }
}
