import Foundation
import SwiftletFormats
import SwiftletTestSupport
import Testing

extension CommandTests {
    @Suite struct HubCommandTests {
        private static let commit = String(repeating: "0123456789", count: 4)

        /// Runs a command with a cache of its own.
        private func run(_ arguments: String, in cache: TemporaryDirectory) async throws -> CommandRun {
            try await CommandProcess.shell(
                "HF_HUB_CACHE=\"$1\" HF_TOKEN=hf_x \"$0\" \(arguments)", [cache.path])
        }

        private func fill(_ cache: TemporaryDirectory) {
            let folder = "models--org--name"
            cache.write([UInt8](repeating: 0, count: 2_048), to: "\(folder)/blobs/abc")
            cache.write(Self.commit, to: "\(folder)/refs/main")
            let snapshot = cache.makeDirectory("\(folder)/snapshots/\(Self.commit)")
            symlink("../../blobs/abc", "\(snapshot)/model.gguf")
        }

        @Test("cache list shows what cache rm removes")
        func cache() async throws {
            let cache = TemporaryDirectory()
            let empty = try await run("cache list", in: cache)
            #expect(empty.status == 0 && empty.output.isEmpty && empty.errors.contains("swiftlet pull"))
            fill(cache)
            let list = try await run("cache list --json", in: cache).json()
            let repository = try #require(list["repositories"]?[0])
            #expect(repository["name"]?.string == "org/name" && repository["bytes"]?.int == 2_048)
            let revision = try #require(repository["revisions"]?[0])
            #expect(revision["commit"]?.string == Self.commit && revision["references"]?[0]?.string == "main")
            #expect(revision["files"]?[0]?["path"]?.string == "model.gguf")
            let table = try await run("cache ls --files", in: cache).text
            #expect(table.contains("org/name  01234567  2.0 KiB") && table.contains("model.gguf"))

            let asked = try await run("cache rm org/name", in: cache)
            #expect(asked.status == 64 && asked.errors.contains("--yes"))
            let dry = try await run("cache rm org/name@main --dry-run", in: cache)
            #expect(dry.text == "would remove org/name: 2.0 KiB\n")
            #expect(try await run("cache rm org/name --yes", in: cache).text == "removed org/name: 2.0 KiB\n")
            #expect(try await run("cache list", in: cache).output.isEmpty)
        }

        @Test("doctor says what is there, and its status whether it works")
        func doctor() async throws {
            let cache = TemporaryDirectory()
            fill(cache)
            let report = try await run("doctor --json", in: cache)
            #expect(report.status == 0)
            let json = try report.json()
            #expect(json["ok"]?.bool == true && json["version"]?.string != nil)
            #expect(json["processor"]?["threads"]?.int ?? 0 > 0)
            #expect(json["memory"]?["read_bytes_per_second"]?.int ?? 0 > 0)
            #expect(json["formats"]?["weights"]?.list.contains { $0.string == "q4_K" } == true)
            #expect(json["architectures"]?.list.contains { $0.string == "llama" } == true)
            #expect(json["models"]?["repositories"]?.int == 1 && json["hub"]?["token"]?.bool == true)
            #expect(json["environment"]?["HF_TOKEN"]?.string == "(set)")
            #expect(!report.text.contains("hf_x"))
            #expect(try await run("doctor", in: cache).text.contains("org/name") == false)

            let broken = try await CommandProcess.shell("SWIFTLET_ISA=none HF_ENDPOINT=x \"$0\" doctor", [])
            #expect(broken.status == 1)
            #expect(
                broken.text.contains("error: SWIFTLET_ISA is 'none'")
                    && broken.text.contains("HF_ENDPOINT is 'x'"))
        }

        @Test("pull needs a network, and says so")
        func offline() async throws {
            let offline = try await CommandProcess.shell("HF_HUB_OFFLINE=1 \"$0\" pull org/name", [])
            #expect(offline.status == 64 && offline.errors.contains("HF_HUB_OFFLINE"))
        }
    }
}
