import Foundation
import HTTPTypes
public import SwiftletTensor

/// The keys that open the server; without keys it is open.
public struct APIKeys: Sendable {
    private let keys: [[UInt8]]

    /// Takes keys as they are; empty ones are ignored.
    public init(_ keys: [String]) {
        self.keys = keys.map { Array($0.utf8) }.filter { !$0.isEmpty }
    }

    /// Reads a file with a key in every line; blank lines and lines that begin with `#` are ignored.
    ///
    /// - Throws: `.unreadable` naming the file, `.invalidArgument` if it holds no key.
    public static func read(_ path: String) throws(SwiftletError) -> [String] {
        let file = try MappedFile(path: path)
        let text = withExtendedLifetime(file) { String(decoding: file.bytes, as: UTF8.self) }
        let lines = text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
        let keys = lines.filter { !$0.isEmpty && !$0.hasPrefix("#") }
        guard !keys.isEmpty else {
            throw SwiftletError(.invalidArgument, "\(path) holds no key, expected one in every line")
        }
        return keys
    }

    /// Whether anybody may enter.
    var isEmpty: Bool { keys.isEmpty }

    /// Whether a request carries a key, as a bearer token or in `X-Api-Key`.
    func admit(_ headers: HTTPFields) -> Bool {
        if keys.isEmpty { return true }
        var given: [[UInt8]] = []
        if let header = headers[.authorization], header.lowercased().hasPrefix("bearer ") {
            given.append(Array(header.dropFirst("bearer ".count).utf8))
        }
        if let header = Self.header.flatMap({ headers[$0] }) { given.append(Array(header.utf8)) }
        return given.contains { isKnown($0) }
    }

    /// Compares with every key in a time that depends on the lengths alone.
    private func isKnown(_ candidate: [UInt8]) -> Bool {
        var found: UInt8 = 0
        for key in keys {
            var difference: UInt8 = candidate.count == key.count ? 0 : 1
            for index in key.indices {
                difference |= key[index] ^ (candidate.isEmpty ? 0 : candidate[index % candidate.count])
            }
            found |= difference == 0 ? 1 : 0
        }
        return found == 1
    }

    private static let header = HTTPField.Name("X-Api-Key")
}
