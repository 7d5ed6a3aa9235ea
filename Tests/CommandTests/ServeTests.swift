import ArgumentParser
import Foundation
import SwiftletEngine
import SwiftletServer
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import swiftlet

extension CommandTests {
    @Suite struct ServeTests {
        @Test("flags, environment and file, in that order")
        func precedence() throws {
            let directory = TemporaryDirectory()
            let path = directory.write(
                Array(
                    #"{"port": 1, "host": "a", "alias": "f", "metrics": true, "slots": false, "api_key": ["x", "y"]}"#
                        .utf8), to: "serve.json")
            let words = try ServeConfiguration.expand(
                ["--config", path, "--port", "3"],
                environment: ["SWIFTLET_PORT": "2", "SWIFTLET_ALIAS": "e", "SWIFTLET_KV_UNIFIED": "1"])
            let serve = try Serve.parse(words)
            #expect(serve.network.port == 3 && serve.network.host == "a" && serve.endpoints.alias == "e")
            #expect(serve.endpoints.metrics && !serve.endpoints.slots && serve.scheduling.unifiesContext)
            #expect(serve.network.keys == ["x", "y"])
            let typed = try ServeConfiguration.expand(
                ["--slots", "--config=\(path)", "--api-key", "z"],
                environment: ["SWIFTLET_CONFIG": "/nowhere"])
            let other = try Serve.parse(typed)
            #expect(other.endpoints.slots && other.network.keys == ["z"])
        }

        @Test("a file with unknown or wrong members is refused")
        func wrongFiles() throws {
            let directory = TemporaryDirectory()
            for (text, word) in [
                (#"{"por": 1}"#, "did you mean 'port'"), ("[1]", "array"),
                (#"{"metrics": 5}"#, "true or false"),
                (#"{"port": [[1]]}"#, "plain value"),
            ] {
                let path = directory.write(Array(text.utf8), to: "serve.json")
                do {
                    _ = try ServeConfiguration.expand(["--config", path], environment: [:])
                    Issue.record("no error for \(text)")
                } catch { #expect(error.message.contains(word), "\(error)") }
            }
        }

        @Test("every flag that the help shows may stand in a file, and no other")
        func flagsAreKnown() async throws {
            let help = try await CommandRun(["serve", "--help"]).text
            var shown: Set<String> = []
            for word in help.split(whereSeparator: { " ,/\n".contains($0) }) where word.hasPrefix("--") {
                shown.insert(String(word.dropFirst(2).prefix { $0.isLetter || $0 == "-" }))
            }
            for (name, _) in ServeConfiguration.flags { #expect(shown.contains(name), "\(name)") }
            let others: Set = ["config", "help", "version", "parallel"]
            let known = Set(ServeConfiguration.flags.map(\.name))
            let aliases: Set = ["temperature", "typical-p", "n-predict", "np", "ub", "to", "embedding"]
            for name in shown where !name.hasPrefix("no-") {
                #expect(known.contains(name) || others.contains(name) || aliases.contains(name), "\(name)")
            }
        }

        @Test("flags are those of llama-server")
        func flags() throws {
            let serve = try Serve.parse(
                ("-m x --host 0.0.0.0 --port 0 -c 512 -np 2 -b 32 -ub 32 -t 1 -a b,a,b --tags t --api-key k,l --slots "
                    + "--metrics --no-ui --slot-save-path /tmp --timeout 5 --cors-origins localhost -n -1 --jinja "
                    + "--reasoning-format none --cont-batching --offline --temp 0 --seed 42 --no-kv-unified")
                    .split(separator: " ").map(String.init))
            var settings = ServerSettings()
            try serve.network.apply(to: &settings)
            serve.endpoints.apply(to: &settings)
            #expect(settings.aliases == ["b", "a"] && !settings.splitsReasoning && !settings.showsPage)
            #expect(settings.timeoutSeconds == 5 && settings.showsMetrics)
            #expect(serve.scheduling.contextPerSlot(512) == 256)
            let bounded = try SchedulingOptions.parse(["-cram", "3"]),
                unbounded = try SchedulingOptions.parse(["--cache-ram", "-1"])
            var (one, other) = (Scheduler.Options(), Scheduler.Options())
            bounded.apply(to: &one)
            unbounded.apply(to: &other)
            #expect(one.keptPromptBytes == 3 << 20 && other.keptPromptBytes == nil)
            let unified = try SchedulingOptions.parse(["-np", "2", "--kv-unified"])
            #expect(unified.contextPerSlot(512) == 512)
        }

        @Test(
            "wrong values name their flag",
            arguments: [
                "--port 70000", "--timeout 0", "--kv-memory x", "--cache-ram -2", "-np 0", "--ssl-key-file a",
                "--log-level loud",
                "--reasoning-format odd", "-n -2", "--body-limit 0",
            ])
        func wrongFlags(line: String) async throws {
            let words = line.split(separator: " ").map(String.init)
            let run = try await CommandRun(["serve"] + words)
            #expect(run.status == 64)
            #expect(run.errors.hasPrefix("swiftlet: error: "), "\(run.errors)")
        }
    }
}
