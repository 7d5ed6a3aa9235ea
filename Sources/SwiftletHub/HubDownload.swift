import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import SwiftletFormats
import SwiftletTensor

/// Gets one file of a commit into the cache: asks what it is, goes on where an earlier attempt ended, checks the hash.
struct HubDownload: Sendable {
    /// What the hub says about a file before it sends it.
    struct Metadata: Hashable {
        /// The name of its content.
        let etag: String
        let byteCount: Int?
        let hash: ContentHash?
    }

    let client: HubClient
    let name: HubName
    let commit: String
    let storage: HubStorage
    let force: Bool
    /// Told bytes of the file that are there, and sentences.
    let monitor: HubMonitor

    private var retries: RetryPolicy { client.settings.retries }

    /// Gets a file.
    ///
    /// - Throws: ``HubFailure/final(_:)``, `SwiftletError` or `CancellationError`; what is there of the file then stays.
    func fetch(_ file: HubFile) async throws -> HubPullReport.File {
        if !force, let etag = file.hash, storage.holds(file.path, etag, commit: commit) {
            return present(file, etag)
        }
        let subject = "\(name.repository): \(file.path)"
        var changes = 0
        while true {
            let metadata = try await HubFailure.retrying(retries, subject) {
                try await self.metadata(file, subject)
            }
            do {
                return try await fetch(file, metadata, subject)
            } catch HubFailure.restart(let reason) {
                changes += 1
                guard changes < 3 else {
                    throw SwiftletError(.mismatch, "\(subject): \(reason), \(changes) times; try again later")
                }
            }
        }
    }

    private func present(_ file: HubFile, _ etag: String) -> HubPullReport.File {
        let count = System.byteCount(of: storage.blob(etag))
        monitor.note(file.path, done: count, total: count)
        return HubPullReport.File(
            path: file.path, byteCount: count, etag: etag, origin: .cache,
            isVerified: ContentHash(named: etag) != nil, downloadedBytes: 0)
    }

    // MARK: What the hub says

    private func metadata(_ file: HubFile, _ subject: String) async throws -> Metadata {
        let answer = try await client.send(.HEAD, address(of: file), staysAtHome: true)
        let status = answer.response.status.code
        guard (200..<400).contains(status) else { throw await client.failure(answer, subject) }
        return try metadata(answer, file, subject)
    }

    private func metadata(_ answer: HubAnswer, _ file: HubFile, _ subject: String) throws -> Metadata {
        if let other = answer.first("x-repo-commit"), other != commit {
            throw HubFailure.transient("the server has commit \(other.prefix(64)), expected \(commit)")
        }
        let linked = answer.first("x-linked-etag")
        guard let field = linked ?? answer.first("etag") ?? file.hash, let etag = Self.plain(field) else {
            throw HubFailure.final(
                SwiftletError(
                    .malformed, "\(subject): \(answer.address) gives no usable ETag; is HF_ENDPOINT a hub?"))
        }
        if let expected = file.hash, etag != expected {
            throw HubFailure.transient("the server offers content \(etag), expected \(expected)")
        }
        let own =
            (200..<300).contains(answer.response.status.code)
            ? answer.response.headers.first(name: "content-length") : nil
        let size = (answer.first("x-linked-size") ?? own).flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil }
        if let size, let expected = file.byteCount, size != expected {
            throw HubFailure.transient("the server says \(size) bytes, expected \(expected)")
        }
        return Metadata(etag: etag, byteCount: size ?? file.byteCount, hash: ContentHash(named: etag))
    }

    /// A tag without quotes, if it can be the name of a file.
    static func plain(_ field: String) -> String? {
        var text = field[...]
        if text.hasPrefix("W/") { text.removeFirst(2) }
        if text.count > 1, text.hasPrefix("\""), text.hasSuffix("\"") { text = text.dropFirst().dropLast() }
        return HubName.isName(text) && text.utf8.count <= 200 ? String(text) : nil
    }

    private func address(of file: HubFile) -> String {
        HubAddress.file(file.path, of: name.repository, commit: commit, endpoint: client.settings.endpoint)
    }

    // MARK: The content

    private func fetch(
        _ file: HubFile, _ metadata: Metadata, _ subject: String
    ) async throws -> HubPullReport.File {
        let lock = try await FileLock.acquire("\(storage.locks)/\(metadata.etag).lock") {
            monitor.note("\(subject): another process downloads this file; waiting for it")
        }
        defer { withExtendedLifetime(lock) {} }
        let blob = storage.blob(metadata.etag)
        if !force, System.kind(of: blob) == .file,
            metadata.byteCount.map({ $0 == System.byteCount(of: blob) }) ?? true
        {
            return present(file, metadata.etag)
        }
        // Without locks, nobody else may write to the same file.
        let own = lock == nil ? ".\(String(UInt32.random(in: 0 ... .max), radix: 16))" : ""
        let partial = try PartialFile(path: "\(blob)\(own).incomplete")
        var transfer = HubTransfer(
            client: client, address: address(of: file), path: file.path, subject: subject, metadata: metadata,
            commit: commit, monitor: monitor)
        if force { try partial.clear() }
        let resumed = partial.byteCount
        try await transfer.run(into: partial)
        try partial.commit(to: blob)
        return HubPullReport.File(
            path: file.path, byteCount: partial.byteCount, etag: metadata.etag,
            origin: transfer.downloadedBytes < partial.byteCount && resumed > 0 ? .resumed : .hub,
            isVerified: metadata.hash != nil, downloadedBytes: transfer.downloadedBytes)
    }
}
