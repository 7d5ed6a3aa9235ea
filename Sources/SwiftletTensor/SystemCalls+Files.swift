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

    /// The paths of all files below a directory, relative to it; links to files count as files, links to
    /// directories are left out.
    ///
    /// - Parameter depth: levels of directories that are looked into; deeper ones are left out.
    package static func paths(below directory: String, depth: Int = 16) throws(SwiftletError) -> [String] {
        var paths: [String] = []
        for name in try names(in: directory) {
            guard kind(of: "\(directory)/\(name)") == .directory else {
                paths.append(name)
                continue
            }
            if depth > 0, target(ofLink: "\(directory)/\(name)") == nil {
                paths += try Self.paths(below: "\(directory)/\(name)", depth: depth - 1).map {
                    "\(name)/\($0)"
                }
            }
        }
        return paths
    }

    /// What a symbolic link says, or `nil` for everything else.
    package static func target(ofLink path: String) -> String? {
        guard !path.utf8.contains(0) else { return nil }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4_097) { buffer in
            guard let start = buffer.baseAddress else { return nil }
            let count = readlink(path, start, buffer.count)
            guard count > 0 else { return nil }
            return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
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
