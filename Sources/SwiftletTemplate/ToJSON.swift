import SwiftletTensor

extension Interpreter {
    /// `tojson` as chat templates have it: Python's `json.dumps`, which keeps characters beyond ASCII.
    func json(_ value: Value, _ arguments: Arguments) throws(SwiftletError) -> Value {
        let given = try bind(
            arguments, ["ensure_ascii", "indent", "separators", "sort_keys"], for: "tojson")
        var writer = JSONText(interpreter: self)
        writer.ensuresASCII = given[0]?.isTrue ?? false
        writer.sortsKeys = given[3]?.isTrue ?? false
        switch given[1] {
        case nil, .some(.none): break
        case let indent?:
            if let text = indent.string {
                writer.indent = text
            } else {
                let width = max(0, try integer(indent, "the indent of tojson") ?? 0)
                try charge(width)
                writer.indent = String(repeating: " ", count: width)
            }
            writer.itemSeparator = ","
        }
        switch given[2] {
        case nil, .some(.none): break
        case let separators?:
            let both = try elements(of: separators)
            guard both.count == 2 else { throw problem("tojson needs two separators") }
            writer.itemSeparator = try string(both[0], "a separator of tojson") ?? ""
            writer.keySeparator = try string(both[1], "a separator of tojson") ?? ""
        }
        try writer.write(value)
        return .string(writer.text)
    }
}

/// JSON as Python writes it.
private struct JSONText {
    let interpreter: Interpreter
    var ensuresASCII = false
    var sortsKeys = false
    var indent: String?
    var itemSeparator = ", "
    var keySeparator = ": "
    private(set) var text = ""
    private var level = 0

    init(interpreter: Interpreter) { self.interpreter = interpreter }

    mutating func write(_ value: Value) throws(SwiftletError) {
        try interpreter.step()
        try interpreter.charge(4)
        switch value {
        case .none: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .int(let value): text += String(value)
        case .float(let value): text += Self.number(value)
        case .string(let string), .markup(let string): try quote(string)
        case .list(let items), .tuple(let items): try write(items.values)
        case .dict(let mapping): try write(mapping)
        default: throw interpreter.problem("a value of type '\(value.typeName)' cannot be written as JSON")
        }
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
        return NumberText.representation(value)
    }

    private mutating func newline() throws(SwiftletError) {
        guard let indent else { return }
        try interpreter.charge(indent.utf8.count, times: level)
        try interpreter.charge(1)
        text += "\n"
        text += String(repeating: indent, count: level)
    }

    private mutating func separate(_ place: Int) throws(SwiftletError) {
        if place > 0 {
            try interpreter.charge(itemSeparator.utf8.count)
            text += itemSeparator
        }
        try newline()
    }

    private mutating func write(_ values: [Value]) throws(SwiftletError) {
        guard !values.isEmpty else {
            text += "[]"
            return
        }
        text += "["
        level += 1
        for (place, value) in values.enumerated() {
            try separate(place)
            try write(value)
        }
        level -= 1
        try newline()
        text += "]"
    }

    private mutating func write(_ mapping: Mapping) throws(SwiftletError) {
        guard !mapping.keys.isEmpty else {
            text += "{}"
            return
        }
        text += "{"
        level += 1
        var places: [Value] = mapping.keys.indices.map(Value.int)
        if sortsKeys {
            places = try interpreter.sorted(places) { (place) throws(SwiftletError) in
                mapping.keys[place.integer ?? 0]
            }
        }
        for (position, place) in places.enumerated() {
            let place = place.integer ?? 0
            try separate(position)
            try quote(try name(mapping.keys[place]))
            try interpreter.charge(keySeparator.utf8.count)
            text += keySeparator
            try write(mapping.values[place])
        }
        level -= 1
        try newline()
        text += "}"
    }

    /// A key as text.
    private func name(_ key: Value) throws(SwiftletError) -> String {
        switch key {
        case .string(let text), .markup(let text): text
        case .none: "null"
        case .bool(let value): value ? "true" : "false"
        case .int(let value): String(value)
        case .float(let value): Self.number(value)
        default: throw interpreter.problem("a key of type '\(key.typeName)' cannot be written as JSON")
        }
    }

    private mutating func quote(_ string: String) throws(SwiftletError) {
        try interpreter.charge(string.utf8.count)
        text += "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case "\u{08}": text += "\\b"
            case "\u{0C}": text += "\\f"
            default:
                if scalar.value < 0x20 || (ensuresASCII && scalar.value > 0x7E) {
                    for unit in String(Character(scalar)).utf16 {
                        let digits = String(unit, radix: 16)
                        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                    }
                } else {
                    text.unicodeScalars.append(scalar)
                }
            }
        }
        text += "\""
    }
}
