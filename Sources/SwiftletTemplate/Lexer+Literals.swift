import SwiftletTensor

extension Lexer {
    /// Reads a number; `_` may stand between digits.
    mutating func number() throws(SwiftletError) -> Token.Kind {
        let start = position
        if let float = floatEnd(from: start) {
            position = float
            let text = digits(start..<float)
            guard let value = Double(text) else { throw problem("found the number \(text)", at: start) }
            return .float(value)
        }
        let radix: Int
        switch (byte(at: start), byte(at: start + 1) | 0x20) {
        case (UInt8(ascii: "0"), UInt8(ascii: "x")): radix = 16
        case (UInt8(ascii: "0"), UInt8(ascii: "o")): radix = 8
        case (UInt8(ascii: "0"), UInt8(ascii: "b")): radix = 2
        default: radix = 10
        }
        if radix != 10 {
            let end = digitsEnd(from: start + 2, radix: radix, startingWithUnderscore: true)
            if end > start + 2 {
                position = end
                return .int(try integer(start + 2..<end, radix))
            }
        }
        if byte(at: start) == UInt8(ascii: "0") {
            var end = start + 1
            while true {
                let next = byte(at: end) == UInt8(ascii: "_") ? end + 1 : end
                guard byte(at: next) == UInt8(ascii: "0") else { break }
                end = next + 1
            }
            position = end
            return .int(0)
        }
        position = digitsEnd(from: start, radix: 10, startingWithUnderscore: false)
        return .int(try integer(start..<position, 10))
    }

    private func integer(_ range: Range<Int>, _ radix: Int) throws(SwiftletError) -> Int {
        let text = digits(range)
        guard let value = Int(text, radix: radix) else {
            throw problem("found the number \(text), expected one of 64 bits", at: range.lowerBound)
        }
        return value
    }

    private func digits(_ range: Range<Int>) -> String {
        String(decoding: bytes[range].filter { $0 != UInt8(ascii: "_") }, as: UTF8.self)
    }

    private func digitsEnd(from start: Int, radix: Int, startingWithUnderscore: Bool) -> Int {
        var place = start
        while true {
            let mayUnderscore = place > start || startingWithUnderscore
            let next = mayUnderscore && byte(at: place) == UInt8(ascii: "_") ? place + 1 : place
            guard let value = Character(UnicodeScalar(byte(at: next))).hexDigitValue, value < radix else {
                return place
            }
            place = next + 1
        }
    }

    /// The end of a number with a fraction or an exponent, unless it follows a dot as an index does.
    private func floatEnd(from start: Int) -> Int? {
        if start > 0, bytes[start - 1] == UInt8(ascii: ".") { return nil }
        let whole = digitsEnd(from: start, radix: 10, startingWithUnderscore: false)
        var end = whole
        if byte(at: whole) == UInt8(ascii: ".") {
            let fraction = digitsEnd(from: whole + 1, radix: 10, startingWithUnderscore: false)
            if fraction > whole + 1 { end = fraction }
        }
        if byte(at: end) | 0x20 == UInt8(ascii: "e") {
            let digits = end + (Self.isSign(byte(at: end + 1)) ? 2 : 1)
            let exponent = digitsEnd(from: digits, radix: 10, startingWithUnderscore: false)
            if exponent > digits { end = exponent }
        }
        return end > whole ? end : nil
    }

    /// Reads a name.
    mutating func identifier() throws(SwiftletError) -> String {
        let start = position
        while let scalar = scalar(at: position), scalar.properties.isIDContinue || scalar == "_" {
            position += scalar.utf8.count
        }
        guard position > start else {
            throw problem("found \(character(at: start)), which means nothing in a tag", at: start)
        }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    /// Reads a string in quotes.
    mutating func string() throws(SwiftletError) -> String {
        let start = position
        let quote = bytes[position]
        position += 1
        var result: [UInt8] = []
        while true {
            guard position < bytes.count else { throw problem("a string without a closing quote", at: start) }
            let byte = bytes[position]
            position += 1
            if byte == quote { return String(decoding: result, as: UTF8.self) }
            if byte == UInt8(ascii: "\\"), position < bytes.count {
                try readEscape(into: &result)
            } else {
                result.append(byte)
            }
        }
    }

    /// Reads what follows a backslash; one that means nothing stays as it is.
    private mutating func readEscape(into result: inout [UInt8]) throws(SwiftletError) {
        let byte = bytes[position]
        position += 1
        switch byte {
        case 0x0A: break
        case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""): result.append(byte)
        case UInt8(ascii: "n"): result.append(0x0A)
        case UInt8(ascii: "t"): result.append(0x09)
        case UInt8(ascii: "r"): result.append(0x0D)
        case UInt8(ascii: "a"): result.append(0x07)
        case UInt8(ascii: "b"): result.append(0x08)
        case UInt8(ascii: "f"): result.append(0x0C)
        case UInt8(ascii: "v"): result.append(0x0B)
        case UInt8(ascii: "x"): append(try hexadecimal(2), to: &result)
        case UInt8(ascii: "u"): append(try codeUnit(), to: &result)
        case UInt8(ascii: "U"): append(try hexadecimal(8), to: &result)
        case UInt8(ascii: "N"): throw problem("found \\N in a string, which is not supported", at: position)
        case UInt8(ascii: "0")...UInt8(ascii: "7"):
            var value = UInt32(byte - UInt8(ascii: "0"))
            for _ in 0..<2 where UInt8(ascii: "0")...UInt8(ascii: "7") ~= self.byte(at: position) {
                value = value * 8 + UInt32(bytes[position] - UInt8(ascii: "0"))
                position += 1
            }
            append(value, to: &result)
        default: result += [UInt8(ascii: "\\"), byte]
        }
    }

    private mutating func hexadecimal(_ count: Int) throws(SwiftletError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<count {
            guard let digit = Character(UnicodeScalar(byte(at: position))).hexDigitValue else {
                throw problem("found an escape in a string with less than \(count) digits", at: position)
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        guard value <= 0x10FFFF else { throw problem("found an escape beyond U+10FFFF", at: position) }
        return value
    }

    /// Four digits, and four more if they are the halves of a pair.
    private mutating func codeUnit() throws(SwiftletError) -> UInt32 {
        let high = try hexadecimal(4)
        guard 0xD800..<0xDC00 ~= high, has("\\u", at: position) else { return high }
        let start = position
        position += 2
        let low = try hexadecimal(4)
        guard 0xDC00..<0xE000 ~= low else {
            position = start
            return high
        }
        return 0x10000 + (high - 0xD800) << 10 + (low - 0xDC00)
    }

    private func append(_ value: UInt32, to result: inout [UInt8]) {
        let scalar = Unicode.Scalar(value) ?? "\u{FFFD}"
        result += Array(String(Character(scalar)).utf8)
    }
}
