import Foundation
import SwiftletFormats
import SwiftletTestSupport
import Testing

extension CommandTests {
    @Suite struct ToolTests {
        @Test("any bytes come back", arguments: 0..<3 as Range<UInt64>)
        func roundTrip(seed: UInt64) async throws {
            var random = SplitMix64(seed: seed)
            let bytes = (0..<200).map { _ in UInt8.random(in: 0...255, using: &random) }
            for model in [["-m", Fixture.gguf], []] {
                let tokens = try await CommandRun(["tokenize", "-f", "-", "--json"] + model, input: bytes)
                let ids = try #require(try tokens.json()["ids"]).list.compactMap(\.int)
                #expect(try tokens.json()["pieces"]?.list.count == ids.count)
                let back = try await CommandRun(
                    ["detokenize", "--no-special"] + model, input: Array("\(ids)".utf8))
                #expect(back.output == bytes)
            }
        }

        @Test func tokenizerWithoutModel() async throws {
            for path in [Fixture.tokenizer, Fixture.tokenizer + "/tokenizer.json"] {
                let run = try await CommandRun(["tokenize", "-m", path, "hi", "--json"])
                #expect(try run.json()["pieces"]?.list.compactMap(\.string) == ["h", "i"])
            }
        }

        @Test func logitsOfOneAndAllPositions() async throws {
            let arguments = ["logits", "-m", Fixture.directory, "--ids", "1,2,3", "--json"]
            let last = try #require(try await CommandRun(arguments).json()["logits"]).list
            let all = try #require(try await CommandRun(arguments + ["--all"]).json()["logits"]).list
            #expect(last.count == 1 && all.count == 3)
            #expect(last[0].list.count == 128)
            for (a, b) in zip(last[0].list, all[2].list) {
                #expect(abs((a.double ?? 0) - (b.double ?? 1)) < 1e-4)
            }
        }

        @Test("logits of a quantised model are those of its dequantised weights")
        func exactLogits() async throws {
            let folder = URL(filePath: Fixture.gguf).deletingLastPathComponent().deletingLastPathComponent()
                .appending(path: "llama-q8_0").path
            let prompt = try #require(
                try JSON.parse(contentsOf: "\(folder)/expected.json")["prompts"]?.list.last)
            let ids = try #require(prompt["ids"]).list.compactMap(\.int)
            let first = try #require(prompt["row"]?.int)
            let expected = try Data(contentsOf: URL(filePath: "\(folder)/expected.f32")).withUnsafeBytes {
                Array($0.bindMemory(to: Float.self))
            }
            let run = try await CommandRun([
                "logits", "-m", Fixture.gguf, "--ids", ids.map(String.init).joined(separator: ","), "--json",
            ])
            let found = try #require(try run.json()["logits"]?.list.first).list.compactMap(\.double)
            let row = expected[((first + ids.count - 1) * found.count)...].prefix(found.count)
            #expect(zip(found, row).allSatisfy { abs($0 - Double($1)) <= 1e-4 })
        }

        @Test func inspectAsTextAndJSON() async throws {
            for path in [Fixture.gguf, Fixture.directory] {
                let json = try await CommandRun(["inspect", path, "--json"]).json()
                #expect(json["architecture"]?.string == "llama")
                let sizes = (json["parts"]?.list ?? []).compactMap { $0["bytes"]?.int }
                #expect(sizes.reduce(0, +) == json["weight_bytes"]?.int)
                #expect(try await CommandRun(["inspect", path, "--tensors"]).text.contains("memory by part"))
            }
        }

        @Test func inspectOfATokenizerAlone() async throws {
            let json = try await CommandRun(["inspect", Fixture.tokenizer, "--json"]).json()
            #expect(json["file_format"]?.string == "tokenizer only")
            #expect(json["tokenizer_size"]?.int ?? 0 > 200)
            #expect(json["problem"]?.string?.contains("config.json") == true)
        }

        @Test func syntheticModelRuns() async throws {
            let directory = TemporaryDirectory()
            let path = directory.path + "/tiny.gguf"
            let arguments = [
                "synth", "--shape", "hidden=32,layers=1,heads=2", "--type", "q4_0", path, "--json",
            ]
            #expect(try await CommandRun(arguments).json()["type"]?.string == "q4_0")
            #expect(try await CommandRun(arguments).status == 64)
            #expect(try await CommandRun(arguments + ["--force"]).status == 0)
            let run = try await CommandRun(["run", "-m", path, "Hello", "-n", "3", "--ignore-eos", "--json"])
            #expect(try run.json()["ids"]?.list.count == 3)
        }
    }
}
