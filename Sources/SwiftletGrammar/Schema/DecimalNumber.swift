import SwiftletFormats

/// A number of a schema, exactly as its decimal digits say.
struct DecimalNumber: Hashable, Sendable {
    let isNegative: Bool
    /// Before the point, without leading zeros.
    let whole: [UInt8]
    /// Behind the point, without trailing zeros.
    let fraction: [UInt8]

    /// A number, or `nil` for infinities and what is no number. Beyond 64 bits it is the nearest double.
    init?(_ json: JSON) {
        if let int = json.int {
            self.init(text: String(int))
        } else if let double = json.double, double.isFinite {
            self.init(text: double.description)
        } else {
            return nil
        }
    }

    /// Reads digits with an optional sign, point and exponent.
    init(text: String) {
        let parts = text.utf8.split { $0 == UInt8(ascii: "e") || $0 == UInt8(ascii: "E") }
        let exponent = parts.count > 1 ? Int(String(decoding: parts[1], as: UTF8.self)) ?? 0 : 0
        var mantissa: [UInt8] = []
        var point: Int?
        for byte in parts.first ?? "0".utf8[...] {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): mantissa.append(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "."): point = mantissa.count
            default: break
            }
        }
        let split = (point ?? mantissa.count) + exponent
        if split < 0 { mantissa.insert(contentsOf: repeatElement(0, count: -split), at: 0) }
        while mantissa.count < split { mantissa.append(0) }
        let whole = mantissa.prefix(max(split, 0)).drop { $0 == 0 }
        var fraction = mantissa.dropFirst(max(split, 0))
        while fraction.last == 0 { fraction.removeLast() }
        self.whole = Array(whole)
        self.fraction = Array(fraction)
        isNegative = text.utf8.first == UInt8(ascii: "-") && !(whole.isEmpty && fraction.isEmpty)
    }

    private init(isNegative: Bool, whole: [UInt8], fraction: [UInt8]) {
        self.isNegative = isNegative
        self.whole = whole
        self.fraction = fraction
    }

    static let zero = DecimalNumber(text: "0")

    var isZero: Bool { whole.isEmpty && fraction.isEmpty }

    var magnitude: DecimalNumber { DecimalNumber(isNegative: false, whole: whole, fraction: fraction) }

    /// The number with the other sign.
    var negated: DecimalNumber {
        DecimalNumber(isNegative: !isNegative && !isZero, whole: whole, fraction: fraction)
    }

    /// The largest integer that is not larger, at most ±10¹⁸.
    var floor: Int {
        let limit = 1_000_000_000_000_000_000
        let digits = whole.count > 18 ? limit : whole.reduce(0) { $0 * 10 + Int($1) }
        return isNegative ? (fraction.isEmpty ? -digits : max(-digits - 1, -limit)) : digits
    }

    static func < (a: DecimalNumber, b: DecimalNumber) -> Bool {
        if a.isNegative != b.isNegative { return a.isNegative }
        return a.isNegative ? isLess(b, a) : isLess(a, b)
    }

    private static func isLess(_ a: DecimalNumber, _ b: DecimalNumber) -> Bool {
        if a.whole.count != b.whole.count { return a.whole.count < b.whole.count }
        if a.whole != b.whole { return a.whole.lexicographicallyPrecedes(b.whole) }
        return a.fraction.lexicographicallyPrecedes(b.fraction)
    }
}
