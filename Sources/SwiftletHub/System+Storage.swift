package import SwiftletTensor

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Links and disks.
extension System {
    /// Makes a symbolic link that appears at once, in the place of what has the name.
    static func replaceLink(_ path: String, target: String) throws(SwiftletError) {
        try checkPath(path, .unwritable)
        let temporary = "\(path).\(String(UInt32.random(in: 0 ... .max), radix: 16)).tmp"
        guard symlink(target, temporary) == 0 else {
            throw SwiftletError(
                .unwritable,
                "\(path): cannot be made a link: \(message(errno)); use a cache (HF_HUB_CACHE) on a file system with links"
            )
        }
        guard rename(temporary, path) == 0 else {
            let problem = errno
            unlink(temporary)
            throw SwiftletError(.unwritable, "\(path): cannot be made a link: \(message(problem))")
        }
    }

    /// Bytes that the user may still write to the disk of a path or of the nearest directory above that is there.
    package static func freeDiskBytes(at path: String) -> Int? {
        var path = path[...]
        while true {
            var information = statvfs()
            if !path.utf8.contains(0), statvfs(path.isEmpty ? "/" : String(path), &information) == 0 {
                let (bytes, overflow) = Int(clamping: information.f_bavail).multipliedReportingOverflow(
                    by: Int(clamping: information.f_frsize))
                return overflow ? .max : bytes
            }
            guard !path.isEmpty else { return nil }
            guard let slash = path.lastIndex(of: "/") else {
                path = "."
                continue
            }
            path = path[..<slash]
        }
    }

    /// When something was last read or changed, in seconds since 1970, without following a link; `nil` if it is not there.
    static func lastUse(of path: String) -> Int? {
        var status = stat()
        guard !path.utf8.contains(0), lstat(path, &status) == 0 else { return nil }
        #if canImport(Darwin)
            return max(status.st_atimespec.tv_sec, status.st_mtimespec.tv_sec)
        #else
            return max(status.st_atim.tv_sec, status.st_mtim.tv_sec)
        #endif
    }

    /// Removes a directory with everything in it, without following links.
    static func removeTree(_ path: String) throws(SwiftletError) {
        if target(ofLink: path) == nil, kind(of: path) == .directory {
            for name in try names(in: path) { try removeTree("\(path)/\(name)") }
            guard rmdir(path) == 0 || errno == ENOENT else {
                throw SwiftletError(.unwritable, "\(path): cannot be removed: \(message(errno))")
            }
        } else if !remove(path) {
            throw SwiftletError(.unwritable, "\(path): cannot be removed: \(message(errno))")
        }
    }
}
