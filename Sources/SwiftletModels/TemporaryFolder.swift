import SwiftletTensor

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A folder of files that gets its name when it is complete, and disappears otherwise.
final class TemporaryFolder {
    let path: String
    private var isNamed = false

    /// Makes an empty folder where another one will be.
    ///
    /// - Throws: `.unwritable` if something has the name already, but an empty folder, or nothing can be made there.
    init(beside path: String) throws(SwiftletError) {
        try System.checkPath(path, .unwritable)
        var path = path[...]
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        self.path = "\(path).\(String(UInt32.random(in: 0 ... .max), radix: 16)).tmp"
        guard mkdir(self.path, 0o777) == 0 else {
            isNamed = true
            throw SwiftletError(.unwritable, "\(self.path): cannot be made: \(System.message(errno))")
        }
    }

    /// Gives the folder its name.
    ///
    /// - Throws: `.unwritable` if something else but an empty folder has it.
    func rename(to name: String) throws(SwiftletError) {
        #if canImport(Glibc)
            let status = Glibc.rename(path, name)
        #elseif canImport(Musl)
            let status = Musl.rename(path, name)
        #else
            let status = Darwin.rename(path, name)
        #endif
        guard status == 0 else {
            throw SwiftletError(
                .unwritable,
                "\(name): cannot be written: \(System.message(errno)); name a directory that is not there")
        }
        isNamed = true
    }

    deinit {
        guard !isNamed else { return }
        for name in (try? System.names(in: path)) ?? [] { System.remove("\(path)/\(name)") }
        rmdir(path)
    }
}
