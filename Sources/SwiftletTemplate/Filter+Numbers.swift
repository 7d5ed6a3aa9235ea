import SwiftletTensor

extension Interpreter {
    /// Filters that take a number, or make one.
    func applyNumber(
        _ filter: Filter, _ value: Value, _ arguments: Arguments
    ) throws(SwiftletError) -> Value {
        switch filter {
        case .abs:
            _ = try bind(arguments, [], for: "abs")
            if case .float(let number) = value { return .float(number.magnitude) }
            guard let number = value.integer else { throw mismatch(value, "what abs takes", "a number") }
            return number < 0 ? try apply(.negative, value) : .int(number)
        case .int:
            let given = try bind(arguments, ["default", "base"], for: "int")
            // A base that is none makes the text no whole number, but perhaps another one.
            let base = given[1] == nil ? 10 : given[1]?.integer ?? 1
            return try wholeNumber(value, base: base) ?? given[0] ?? .int(0)
        case .float:
            let given = try bind(arguments, ["default"], for: "float")
            if case .undefined(let undefined) = value { throw problem(undefined.message) }
            let number = value.number ?? value.string.flatMap(NumberText.double)
            return number.map(Value.float) ?? given[0] ?? .float(0)
        case .round: return try round(value, arguments)
        default: return try fileSize(value, arguments)
        }
    }

    /// Python's `int(value)`, or `int(float(value))` if that fails; `nil` if that fails, too.
    private func wholeNumber(_ value: Value, base: Int) throws(SwiftletError) -> Value? {
        if case .undefined(let undefined) = value { throw problem(undefined.message) }
        if let integer = value.integer { return .int(integer) }
        if let text = value.string, let integer = NumberText.integer(text, base: base) {
            return .int(integer)
        }
        guard let number = value.number ?? value.string.flatMap(NumberText.double) else { return nil }
        if case .float = value, number.isInfinite { throw problem("int cannot take an infinite number") }
        guard number.isFinite else { return nil }
        guard let integer = Int(exactly: number.rounded(.towardZero)) else {
            throw SwiftletError(
                .limit, "\(name): line \(line): a whole number needs more than 64 bits, the limit")
        }
        return .int(integer)
    }

    private func round(_ value: Value, _ arguments: Arguments) throws(SwiftletError) -> Value {
        let given = try bind(arguments, ["precision", "method"], for: "round")
        let precision = try integer(given[0], "the precision of round") ?? 0
        let method = try string(given[1], "the method of round") ?? "common"
        guard let number = value.number else { throw mismatch(value, "what round takes", "a number") }
        switch method {
        case "common":
            guard case .float = value else {
                guard precision < 0, let integer = value.integer else {
                    return value.integer.map(Value.int) ?? value
                }
                return try roundedToTens(integer, places: precision.magnitude)
            }
            return .float(NumberText.rounded(number, decimals: precision))
        case "ceil", "floor":
            guard -308...308 ~= precision else { throw problem("the precision of round is out of range") }
            let unit = try apply(.power, .int(10), .int(precision))
            guard let scaled = try apply(.multiply, value, unit).number else { return value }
            guard scaled.isFinite else { throw problem("round cannot take an infinite number") }
            let result = scaled.rounded(method == "ceil" ? .up : .down)
            guard let integer = Int(exactly: result) else { return .float(result / (unit.number ?? 1)) }
            return try apply(.divide, .int(integer), unit)
        default: throw problem("the method of round is 'common', 'ceil' or 'floor'")
        }
    }

    private func roundedToTens(_ value: Int, places: UInt) throws(SwiftletError) -> Value {
        guard places <= 18 else { return .int(0) }
        var unit = 1
        for _ in 0..<places { unit *= 10 }
        let quotient = value / unit
        let remainder = (value % unit).magnitude
        let half = unit.magnitude / 2
        let goesUp = remainder > half || (remainder == half && quotient & 1 != 0)
        let rounded = goesUp ? quotient + value.signum() : quotient
        return try apply(.multiply, .int(rounded), .int(unit))
    }

    private func fileSize(_ value: Value, _ arguments: Arguments) throws(SwiftletError) -> Value {
        let isBinary = try bind(arguments, ["binary"], for: "filesizeformat")[0]?.isTrue ?? false
        guard let bytes = value.number ?? value.string.flatMap(NumberText.double) else {
            throw mismatch(value, "what filesizeformat takes", "a number")
        }
        if bytes == 1 { return .string("1 Byte") }
        let base: Double = isBinary ? 1024 : 1000
        guard bytes.isFinite else { throw problem("filesizeformat cannot take an infinite number") }
        if bytes < base {
            guard let whole = Int(exactly: bytes.rounded(.towardZero)) else {
                throw problem("filesizeformat cannot take a number as small as that")
            }
            return .string("\(whole) Bytes")
        }
        var unit = base
        for (place, prefix) in "kMGTPEZY".enumerated() {
            let next = unit * base
            if bytes < next || prefix == "Y" {
                let number = NumberText.formatted(base * bytes / next, "f", precision: 1)
                let name = isBinary && place == 0 ? "K" : prefix
                return .string("\(number) \(name)\(isBinary ? "iB" : "B")")
            }
            unit = next
        }
        return .none
    }
}
