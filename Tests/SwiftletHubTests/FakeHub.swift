import Crypto
import NIOCore
import NIOHTTP1
import SwiftletFormats
import SwiftletTestSupport
import Synchronization
import Testing

@testable import SwiftletHub

/// A repository as the hub serves it, on a server that tests can make misbehave.
struct FakeHub: Sendable {
    static let commit = String(repeating: "c0ffee", count: 7).prefix(40).description

    /// Contents by path.
    var files: [String: [UInt8]] = [:]
    /// Paths of files that are kept as large ones, under a SHA-256.
    var large: Set<String> = []
    /// Whether the listing has sizes and hashes.
    var listsHashes = true

    /// Ten thousand bytes that depend on a number.
    static func bytes(_ seed: Int, count: Int = 10_000) -> [UInt8] {
        var state = UInt64(truncatingIfNeeded: seed) &* 0x9E37_79B9_7F4A_7C15 | 1
        return (0..<count).map { _ in
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return UInt8(truncatingIfNeeded: state >> 24)
        }
    }

    /// A model with a large file.
    static var model: FakeHub {
        var hub = FakeHub()
        hub.files = [
            "config.json": Array(#"{"model_type":"llama"}"#.utf8), "tokenizer.json": Array("{}".utf8),
            "model.safetensors": bytes(1), "pytorch_model.bin": bytes(2), "README.md": Array("# x".utf8),
            "additional_chat_templates/tool.jinja": Array("{{ x }}".utf8),
        ]
        hub.large = ["model.safetensors", "pytorch_model.bin"]
        return hub
    }

    static func sha256(_ bytes: [UInt8]) -> String { hex(SHA256.hash(data: bytes)) }

    static func git(_ bytes: [UInt8]) -> String {
        hex(Insecure.SHA1.hash(data: Array("blob \(bytes.count)\0".utf8) + bytes))
    }

    private static func hex(_ digest: some Sequence<UInt8>) -> String {
        digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    func etag(_ path: String) -> String {
        let bytes = files[path] ?? []
        return large.contains(path) ? Self.sha256(bytes) : Self.git(bytes)
    }

    /// The answer of a hub in good health.
    func answer(_ request: FakeRequest) -> FakeReply {
        if request.path.hasPrefix("/api/models/") { return listing() }
        let parts = request.path.split(separator: "/", maxSplits: 4).map(String.init)
        guard parts.count == 5, parts[2] == "resolve", let bytes = files[parts[4]] else {
            return FakeReply(status: .notFound, headers: [("X-Error-Code", "EntryNotFound")])
        }
        return content(parts[4], bytes, request)
    }

    func content(_ path: String, _ bytes: [UInt8], _ request: FakeRequest) -> FakeReply {
        var reply = FakeReply(headers: [("X-Repo-Commit", Self.commit), ("ETag", "\"\(etag(path))\"")])
        if large.contains(path) {
            reply.headers += [("X-Linked-Etag", "\"\(etag(path))\""), ("X-Linked-Size", "\(bytes.count)")]
        }
        guard request.headers.contains(name: "range") else {
            reply.body = bytes
            return reply
        }
        guard request.start < bytes.count else { return FakeReply(status: .rangeNotSatisfiable) }
        reply.status = .partialContent
        reply.headers.append(("Content-Range", "bytes \(request.start)-\(bytes.count - 1)/\(bytes.count)"))
        reply.body = Array(bytes[request.start...])
        return reply
    }

    private func listing() -> FakeReply {
        var json = JSONWriter()
        json.object { json in
            json.member("id", "org/name")
            json.member("sha", Self.commit)
            json.key("siblings")
            json.array { json in
                for (path, bytes) in files.sorted(by: { $0.key < $1.key }) {
                    json.object { json in
                        json.member("rfilename", path)
                        guard listsHashes else { return }
                        json.member("size", bytes.count)
                        json.member("blobId", Self.git(bytes))
                        guard large.contains(path) else { return }
                        json.key("lfs")
                        json.object { json in
                            json.member("sha256", Self.sha256(bytes))
                            json.member("size", bytes.count)
                        }
                    }
                }
            }
        }
        return FakeReply(headers: [("Content-Type", "application/json")], body: json.bytes)
    }
}

/// A cache in a temporary directory and a server in front of it.
struct HubStage {
    let server: FakeServer
    let cache = TemporaryDirectory()
    var settings: HubSettings

    init(token: String? = nil, _ handler: @escaping FakeServer.Handler) async throws {
        server = try await FakeServer(handler)
        settings = try HubSettings(endpoint: server.address, cachePath: cache.path, token: token)
        settings.retries.firstDelay = 0.001
        settings.retries.attempts = 4
        settings.readTimeoutSeconds = 5
        settings.connectTimeoutSeconds = 1
    }

    init(_ hub: FakeHub) async throws { try await self.init { hub.answer($0) } }

    /// Downloads, with the sentences that a person would have read.
    func pull(_ name: String = "org/name", force: Bool = false) async throws -> (
        report: HubPullReport, notes: [String]
    ) {
        var pull = try HubPull(name, settings: settings)
        pull.force = force
        let notes = Notes()
        let report = try await pull.run(note: { notes.add($0) })
        return (try #require(report), notes.all)
    }

    var repository: String { cache.path + "/models--org--name" }
    var snapshot: String { "\(repository)/snapshots/\(FakeHub.commit)" }
    static let weights = "/org/name/resolve/\(FakeHub.commit)/model.safetensors"
}

final class Notes: Sendable {
    private let list = Mutex<[String]>([])
    var all: [String] { list.withLock { $0 } }
    func add(_ sentence: String) { list.withLock { $0.append(sentence) } }
}
