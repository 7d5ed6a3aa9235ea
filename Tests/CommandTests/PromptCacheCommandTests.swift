import Foundation
import SwiftletFormats
import SwiftletTestSupport
import Testing

extension CommandTests {
    @Suite struct PromptCacheCommandTests {
        private let directory = TemporaryDirectory()

        private var files: [String] {
            ((try? FileManager.default.contentsOfDirectory(atPath: directory.path + "/cache")) ?? []).sorted()
        }

        private func run(_ arguments: [String], cached: Bool = true) async throws -> CommandRun {
            try await CommandRun(
                ["run", "-m", Fixture.gguf, "Hello, who is there?", "-n", "12", "-s", "4"] + arguments
                    + (cached ? ["--prompt-cache", directory.path + "/cache"] : []))
        }

        @Test(
            "a second run restores the prompt and writes the same",
            arguments: [
                [], ["--kv-policy", "snapkv:window=4", "--kv-budget", "8"], ["-ctk", "f32", "-ctv", "f32"],
            ])
        func restores(flags: [String]) async throws {
            let expected = try await run(flags + ["-q"], cached: false)
            for index in 0..<2 {
                let json = try (try await run(flags + ["--json"])).json()
                #expect(json["text"]?.string == expected.text)
                let restored = json["timings"]?["restored_tokens"]?.int ?? 0
                let count = json["prompt_ids"]?.list.count ?? 0
                #expect(restored == (index == 0 ? 0 : flags.first == "--kv-policy" ? count : count - 1))
                #expect(json["timings"]?["prompt_tokens"]?.int == count - restored)
            }
            #expect(files.count == 1)
            #expect(try await run(flags).errors.contains("tokens from the prompt cache"))
        }

        @Test func verboseSaysWhy() async throws {
            let flags = ["--kv-policy", "snapkv:window=4", "--kv-budget", "8", "-v"]
            let first = try await run(flags)
            #expect(first.errors.contains("prompt cache: 0 of"))
            #expect(first.errors.contains("only the same prompt can be restored"))
            #expect(try await run(flags).errors.contains("tokens restored\n"))
        }

        @Test func damageIsAWarning() async throws {
            let expected = try await run(["-q"])
            let name = try #require(files.first)
            directory.write("SwPrompt and then something else", to: "cache/" + name)
            let damaged = try await run(["-q"])
            #expect(damaged.status == 0 && damaged.output == expected.output)
            #expect(damaged.errors.hasPrefix("swiftlet: warning: \(directory.path)/cache/\(name)"))
            #expect(try await run(["-q"]).errors.isEmpty)
        }

        @Test("a kill at any instant leaves files that are whole, or none")
        func killed() async throws {
            let expected = try await run(["-q"], cached: false)
            let arguments = [
                "run", "-m", Fixture.gguf, "Hello, who is there?", "-n", "12", "-s", "4", "-q",
                "--prompt-cache",
                directory.path + "/cache",
            ]
            for attempt in 0..<12 {
                let command = try CommandProcess(arguments)
                // Once from the first byte on, then later and later.
                while attempt == 0, command.process.isRunning, files.isEmpty {
                    try await Task.sleep(for: .microseconds(200))
                }
                try await Task.sleep(for: .milliseconds(attempt * 6))
                kill(command.process.processIdentifier, SIGKILL)
                _ = try await command.wait()
                for name in files where attempt % 4 == 3 && name.hasSuffix(".promptcache") {
                    try FileManager.default.removeItem(atPath: directory.path + "/cache/" + name)
                }
            }
            let run = try await run(["-q"])
            #expect(run.output == expected.output && run.errors.isEmpty)
        }

        @Test("processes at the same time write the same")
        func together() async throws {
            let expected = try await run(["-q"], cached: false)
            try await withThrowingTaskGroup(of: CommandRun.self) { group in
                for _ in 0..<6 { group.addTask { try await run(["-q", "--prompt-cache-size", "60kB"]) } }
                for try await run in group {
                    #expect(run.output == expected.output && run.errors.isEmpty && run.status == 0)
                }
            }
            #expect(files.count == 1)
        }

        @Test func chatRestoresItsTurns() async throws {
            func chat() async throws -> CommandRun {
                try await CommandRun(
                    ["chat", "-n", "4", "--temp", "0", "--prompt-cache", directory.path + "/cache"],
                    input: Array("Hello\nAnd you?\n".utf8))
            }
            let first = try await chat()
            #expect(first.status == 0 && files.count == 1)
            #expect(try await chat().output == first.output)
            #expect(files.count == 1)
        }

        @Test func wrongFlags() async throws {
            let size = try await run(["--prompt-cache-size", "much"])
            #expect(size.status == 64 && size.errors.contains("expected a size such as 500MB"))
            let alone = try await run(["--prompt-cache-size", "1GB"], cached: false)
            #expect(alone.status == 64 && alone.errors.contains("add --prompt-cache"))
            let file = directory.write("x", to: "file")
            let wrong = try await run(["--prompt-cache", file], cached: false)
            #expect(wrong.status == 73 || wrong.status == 74)
            #expect(wrong.errors.contains("is a file, expected a directory") && wrong.text.isEmpty)
        }

        #if os(Linux)
            /// A limit on the size of files ends a write in its middle, as a full disk does.
            @Test func fullDiskIsAWarning() async throws {
                let expected = try await run(["-q"], cached: false)
                let limited = try await CommandProcess.shell(
                    """
                    ulimit -f 1; exec "$0" run -m "$1" 'Hello, who is there?' -n 12 -s 4 -q --prompt-cache "$2"
                    """, [Fixture.gguf, directory.path + "/cache"])
                #expect(limited.status == 0 && limited.output == expected.output)
                #expect(
                    limited.errors.contains("is not kept in") && limited.errors.contains("cannot be written"))
                #expect(files.isEmpty)
            }
        #endif
    }
}
