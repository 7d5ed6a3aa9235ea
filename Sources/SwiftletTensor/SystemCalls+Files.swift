#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Directories and files that come and go while other processes work in the same place.
extension System {
    /// Makes a directory and those on the way that are missing.
    ///
    /// - Parameter mode: of directories that are made; as it is, for nobody but the user.
    /// - Throws: `.unwritable`, also if something else has the name.
    package static func makeDirectory(_ path: String, mode: UInt16 = 0o700) throws(SwiftletError) {
        try checkPath(path, .unwritable)
        var problem: Int32 = 0
        for end in path.indices.dropFirst() where path[end] == "/" {
            mkdir(String(path[..<end]), mode_t(mode))
        }
        if mkdir(path, mode_t(mode)) != 0 { problem = errno }
        guard kind(of: path) == .directory else {
            throw SwiftletError(
                .unwritable,
                problem == EEXIST
                    ? "\(path) is a file, expected a directory"
                    : "\(path): cannot be made: \(message(problem))")
        }
    }

    /// Bytes of a file; 0 if nothing is there.
    package static func byteCount(of path: String) -> Int { Int(status(path)?.st_size ?? 0) }

    /// Removes a file; whether it is gone, by whoever removed it.
    @discardableResult
    package static func remove(_ path: String) -> Bool { unlink(path) == 0 || errno == ENOENT }

    /// Makes a file look changed now, if it is there.
    package static func touch(_ path: String) { utimensat(AT_FDCWD, path, nil, 0) }
}
