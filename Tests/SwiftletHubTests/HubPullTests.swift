import Foundation
import NIOHTTP1
import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletHub

@Suite("HubPullTests")
struct HubPullTests {
    @Test("a model appears in the layout of huggingface_hub, and what is there is not asked for again")
    func layout() async throws {
        let hub = FakeHub.model
        let stage = try await HubStage(hub)
        let (report, notes) = try await stage.pull()
        #expect(
            report.path == stage.snapshot && report.commit == FakeHub.commit && report.model == "org/name")
        #expect(
            report.files.map(\.path) == [
                "additional_chat_templates/tool.jinja", "config.json", "model.safetensors", "tokenizer.json",
            ])
        #expect(report.files.allSatisfy { $0.isVerified && $0.origin == .hub })
        #expect(notes.contains { $0.contains("pickle") })
        for file in report.files {
            let path = "\(stage.snapshot)/\(file.path)"
            let up = file.path.contains("/") ? "../../../" : "../../"
            #expect(System.target(ofLink: path) == "\(up)blobs/\(hub.etag(file.path))")
            #expect(try Array(Data(contentsOf: URL(filePath: path))) == hub.files[file.path])
        }
        #expect(
            try String(contentsOfFile: "\(stage.repository)/refs/main", encoding: .utf8) == FakeHub.commit)
        #expect(try System.names(in: "\(stage.repository)/blobs").count == 4)
        #expect(
            try System.names(in: "\(stage.cache.path)/.locks/models--org--name").allSatisfy {
                $0.hasSuffix(".lock")
            })
        #expect(
            try ModelLocator.resolve("org/name", environment: ["HF_HUB_CACHE": stage.cache.path])
                == .directory(stage.snapshot))

        let before = stage.server.requests.count
        let again = try await stage.pull().report
        #expect(again.files.allSatisfy { $0.origin == .cache } && again.downloadedBytes == 0)
        #expect(stage.server.requests.count == before + 1, "only the listing")
        let forced = try await stage.pull(force: true).report
        #expect(forced.downloadedBytes == forced.byteCount)
    }

    @Test("without hashes in the listing, those of the files count")
    func bareListing() async throws {
        var hub = FakeHub.model
        hub.listsHashes = false
        let stage = try await HubStage(hub)
        #expect(try await stage.pull().report.files.allSatisfy(\.isVerified))
        #expect(try await stage.pull().report.downloadedBytes == 0)
    }

    @Test("an index says which shards there are")
    func shards() async throws {
        var hub = FakeHub.model
        hub.files["model.safetensors"] = nil
        hub.files["consolidated.safetensors"] = FakeHub.bytes(3)
        hub.files["model.safetensors.index.json"] = Array(
            #"{"weight_map":{"a":"a-1.safetensors","b":"a-2.safetensors"}}"#.utf8)
        hub.files["a-1.safetensors"] = FakeHub.bytes(4)
        hub.files["a-2.safetensors"] = FakeHub.bytes(5)
        let stage = try await HubStage(hub)
        let names = try await stage.pull().report.files.map(\.path)
        #expect(names.contains("a-1.safetensors") && names.contains("a-2.safetensors"))
        #expect(!names.contains("consolidated.safetensors"))
        hub.files["a-2.safetensors"] = nil
        let broken = try await HubStage(hub)
        await expect(.missing, "a-2.safetensors") { _ = try await broken.pull() }
        #expect(System.kind(of: broken.snapshot) == nil)
    }

    @Test("a connection that breaks goes on where it was", arguments: [1, 100, 4_096, 9_999])
    func drops(size: Int) async throws {
        let hub = FakeHub.model
        let stage = try await HubStage { request in
            var reply = hub.answer(request)
            if request.method == .GET, request.path == HubStage.weights, request.earlier < 3 {
                reply.cutsAfter = min(size, reply.body.count - 1)
            }
            return reply
        }
        let file = try #require(try await stage.pull().report.files.first { $0.path == "model.safetensors" })
        #expect(file.isVerified)
        let starts = stage.server.requests.filter { $0.method == .GET && $0.path == HubStage.weights }.map(
            \.start)
        #expect(starts == starts.sorted() && starts.count > 1)
        #expect(file.downloadedBytes <= 10_000)
    }

    @Test(
        "what an earlier process left is used, whatever it is",
        arguments: [0, 1, 5_000, 9_999, 10_000, 12_000])
    func resume(count: Int) async throws {
        let hub = FakeHub.model
        let bytes = FakeHub.bytes(1) + [UInt8](repeating: 0, count: 2_000)
        for isDamaged in [false, true] {
            let stage = try await HubStage(hub)
            var left = Array(bytes.prefix(count))
            if isDamaged, count > 0 { left[0] ^= 1 }
            stage.cache.write(left, to: "models--org--name/blobs/\(hub.etag("model.safetensors")).incomplete")
            let file = try #require(
                try await stage.pull().report.files.first { $0.path == "model.safetensors" })
            #expect(
                try Array(Data(contentsOf: URL(filePath: "\(stage.snapshot)/model.safetensors")))
                    == FakeHub.bytes(1))
            if !isDamaged, count <= 10_000 { #expect(file.downloadedBytes == 10_000 - count) }
            #expect(
                try System.names(in: "\(stage.repository)/blobs").allSatisfy { !$0.hasSuffix(".incomplete") })
        }
    }

    @Test("a server that ignores Range, or answers with another one, does no harm", arguments: [false, true])
    func ranges(isWrong: Bool) async throws {
        let hub = FakeHub.model
        let stage = try await HubStage { request in
            var reply = hub.answer(request)
            guard request.method == .GET, request.path == HubStage.weights else { return reply }
            if request.earlier == 0 { reply.cutsAfter = 4_000 }
            guard request.start > 0 else { return reply }
            if isWrong {
                reply.headers = reply.headers.map {
                    $0.0 == "Content-Range" ? ($0.0, "bytes 7-9999/10000") : $0
                }
            } else {
                reply.status = .ok
                reply.body = FakeHub.bytes(1)
            }
            return reply
        }
        #expect(try await stage.pull().report.files.allSatisfy(\.isVerified))
        #expect(
            try Array(Data(contentsOf: URL(filePath: "\(stage.snapshot)/model.safetensors")))
                == FakeHub.bytes(1))
    }

    @Test("a wrong hash once is downloaded anew, twice is refused and leaves nothing")
    func wrongHash() async throws {
        let hub = FakeHub.model
        for times in [1, 9] {
            let stage = try await HubStage { request in
                var reply = hub.answer(request)
                if request.method == .GET, request.path == HubStage.weights, request.earlier < times {
                    reply.body[77] ^= 1
                }
                return reply
            }
            if times == 1 {
                #expect(try await stage.pull().report.files.allSatisfy(\.isVerified))
                continue
            }
            await expect(.mismatch, hub.etag("model.safetensors"), "twice") { _ = try await stage.pull() }
            #expect(System.kind(of: stage.snapshot) == nil)
            #expect(System.kind(of: "\(stage.repository)/blobs/\(hub.etag("model.safetensors"))") == nil)
            #expect(System.kind(of: "\(stage.repository)/refs/main") == nil)
        }
    }

    @Test("small files are checked against Git's hash")
    func wrongSmallFile() async throws {
        let hub = FakeHub.model
        let stage = try await HubStage { request in
            var reply = hub.answer(request)
            if request.method == .GET, request.path.hasSuffix("/config.json") { reply.body[3] ^= 1 }
            return reply
        }
        await expect(.mismatch, "config.json") { _ = try await stage.pull() }
    }

    @Test(
        "wrong lengths and endless answers end with an error", arguments: ["short", "long", "hang", "more"])
    func lengths(kind: String) async throws {
        let hub = FakeHub.model
        var stage = try await HubStage { request in
            var reply = hub.answer(request)
            guard request.method == .GET, request.path == HubStage.weights else { return reply }
            switch kind {
            case "short": reply.announced = 5_000
            case "long": reply.announced = 20_000
            case "hang":
                reply.announced = 10_000 - request.start
                reply.body = []
                reply.hangs = true
            default:
                reply.headers.append(("Transfer-Encoding", "chunked"))
                reply.body += [1]
            }
            return reply
        }
        if kind == "hang" { stage.settings.readTimeoutSeconds = 1 }
        stage.settings.retries.attempts = 2
        await expect(.busy, "model.safetensors", "2 times") { [stage] in _ = try await stage.pull() }
        #expect(System.kind(of: stage.snapshot) == nil)
    }

    @Test("servers that fail are asked again; one that wants patience gets it, within bounds")
    func retries() async throws {
        let hub = FakeHub.model
        let statuses: [HTTPResponseStatus] = [.serviceUnavailable, .tooManyRequests, .badGateway]
        let stage = try await HubStage { request in
            guard request.earlier < statuses.count else { return hub.answer(request) }
            return FakeReply(status: statuses[request.earlier], headers: [("Retry-After", "0")])
        }
        #expect(try await stage.pull().report.files.count == 4)

        let strict = try await HubStage { _ in
            FakeReply(status: .tooManyRequests, headers: [("Retry-After", "3600")])
        }
        await expect(.busy, "429", "3600 s") { _ = try await strict.pull() }
        #expect(strict.server.requests.count == 1)
        let down = try await HubStage { _ in FakeReply(status: .internalServerError) }
        await expect(.busy, "HTTP 500", "4 times") { _ = try await down.pull() }
        #expect(down.server.requests.count == 4)
    }

    @Test("a file that changes while it is downloaded is downloaded anew")
    func changes() async throws {
        var old = FakeHub.model
        old.listsHashes = false
        var new = old
        new.files["model.safetensors"] = FakeHub.bytes(99, count: 8_000)
        let stage = try await HubStage { [old, new] request in
            guard request.path == HubStage.weights else { return new.answer(request) }
            guard request.method == .GET, request.earlier == 0 else {
                return (request.method == .HEAD && request.earlier == 0 ? old : new).answer(request)
            }
            var reply = old.answer(request)
            reply.cutsAfter = 3_000
            return reply
        }
        let file = try #require(try await stage.pull().report.files.first { $0.path == "model.safetensors" })
        #expect(file.etag == new.etag("model.safetensors") && file.byteCount == 8_000)
    }

    @Test("a server that disagrees with its listing is not believed")
    func disagreement() async throws {
        let hub = FakeHub.model
        var other = hub
        other.files["model.safetensors"] = FakeHub.bytes(8)
        let stage = try await HubStage { [other] request in
            request.path == HubStage.weights ? other.answer(request) : hub.answer(request)
        }
        await expect(.busy, hub.etag("model.safetensors"), other.etag("model.safetensors")) {
            _ = try await stage.pull()
        }
    }

    @Test("one download at a time writes to a file, and both find it")
    func together() async throws {
        let hub = FakeHub.model
        let stage = try await HubStage(hub)
        let size = try await HubStage(hub).pull().report.byteCount
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<4 { group.addTask { try await stage.pull().report.downloadedBytes } }
            var total = 0
            for try await bytes in group { total += bytes }
            #expect(total == size)
        }
    }

    @Test("whoever stops it can go on later")
    func interruption() async throws {
        let hub = FakeHub.model
        let stage = try await HubStage { request in
            var reply = hub.answer(request)
            if request.method == .GET, request.path == HubStage.weights, request.earlier == 0 {
                reply.announced = 10_000
                reply.body = Array(reply.body.prefix(6_000))
                reply.hangs = true
            }
            return reply
        }
        let pull = try HubPull("org/name", settings: stage.settings)
        let report = try await pull.run(progress: { $0.doneBytes < 6_000 })
        #expect(report == nil)
        let partial = "\(stage.repository)/blobs/\(hub.etag("model.safetensors")).incomplete"
        #expect(System.byteCount(of: partial) == 6_000)
        let file = try #require(try await stage.pull().report.files.first { $0.path == "model.safetensors" })
        #expect(file.origin == .resumed && file.downloadedBytes == 4_000)
    }

    @Test("offline nothing is sent")
    func offline() async throws {
        var stage = try await HubStage(FakeHub.model)
        stage.settings.isOffline = true
        await expect(.invalidArgument, "HF_HUB_OFFLINE") { [stage] in _ = try await stage.pull() }
        #expect(stage.server.requests.isEmpty)
    }

    @Test("more than the disk holds is refused before anything is downloaded")
    func space() async throws {
        var json = try #require(
            String(
                bytes: FakeHub.model.answer(
                    FakeRequest(method: .GET, path: "/api/models/org/name", headers: [:], earlier: 0)
                ).body, encoding: .utf8))
        json = json.replacing("\"size\":10000", with: "\"size\":9000000000000000000")
        let body = Array(json.utf8)
        let stage = try await HubStage { _ in FakeReply(body: body) }
        await expect(.unwritable, "MiB", "HF_HUB_CACHE") { _ = try await stage.pull() }
        #expect(stage.server.requests.count == 1)
    }
}

/// Expects an error with a code and words.
func expect(
    _ code: SwiftletError.Code, _ words: String..., sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Void
) async {
    do {
        try await body()
        Issue.record("no error, expected \(code)", sourceLocation: sourceLocation)
    } catch let error as SwiftletError {
        #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
        for word in words {
            #expect(error.message.contains(word), "\(error)", sourceLocation: sourceLocation)
        }
    } catch {
        Issue.record("\(error)", sourceLocation: sourceLocation)
    }
}
