import SwiftletTensor

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file that is downloaded: it grows at its end, stays when the download breaks off, and gets its name at the end.
final class PartialFile {
    let path: String
    /// Bytes so far.
    private(set) var byteCount: Int
    private let descriptor: Int32

    /// Opens what is there, or makes an empty file.
    init(path: String) throws(SwiftletError) {
        self.path = path
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o666)
        guard descriptor >= 0 else {
            throw SwiftletError(
                .unwritable, "\(path): cannot be opened for writing: \(System.message(errno))")
        }
        byteCount = System.byteCount(of: path)
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Adds bytes at the end.
    func append(_ bytes: UnsafeRawBufferPointer) throws(SwiftletError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = UnsafeRawBufferPointer(rebasing: rest)
            let count = pwrite(descriptor, piece.baseAddress, piece.count, off_t(byteCount))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure("cannot be written") }
            rest = rest.dropFirst(count)
            byteCount += count
        }
    }

    /// Forgets everything.
    func clear() throws(SwiftletError) {
        guard ftruncate(descriptor, 0) == 0 else { throw failure("cannot be emptied") }
        byteCount = 0
    }

    /// Makes the content durable and gives it its name.
    func commit(to name: String) throws(SwiftletError) {
        guard fsync(descriptor) == 0 else { throw failure("cannot be synced") }
        guard rename(path, name) == 0 else { throw failure("cannot be renamed to \(name)") }
    }

    private func failure(_ what: String) -> SwiftletError {
        let full = errno == ENOSPC || errno == EDQUOT ? "; make room, then the same command goes on" : ""
        return SwiftletError(.unwritable, "\(path): \(what): \(System.message(errno))\(full)")
    }
}

/// A lock that processes share through a file, Hugging Face's libraries included.
final class FileLock {
    private let descriptor: Int32

    /// Waits until nobody else holds the lock.
    ///
    /// - Parameter waiting: called once if somebody does.
    /// - Returns: `nil` on file systems that have no locks.
    static func acquire(_ path: String, waiting: () -> Void) async throws -> FileLock? {
        var isWaiting = false
        while true {
            let attempt = try FileLock(path)
            if attempt.take() { return attempt }
            guard errno == EWOULDBLOCK || errno == EINTR else { return nil }
            if !isWaiting { waiting() }
            isWaiting = true
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    /// The lock, or `nil` if somebody holds it.
    static func tryAcquire(_ path: String) throws(SwiftletError) -> FileLock? {
        let lock = try FileLock(path)
        return lock.take() || errno != EWOULDBLOCK ? lock : nil
    }

    private init(_ path: String) throws(SwiftletError) {
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else {
            throw SwiftletError(.unwritable, "\(path): cannot be made: \(System.message(errno))")
        }
    }

    private func take() -> Bool { flock(descriptor, LOCK_EX | LOCK_NB) == 0 }

    deinit { close(descriptor) }
}
