import Foundation
import SwiftletFormats

/// An answer of a server, read from the bytes of a connection.
struct HTTPReply: Sendable {
    let status: Int
    let headers: [String: String]
    let body: [UInt8]

    /// The body as text.
    var text: String { String(decoding: body, as: UTF8.self) }

    /// The body as JSON.
    var json: JSON {
        get throws { try JSON.parse(body, source: "the answer \(text.prefix(200))") }
    }

    /// The data of server-sent events, in order.
    var events: [String] {
        text.components(separatedBy: "\n\n").compactMap { block in
            block.components(separatedBy: "\n").first { $0.hasPrefix("data: ") }.map {
                String($0.dropFirst(6))
            }
        }
    }

    /// The names of server-sent events, in order.
    var eventNames: [String] {
        text.components(separatedBy: "\n").filter { $0.hasPrefix("event: ") }.map { String($0.dropFirst(7)) }
    }

    /// The events that are JSON.
    var chunks: [JSON] {
        get throws {
            try events.filter { $0 != "[DONE]" }.map { try JSON.parse(Array($0.utf8), source: "event") }
        }
    }

    /// Reads the first answer of some bytes.
    ///
    /// - Returns: `nil` if it is not complete.
    init?(_ bytes: [UInt8], isEnd: Bool) {
        let mark = Array("\r\n\r\n".utf8)
        guard let end = bytes.indices.first(where: { bytes[$0...].starts(with: mark) }) else { return nil }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).components(separatedBy: "\r\n")
        status = Int(lines[0].split(separator: " ").dropFirst().first ?? "") ?? 0
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            headers[parts[0].lowercased()] =
                parts.count == 2 ? parts[1].trimmingCharacters(in: .whitespaces) : ""
        }
        self.headers = headers
        let rest = Array(bytes[(end + 4)...])
        if headers["transfer-encoding"] == "chunked" {
            guard let body = Self.joined(rest) ?? (isEnd ? [] : nil) else { return nil }
            self.body = body
        } else {
            let length = Int(headers["content-length"] ?? "") ?? 0
            guard rest.count >= length || isEnd else { return nil }
            body = Array(rest.prefix(length))
        }
    }

    /// The chunks of a body; `nil` if the last one is missing.
    private static func joined(_ bytes: [UInt8]) -> [UInt8]? {
        var (body, rest) = ([UInt8](), bytes[...])
        while let end = rest.firstIndex(of: 0x0D) {
            guard let count = Int(String(decoding: rest[..<end], as: UTF8.self), radix: 16) else {
                return nil
            }
            rest = rest[(end + 2)...]
            if count == 0 { return body }
            guard rest.count >= count + 2 else { return nil }
            body += rest.prefix(count)
            rest = rest.dropFirst(count + 2)
        }
        return nil
    }
}
