import Foundation
import SwiftletFormats
import SwiftletTestSupport
import Testing

@testable import swiftlet

extension CommandTests {
    @Suite struct KVTests {
        private static let model = ["-m", Fixture.gguf, "-t", "1"]
        private static let text = "abcdefghijklmnopqrstuvwxyz0123456789"

        @Test("run reports rows, bytes and budget of a compressed cache")
        func statistics() async throws {
            let arguments =
                ["run", Self.text, "-n", "3", "--temp", "0", "--ignore-eos", "--kv-policy"]
                + ["streaming:sinks=1", "--kv-budget", "8"] + Self.model
            let cache = try #require(try await CommandRun(arguments + ["--json"]).json()["cache"])
            #expect(cache["policy"]?.string == "streaming:sinks=1" && cache["budget"]?.string == "8")
            #expect(cache["mean_rows"]?.double == 8 && cache["after_prompt"]?["mean_rows"]?.double == 8)
            let parts = ["pages", "positions", "evidence", "index"]
            let sum = parts.compactMap { cache["bytes_by_part"]?[$0]?.int }.reduce(0, +)
            #expect(cache["bytes"]?.int == sum)
            #expect((cache["bytes_read_per_token"]?["cache"]?.int ?? 0) > 0)
            let run = try await CommandRun(arguments)
            #expect(run.errors.contains("[streaming:sinks=1 · budget 8, 8 after the prompt · 8.0 rows"))
            #expect(run.errors.contains("per token"), "\(run.errors)")
            #expect(try await !CommandRun(arguments + ["-q"]).errors.contains("streaming"))
        }

        @Test("trace lists kept positions and draws them")
        func trace() async throws {
            let directory = TemporaryDirectory()
            let picture = directory.path + "/kept.svg"
            let arguments =
                ["kv", "trace", Self.text, "-n", "2", "--kv-policy", "h2o", "--kv-budget", "10"] + Self.model
            let json = try await CommandRun(arguments + ["--json", "--picture", picture]).json()
            let moments = json["moments"]?.list ?? []
            #expect(moments.compactMap { $0["generated_tokens"]?.int } == [0, 2])
            for moment in moments {
                for layer in moment["layers"]?.list ?? [] {
                    #expect(layer["budget"]?.int == 10 && layer["owner"]?.int == layer["layer"]?.int)
                    for head in layer["heads"]?.list ?? [] {
                        #expect(head["rows"]?.int == head["positions"]?.list.count)
                    }
                }
            }
            let svg = try String(contentsOfFile: picture, encoding: .utf8)
            #expect(
                svg.hasPrefix("<svg xmlns=") && svg.hasSuffix("</svg>\n") && svg.contains("h2o, budget 10"))
            #expect(!svg.contains("nan") && !svg.contains("inf"))
            let table = try await CommandRun(arguments).text
            #expect(table.contains("after the prompt of") && table.contains("after 2 more tokens:"))
        }

        @Test("profiles are written, used, shown, and refused for another model")
        func profiles() async throws {
            let directory = TemporaryDirectory()
            let (map, text) = (directory.path + "/map.json", directory.path + "/text.txt")
            try Data(String(repeating: Self.text, count: 3).utf8).write(to: URL(filePath: text))
            let make =
                ["kv", "profile", "--method", "kvsharer", "-f", text, "-o", map, "--layers", "1"]
                + ["--samples", "2", "--tokens", "8", "--threshold", "-1"] + Self.model
            let made = try await CommandRun(make)
            #expect(made.status == 0 && made.errors.contains("wrote \(map)"), "\(made.errors)")
            let again = try await CommandRun(make)
            #expect(again.status == 64 && again.errors.contains("--force"))

            let picture = directory.path + "/shared.svg"
            let trace = try await CommandRun(
                ["kv", "trace", Self.text, "--kv-policy", "kvsharer:\(map)", "--json", "--picture", picture]
                    + Self.model
            ).json()
            let layers = trace["moments"]?.list.first?["layers"]?.list ?? []
            let borrowers = layers.filter { $0["owner"]?.int != $0["layer"]?.int }
            #expect(borrowers.count == 1 && borrowers.allSatisfy { $0["heads"]?.list.isEmpty == true })
            #expect(try String(contentsOfFile: picture, encoding: .utf8).contains("reads layer"))

            let other = try await CommandRun(["run", "a", "-n", "1", "--kv-policy", "kvsharer:\(map)"])
            #expect(other.status == 65 && other.errors.contains("llama-q8_0"), "\(other.errors)")
        }

        @Test("list shows every component")
        func list() async throws {
            let rows = try await CommandRun(["kv", "list", "--json"]).json().list
            let text = try await CommandRun(["kv", "list"]).text
            for row in rows {
                let name = try #require(row["name"]?.string)
                #expect(text.contains("\(name): "), "\(name)")
                #expect(row["source"]?.string?.isEmpty == false && row["decides"]?.list.isEmpty == false)
            }
            #expect(rows.count > 20)
        }

        @Test(
            "wrong flags are named",
            arguments: [
                (["trace", "a", "-n", "-1"], "-n"), (["trace", "a", "--picture", "x.png"], "--picture"),
                (["trace", ""], "empty"), (["trace", "a", "--kv-policy", "h20"], "h2o"),
                (["trace", "a", "--kv-budget", "1"], "--kv-policy"), (["trace", "a", "-n", "99999"], "-n"),
                (["profile", "--method", "snapkv", "-f", "x", "-o", "y"], "--method"),
                (["profile", "--method", "uncomp", "-f", "/none", "-o", "/none/y"], "/none"),
                (["profile", "--method", "uncomp", "-f", "x", "-o", "y", "--share", "25%"], "--share"),
                (["profile", "--method", "kvsharer", "-f", "x", "-o", "y", "--share", "100%"], "--share"),
            ])
        func refusals(arguments: [String], words: String) async throws {
            let run = try await CommandRun(["kv"] + arguments)
            #expect(run.status != 0 && run.output.isEmpty)
            #expect(run.errors.contains(words), "\(run.errors)")
            #expect(run.errors.split(separator: "\n").count == 1)
        }
    }
}
