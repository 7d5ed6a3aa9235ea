import SwiftletFormats

extension APIError {
    /// The error in the form of the interface that was asked.
    func body(_ dialect: Dialect) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            if dialect == .anthropic { json.member("type", "error") }
            json.key("error")
            write(to: &json, dialect)
        }
        return json.bytes
    }

    /// The error object alone.
    func write(to json: inout JSONWriter, _ dialect: Dialect = .openAI) {
        json.object { json in
            switch dialect {
            case .openAI:
                json.member("message", message)
                json.member("type", kind.name)
                json.member("param", optional: parameter)
                json.member("code", optional: code)
                for (name, number) in details.sorted(by: { $0.key < $1.key }) { json.member(name, number) }
            case .anthropic:
                json.member("type", anthropicType)
                json.member("message", message)
            }
        }
    }

    /// The names that Anthropic's clients know.
    private var anthropicType: String {
        switch kind.status {
        case 401: "authentication_error"
        case 403: "permission_error"
        case 404, 405: "not_found_error"
        case 413: "request_too_large"
        case 503: "overloaded_error"
        case 500...: "api_error"
        default: "invalid_request_error"
        }
    }
}

/// Whose shapes an endpoint speaks.
enum Dialect: Sendable {
    /// `{"error": {"message", "type", "param", "code"}}`.
    case openAI
    /// `{"type": "error", "error": {"type", "message"}}`.
    case anthropic
}

extension JSONWriter {
    /// Writes a member with a string or `null`.
    mutating func member(_ name: String, optional string: String?) {
        key(name)
        if let string { value(string) } else { null() }
    }

    /// Writes a member that is `null`.
    mutating func nullMember(_ name: String) {
        key(name)
        null()
    }

    /// Writes a member that is an array of integers.
    mutating func member(_ name: String, _ integers: some Sequence<some BinaryInteger>) {
        key(name)
        array { json in for integer in integers { json.value(integer) } }
    }

    /// Writes a member that is an array of strings.
    mutating func member(_ name: String, _ strings: [String]) {
        key(name)
        array { json in for string in strings { json.value(string) } }
    }
}
