#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A directory for the files of one test; removed with everything in it when the object goes.
public final class TemporaryDirectory: Sendable {
    /// The path of the directory.
    public let path: String

    /// Makes an empty directory.
    public init() {
        var template = Array("/tmp/swiftlet-test-XXXXXX".utf8CString)
        precondition(mkdtemp(&template) != nil, "no temporary directory can be made")
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { Self.remove(path) }

    /// Writes a file, with the directories on the way, and returns its path.
    @discardableResult
    public func write(_ bytes: some Sequence<UInt8>, to name: String) -> String {
        let file = path + "/" + name
        makeDirectories(above: name)
        let stream = fopen(file, "wb")
        precondition(stream != nil, "\(file) cannot be written")
        if let stream {
            let bytes = Array(bytes)
            _ = fwrite(bytes, 1, bytes.count, stream)
            fclose(stream)
        }
        return file
    }

    /// Writes a text file and returns its path.
    @discardableResult
    public func write(_ text: String, to name: String) -> String { write(text.utf8, to: name) }

    /// Makes a directory, with those on the way, and returns its path.
    @discardableResult
    public func makeDirectory(_ name: String) -> String {
        makeDirectories(above: name + "/")
        return path + "/" + name
    }

    /// Makes a named pipe and returns its path.
    public func makePipe(_ name: String) -> String {
        mkfifo(path + "/" + name, 0o644)
        return path + "/" + name
    }

    private func makeDirectories(above name: String) {
        var directory = path
        for part in name.split(separator: "/", omittingEmptySubsequences: false).dropLast() {
            directory += "/" + part
            mkdir(directory, 0o755)
        }
    }

    private static func remove(_ path: String) {
        var information = stat()
        guard lstat(path, &information) == 0 else { return }
        if information.st_mode & S_IFMT == S_IFDIR, let stream = opendir(path) {
            while let entry = readdir(stream) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                    tuple.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name != "." && name != ".." { remove(path + "/" + name) }
            }
            closedir(stream)
            rmdir(path)
        } else {
            unlink(path)
        }
    }
}
