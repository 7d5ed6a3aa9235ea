import Foundation
import SwiftletTestSupport
import Testing

extension CommandTests {
    @Suite struct BadInputTests {
        /// Arguments, exit status, and words that the error must contain.
        static let cases: [([String], Int32, [String])] = [
            (["frob"], 64, ["'frob'", "run, chat"]),
            (["run", "--foo"], 64, ["--foo", "swiftlet run --help"]),
            (["run", ""], 64, ["empty"]),
            (["run", "-n", "3"], 64, ["empty"]),
            (["run", "a", "b"], 64, ["'b'"]),
            (["run", "a", "-p", "b"], 64, ["-p", "-f"]),
            (["run", "a", "-bf", "b"], 64, ["-bf"]),
            (["run", "-f", "/no/such/file"], 66, ["/no/such/file", "-f"]),
            (["run", "-f", "/"], 66, ["directory", "-f"]),
            (["run", "a", "-m", "/no/such.gguf"], 66, ["/no/such.gguf"]),
            (["run", "a", "-m", "nobody/nothing"], 66, ["nobody/nothing", "models--nobody--nothing"]),
            (["run", "a", "-m", ""], 66, ["''"]),
            (["run", "a", "-m", #filePath], 64, [".gguf"]),
            (["run", "a", "-m", Fixture.directory], 66, ["tokenizer.json"]),
            (["run", "one two three", "-m", Fixture.gguf, "-c", "3"], 69, ["tokens", "holds 3", "-c"]),
            (["chat", "--chat-template", "x"], 64, ["--chat-template", "chatml"]),
            (["chat", "--chat-template", "x", "--chat-template-file", "y"], 64, ["--chat-template-file"]),
            (["chat", "--chat-template", "\n{% if %}"], 65, ["--chat-template: line 2"]),
            (["chat", "--chat-template-file", "/no/such.jinja"], 66, ["/no/such.jinja"]),
            (["chat", "--chat-template-kwargs", "[1]"], 64, ["--chat-template-kwargs", "object"]),
            (["logits", "--ids", "1,99999999"], 64, ["99999999", "2047"]),
            (["logits", "--ids", "-1"], 64, ["-1"]),
            (["logits", "--ids", ""], 64, ["--ids"]),
            (["logits", "--ids", "x"], 64, ["'x'"]),
            (["logits"], 64, ["--ids"]),
            (["detokenize", "2048"], 64, ["2048", "2047"]),
            (["detokenize", "1", "-f", "-"], 64, ["-f"]),
            (["inspect", "a", "-m", "b"], 64, ["-m"]),
            (["run", "a", "-m", "nobody/nothing:Q4_K_M"], 66, ["swiftlet pull nobody/nothing:Q4_K_M`"]),
            (["pull", "a/b/c"], 64, ["'a/b/c'", "org/name"]),
            (["pull", "a/b", "--jobs", "0"], 64, ["--jobs", "1 to 32"]),
            (["pull", "a/b@x", "--revision", "y"], 64, ["'y'", "org/name"]),
            (["convert", Fixture.directory, "/tmp/never"], 64, ["directory", "model.gguf"]),
            (["convert", Fixture.gguf, "/tmp/never.gguf"], 64, ["GGUF", "quantize"]),
            (["convert", Fixture.gguf, "/tmp/never", "--outtype", "q8_0"], 65, ["q8_0", "bf16"]),
            (["convert", Fixture.gguf, "/tmp/never", "--outtype", "x"], 64, ["--outtype", "'x'", "auto"]),
            (["cache", "rm", "nobody/nothing"], 66, ["nobody/nothing", "cache list"]),
            (["cache", "rm", ".."], 64, ["'..'", "org/name"]),
            (["synth", "--shape", "x", "/tmp/never.gguf"], 64, ["'x'", "135m"]),
            (["synth", "--type", "i32", "/tmp/never.gguf"], 64, ["--type", "q8_0"]),
            (["synth", "--arch", "x", "/tmp/never.gguf"], 64, ["--arch", "llama"]),
            (["synth", "--shape", "hidden=32,layers=1,heads=2", "/no/such/x.gguf"], 74, ["/no/such"]),
        ]

        /// Flags of `run` with values out of range.
        static let flags: [(flag: String, value: String)] = [
            ("-n", "-5"), ("-n", "x"), ("-c", "-1"), ("-t", "0"), ("-t", "-1"), ("-b", "0"), ("--temp", "-1"),
            ("--temp", "nan"), ("--top-p", "2"), ("--top-k", "-1"), ("--min-p", "-0.1"),
            ("--repeat-penalty", "0"), ("--seed", "-2"), ("-ctk", "q9"), ("-ctv", "q8_K"), ("--stop", ""),
            ("--repeat-last-n", "-2"),
        ]

        @Test("a value out of range names its flag", arguments: flags)
        func range(flag: String, value: String) async throws {
            try await oneLine(["run", "a", flag, value], 64, [flag, "expected", "swiftlet run --help"])
        }

        @Test("wrong input ends with one helpful line", arguments: cases)
        func oneLine(_ arguments: [String], _ status: Int32, _ words: [String]) async throws {
            let run = try await CommandRun(arguments)
            #expect(run.status == status)
            #expect(run.output.isEmpty)
            #expect(run.errors.hasPrefix("swiftlet: error: "))
            #expect(run.errors.split(separator: "\n").count == 1, "\(run.errors)")
            for word in words { #expect(run.errors.contains(word)) }
        }

        @Test("files cut short are named", arguments: [0, 3, 30, 3_000, 30_000])
        func truncated(count: Int) async throws {
            let directory = TemporaryDirectory()
            let gguf = try Data(contentsOf: URL(filePath: Fixture.gguf)).prefix(count)
            let path = directory.write(gguf, to: "cut.gguf")
            let run = try await CommandRun(["run", "a", "-m", path])
            #expect(run.status == 65)
            #expect(run.errors.contains(path))

            let folder = URL(filePath: Fixture.directory)
            for name in ["config.json", "model.safetensors"] {
                let file = try Data(contentsOf: folder.appending(path: name))
                directory.write(name == "config.json" ? file : file.prefix(count), to: "model/\(name)")
            }
            let logits = try await CommandRun(["logits", "--ids", "1", "-m", directory.path + "/model"])
            #expect(logits.status == 65)
            #expect(logits.errors.contains("model.safetensors"))
        }

        @Test func unknownArchitectureIsShownButNotRun() async throws {
            let directory = TemporaryDirectory()
            let folder = URL(filePath: Fixture.directory)
            let config = try String(contentsOf: folder.appending(path: "config.json"), encoding: .utf8)
                .replacing("\"llama\"", with: "\"llamoid\"")
            directory.write(config.utf8, to: "config.json")
            directory.write(
                try Data(contentsOf: folder.appending(path: "model.safetensors")), to: "model.safetensors")
            let logits = try await CommandRun(["logits", "--ids", "1", "-m", directory.path])
            #expect(logits.status == 65)
            #expect(logits.errors.contains("llamoid"))
            let inspect = try await CommandRun(["inspect", directory.path])
            #expect(inspect.status == 0)
            #expect(inspect.text.contains("llamoid"))
        }
    }
}
