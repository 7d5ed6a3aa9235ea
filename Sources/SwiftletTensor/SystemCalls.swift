#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The few things about the operating system that differ between platforms or need care in Swift.
package enum System {
    /// The operating system's words for an error number, such as "No such file or directory".
    package static func message(_ number: Int32) -> String {
        strerror(number).map { String(cString: $0) } ?? "error \(number)"
    }

    /// Refuses a path that is empty or that C would cut short at a zero byte.
    package static func checkPath(
        _ path: String, _ code: SwiftletError.Code = .unreadable
    ) throws(SwiftletError) {
        guard !path.utf8.contains(0) else {
            throw SwiftletError(code, "the path '\(path)' contains a zero byte, which no file name can")
        }
        guard !path.isEmpty else { throw SwiftletError(code, "the path is empty, expected that of a file") }
    }

    /// What a path can lead to.
    package enum FileKind: Sendable {
        case file, directory, other

        init(mode: mode_t) {
            switch mode & S_IFMT {
            case S_IFREG: self = .file
            case S_IFDIR: self = .directory
            default: self = .other
            }
        }
    }

    /// What a path leads to, following links; `nil` if nothing is there or it cannot be looked at.
    package static func kind(of path: String) -> FileKind? {
        status(path).map { FileKind(mode: $0.st_mode) }
    }

    /// When a file or directory was last changed, in nanoseconds since 1970; 0 if nothing is there.
    package static func modificationTime(of path: String) -> Int {
        guard let status = status(path) else { return 0 }
        #if canImport(Darwin)
            let time = status.st_mtimespec
        #else
            let time = status.st_mtim
        #endif
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }

    /// The names in a directory, sorted, without `.` and `..`.
    package static func names(in directory: String) throws(SwiftletError) -> [String] {
        try checkPath(directory)
        guard let stream = opendir(directory) else {
            throw SwiftletError(.unreadable, "\(directory): cannot be listed: \(message(errno))")
        }
        defer { closedir(stream) }
        let offset = MemoryLayout<dirent>.offset(of: \.d_name) ?? 0
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = UnsafeRawPointer(entry).advanced(by: offset).assumingMemoryBound(to: CChar.self)
            names.append(String(cString: name))
        }
        return names.filter { $0 != "." && $0 != ".." }.sorted()
    }

    static func status(_ path: String) -> stat? {
        var status = stat()
        guard !path.utf8.contains(0), stat(path, &status) == 0 else { return nil }
        return status
    }
}
