import Crypto
import SwiftletFormats
import SwiftletTensor

/// The hash by which the hub calls the content of a file, and so does the cache.
///
/// Source: large files go by the SHA-256 of Git LFS; all others by Git's name of a blob, the SHA-1 of `blob`, a space,
/// the number of bytes, a zero byte and the content (Git, `gitformat-pack`, object names).
enum ContentHash: Hashable, Sendable {
    case sha256(String)
    case git(String)

    /// The kind of hash that a name can be, or `nil` if it says nothing about the content.
    init?(named name: String) {
        guard Self.isHex(name) else { return nil }
        switch name.utf8.count {
        case 64: self = .sha256(name)
        case 40: self = .git(name)
        default: return nil
        }
    }

    /// Whether all characters are lower-case hexadecimal digits.
    static func isHex(_ text: String) -> Bool {
        text.utf8.allSatisfy {
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
        }
    }

    /// Hashes a content of a known size.
    func start(byteCount: Int) -> Running {
        switch self {
        case .sha256: return Running(state: .sha256(SHA256()))
        case .git:
            var hash = Insecure.SHA1()
            hash.update(data: Array("blob \(byteCount)\0".utf8))
            return Running(state: .git(hash))
        }
    }

    /// Whether a finished hash is this one.
    func matches(_ running: Running) -> Bool {
        switch self {
        case .sha256(let name), .git(let name): running.text == name
        }
    }

    /// Hashes a whole file.
    ///
    /// - Complexity: reads the file once, a megabyte at a time.
    func matches(file path: String) throws(SwiftletError) -> Bool {
        let file = try SequentialFile(path: path)
        var running = start(byteCount: file.remaining)
        while file.remaining > 0 { running.update(try file.read(1 << 20)) }
        return matches(running)
    }

    /// A hash in the making.
    struct Running: Sendable {
        fileprivate enum State: Sendable {
            case sha256(SHA256)
            case git(Insecure.SHA1)
        }

        fileprivate var state: State

        mutating func update(_ bytes: some ContiguousBytesView) {
            bytes.withUnsafeBytes { buffer in
                switch state {
                case .sha256(var hash):
                    hash.update(bufferPointer: buffer)
                    state = .sha256(hash)
                case .git(var hash):
                    hash.update(bufferPointer: buffer)
                    state = .git(hash)
                }
            }
        }

        /// The digits of the hash.
        var text: String {
            switch state {
            case .sha256(let hash): Self.digits(hash.finalize())
            case .git(let hash): Self.digits(hash.finalize())
            }
        }

        private static func digits(_ digest: some Sequence<UInt8>) -> String {
            digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
    }
}

/// Bytes that lie in one piece.
protocol ContiguousBytesView {
    func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R
}

extension [UInt8]: ContiguousBytesView {}
extension UnsafeRawBufferPointer: ContiguousBytesView {
    func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R { try body(self) }
}
