import SwiftletTensor

extension Interpreter {
    /// Filters that take a dictionary.
    func applyMapping(
        _ filter: Filter, _ value: Value, _ arguments: Arguments
    ) throws(SwiftletError) -> Value {
        switch filter {
        case .items:
            _ = try bind(arguments, [], for: "items")
            if value.isUndefined { return try iterator([]) }
            return try iterator { (results) throws(SwiftletError) in
                results = DictView(part: .items, mapping: try mapping(value, "what items takes")).values
            }
        case .dictsort: return try sortMembers(value, arguments)
        case .xmlattr: return try xmlAttributes(value, arguments)
        default:
            _ = try bind(arguments, [], for: "urlencode")
            return .string(try urlEncoded(value))
        }
    }

    private func mapping(_ value: Value, _ what: String) throws(SwiftletError) -> Mapping {
        guard case .dict(let mapping) = value else { throw mismatch(value, what, "a dict") }
        return mapping
    }

    private func sortMembers(_ value: Value, _ arguments: Arguments) throws(SwiftletError) -> Value {
        let given = try bind(arguments, ["case_sensitive", "by", "reverse"], for: "dictsort")
        let by = try string(given[1], "the argument 'by' of dictsort") ?? "key"
        guard by == "key" || by == "value" else { throw problem("dictsort sorts by 'key' or 'value'") }
        let pairs = DictView(part: .items, mapping: try mapping(value, "what dictsort takes")).values
        let isCaseSensitive = given[0]?.isTrue ?? false
        return try list(
            try sorted(pairs, isReversed: given[2]?.isTrue ?? false) { (pair) throws(SwiftletError) in
                let part = try item(.int(by == "key" ? 0 : 1), of: pair)
                return isCaseSensitive ? part : try ignoringCase(part)
            })
    }

    private func xmlAttributes(_ value: Value, _ arguments: Arguments) throws(SwiftletError) -> Value {
        let autospace = try bind(arguments, ["autospace"], for: "xmlattr")[0]?.isTrue ?? true
        let mapping = try mapping(value, "what xmlattr takes")
        var parts: [String] = []
        for (key, value) in zip(mapping.keys, mapping.values) where !value.isNone && !value.isUndefined {
            let name = try string(key, "the name of an attribute") ?? ""
            guard
                !name.unicodeScalars.contains(where: { " \t\n\r\u{0B}\u{0C}/>=".unicodeScalars.contains($0) })
            else {
                throw problem("'\(name)' cannot be the name of an attribute")
            }
            let text = try escaped(value)
            try charge(name.utf8.count + text.utf8.count)
            parts.append("\(name.escapedForHTML)=\"\(text)\"")
        }
        let joined = parts.joined(separator: " ")
        return .string(autospace && !joined.isEmpty ? " " + joined : joined)
    }

    private func urlEncoded(_ value: Value) throws(SwiftletError) -> String {
        let pairs: [Value]
        switch value {
        case .dict(let mapping): pairs = DictView(part: .items, mapping: mapping).values
        case .list, .tuple, .iterator, .view, .range, .undefined: pairs = try elements(of: value)
        default: return try quoted(try text(of: value), isQuery: false)
        }
        var parts: [String] = []
        for pair in pairs {
            let both = try elements(of: pair)
            guard both.count == 2 else { throw problem("urlencode needs pairs of names and values") }
            let name = try quoted(try text(of: both[0]), isQuery: true)
            let value = try quoted(try text(of: both[1]), isQuery: true)
            parts.append("\(name)=\(value)")
        }
        return parts.joined(separator: "&")
    }

    private func quoted(_ text: String, isQuery: Bool) throws(SwiftletError) -> String {
        try charge(text.utf8.count, times: 3)
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."),
                UInt8(ascii: "-"),
                UInt8(ascii: "~"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            case UInt8(ascii: "/") where !isQuery: result += "/"
            case UInt8(ascii: " ") where isQuery: result += "+"
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                result += (byte < 16 ? "%0" : "%") + digits
            }
        }
        return result
    }
}
