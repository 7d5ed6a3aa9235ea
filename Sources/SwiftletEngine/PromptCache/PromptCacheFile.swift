import SwiftletCache
import SwiftletFormats
import SwiftletTensor
import SwiftletText

/// The file format of a saved cache; `docs/prompt-cache.md` describes it.
///
/// A header of 16 bytes, then sections. The checksum of a section covers everything before it, too, so that no part
/// can be changed, left out or moved unnoticed.
enum PromptCacheFile {
    static let magic = Array("SwPrompt".utf8)
    static let version: UInt32 = 3
    static let suffix = ".promptcache"
    static let sectionHeader = 16

    /// What a section holds.
    enum Section: String {
        /// The key and the tokens.
        case about = "ABOU"
        /// Logits after the last token.
        case logits = "LOGI"
        /// A part of ``KVSequence/snapshot(_:)``.
        case part = "PART"

        /// Four bytes.
        var bytes: [UInt8] { Array(rawValue.utf8) }
    }

    /// What the first section says.
    struct About {
        var key: String
        var tokens: [TokenID]

        /// Most tokens: positions have 31 bits.
        private static let tokenLimit = Int(Int32.max)

        mutating func code(_ state: inout KVStateCoder) throws(SwiftletError) {
            try state.code(&key, "bytes of the key", count: 32...32)
            try state.code(&tokens, "tokens", count: 1...Self.tokenLimit)
        }
    }

    /// The bytes of kind and length, which the checksum covers.
    fileprivate static func frame(_ kind: [UInt8], _ count: Int) -> [UInt8] {
        var frame = LittleEndianBytes()
        frame.append(contentsOf: kind)
        frame.append(UInt64(count))
        return frame.bytes
    }
}

/// Writes a saved cache, which appears under its name when all of it is on the disk.
struct PromptCacheWriter {
    /// Bytes so far.
    private(set) var byteCount = 0
    private let file: AtomicFile
    private let limit: Int
    private var checksum = CRC32C()

    /// - Parameters:
    ///   - sections: how many will be added.
    ///   - limit: most bytes of the file.
    init(path: String, sections: Int, limit: Int) throws(SwiftletError) {
        file = try AtomicFile(path: path)
        self.limit = limit
        var header = LittleEndianBytes()
        header.append(contentsOf: PromptCacheFile.magic)
        header.append(PromptCacheFile.version)
        header.append(UInt32(clamping: sections))
        checksum.update(header.bytes)
        try write(header.bytes)
    }

    /// Adds a section.
    ///
    /// - Throws: `.limit` if the file would become too large, `.unwritable`.
    mutating func add(_ section: PromptCacheFile.Section, _ bytes: [UInt8]) throws(SwiftletError) {
        checksum.update(PromptCacheFile.frame(section.bytes, bytes.count))
        checksum.update(bytes)
        var header = LittleEndianBytes()
        header.append(contentsOf: section.bytes)
        header.append(checksum.value)
        header.append(UInt64(bytes.count))
        try write(header.bytes)
        try write(bytes)
    }

    /// Gives the file its name.
    func commit() throws(SwiftletError) { try file.commit() }

    private mutating func write(_ bytes: [UInt8]) throws(SwiftletError) {
        byteCount += bytes.count
        guard byteCount <= limit else {
            throw SwiftletError(
                .limit, "it takes more than the \(limit) bytes of --prompt-cache-size; give more")
        }
        try file.write(bytes)
    }
}

/// Reads a saved cache from the front; what it hands out has the right checksum, and nothing else is promised.
struct PromptCacheReader {
    /// Sections that have not been read.
    private(set) var sections: Int
    private let file: SequentialFile
    private var checksum = CRC32C()

    /// - Throws: `.unreadable`, `.unsupported` for another version, `.malformed` for anything else.
    init(path: String) throws(SwiftletError) {
        file = try SequentialFile(path: path)
        let header = try file.read(16)
        guard header.count == 16, header.starts(with: PromptCacheFile.magic) else {
            throw SwiftletError(.malformed, "the saved cache is damaged: it does not begin as one")
        }
        let version = Self.integer(header[8..<12])
        guard version == UInt64(PromptCacheFile.version) else {
            throw SwiftletError(
                .unsupported,
                "the saved cache has version \(version), this program reads \(PromptCacheFile.version)")
        }
        sections = Int(Self.integer(header[12...]))
        checksum.update(header)
    }

    /// Reads the next section.
    ///
    /// - Parameter available: bytes of free memory, if known; a longer section is refused.
    mutating func next(
        _ section: PromptCacheFile.Section, available: Int? = nil
    ) throws(SwiftletError) -> [UInt8] {
        let header = try file.read(PromptCacheFile.sectionHeader)
        guard sections > 0, header.count == PromptCacheFile.sectionHeader,
            header.starts(with: section.bytes)
        else { throw damage("section \(section.rawValue) is missing") }
        guard let count = Int(exactly: Self.integer(header[8...])), count <= file.remaining else {
            throw damage("it ends too early")
        }
        if let available, count > available {
            throw SwiftletError(
                .limit, "the saved cache needs \(count) bytes at once, \(available) are free")
        }
        let bytes = try file.read(count)
        checksum.update(PromptCacheFile.frame(section.bytes, count))
        checksum.update(bytes)
        guard Self.integer(header[4..<8]) == UInt64(checksum.value) else {
            throw damage("the checksum of section \(section.rawValue) is wrong")
        }
        sections -= 1
        guard sections > 0 || file.remaining == 0 else { throw damage("it does not end where it should") }
        return bytes
    }

    private func damage(_ what: String) -> SwiftletError {
        SwiftletError(.malformed, "the saved cache is damaged: \(what)")
    }

    private static func integer(_ bytes: some Collection<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
