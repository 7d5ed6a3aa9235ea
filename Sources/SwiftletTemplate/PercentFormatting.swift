import SwiftletTensor

extension Interpreter {
    /// Python's `format % values`.
    func formatted(_ format: String, with values: Value) throws(SwiftletError) -> String {
        var formatter = PercentFormatter(format, values)
        return try formatter.run(self)
    }
}

/// Replaces the conversions of a format, `%s`, `%(name)s`, `%5.2f` and so on, by values.
private struct PercentFormatter {
    private let scalars: [Unicode.Scalar]
    private let values: Value
    private let positional: [Value]
    private var position = 0
    private var used = 0
    private var usesNames = false

    init(_ format: String, _ values: Value) {
        scalars = Array(format.unicodeScalars)
        self.values = values
        if case .tuple(let items) = values { positional = items.values } else { positional = [values] }
    }

    mutating func run(_ interpreter: Interpreter) throws(SwiftletError) -> String {
        var result = ""
        while let scalar = next() {
            if scalar == "%" {
                let text = try conversion(interpreter)
                try interpreter.charge(text.utf8.count)
                result += text
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        // As in Python, what has elements but is no tuple may stay unused.
        let mayBeLeft =
            switch values {
            case .dict, .list, .range, .undefined: true
            default: usesNames
            }
        guard used == positional.count || mayBeLeft else {
            throw interpreter.problem("not all values were used by the format")
        }
        return result
    }

    private mutating func next() -> Unicode.Scalar? {
        guard position < scalars.count else { return nil }
        position += 1
        return scalars[position - 1]
    }

    private var peek: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private mutating func nextValue(_ interpreter: Interpreter) throws(SwiftletError) -> Value {
        guard used < positional.count else { throw interpreter.problem("the format needs more values") }
        used += 1
        return positional[used - 1]
    }

    private mutating func conversion(_ interpreter: Interpreter) throws(SwiftletError) -> String {
        var named: Value?
        if peek == "(" { named = try namedValue(interpreter) }
        var flags: Set<Unicode.Scalar> = []
        while let flag = peek, "-+ #0".unicodeScalars.contains(flag) {
            flags.insert(flag)
            position += 1
        }
        var width = try number(interpreter) ?? 0
        if width < 0 {
            flags.insert("-")
            width = width == .min ? .max : -width
        }
        var precision: Int?
        if peek == "." {
            position += 1
            precision = max(try number(interpreter) ?? 0, 0)
        }
        while let length = peek, "hlL".unicodeScalars.contains(length) { position += 1 }
        guard let kind = next() else { throw interpreter.problem("the format ends inside a conversion") }
        if kind == "%" { return "%" }
        try interpreter.charge(width)
        try interpreter.charge(precision ?? 0)
        let value: Value
        if let named { value = named } else { value = try nextValue(interpreter) }
        return try converted(value, kind, flags, width, precision, interpreter)
    }

    private mutating func namedValue(_ interpreter: Interpreter) throws(SwiftletError) -> Value {
        position += 1
        var name = String.UnicodeScalarView()
        var depth = 1
        while let scalar = next() {
            depth += scalar == "(" ? 1 : scalar == ")" ? -1 : 0
            if depth == 0 { break }
            name.append(scalar)
        }
        guard depth == 0, case .dict(let mapping) = values else {
            throw interpreter.problem("the format has names, so it needs a dict")
        }
        usesNames = true
        guard let value = mapping[String(name)] else {
            throw interpreter.problem("the format needs the value '\(String(name))'")
        }
        return value
    }

    private mutating func number(_ interpreter: Interpreter) throws(SwiftletError) -> Int? {
        if peek == "*" {
            position += 1
            return try interpreter.integer(try nextValue(interpreter), "a width of a format")
        }
        var value: Int?
        while let digit = peek?.value, 48...57 ~= digit {
            value = min((value ?? 0) * 10 + Int(digit - 48), 1 << 40)
            position += 1
        }
        return value
    }

    private func converted(
        _ value: Value, _ kind: Unicode.Scalar, _ flags: Set<Unicode.Scalar>, _ width: Int, _ precision: Int?,
        _ interpreter: Interpreter
    ) throws(SwiftletError) -> String {
        guard var format = FormatSpecification("") else { return "" }
        format.width = width
        format.isAlternate = flags.contains("#")
        format.sign = flags.contains("+") ? "+" : flags.contains(" ") ? " " : "-"
        if flags.contains("-") {
            format.alignment = "<"
        } else if flags.contains("0"), !"srac".unicodeScalars.contains(kind) {
            format.alignment = "="
            format.fill = "0"
        }
        switch kind {
        case "s", "r", "a":
            let text = try kind == "s" ? interpreter.text(of: value) : interpreter.representation(of: value)
            let cut =
                precision.map { String(String.UnicodeScalarView(text.unicodeScalars.prefix($0))) } ?? text
            return format.padded(cut, alignment: ">")
        case "c":
            if let text = value.string, text.unicodeScalars.count == 1 {
                return format.padded(text, alignment: ">")
            }
            let code = try interpreter.integer(value, "the value of '%c'") ?? -1
            guard let scalar = UInt32(exactly: code).flatMap(Unicode.Scalar.init) else {
                throw interpreter.problem("the value of '%c' is no character")
            }
            return format.padded(String(Character(scalar)), alignment: ">")
        case "d", "i", "u", "o", "x", "X":
            return try integer(value, kind, format, precision, interpreter)
        case "e", "E", "f", "F", "g", "G":
            guard let number = value.number else {
                throw interpreter.mismatch(value, "the value of '%\(kind)'", "a number")
            }
            format.kind = kind
            format.precision = precision ?? 6
            return format.formatted(double: number) ?? ""
        default: throw interpreter.problem("the format has the unknown conversion '%\(kind)'")
        }
    }

    private func integer(
        _ value: Value, _ kind: Unicode.Scalar, _ format: FormatSpecification, _ precision: Int?,
        _ interpreter: Interpreter
    ) throws(SwiftletError) -> String {
        var number = value.integer
        if case .float(let double) = value, "diu".unicodeScalars.contains(kind) {
            number = Int(exactly: double.rounded(.towardZero))
        }
        guard let number else {
            throw interpreter.mismatch(value, "the value of '%\(kind)'", "a whole number")
        }
        let radix = kind == "o" ? 8 : kind == "x" || kind == "X" ? 16 : 10
        var digits = String(number.magnitude, radix: radix, uppercase: kind == "X")
        digits = String(repeating: "0", count: max(0, (precision ?? 0) - digits.count)) + digits
        var sign = number < 0 ? "-" : format.sign == "-" ? "" : String(Character(format.sign))
        if format.isAlternate, radix != 10 { sign += kind == "o" ? "0o" : kind == "X" ? "0X" : "0x" }
        return format.padded(digits, sign: sign, alignment: ">")
    }
}
