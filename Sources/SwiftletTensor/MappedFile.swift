#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file whose bytes are read from the page cache when touched, without copying.
///
/// The bytes stay valid while the object lives, even if the file is renamed, replaced or deleted meanwhile. A
/// file that is *cut short in place* by another program while mapped ends this one (`SIGBUS`); replace model
/// files by renaming, as every download tool does.
public final class MappedFile: Sendable {
    /// The path as given.
    public let path: String
    private nonisolated(unsafe) let base: UnsafeMutableRawPointer?
    private let count: Int

    /// Maps a regular file, read-only. An empty file is fine and has no bytes.
    ///
    /// - Throws: ``SwiftletError/Code/unreadable`` for a missing file, a directory, a pipe or a device, and
    ///   for a file without read permission.
    public init(path: String) throws(SwiftletError) {
        try System.checkPath(path)
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw SwiftletError(.unreadable, "\(path): cannot be opened: \(System.message(errno))")
        }
        defer { close(descriptor) }
        let size = try Self.size(of: descriptor, path: path)
        var address: UnsafeMutableRawPointer?
        if size > 0 {
            address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0)
            guard address != MAP_FAILED else {
                let problem = errno
                let isMemory = problem == ENOMEM
                throw SwiftletError(
                    isMemory ? .limit : .unreadable,
                    "\(path): \(size) bytes cannot be mapped: \(System.message(problem))"
                        + (isMemory ? "; raise the limit (ulimit -v) or use a smaller model" : ""))
            }
        }
        self.path = path
        base = address
        count = size
    }

    deinit {
        if let base { munmap(base, count) }
    }

    /// The whole file; valid while this object lives.
    public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    private static func size(of descriptor: Int32, path: String) throws(SwiftletError) -> Int {
        var information = stat()
        guard fstat(descriptor, &information) == 0 else {
            throw SwiftletError(.unreadable, "\(path): cannot be examined: \(System.message(errno))")
        }
        switch System.FileKind(mode: information.st_mode) {
        case .file: return Int(information.st_size)
        case .directory:
            throw SwiftletError(.unreadable, "\(path) is a directory, expected a file")
        case .other:
            throw SwiftletError(.unreadable, "\(path) is a pipe or device, expected a regular file")
        }
    }
}
