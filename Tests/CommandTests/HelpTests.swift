import ArgumentParser
import SwiftletCache
import SwiftletEngine
import SwiftletTensor
import Testing

@testable import swiftlet

extension CommandTests {
    @Suite struct HelpTests {
        @Test(
            "help texts are as recorded",
            arguments: [
                "", "run", "chat", "serve", "tokenize", "detokenize", "inspect", "logits", "synth", "bench",
                "bench model",
                "bench serve",
                "quantize", "kv", "kv list", "kv trace", "kv profile", "eval", "eval ppl", "eval kl",
                "eval calibration", "eval needle", "eval tasks", "eval compare", "plan", "pull", "cache",
                "convert",
                "cache list", "cache rm", "doctor",
            ])
        func help(command: String) async throws {
            let words = command.split(separator: " ").map(String.init)
            let run = try await CommandRun(words + ["--help"])
            #expect(run.status == 0)
            #expect(run.errors.isEmpty)
            try expectGolden(run.text, (["help"] + words).joined(separator: "-") + ".txt")
        }

        @Test func versionAndCommandlessHelp() async throws {
            #expect(try await CommandRun(["--version"]).text == "\(Release.name)\n")
            #expect(try await CommandRun([]).status == 0)
        }

        @Test(arguments: ["bash", "zsh", "fish"])
        func completionScript(shell: String) async throws {
            let run = try await CommandRun(["--generate-completion-script", shell])
            #expect(run.status == 0)
            for word in ["tokenize", "chat-template", "min-p"] { #expect(run.text.contains(word)) }
        }
    }
}

extension CommandTests {
    @Suite struct ParsingTests {
        @Test func flagsAreThoseOfLlama() throws {
            let run = try Run.parse(
                ("-m x -p hi -n -1 -c 9 -t 2 -b 3 --temp 0.5 --top-k 4 --top-p 0.9 --min-p 0.1 --typical 0.8 "
                    + "--repeat-penalty 1.1 --repeat-last-n -1 --presence-penalty -1 --frequency-penalty 0.2 "
                    + "-s 7 -r a --stop b --ignore-eos -ctk f32 -ctv f16 -v -e")
                    .split(separator: " ").map(String.init))
            #expect(run.model.choice.model == "x")
            #expect(run.text.prompt == "hi")
            #expect(run.length.maxTokens == -1)
            #expect(run.length.stops == ["a", "b"])
            let session = try run.model.sessionOptions()
            #expect(session.contextLength == 9 && session.threadCount == 2 && session.batchSize == 3)
            #expect(session.cacheFormat.key == .f32 && session.cacheFormat.value == .f16)
            #expect(run.sampling.repeatLastN == -1 && run.sampling.presencePenalty == -1)
            #expect(run.sampling.seed == Seed(value: 7))
            #expect(run.output.isVerbose && run.text.escape && run.length.ignoresStopTokens)
        }

        @Test("a context of 0 tokens is the model's own")
        func modelContext() throws {
            let run = try Run.parse(["hi", "-c", "0"])
            #expect(try run.model.sessionOptions().contextLength == nil)
        }

        @Test(arguments: [
            (#"a\nb"#, "a\nb"), (#"\\n"#, #"\n"#), (#"\x41\x4"#, #"A\x4"#), (#"\q\"#, #"\q\"#),
            (#"\t\r\'\""#, "\t\r'\""),
        ])
        func escapes(typed: String, meant: String) {
            #expect(TextOptions.unescape(Array(typed.utf8)) == Array(meant.utf8))
        }

        @Test func listsOfIds() throws {
            #expect(try TokenList.parse("[1, 2,3]\n4") == [1, 2, 3, 4])
            #expect(throws: (any Error).self) { try TokenList.parse("1 x") }
        }
    }
}
