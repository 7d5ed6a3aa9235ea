package import SwiftletTensor

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file that appears under its name complete or not at all.
///
/// Bytes go to a temporary file beside it, which ``commit()`` syncs and renames; without a commit it is
/// removed.
package final class AtomicFile {
    private let path: String
    private let temporaryPath: String
    private var descriptor: Int32
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    private var buffered = 0

    package init(path: String) throws(SwiftletError) {
        try System.checkPath(path, .unwritable)
        guard System.kind(of: path) != .directory else {
            throw SwiftletError(.unwritable, "\(path) is a directory, expected the name of a file to write")
        }
        self.path = path
        temporaryPath = "\(path).\(String(UInt32.random(in: 0 ... .max), radix: 16)).tmp"
        descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw failure("cannot be created") }
        flock(descriptor, LOCK_EX | LOCK_NB)  // see removeAbandoned(in:)
    }

    deinit {
        buffer.deallocate()
        guard descriptor >= 0 else { return }
        close(descriptor)
        unlink(temporaryPath)
    }

    /// Appends bytes; small pieces are gathered before they are written.
    func write(_ bytes: UnsafeRawBufferPointer) throws(SwiftletError) {
        if buffered + bytes.count > buffer.count { try flush() }
        if bytes.count > buffer.count {
            try put(bytes)
        } else {
            UnsafeMutableRawBufferPointer(rebasing: buffer[buffered...]).copyMemory(from: bytes)
            buffered += bytes.count
        }
    }

    /// Writes a whole file.
    package static func write(_ bytes: [UInt8], to path: String) throws(SwiftletError) {
        let file = try AtomicFile(path: path)
        try file.write(bytes)
        try file.commit()
    }

    /// Appends an array.
    package func write(_ bytes: [UInt8]) throws(SwiftletError) {
        try bytes.withUnsafeBufferPointer { bytes throws(SwiftletError) in
            try write(UnsafeRawBufferPointer(bytes))
        }
    }

    /// Makes everything durable and gives the file its name, replacing what had it.
    package func commit() throws(SwiftletError) {
        try flush()
        guard fsync(descriptor) == 0 else { throw failure("cannot be synced") }
        guard rename(temporaryPath, path) == 0 else { throw failure("cannot be renamed into place") }
        close(descriptor)
        descriptor = -1
        syncDirectory()
    }

    /// Removes temporary files whose process ended before it could: nobody holds their lock, and they are not new.
    ///
    /// - Parameters:
    ///   - suffix: end of the names that the files would have got.
    ///   - age: seconds since the last change from which on a file is not new.
    package static func removeAbandoned(in directory: String, suffix: String, age: Int = 10)
        throws(SwiftletError)
    {
        for name in try System.names(in: directory) where name.hasSuffix(".tmp") {
            let stem = name.dropLast(4)
            guard let dot = stem.lastIndex(of: "."), stem[..<dot].hasSuffix(suffix),
                stem[dot...].dropFirst().allSatisfy(\.isHexDigit)
            else { continue }
            let path = "\(directory)/\(name)"
            let file = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK)
            guard file >= 0 else { continue }
            let isOld = System.modificationTime(of: path) / 1_000_000_000 + age <= time(nil)
            if isOld, flock(file, LOCK_EX | LOCK_NB) == 0 { System.remove(path) }
            close(file)
        }
    }

    private func flush() throws(SwiftletError) {
        try put(UnsafeRawBufferPointer(rebasing: buffer[..<buffered]))
        buffered = 0
    }

    private func put(_ bytes: UnsafeRawBufferPointer) throws(SwiftletError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
            #if canImport(Darwin)
                let count = Darwin.write(descriptor, piece.baseAddress, piece.count)
            #elseif canImport(Musl)
                let count = Musl.write(descriptor, piece.baseAddress, piece.count)
            #else
                let count = Glibc.write(descriptor, piece.baseAddress, piece.count)
            #endif
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw failure("cannot be written") }
            rest = rest.dropFirst(count)
        }
    }

    /// Makes the rename durable, as far as the file system can.
    private func syncDirectory() {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        let directory = parts.dropLast().joined(separator: "/")
        let parent = open(
            directory.isEmpty ? (path.hasPrefix("/") ? "/" : ".") : directory, O_RDONLY | O_CLOEXEC)
        guard parent >= 0 else { return }
        fsync(parent)
        close(parent)
    }

    private func failure(_ what: String) -> SwiftletError {
        SwiftletError(.unwritable, "\(path): \(what): \(System.message(errno))")
    }
}
