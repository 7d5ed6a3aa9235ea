import SwiftletTensor

/// How a value is written into a field: Python's format specification.
struct FormatSpecification {
    var fill: Unicode.Scalar = " "
    var alignment: Unicode.Scalar?
    var sign: Unicode.Scalar = "-"
    var isAlternate = false
    var width = 0
    var grouping: Unicode.Scalar?
    var precision: Int?
    var kind: Unicode.Scalar?

    /// Reads `[[fill]align][sign][#][0][width][grouping][.precision][type]`; `nil` if it is none.
    init?(_ text: String) {
        let scalars = Array(text.unicodeScalars)
        var place = 0
        func peek(_ offset: Int = 0) -> Unicode.Scalar? {
            place + offset < scalars.count ? scalars[place + offset] : nil
        }
        func isAlignment(_ scalar: Unicode.Scalar?) -> Bool {
            scalar.map { "<>=^".unicodeScalars.contains($0) } ?? false
        }
        func number() -> Int? {
            var value: Int?
            while let digit = peek()?.value, 48...57 ~= digit {
                value = min((value ?? 0) * 10 + Int(digit - 48), 1 << 40)
                place += 1
            }
            return value
        }
        if isAlignment(peek(1)) {
            fill = scalars[0]
            alignment = scalars[1]
            place = 2
        } else if isAlignment(peek()) {
            alignment = scalars[0]
            place = 1
        }
        if let sign = peek(), "+- ".unicodeScalars.contains(sign) {
            self.sign = sign
            place += 1
        }
        if peek() == "#" {
            isAlternate = true
            place += 1
        }
        if peek() == "0" {
            if alignment == nil {
                fill = "0"
                alignment = "="
            }
            place += 1
        }
        width = number() ?? 0
        if let mark = peek(), mark == "," || mark == "_" {
            grouping = mark
            place += 1
        }
        if peek() == "." {
            place += 1
            guard let digits = number() else { return nil }
            precision = digits
        }
        if place < scalars.count {
            kind = scalars[place]
            place += 1
        }
        guard place == scalars.count else { return nil }
    }

    /// The bytes that padding may need.
    var size: Int { width + (precision ?? 0) }

    /// Fills a text up to the width; `=` fills between the sign and the digits.
    func padded(_ text: String, sign: String = "", alignment natural: Unicode.Scalar) -> String {
        let missing = max(0, width - text.unicodeScalars.count - sign.unicodeScalars.count)
        func filling(_ count: Int) -> String { String(repeating: String(Character(fill)), count: count) }
        switch alignment ?? natural {
        case "<": return sign + text + filling(missing)
        case "^": return filling(missing / 2) + sign + text + filling(missing - missing / 2)
        case "=": return sign + filling(missing) + text
        default: return filling(missing) + sign + text
        }
    }

    private func signText(_ isNegative: Bool) -> String {
        isNegative ? "-" : sign == "-" ? "" : String(Character(sign))
    }

    /// Digits in groups of three, or four for other bases than ten.
    private func grouped(_ digits: String, by size: Int = 3) -> String {
        guard let grouping else { return digits }
        var result = ""
        for (place, digit) in digits.enumerated() {
            if place > 0, (digits.count - place) % size == 0 { result += String(Character(grouping)) }
            result.append(digit)
        }
        return result
    }

    func formatted(text: String) -> String? {
        guard kind == nil || kind == "s", alignment != "=" || fill == "0", sign == "-", !isAlternate else {
            return nil
        }
        let cut = precision.map { String(String.UnicodeScalarView(text.unicodeScalars.prefix($0))) } ?? text
        return padded(cut, alignment: "<")
    }

    func formatted(integer value: Int) -> String? {
        if let kind, "eEfFgG%".unicodeScalars.contains(kind) { return formatted(double: Double(value)) }
        guard precision == nil else { return nil }
        let digits: String
        var prefix = ""
        switch kind {
        case nil, "d", "n": digits = grouped(String(value.magnitude))
        case "x", "X":
            digits = grouped(String(value.magnitude, radix: 16, uppercase: kind == "X"), by: 4)
            prefix = kind == "X" ? "0X" : "0x"
        case "o":
            digits = grouped(String(value.magnitude, radix: 8), by: 4)
            prefix = "0o"
        case "b":
            digits = grouped(String(value.magnitude, radix: 2), by: 4)
            prefix = "0b"
        case "c":
            guard let scalar = UInt32(exactly: value).flatMap(Unicode.Scalar.init) else { return nil }
            return padded(String(Character(scalar)), alignment: "<")
        default: return nil
        }
        let sign = signText(value < 0) + (isAlternate ? prefix : "")
        return padded(digits, sign: sign, alignment: ">")
    }

    func formatted(double value: Double) -> String? {
        var digits: String
        switch kind {
        case nil where precision == nil: digits = NumberText.representation(value.magnitude)
        case nil:
            digits = NumberText.formatted(value.magnitude, "g", precision: max(precision ?? 6, 1))
            if !digits.contains(where: { ".en".contains($0) }) { digits += ".0" }
        case "%": digits = NumberText.formatted(value.magnitude * 100, "f", precision: precision ?? 6) + "%"
        case let kind? where "eEfFgGn".unicodeScalars.contains(kind):
            let conversion = kind == "n" ? "g" : Character(kind)
            digits = NumberText.formatted(
                value.magnitude, conversion, precision: precision ?? 6, alternate: isAlternate)
        default: return nil
        }
        if grouping != nil {
            let whole = String(digits.prefix { $0.isNumber })
            digits = grouped(whole) + digits.dropFirst(whole.count)
        }
        return padded(digits, sign: signText(value.sign == .minus && !value.isNaN), alignment: ">")
    }
}

extension Interpreter {
    /// `format` and `format_map` of strings.
    func format(
        _ method: StringMethod, _ receiver: Value, _ template: String, _ arguments: Arguments
    ) throws(SwiftletError) -> Value {
        var arguments = arguments
        if method == .formatMap {
            guard arguments.keywords.isEmpty, arguments.positional.count == 1,
                case .dict(let mapping) = arguments.positional[0]
            else { throw problem("format_map takes one dict") }
            arguments = Arguments()
            for (key, value) in zip(mapping.keys, mapping.values) {
                if let name = key.string { arguments.keywords.append((name, value)) }
            }
        }
        var counter = 0
        return receiver.sameText(try braces(template, arguments, &counter, level: 0))
    }

    private func braces(
        _ template: String, _ arguments: Arguments, _ counter: inout Int, level: Int
    ) throws(SwiftletError) -> String {
        guard level < 3 else { throw problem("a format nests too deep") }
        let scalars = Array(template.unicodeScalars)
        var result = ""
        var place = 0
        while place < scalars.count {
            let scalar = scalars[place]
            place += 1
            let isDoubled = place < scalars.count && scalars[place] == scalar
            guard scalar == "{" || scalar == "}" else {
                result.unicodeScalars.append(scalar)
                continue
            }
            if isDoubled {
                result.unicodeScalars.append(scalar)
                place += 1
                continue
            }
            guard scalar == "{" else { throw problem("a format has a single '}'") }
            let start = place
            var depth = 1
            while place < scalars.count, depth > 0 {
                depth += scalars[place] == "{" ? 1 : scalars[place] == "}" ? -1 : 0
                place += 1
            }
            guard depth == 0 else { throw problem("a format has a '{' without a '}'") }
            let field = Array(scalars[start..<place - 1])
            let text = try self.field(field, arguments, &counter, level: level)
            try charge(text.utf8.count)
            result += text
        }
        return result
    }

    /// `name!conversion:specification`.
    private func field(
        _ scalars: [Unicode.Scalar], _ arguments: Arguments, _ counter: inout Int, level: Int
    ) throws(SwiftletError) -> String {
        func text(_ part: ArraySlice<Unicode.Scalar>) -> String { String(String.UnicodeScalarView(part)) }
        let nameEnd = scalars.firstIndex { $0 == "!" || $0 == ":" } ?? scalars.count
        var value = try fieldValue(text(scalars[..<nameEnd]), arguments, &counter)
        var rest = scalars[nameEnd...]
        if rest.first == "!" {
            guard rest.count >= 2 else { throw problem("a format has no conversion behind '!'") }
            switch rest[rest.startIndex + 1] {
            case "r", "a": value = .string(try representation(of: value))
            case "s": value = .string(try self.text(of: value))
            default: throw problem("a format has an unknown conversion behind '!'")
            }
            rest = rest.dropFirst(2)
        }
        guard rest.first == ":" else { return try self.text(of: value) }
        let specification = try braces(text(rest.dropFirst()), arguments, &counter, level: level + 1)
        return try formatted(value, specification)
    }

    /// A value in a format specification.
    func formatted(_ value: Value, _ specification: String) throws(SwiftletError) -> String {
        guard !specification.isEmpty else { return try text(of: value) }
        guard let format = FormatSpecification(specification) else {
            throw problem("'\(specification)' is no format for a value")
        }
        try charge(format.size)
        let result: String? =
            switch value {
            case .string(let text), .markup(let text): format.formatted(text: text)
            case .bool(let value) where format.kind == nil || format.kind == "s":
                format.formatted(text: value ? "True" : "False")
            case .int, .bool: format.formatted(integer: value.integer ?? 0)
            case .float(let value): format.formatted(double: value)
            default: nil
            }
        guard let result else {
            throw problem("'\(specification)' is no format for a value of type '\(value.typeName)'")
        }
        return result
    }

    /// `0`, `name`, `name.attribute`, `name[key]`, or nothing for the next argument.
    private func fieldValue(
        _ path: String, _ arguments: Arguments, _ counter: inout Int
    ) throws(SwiftletError) -> Value {
        let first = path.prefix { $0 != "." && $0 != "[" }
        var value: Value
        if first.isEmpty || first.allSatisfy({ $0.isASCII && $0.isNumber }) {
            let index = first.isEmpty ? counter : Int(first) ?? Int.max
            if first.isEmpty { counter += 1 }
            guard index < arguments.positional.count else { throw problem("a format needs more arguments") }
            value = arguments.positional[index]
        } else {
            guard let found = arguments.keywords.last(where: { $0.name.hasSameBytes(as: String(first)) })
            else {
                throw problem("a format needs the argument '\(first)'")
            }
            value = found.value
        }
        var rest = path[first.endIndex...]
        while let mark = rest.first {
            rest = rest.dropFirst()
            if mark == "." {
                let name = rest.prefix { $0 != "." && $0 != "[" }
                value = try attribute(String(name), of: value)
                rest = rest[name.endIndex...]
            } else {
                guard mark == "[", let end = rest.firstIndex(of: "]") else {
                    throw problem("a format has a field that is not understood: '\(path)'")
                }
                let key = String(rest[..<end])
                value = try item(Int(key).map(Value.int) ?? .string(key), of: value)
                rest = rest[rest.index(after: end)...]
            }
        }
        return value
    }
}
