import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletHub

/// What is in the cache, and what leaves it.
@Suite("HubCacheTests")
struct HubCacheTests {
    private let cache = TemporaryDirectory()
    private static let commits = ["aaaa1111", "aaaa2222"].map { $0 + String(repeating: "0", count: 32) }

    /// Two commits that share a file; `main` and a tag are at the second one.
    private func fill() throws {
        let storage = HubStorage(try #require(HubName("org/name")), cachePath: cache.path)
        try storage.prepare()
        for (blob, count) in [("shared", 100), ("old", 1_000), ("new", 2_000), ("x.incomplete", 7)] {
            cache.write([UInt8](repeating: 1, count: count), to: "models--org--name/blobs/\(blob)")
        }
        for (commit, own) in zip(Self.commits, ["old", "new"]) {
            try storage.link("config.json", to: "shared", commit: commit)
            try storage.link("sub/model.safetensors", to: own, commit: commit)
        }
        try storage.writeReference("main", commit: Self.commits[1])
        try storage.writeReference("refs/pr/1", commit: Self.commits[1])
        cache.makeDirectory("models--other--x-y_z.1/snapshots")
        cache.makeDirectory("datasets--org--name/snapshots")
        cache.makeDirectory("models--bad name")
    }

    @Test("the inventory counts shared contents once")
    func inventory() throws {
        try fill()
        let inventory = try HubInventory(path: cache.path)
        #expect(inventory.repositories.map(\.name) == ["org/name", "other/x-y_z.1"])
        let repository = inventory.repositories[0]
        #expect(repository.byteCount == 3_107 && repository.looseBytes == 7)
        #expect(Set(repository.revisions.map(\.byteCount)) == [1_100, 2_100])
        let main = try #require(repository.revisions.first { $0.references.contains("main") })
        #expect(main.commit == Self.commits[1] && main.references == ["main", "refs/pr/1"])
        #expect(main.files.map(\.path) == ["config.json", "sub/model.safetensors"] && main.lastUse > 0)
        #expect(try HubInventory(path: cache.path + "/none").repositories.isEmpty)
    }

    @Test("a commit leaves with what nobody else has")
    func removesCommit() throws {
        try fill()
        var inventory = try HubInventory(path: cache.path)
        let removal = try HubRemoval("org/name@main", in: inventory)
        #expect(
            removal.byteCount == 2_000 && !removal.isWhole && removal.references == ["main", "refs/pr/1"])
        #expect(
            try HubInventory(path: cache.path).byteCount == inventory.byteCount, "planning changes nothing")
        try removal.perform()
        inventory = try HubInventory(path: cache.path)
        #expect(inventory.repositories[0].revisions.map(\.commit) == [Self.commits[0]])
        #expect(
            try System.names(in: cache.path + "/models--org--name/blobs") == [
                "old", "shared", "x.incomplete",
            ])
        let last = try HubRemoval("org/name@\(Self.commits[0].prefix(8))", in: inventory)
        #expect(last.isWhole && last.byteCount == 1_107)
        try last.perform()
        #expect(System.kind(of: cache.path + "/models--org--name") == nil)
        #expect(System.kind(of: cache.path + "/.locks/models--org--name") == nil)
        #expect(System.kind(of: cache.path + "/datasets--org--name") == .directory)
    }

    @Test("what is not there or not one thing is refused")
    func refuses() throws {
        try fill()
        let inventory = try HubInventory(path: cache.path)
        expectError(.invalidArgument, "several commits") { try HubRemoval("org/name@aaaa", in: inventory) }
        expectError(.missing, "is not in the cache", "refs/pr/1") {
            try HubRemoval("org/name@v2", in: inventory)
        }
        expectError(.missing, "cache list") { try HubRemoval("org/absent", in: inventory) }
        for argument in ["..", "org/name:x", "", "/"] {
            expectError(.invalidArgument, "org/name") { try HubRemoval(argument, in: inventory) }
        }
    }

    @Test("nothing is removed while it is downloaded")
    func locked() throws {
        try fill()
        let lock = try FileLock.tryAcquire(cache.path + "/.locks/models--org--name/abc.lock")
        #expect(lock != nil)
        let removal = try HubRemoval("org/name", in: try HubInventory(path: cache.path))
        expectError(.busy, "being downloaded") { try removal.perform() }
        withExtendedLifetime(lock) {}
        #expect(System.kind(of: cache.path + "/models--org--name") == .directory)
    }

    @Test("links that lead elsewhere are removed, what they lead to is not")
    func links() throws {
        try fill()
        let outside = TemporaryDirectory()
        outside.write("keep", to: "file")
        try System.replaceLink(
            cache.path + "/models--org--name/snapshots/\(Self.commits[0])/out", target: outside.path)
        try HubRemoval("org/name", in: try HubInventory(path: cache.path)).perform()
        #expect(System.kind(of: outside.path + "/file") == .file)
    }

    @Test("GGUF files of a repository are told apart by their formats")
    func locator() throws {
        let snapshot = "models--org--name/snapshots/\(Self.commits[0])"
        cache.write("GGUF", to: "\(snapshot)/M-Q4_K_M.gguf")
        cache.write(Self.commits[0], to: "models--org--name/refs/main")
        let environment = ["HF_HUB_CACHE": cache.path]
        func resolve(_ name: String) throws(SwiftletError) -> String {
            try ModelLocator.resolve(name, environment: environment).path
        }
        #expect(try resolve("org/name").hasSuffix("/M-Q4_K_M.gguf"))
        cache.write("GGUF", to: "\(snapshot)/deep/M-Q8_0.gguf")
        #expect(try resolve("org/name:q8_0").hasSuffix("/deep/M-Q8_0.gguf"))
        #expect(try resolve("org/name@main:M-Q4_K_M.gguf").hasSuffix("/M-Q4_K_M.gguf"))
        expectError(.invalidArgument, "several", "org/name:deep/M-Q8_0.gguf") { try resolve("org/name") }
        expectError(.missing, "Q2_K", "swiftlet pull org/name:Q2_K") { try resolve("org/name:Q2_K") }
    }
}
