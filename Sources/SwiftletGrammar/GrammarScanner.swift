import SwiftletTensor

/// Walks over the text of a grammar and says where something is wrong.
struct GrammarScanner {
    private let bytes: [UInt8]
    /// What the text is called in errors.
    let source: String
    private(set) var position = 0

    /// - Throws: `.limit` if the text is longer than ``GrammarLimits/textBytes``.
    init(_ text: String, source: String) throws(SwiftletError) {
        bytes = Array(text.utf8)
        self.source = source
        guard bytes.count <= GrammarLimits.textBytes else {
            throw SwiftletError(
                .limit,
                "\(source): \(bytes.count) bytes, expected at most \(GrammarLimits.textBytes)")
        }
    }

    /// The next byte, or 0 at the end.
    var next: UInt8 { peek(0) }

    var isAtEnd: Bool { position >= bytes.count }

    /// A byte ahead, or 0 behind the end.
    func peek(_ distance: Int) -> UInt8 {
        position + distance < bytes.count ? bytes[position + distance] : 0
    }

    /// Skips a text if it is next.
    mutating func take(_ text: StaticString) -> Bool {
        for offset in 0..<text.utf8CodeUnitCount where peek(offset) != text.utf8Start[offset] { return false }
        position += text.utf8CodeUnitCount
        return true
    }

    /// Skips bytes while they satisfy a condition and returns them.
    mutating func takeWhile(_ condition: (UInt8) -> Bool) -> ArraySlice<UInt8> {
        let start = position
        while position < bytes.count, condition(bytes[position]) { position += 1 }
        return bytes[start..<position]
    }

    /// Skips one byte.
    mutating func advance() { position += 1 }

    /// Reads one scalar; the text comes from a `String`, so it is valid UTF-8.
    mutating func scalar() throws(SwiftletError) -> UInt32 {
        guard position < bytes.count else { throw expected("a character") }
        var iterator = bytes[position...].makeIterator()
        var decoder = UTF8()
        guard case .scalarValue(let scalar) = decoder.decode(&iterator) else { throw expected("UTF-8") }
        position += UTF8.width(scalar)
        return scalar.value
    }

    /// Reads exactly so many hexadecimal digits as a scalar.
    mutating func hexScalar(digits: Int) throws(SwiftletError) -> UInt32 {
        guard let value = hexUnit(digits: digits) else { throw expected("\(digits) hexadecimal digits") }
        guard UnicodeScalar(value) != nil else {
            throw problem(
                "found the escape U+\(String(value, radix: 16, uppercase: true)), which is no character")
        }
        return value
    }

    /// Reads exactly so many hexadecimal digits, at most eight, or returns `nil`.
    mutating func hexUnit(digits: Int = 4) -> UInt32? {
        var value: UInt32 = 0
        for _ in 0..<digits {
            guard next < 0x80, let digit = Character(UnicodeScalar(next)).hexDigitValue else { return nil }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }

    /// Reads a repetition count.
    mutating func count() throws(SwiftletError) -> Int {
        let digits = takeWhile { (0x30...0x39).contains($0) }
        guard !digits.isEmpty else { throw expected("a number") }
        guard let value = Int(String(decoding: digits, as: UTF8.self)), value <= GrammarLimits.repetitions
        else {
            throw problem(
                "found the count \(String(decoding: digits.prefix(20), as: UTF8.self)), "
                    + "expected at most \(GrammarLimits.repetitions)")
        }
        return value
    }

    /// Reads `m}`, `m,}` or `m,n}`.
    mutating func counts(skippingSpace: (inout GrammarScanner) -> Void) throws(SwiftletError) -> (Int, Int?) {
        skippingSpace(&self)
        let low = try count()
        skippingSpace(&self)
        if take("}") { return (low, low) }
        guard take(",") else { throw expected("',' or '}' after a count") }
        skippingSpace(&self)
        if take("}") { return (low, nil) }
        let high = try count()
        skippingSpace(&self)
        guard take("}") else { throw expected("'}' after the counts") }
        guard low <= high else {
            throw problem("found the counts {\(low),\(high)}, expected the smaller one first")
        }
        return (low, high)
    }

    /// An error at this place that says what is there.
    func expected(_ what: String) -> SwiftletError {
        var copy = self
        let found = isAtEnd ? "the end" : (try? copy.scalar()).flatMap(UnicodeScalar.init).map(Self.quoted)
        return problem("found \(found ?? "an unknown byte"), expected \(what)")
    }

    /// An error at this place.
    func problem(_ what: String, _ code: SwiftletError.Code = .malformed) -> SwiftletError {
        let read = bytes.prefix(position)
        let line = read.count { $0 == 0x0A } + 1
        let column = read.reversed().prefix { $0 != 0x0A }.count { $0 & 0xC0 != 0x80 } + 1
        return SwiftletError(code, "\(source): line \(line), column \(column): \(what)")
    }

    private static func quoted(_ scalar: UnicodeScalar) -> String {
        scalar.value < 0x20
            ? "U+00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16, uppercase: true)
            : "'\(Character(scalar))'"
    }
}
