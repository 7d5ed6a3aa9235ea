import Foundation
import SwiftletFormats
import Testing

extension CommandTests {
    @Suite struct RunTests {
        @Test("the built-in model continues a text the same way every time")
        func builtIn() async throws {
            let arguments = ["run", "Once upon a time", "-n", "8", "--temp", "0"]
            let run = try await CommandRun(arguments)
            #expect(run.status == 0)
            #expect(run.text == " there was a great deal of a")
            #expect(run.errors.contains("tokens"))
            #expect(try await CommandRun(arguments + ["-q"]).errors.isEmpty)
            let piped = try await CommandRun(
                ["run", "-n", "8", "--temp", "0"], input: Array("Once upon a time\n".utf8))
            #expect(piped.output == run.output)
        }

        @Test func jsonHoldsEverything() async throws {
            let run = try await CommandRun([
                "run", "-m", Fixture.gguf, "Hello", "-n", "5", "-s", "3", "--json",
            ])
            let json = try run.json()
            #expect(run.errors.isEmpty)
            #expect(json["ids"]?.list.count == 5)
            #expect(json["finish_reason"]?.string == "length")
            #expect(json["seed"]?.int == 3)
            #expect(json["timings"]?["prompt_tokens"]?.int == json["prompt_ids"]?.list.count)
            #expect((json["memory"]?["peak_resident_bytes"]?.int ?? 0) > 1 << 20)
            #expect(
                json["text"]?.string
                    == (try await CommandRun(
                        ["run", "-m", Fixture.gguf, "Hello", "-n", "5", "-s", "3"]).text))
        }

        @Test func contextEndIsSaid() async throws {
            let run = try await CommandRun([
                "run", "-m", Fixture.gguf, "Hello", "--ignore-eos", "--temp", "0",
            ])
            #expect(run.status == 0)
            #expect(run.errors.contains("context's end (64 tokens, -c)"))
        }

        @Test func interruptKeepsTheText() async throws {
            let command = try CommandProcess([
                "run", "Once upon a time", "--temp", "0", "-c", "100000", "--ignore-eos",
            ])
            while command.process.isRunning, command.outputCount < 20 {
                try await Task.sleep(for: .milliseconds(2))
            }
            command.process.interrupt()
            let run = try await command.wait()
            #expect(run.status == 130)
            #expect(run.text.hasPrefix(" there was a great deal"))
            #expect(run.errors.contains("stopped by Ctrl-C"))
        }

        #if os(Linux)
            @Test func fullDeviceIsAnError() async throws {
                let command = try CommandProcess(
                    ["run", "-m", Fixture.gguf, "Hello"], outputPath: "/dev/full")
                let run = try await command.wait()
                #expect(run.status == 74)
                #expect(run.errors.contains("standard output cannot be written"))
            }
        #endif

        @Test func chatTakesATemplate() async throws {
            let template =
                "{% for m in messages %}<|user|>{{ m.content }}<|end|>{% endfor %}<|assistant|>{{ more }}"
            let flags = ["chat", "-n", "8", "--temp", "0", "--chat-template"]
            let question = Array("The golden ring belongs to Tom. Who has the golden ring?\n".utf8)
            let own = try await CommandRun(flags + ["bars"], input: question)
            let inline = try await CommandRun(flags + [template], input: question)
            #expect(inline.status == 0 && inline.text == own.text)
            let values = ["--chat-template-kwargs", #"{"more": " No"}"#]
            let other = try await CommandRun(flags + [template] + values, input: question)
            #expect(other.status == 0 && other.text != own.text)
            let refusing = try await CommandRun(flags + ["{{ raise_exception('never') }}"], input: question)
            #expect(refusing.status == 64 && refusing.errors.contains("--chat-template: line 1: never"))
        }

        @Test func chatAnswersEveryLine() async throws {
            let run = try await CommandRun(
                ["chat", "-n", "4", "--temp", "0"],
                input: Array("Hello\n/reset\nHel\\\nlo\n/exit\nHello\n".utf8))
            #expect(run.status == 0)
            #expect(run.text.split(separator: "\n").count >= 2)
            let full = try await CommandRun(
                ["chat", "-c", "20", "--temp", "0", "--ignore-eos"], input: Array("Who?\nMore\n".utf8))
            #expect(full.status == 69)
            #expect(full.errors.contains("/reset"))
        }
    }
}
