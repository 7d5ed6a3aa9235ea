package import SwiftletTensor

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file that is read once, from the front to the end, into memory of its own: unlike a ``MappedFile`` it can be cut
/// short by another program, or lie on a disk that fails, without harm.
package final class SequentialFile {
    /// The path as given.
    package let path: String
    /// Bytes that have not been read.
    package private(set) var remaining: Int
    private let descriptor: Int32

    /// Opens a regular file.
    ///
    /// - Throws: `.unreadable` for everything else.
    package init(path: String) throws(SwiftletError) {
        try System.checkPath(path)
        self.path = path
        remaining = 0
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw failure("cannot be opened: \(System.message(errno))") }
        var information = stat()
        guard fstat(descriptor, &information) == 0 else {
            throw failure("cannot be examined: \(System.message(errno))")
        }
        guard information.st_mode & S_IFMT == S_IFREG else {
            throw failure("is not a regular file")
        }
        remaining = Int(information.st_size)
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// The next bytes, or as many as are left.
    ///
    /// - Throws: `.unreadable` if the file became shorter meanwhile or the disk fails.
    package func read(_ count: Int) throws(SwiftletError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: min(count, remaining))
        var done = 0
        while done < bytes.count {
            let piece = bytes.withUnsafeMutableBytes { bytes in
                let rest = UnsafeMutableRawBufferPointer(rebasing: bytes[done...].prefix(1 << 30))
                return Self.read(descriptor, rest)
            }
            if piece < 0 && errno == EINTR { continue }
            guard piece > 0 else {
                throw failure(piece == 0 ? "became shorter" : "cannot be read: \(System.message(errno))")
            }
            done += piece
        }
        remaining -= done
        return bytes
    }

    private static func read(_ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer) -> Int {
        #if canImport(Darwin)
            Darwin.read(descriptor, buffer.baseAddress, buffer.count)
        #elseif canImport(Musl)
            Musl.read(descriptor, buffer.baseAddress, buffer.count)
        #else
            Glibc.read(descriptor, buffer.baseAddress, buffer.count)
        #endif
    }

    private func failure(_ what: String) -> SwiftletError {
        SwiftletError(.unreadable, "\(path): \(what)")
    }
}
