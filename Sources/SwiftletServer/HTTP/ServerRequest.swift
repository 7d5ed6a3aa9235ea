import HTTPTypes

/// One request with its whole body.
struct ServerRequest: Sendable {
    /// The verb.
    let method: HTTPRequest.Method
    /// The path without query, percent-encoding removed.
    let path: String
    /// The query's parameters; of one name the last counts.
    let query: [String: String]
    /// Host and port as the client wrote them.
    let authority: String?
    /// The header.
    let headers: HTTPFields
    /// The body.
    let body: [UInt8]
    /// What stands in the path where the route has a `*`.
    var parameters: [String] = []
    /// Names the request in logs and in `X-Request-Id`.
    let id: String
    /// When it began.
    let start: ContinuousClock.Instant
    /// Tells when the client goes away.
    let connection: ConnectionState
}

/// What a handler answers with.
enum Answer: Sendable {
    /// A body that is known.
    case whole(Reply)
    /// A body that is written as it comes, as server-sent events.
    case events(@Sendable (EventWriter) async -> Void)

    /// A JSON text.
    static func json(_ writer: JSONText, status: HTTPResponse.Status = .ok) -> Answer {
        .whole(Reply(status: status, contentType: "application/json; charset=utf-8", body: writer))
    }
}

/// The UTF-8 of a JSON document.
typealias JSONText = [UInt8]

/// An answer that is known as a whole.
struct Reply: Sendable {
    var status = HTTPResponse.Status.ok
    var contentType: String
    var body: [UInt8]
    var headers = HTTPFields()
}

/// The parts of a request's target.
enum RequestTarget {
    /// The path of a target, decoded; the query and everything behind it is left out.
    static func path(_ target: String) -> String {
        decode(target.utf8.prefix { $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }, plusIsSpace: false)
    }

    /// The parameters of a target's query.
    static func query(_ target: String) -> [String: String] {
        var parameters: [String: String] = [:]
        guard let mark = target.utf8.firstIndex(of: UInt8(ascii: "?")) else { return parameters }
        let query = target.utf8[target.utf8.index(after: mark)...].prefix { $0 != UInt8(ascii: "#") }
        for pair in query.split(separator: UInt8(ascii: "&")) {
            let parts = pair.split(
                separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count == 2 ? decode(parts[1], plusIsSpace: true) : ""
            parameters[decode(parts[0], plusIsSpace: true)] = value
        }
        return parameters
    }

    /// Removes percent-encoding; a `%` without two hexadecimal digits stays.
    private static func decode(_ text: Substring.UTF8View, plusIsSpace: Bool) -> String {
        var bytes: [UInt8] = []
        var rest = text[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(2).compactMap { Character(UnicodeScalar($0)).hexDigitValue }
            if byte == UInt8(ascii: "%"), digits.count == 2 {
                bytes.append(UInt8(digits[0] << 4 | digits[1]))
                rest = rest.dropFirst(2)
            } else {
                bytes.append(plusIsSpace && byte == UInt8(ascii: "+") ? 0x20 : byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
