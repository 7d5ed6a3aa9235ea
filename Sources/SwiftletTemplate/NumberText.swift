#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Numbers as Python writes them.
enum NumberText {
    /// `repr` of a double: the shortest digits that read back as the same, with an exponent where Python has one.
    static func representation(_ value: Double) -> String {
        if value.isNaN { return "nan" }
        if value.isInfinite { return value < 0 ? "-inf" : "inf" }
        let (digits, point) = decimal(value.magnitude)
        let sign = value.sign == .minus ? "-" : ""
        guard -4 < point, point <= 16 else {
            let fraction = digits.count > 1 ? "." + digits.dropFirst() : ""
            return "\(sign)\(digits.prefix(1))\(fraction)e\(exponent(point - 1))"
        }
        if point <= 0 { return sign + "0." + String(repeating: "0", count: -point) + digits }
        if digits.count <= point {
            return sign + digits + String(repeating: "0", count: point - digits.count) + ".0"
        }
        return sign + digits.prefix(point) + "." + digits.dropFirst(point)
    }

    private static func exponent(_ value: Int) -> String {
        let digits = String(value.magnitude)
        return (value < 0 ? "-" : "+") + (digits.count < 2 ? "0" : "") + digits
    }

    /// The shortest digits without zeros at the ends, and the place of the decimal point before or in them.
    private static func decimal(_ value: Double) -> (digits: String, point: Int) {
        var digits = ""
        var point = 0
        var exponent = 0
        var seenPoint = false
        var text = Substring(value.description)
        if let place = text.firstIndex(where: { $0 == "e" }) {
            exponent = Int(text[text.index(after: place)...]) ?? 0
            text = text[..<place]
        }
        for character in text {
            if character == "." {
                seenPoint = true
            } else {
                digits.append(character)
                if !seenPoint { point += 1 }
            }
        }
        point += exponent
        while digits.hasPrefix("0"), digits.count > 1 {
            digits.removeFirst()
            point -= 1
        }
        while digits.hasSuffix("0"), digits.count > 1 { digits.removeLast() }
        return digits == "0" ? ("0", 1) : (digits, point)
    }

    /// What C's `printf` writes for one of `e f g` with a precision.
    static func formatted(_ value: Double, _ conversion: Character, precision: Int, alternate: Bool = false)
        -> String
    {
        var buffer = [CChar](repeating: 0, count: 400 + precision)
        let format = "%\(alternate ? "#" : "").*\(conversion)"
        let count = withVaList([Int32(precision), value]) { vsnprintf(&buffer, buffer.count, format, $0) }
        let length = max(0, min(Int(count), buffer.count - 1))
        return String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The double nearest to a value with some decimals, halves to even as they are in binary.
    static func rounded(_ value: Double, decimals: Int) -> Double {
        guard value.isFinite, decimals <= 308 else { return value }
        if decimals >= 0 { return Double(formatted(value, "f", precision: decimals)) ?? value }
        guard decimals >= -308 else { return value < 0 ? -0.0 : 0 }
        let unit = pow(10, Double(-decimals))
        return (value / unit).rounded(.toNearestOrEven) * unit
    }

    /// Reads a number as Python's `float()` does.
    static func double(_ text: String) -> Double? {
        let digits = text.stripped(nil).lowercasedByScalars
        let body = digits.hasPrefix("-") || digits.hasPrefix("+") ? String(digits.dropFirst()) : digits
        let sign: Double = digits.hasPrefix("-") ? -1 : 1
        switch body {
        case "inf", "infinity": return sign * .infinity
        case "nan": return .nan
        default: break
        }
        guard hasProperUnderscores(body), body.utf8.allSatisfy({ isNumberByte($0) }), body.utf8.first != 0x2B,
            body.utf8.first != 0x2D
        else { return nil }
        let plain = String(body.filter { $0 != "_" })
        let (whole, rest) = (plain.prefix { $0 != "e" }, plain.drop { $0 != "e" })
        guard whole.contains(where: \.isNumber) else { return nil }
        let padded = (whole.hasPrefix(".") ? "0" : "") + whole + (whole.hasSuffix(".") ? "0" : "")
        return Double(padded + rest).map { sign * $0 }
    }

    private static func isNumberByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "_"),
            UInt8(ascii: "+"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    /// Whether every `_` stands between digits.
    private static func hasProperUnderscores(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        func isDigit(_ i: Int) -> Bool {
            bytes.indices.contains(i) && Character(UnicodeScalar(bytes[i])).isHexDigit
        }
        for i in bytes.indices where bytes[i] == UInt8(ascii: "_") && !(isDigit(i - 1) && isDigit(i + 1)) {
            return false
        }
        return true
    }

    /// Reads a number as Python's `int(text, base)` does; `nil` if it is none, or needs more than 64 bits.
    static func integer(_ text: String, base: Int) -> Int? {
        guard base == 0 || 2...36 ~= base else { return nil }
        var body = text.stripped(nil).lowercasedByScalars
        var sign = ""
        if body.hasPrefix("-") || body.hasPrefix("+") { sign = String(body.removeFirst()) }
        var base = base
        for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)]
        where body.hasPrefix(prefix) && (base == 0 || base == radix) {
            base = radix
            body.removeFirst(2)
            if body.hasPrefix("_") { body.removeFirst() }
        }
        if base == 0 {
            base = 10
            guard !body.hasPrefix("0") || body.allSatisfy({ $0 == "0" || $0 == "_" }) else { return nil }
        }
        let bytes = Array(body.utf8)
        for i in bytes.indices where bytes[i] == UInt8(ascii: "_") {
            guard i > 0, i + 1 < bytes.count, bytes[i + 1] != UInt8(ascii: "_") else { return nil }
        }
        let digits = String(body.filter { $0 != "_" })
        guard let first = digits.first, first != "-", first != "+" else { return nil }
        return Int(sign + digits, radix: base)
    }
}
