import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import SwiftletFormats
import SwiftletTensor

/// Fills a partial file until it is complete and its hash is right.
struct HubTransfer {
    let client: HubClient
    let address: String
    let path: String
    let subject: String
    let metadata: HubDownload.Metadata
    let commit: String
    let monitor: HubMonitor
    /// Bytes that came over the network.
    private(set) var downloadedBytes = 0

    /// The hash of what the partial file holds, as far as it is known.
    private var hash: ContentHash.Running?
    private var hashedBytes = 0
    private var wrongHashes = 0

    init(
        client: HubClient, address: String, path: String, subject: String, metadata: HubDownload.Metadata,
        commit: String,
        monitor: HubMonitor
    ) {
        (self.client, self.address, self.path, self.subject) = (client, address, path, subject)
        (self.metadata, self.commit, self.monitor) = (metadata, commit, monitor)
    }

    /// Downloads what is missing, as often as it takes.
    ///
    /// - Throws: `.busy` if it does not come, `.mismatch` if the content is wrong twice.
    mutating func run(into partial: PartialFile) async throws {
        if let size = metadata.byteCount, partial.byteCount > size { try partial.clear() }
        try await rehash(partial)
        var failures = 0
        var furthest = partial.byteCount
        while true {
            monitor.note(path, done: partial.byteCount, total: metadata.byteCount)
            do {
                if metadata.byteCount != partial.byteCount || partial.byteCount == 0 {
                    try await attempt(into: partial)
                }
                if try isRight(partial) { return }
                try restart(partial)
            } catch HubFailure.transient(let reason, let requested) {
                failures = partial.byteCount > furthest ? 1 : failures + 1
                furthest = max(furthest, partial.byteCount)
                try await HubFailure.wait(
                    client.settings.retries, failures: failures, requested: requested, reason: reason, subject
                )
            }
        }
    }

    // MARK: One attempt

    private mutating func attempt(into partial: PartialFile) async throws {
        if metadata.byteCount == 0 { return }
        let start = partial.byteCount
        let answer = try await client.send(.GET, address, start > 0 ? [("Range", "bytes=\(start)-")] : [])
        try check(answer)
        switch answer.response.status.code {
        case 200:
            if start > 0 { try clear(partial) }
        case 206:
            guard start > 0,
                Self.first(ofRange: answer.response.headers.first(name: "content-range")) == start
            else {
                try clear(partial)
                throw HubFailure.transient("the server sends another range than was asked for")
            }
        case 416:
            try clear(partial)
            throw HubFailure.transient("the server has no byte \(start)")
        default: throw await client.failure(answer, subject)
        }
        try check(length: answer, from: partial.byteCount)
        try await receive(answer, into: partial)
        guard let size = metadata.byteCount, partial.byteCount < size else { return }
        throw HubFailure.transient("the connection ended after \(partial.byteCount) of \(size) bytes")
    }

    /// Notices that the file is not the one that was asked about.
    private func check(_ answer: HubAnswer) throws {
        let linked = answer.first("x-linked-etag")
        // A server that content is kept on has tags of its own.
        let own = answer.trail.count == 1 || answer.first("x-repo-commit") != nil ? answer.first("etag") : nil
        guard (200..<300).contains(answer.response.status.code), let field = linked ?? own,
            let etag = HubDownload.plain(field), etag != metadata.etag,
            linked != nil || ContentHash(named: etag) != nil
        else { return }
        throw HubFailure.restart("the file changed on the server while it was downloaded")
    }

    private func check(length answer: HubAnswer, from start: Int) throws {
        guard let size = metadata.byteCount,
            let length = answer.response.headers.first(name: "content-length").flatMap({ Int($0) }),
            length != size - start
        else { return }
        throw HubFailure.transient("the server announces \(length) bytes, expected \(size - start)")
    }

    private mutating func receive(_ answer: HubAnswer, into partial: PartialFile) async throws {
        do {
            for try await buffer in answer.response.body {
                if let size = metadata.byteCount, buffer.readableBytes > size - partial.byteCount {
                    try clear(partial)
                    throw HubFailure.transient("the server sends more than the \(size) bytes of the file")
                }
                try buffer.withUnsafeReadableBytes { bytes in
                    try partial.append(bytes)
                    hash?.update(bytes)
                }
                hashedBytes = partial.byteCount
                downloadedBytes += buffer.readableBytes
                monitor.note(path, done: partial.byteCount, total: metadata.byteCount)
                try Task.checkCancellation()
            }
        } catch {
            try await HubClient.translating { throw error }
        }
    }

    // MARK: The hash

    /// Hashes what an earlier run has left.
    private mutating func rehash(_ partial: PartialFile) async throws {
        // The hash of a small file begins with its size.
        guard let kind = metadata.hash, case .sha256 = kind else { return }
        var running = kind.start(byteCount: 0)
        if partial.byteCount > 0 {
            let file = try SequentialFile(path: partial.path)
            while file.remaining > 0 {
                running.update(try file.read(1 << 20))
                try Task.checkCancellation()
            }
        }
        hash = running
        hashedBytes = partial.byteCount
    }

    private func isRight(_ partial: PartialFile) throws -> Bool {
        guard let kind = metadata.hash else { return true }
        if let hash, hashedBytes == partial.byteCount { return kind.matches(hash) }
        return try kind.matches(file: partial.path)
    }

    private mutating func restart(_ partial: PartialFile) throws {
        wrongHashes += 1
        try clear(partial)
        guard wrongHashes < 2 else {
            throw SwiftletError(
                .mismatch,
                "\(subject): what was downloaded is not \(metadata.etag), twice; it was removed. The server or something "
                    + "on the way changes files")
        }
    }

    private mutating func clear(_ partial: PartialFile) throws {
        try partial.clear()
        hash = metadata.hash.flatMap { kind in
            if case .sha256 = kind { kind.start(byteCount: 0) } else { nil }
        }
        hashedBytes = 0
    }

    /// The first byte of `bytes 5-9/10`.
    private static func first(ofRange field: String?) -> Int? {
        guard let field, field.lowercased().hasPrefix("bytes ") else { return nil }
        return field.dropFirst(6).split(separator: "-").first.flatMap { Int($0) }
    }
}
