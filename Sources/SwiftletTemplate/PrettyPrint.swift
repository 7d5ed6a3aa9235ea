import SwiftletTensor

extension Interpreter {
    /// `pprint`: a value in lines of 80 characters, with the keys of dictionaries in order.
    ///
    /// Texts are not broken, as Python would do with long ones.
    func prettyPrinted(_ value: Value) throws(SwiftletError) -> String {
        try pretty(value, indent: 0, allowance: 0)
    }

    private func pretty(_ value: Value, indent: Int, allowance: Int) throws(SwiftletError) -> String {
        let ordered = try withOrderedKeys(value)
        let line = try representation(of: ordered)
        guard line.unicodeScalars.count > 80 - indent - allowance else { return line }
        switch ordered {
        case .list(let items): return try pretty(items.values, "[", "]", indent, allowance)
        case .tuple(let items):
            return try pretty(items.values, "(", items.values.count == 1 ? ",)" : ")", indent, allowance)
        case .dict(let mapping):
            var parts: [String] = []
            for (place, (key, value)) in zip(mapping.keys, mapping.values).enumerated() {
                let name = try representation(of: key)
                let isLast = place + 1 == mapping.keys.count
                let text = try pretty(
                    value, indent: indent + name.unicodeScalars.count + 3,
                    allowance: isLast ? allowance + 1 : 1)
                parts.append("\(name): \(text)")
            }
            return try assembled(parts, "{", "}", indent)
        default: return line
        }
    }

    private func pretty(
        _ values: [Value], _ open: String, _ close: String, _ indent: Int, _ allowance: Int
    ) throws(SwiftletError) -> String {
        var parts: [String] = []
        for (place, value) in values.enumerated() {
            let isLast = place + 1 == values.count
            parts.append(
                try pretty(value, indent: indent + 1, allowance: isLast ? allowance + close.count : 1))
        }
        return try assembled(parts, open, close, indent)
    }

    private func assembled(
        _ parts: [String], _ open: String, _ close: String, _ indent: Int
    ) throws(SwiftletError) -> String {
        try charge(indent + 4, times: parts.count)
        for part in parts { try charge(part.utf8.count) }
        return open + parts.joined(separator: ",\n" + String(repeating: " ", count: indent + 1)) + close
    }

    private func withOrderedKeys(_ value: Value) throws(SwiftletError) -> Value {
        switch value {
        case .list(let items): return try list(try withOrderedKeys(items.values))
        case .tuple(let items): return try tuple(try withOrderedKeys(items.values))
        case .dict(let mapping):
            let pairs = DictView(part: .items, mapping: mapping).values
            let ordered = try sorted(pairs) { (pair) throws(SwiftletError) in try item(.int(0), of: pair) }
            var builder = Mapping.Builder()
            for pair in ordered {
                let name = try item(.int(0), of: pair)
                builder.set(try key(of: name), name, try withOrderedKeys(try item(.int(1), of: pair)))
            }
            return try dictionary(builder)
        default: return value
        }
    }

    private func withOrderedKeys(_ values: [Value]) throws(SwiftletError) -> [Value] {
        try step(values.count)
        var result: [Value] = []
        for value in values { result.append(try withOrderedKeys(value)) }
        return result
    }
}
