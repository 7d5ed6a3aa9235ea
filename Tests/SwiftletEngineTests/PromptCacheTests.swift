import Foundation
import SwiftletCache
import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import SwiftletText
import Synchronization
import Testing

@testable import SwiftletEngine

/// Saved caches of prompts: the same text with and without, and nothing but lost time when a file is bad.
@Suite("Prompt cache on disk")
struct PromptCacheTests {
    /// What a store reported.
    private final class Reports: Sendable {
        private let list = Mutex<[String]>([])
        var all: [String] { list.withLock { $0 } }
        func add(_ text: String) { list.withLock { $0.append(text) } }
    }

    private let model: Model
    private let directory = TemporaryDirectory()
    private let reports = Reports()

    init() throws { model = try EngineFixture.model() }

    private func store(limit: Int = 1 << 30) throws -> PromptCacheStore {
        let reports = reports
        return try PromptCacheStore(directory: directory.path + "/a/b", byteLimit: limit) { reports.add($0) }
    }

    private func session(
        _ store: PromptCacheStore?, policy: String? = nil, budget: String = "12", format: KVFormat = .f16,
        model: Model? = nil
    ) throws -> Session {
        let model = model ?? self.model
        let policy =
            try policy.map { text in try model.policy(text, budget: budget.isEmpty ? nil : budget) } ?? .full
        return try EngineFixture.session(
            {
                $0.promptCache = store
                $0.policy = policy
                $0.cacheFormat = format
            }, model: model)
    }

    private var files: [String] { (try? System.names(in: directory.path + "/a/b")) ?? [] }

    private func path(_ name: String) -> String { directory.path + "/a/b/" + name }

    // MARK: The same text

    private static let pqcache = "pqcache:m=2,b=2,sinks=2,ratio=0.3"
    private static let policies: [(policy: String?, budget: String)] = [
        (nil, ""), ("snapkv:window=4", "12"), ("h2o", "25%"), ("streaming", "12"), ("streaming+slots", "12"),
        ("d2o", "14"), ("adakv+snapkv:window=4", "12"), ("zigzag:queries=4+h2o", "12"), ("tova", "12"),
        ("expected:sinks=2", "50%"), ("pyramidkv:window=4", "12"), (pqcache, ""),
    ]

    @Test(
        "a prompt that was seen before gives the same text", arguments: 0..<policies.count,
        [KVFormat.f32, .f16])
    func sameText(index: Int, format: KVFormat) throws {
        let (policy, budget) = Self.policies[index]
        let prompt = EngineFixture.prompt(30)
        for seed in [nil, 5 as UInt64] {
            let options = GenerationOptions.test(25, seed: seed)
            let expected = try Written(
                session(nil, policy: policy, budget: budget, format: format), prompt, options)
            for run in 0..<3 {
                let session = try session(store(), policy: policy, budget: budget, format: format)
                #expect(try Written(session, prompt, options) == expected)
                let restored = policy == nil || policy == Self.pqcache ? 29 : 30
                #expect(session.restoredCount == (run == 0 && seed == nil ? 0 : restored))
            }
        }
        #expect(files.count == 1 && reports.all.isEmpty)
    }

    @Test("a full cache serves every prompt that begins alike", arguments: [1, 7, 29, 30, 31, 50])
    func prefixes(common: Int) throws {
        _ = try session(store()).feed(EngineFixture.prompt(40))
        let prompt = EngineFixture.prompt(common) + EngineFixture.prompt(9, seed: 4)
        let restored = min(common, 40) < 40 / 16 ? 0 : min(common, 40)
        let found = try session(store())
        #expect(try found.feed(prompt) == session(nil).feed(prompt))
        #expect(found.restoredCount == restored && found.tokens == prompt)
        // The longest wins.
        let again = try session(store())
        #expect(try again.feed(prompt) == session(nil).feed(prompt))
        #expect(again.restoredCount == prompt.count - 1)
        #expect(reports.all.isEmpty)
    }

    @Test("a compressed cache serves its own prompt alone")
    func compressedPrefix() throws {
        _ = try session(store(), policy: "snapkv:window=4").feed(EngineFixture.prompt(30))
        for count in [20, 29, 31, 40] {
            let found = try session(store(), policy: "snapkv:window=4")
            let prompt = EngineFixture.prompt(count)
            #expect(
                try found.feed(prompt) == session(nil, policy: "snapkv:window=4").feed(prompt))
            #expect(found.restoredCount == 0)
        }
        #expect(files.count == 5)
    }

    @Test("turns of a conversation are found in another process")
    func turns() throws {
        let first = try session(store())
        _ = try first.feed(EngineFixture.prompt(10))
        _ = try first.feed(EngineFixture.prompt(10, seed: 2))
        let expected = try first.feed(EngineFixture.prompt(10, seed: 3))
        #expect(files.count == 1)  // shorter files of the same text are superfluous
        let all =
            EngineFixture.prompt(10) + EngineFixture.prompt(10, seed: 2) + EngineFixture.prompt(10, seed: 3)
        let second = try session(store())
        #expect(try second.feed(all) == expected)
        #expect(second.restoredCount == 29)
        // A later turn of a compressed cache depends on how the text came about.
        let compressed = try session(store(), policy: "h2o")
        _ = try compressed.feed(EngineFixture.prompt(20))
        _ = try compressed.feed(EngineFixture.prompt(20, seed: 2))
        #expect(files.count == 2)
    }

    @Test(
        "a policy that chooses which rows are read shares files with the full cache, but not its later turns")
    func retrieval() throws {
        let options = GenerationOptions.test(20)
        let prompt = EngineFixture.prompt(30)
        let expected = try Written(session(nil, policy: Self.pqcache, budget: ""), prompt, options)
        #expect(try expected != Written(session(store()), prompt, options))
        let found = try session(store(), policy: Self.pqcache, budget: "")
        #expect(try Written(found, prompt, options) == expected)
        #expect(found.restoredCount == 29)
        _ = try found.feed(EngineFixture.prompt(5, seed: 2))
        #expect(files.count == 1 && found.restoredCount == 0)
    }

    @Test("progress is told of restored tokens, and a cancelled prompt is not kept")
    func progress() throws {
        let cancelled = try EngineFixture.session(
            {
                $0.promptCache = try? store()
                $0.batchSize = 8
            }, model: model)
        #expect(try cancelled.feed(EngineFixture.prompt(30)) { _ in false } == nil)
        #expect(cancelled.tokens.count == 8 && files.isEmpty)
        _ = try session(store()).feed(EngineFixture.prompt(30))
        var seen: [Int] = []
        _ = try session(store()).feed(EngineFixture.prompt(40)) {
            seen.append($0)
            return true
        }
        #expect(seen.last == 40)
    }

    // MARK: What does not match

    @Test("another model, policy, budget, format or arithmetic finds nothing")
    func keys() throws {
        let prompt = EngineFixture.prompt(30)
        _ = try session(store(), policy: "snapkv:window=4").feed(prompt)
        let other = try Model.load(
            EngineFixture.path.replacingOccurrences(of: "llama-q8_0.gguf", with: "llama-gqa.gguf"),
            needsTokenizer: false)
        var sessions = [
            try session(store()), try session(store(), policy: "snapkv:window=5"),
            try session(store(), policy: "snapkv:window=4", budget: "13"),
            try session(store(), policy: "snapkv:window=4,pooling=max"),
            try session(store(), policy: "snapkv:window=4", format: .f32),
            try session(store(), policy: "adakv+snapkv:window=4"),
            try session(store(), model: other),
        ]
        sessions.append(
            try EngineFixture.session(
                {
                    $0.promptCache = try? store()
                    $0.policy = (try? model.policy("snapkv:window=4", budget: "12")) ?? .full
                    $0.activations = .exact
                }, model: model))
        #expect(Set(sessions.map(\.promptCacheKey)).count == sessions.count)
        for session in sessions {
            _ = try session.feed(prompt.map { $0 % 100 })
            #expect(session.restoredCount == 0)
        }
        // Other words for the same policy.
        let same = try session(store(), policy: "snapkv:kernel=5,window=4")
        _ = try same.feed(prompt)
        #expect(same.restoredCount == 30)
    }

    // MARK: Bad files

    private func saved(_ policy: String?) throws -> (name: String, bytes: [UInt8]) {
        _ = try session(store(), policy: policy).feed(EngineFixture.prompt(30))
        let name = try #require(files.first)
        return (name, Array(try Data(contentsOf: URL(filePath: path(name)))))
    }

    private func write(_ bytes: [UInt8], _ name: String) { directory.write(bytes, to: "a/b/" + name) }

    /// Where the sections of a file begin.
    private func sections(_ bytes: [UInt8]) -> [Int] {
        var starts: [Int] = []
        var start = 16
        while start < bytes.count {
            starts.append(start)
            start += 16 + bytes[start + 8..<start + 16].reversed().reduce(0) { $0 << 8 | Int($1) }
        }
        return starts
    }

    @Test(
        "every section that is changed, cut or moved is reported, removed and computed anew",
        arguments: [nil, "h2o"])
    func damaged(policy: String?) throws {
        let prompt = EngineFixture.prompt(30)
        let (name, sound) = try saved(policy)
        let expected = try session(nil, policy: policy).feed(prompt)
        let starts = sections(sound) + [sound.count]
        #expect(starts.count == 6)  // about, logits, sequence, two layers, end
        var damaged: [[UInt8]] = [[], Array(sound.dropLast()), sound + [0], Array(sound.prefix(15))]
        for (start, end) in zip([0] + starts, starts) {
            for place in [start, start + 5, start + 9, (start + end) / 2, end - 1] {
                var bytes = sound
                bytes[place] ^= 0x10
                // Another version is told apart below.
                if !(8..<12).contains(place) { damaged.append(bytes) }
            }
            damaged.append(Array(sound.prefix(start + 3)))
            damaged.append(Array(sound.prefix((start + end) / 2)))
            damaged.append(Array(sound[..<start] + sound[end...]))
        }
        for (index, bytes) in damaged.enumerated() {
            write(bytes, name)
            let session = try session(store(), policy: policy)
            #expect(try session.feed(prompt) == expected, "\(index)")
            #expect(session.restoredCount == 0 && session.tokens == prompt, "\(index)")
            #expect(reports.all.count == index + 1, "\(index)")
            #expect(reports.all.last?.contains("damaged") == true && reports.all.last?.contains(name) == true)
            #expect(try Data(contentsOf: URL(filePath: path(name))) == Data(sound), "\(index)")
        }
    }

    @Test("random damage never harms", arguments: [nil, "d2o"])
    func mutated(policy: String?) throws {
        let prompt = EngineFixture.prompt(30)
        let (name, sound) = try saved(policy)
        let expected = try session(nil, policy: policy).feed(prompt)
        var mutator = Mutator(seed: 11)
        for _ in 0..<40 {
            write(mutator.mutate(sound), name)
            #expect(try session(store(), policy: policy).feed(prompt) == expected)
        }
    }

    @Test("a file of another version is reported and left alone, until its own prompt is saved")
    func version() throws {
        var (name, bytes) = try saved(nil)
        bytes[8] = 9
        write(bytes, name)
        let other = EngineFixture.prompt(20) + [5, 6, 7]
        #expect(try session(store()).feed(other) == session(nil).feed(other))
        #expect(reports.all.count == 1 && reports.all[0].contains("version 9, this program reads"))
        #expect(files.count == 2 && files.contains(name))
    }

    @Test("a file under the name of another is not believed")
    func renamed() throws {
        let (name, bytes) = try saved(nil)
        let other = try session(store(), format: .f32)
        write(bytes, other.promptCacheKey + name.dropFirst(32))
        #expect(
            try other.feed(EngineFixture.prompt(30))
                == session(nil, format: .f32).feed(EngineFixture.prompt(30)))
        #expect(other.restoredCount == 0 && reports.all.count == 1)
    }

    @Test("directories, pipes and links in the place of files do no harm")
    func strange() throws {
        let (name, _) = try saved(nil)
        System.remove(path(name))
        _ = directory.makePipe("a/b/" + name)
        #expect(
            try session(store()).feed(EngineFixture.prompt(30)) == session(nil).feed(EngineFixture.prompt(30))
        )
        System.remove(path(name))
        directory.makeDirectory("a/b/" + name)
        #expect(
            try session(store()).feed(EngineFixture.prompt(30)) == session(nil).feed(EngineFixture.prompt(30))
        )
        #expect(!reports.all.isEmpty)
    }

    // MARK: The directory

    @Test("what was not used for longest leaves first, and the bound holds")
    func leastRecentlyUsed() throws {
        let (name, bytes) = try saved("h2o")
        let limit = bytes.count * 3 + bytes.count / 2
        func age(_ name: String, _ seconds: Double) throws {
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSinceNow: -seconds)], ofItemAtPath: path(name))
        }
        func feed(_ seed: Int) throws -> String {
            let before = Set(files)
            let session = try session(store(limit: limit), policy: "h2o")
            _ = try session.feed(EngineFixture.prompt(30, seed: seed))
            return Set(files).subtracting(before).first ?? ""
        }
        let second = try feed(2), third = try feed(3)
        for (file, seconds) in [(name, 300.0), (second, 200), (third, 100)] { try age(file, seconds) }
        #expect(try feed(1).isEmpty)  // used again
        let fourth = try feed(4)
        #expect(Set(files) == [name, third, fourth])
        _ = try feed(5)
        #expect(files.count == 3 && files.contains(name) && files.contains(fourth))
        #expect(files.reduce(0) { $0 + System.byteCount(of: path($1)) } <= limit)
        #expect(reports.all.isEmpty)
    }

    @Test("a prompt that is larger than the bound is reported and not kept")
    func tooLarge() throws {
        #expect(
            try session(store(limit: 2_000)).feed(EngineFixture.prompt(30))
                == session(nil).feed(EngineFixture.prompt(30)))
        #expect(files.isEmpty)
        #expect(reports.all.count == 1 && reports.all[0].contains("2000 bytes of --prompt-cache-size"))
    }

    @Test("what a killed process left is removed, what a living one writes is not")
    func abandoned() throws {
        let (name, _) = try saved(nil)
        let old = Date(timeIntervalSinceNow: -60)
        for file in ["\(name).1f.tmp", "mine.tmp", "\(name).xyz.tmp", "notes.1f.tmp"] {
            write([1], file)
            try FileManager.default.setAttributes([.modificationDate: old], ofItemAtPath: path(file))
        }
        write([1], "\(name).2f.tmp")  // new
        let writing = try AtomicFile(path: path(name))
        let own = try #require(files.first { $0.hasSuffix(".tmp") && System.byteCount(of: path($0)) == 0 })
        try FileManager.default.setAttributes([.modificationDate: old], ofItemAtPath: path(own))
        _ = try store()
        #expect(Set(files) == [name, "mine.tmp", "\(name).xyz.tmp", "notes.1f.tmp", "\(name).2f.tmp", own])
        try writing.write([1, 2, 3])
    }

    @Test("a directory that cannot be is an error before any work")
    func noDirectory() throws {
        let file = directory.write("x", to: "file")
        expectError(.unwritable, file, "is a file") { try PromptCacheStore(directory: file) { _ in } }
        expectError(.unwritable, "cannot be made") {
            try PromptCacheStore(directory: file + "/below") { _ in }
        }
        expectError(.unwritable, "path is empty") { try PromptCacheStore(directory: "") { _ in } }
        expectError(.invalidArgument, "0 bytes") {
            try PromptCacheStore(directory: directory.path, byteLimit: 0) { _ in }
        }
    }

    @Test("a directory that disappears costs nothing but the cache")
    func disappearing() throws {
        let session = try session(store())
        try FileManager.default.removeItem(atPath: directory.path + "/a")
        #expect(
            try session.feed(EngineFixture.prompt(30)) == self.session(nil).feed(EngineFixture.prompt(30)))
        #expect(reports.all.contains { $0.contains("is not kept in") })
    }

    @Test("many writers and readers at once")
    func concurrency() async throws {
        let (model, store) = (model, try store(limit: 400_000))
        let expected = try (0..<3).map { try session(nil).feed(EngineFixture.prompt(30, seed: $0)) }
        try await withThrowingTaskGroup(of: (Int, [Float]?).self) { group in
            for task in 0..<18 {
                group.addTask {
                    let session = try EngineFixture.session({ $0.promptCache = store }, model: model)
                    return (task % 3, try session.feed(EngineFixture.prompt(30, seed: task % 3)))
                }
            }
            for try await (seed, logits) in group { #expect(logits == expected[seed]) }
        }
        #expect(reports.all.isEmpty && files.allSatisfy { $0.hasSuffix(".promptcache") })
        #expect(!files.isEmpty)
    }
}
