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

    /// Refuses a path that C would cut short at a zero byte.
    package static func checkPath(_ path: String) throws(SwiftletError) {
        guard !path.utf8.contains(0) else {
            throw SwiftletError(
                .unreadable, "the path '\(path)' contains a zero byte, which no file name can")
        }
        guard !path.isEmpty else { throw SwiftletError(.unreadable, "the path is empty") }
    }

    /// What a path leads to, following links; `nil` if nothing is there or it cannot be looked at.
    package static func kind(of path: String) -> FileKind? {
        var information = stat()
        guard !path.utf8.contains(0), stat(path, &information) == 0 else { return nil }
        return FileKind(mode: information.st_mode)
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
}
