import SwiftletTensor

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

extension Interpreter {
    func apply(_ operation: UnaryOperator, _ value: Value) throws(SwiftletError) -> Value {
        if operation == .not { return .bool(!value.isTrue) }
        if case .float(let number) = value { return .float(operation == .negative ? -number : number) }
        guard let integer = value.integer else {
            throw mismatch(value, "the operand of '\(operation == .negative ? "-" : "+")'", "a number")
        }
        guard operation == .negative else { return .int(integer) }
        return .int(try whole(Int(0).subtractingReportingOverflow(integer)))
    }

    func apply(_ operation: BinaryOperator, _ a: Value, _ b: Value) throws(SwiftletError) -> Value {
        if operation == .modulo, let format = a.string {
            return a.sameText(try formatted(format, with: b))
        }
        if let a = a.integer, let b = b.integer { return try calculate(a, operation, b) }
        if let a = a.number, let b = b.number { return .float(try calculate(a, operation, b)) }
        switch (operation, a, b) {
        case (_, .undefined(let undefined), _), (_, _, .undefined(let undefined)):
            throw problem(undefined.message)
        case (.add, .list(let a), .list(let b)): return try list(a.values + b.values)
        case (.add, .tuple(let a), .tuple(let b)): return try tuple(a.values + b.values)
        case (.add, _, _):
            if let a = try joined(a, b) { return a }
        case (.multiply, _, _):
            if let count = b.integer, let result = try repeated(a, count) { return result }
            if let count = a.integer, let result = try repeated(b, count) { return result }
        default: break
        }
        throw problem("'\(operation.rawValue)' cannot take '\(a.typeName)' and '\(b.typeName)'")
    }

    // MARK: Texts and lists

    /// Two texts after each other; a safe one makes the other safe.
    private func joined(_ a: Value, _ b: Value) throws(SwiftletError) -> Value? {
        guard let x = a.string, let y = b.string else { return nil }
        try charge(x.utf8.count + y.utf8.count)
        switch (a, b) {
        case (.markup, .string): return .markup(x + y.escapedForHTML)
        case (.string, .markup): return .markup(x.escapedForHTML + y)
        case (.markup, .markup): return .markup(x + y)
        default: return .string(x + y)
        }
    }

    private func repeated(_ value: Value, _ count: Int) throws(SwiftletError) -> Value? {
        let count = max(count, 0)
        switch value {
        case .string(let text), .markup(let text):
            try charge(text.utf8.count, times: count)
            return value.sameText(String(repeating: text, count: text.isEmpty ? 0 : count))
        case .list(let items): return try list(try repeated(items.values, count))
        case .tuple(let items): return try tuple(try repeated(items.values, count))
        default: return nil
        }
    }

    private func repeated(_ values: [Value], _ count: Int) throws(SwiftletError) -> [Value] {
        guard !values.isEmpty else { return [] }
        try charge(17 * values.count, times: count)
        return Array(repeatElement(values, count: count).joined())
    }

    // MARK: Numbers

    private func whole(_ result: (partialValue: Int, overflow: Bool)) throws(SwiftletError) -> Int {
        if result.overflow {
            throw SwiftletError(
                .limit, "\(name): line \(line): a whole number needs more than 64 bits, the limit")
        }
        return result.partialValue
    }

    private func calculate(_ a: Int, _ operation: BinaryOperator, _ b: Int) throws(SwiftletError) -> Value {
        switch operation {
        case .add: return .int(try whole(a.addingReportingOverflow(b)))
        case .subtract: return .int(try whole(a.subtractingReportingOverflow(b)))
        case .multiply: return .int(try whole(a.multipliedReportingOverflow(by: b)))
        case .divide: return .float(try calculate(Double(a), .divide, Double(b)))
        case .floorDivide:
            guard b != 0 else { throw problem("division by zero") }
            let quotient = try whole(a.dividedReportingOverflow(by: b))
            return .int(a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient)
        case .modulo:
            guard b != 0 else { throw problem("division by zero") }
            if b == -1 { return .int(0) }
            let remainder = a % b
            return .int(remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder)
        case .power:
            if b < 0 { return .float(try calculate(Double(a), .power, Double(b))) }
            return .int(try power(a, b))
        }
    }

    private func power(_ base: Int, _ exponent: Int) throws(SwiftletError) -> Int {
        if base == 0 || base == 1 { return exponent == 0 ? 1 : base }
        if base == -1 { return exponent & 1 == 0 ? 1 : -1 }
        var result = 1
        for _ in 0..<min(exponent, 64) { result = try whole(result.multipliedReportingOverflow(by: base)) }
        return result
    }

    private func calculate(_ a: Double, _ operation: BinaryOperator, _ b: Double) throws(SwiftletError)
        -> Double
    {
        switch operation {
        case .add: return a + b
        case .subtract: return a - b
        case .multiply: return a * b
        case .divide:
            guard b != 0 else { throw problem("division by zero") }
            return a / b
        case .floorDivide:
            guard b != 0 else { throw problem("division by zero") }
            let remainder = Self.modulo(a, b)
            var quotient = (a - remainder) / b
            let floor = quotient.rounded(.down)
            quotient = quotient - floor > 0.5 ? floor + 1 : floor
            return quotient
        case .modulo:
            guard b != 0 else { throw problem("division by zero") }
            return Self.modulo(a, b)
        case .power:
            if a == 0, b < 0 { throw problem("0 cannot be raised to a negative power") }
            if a < 0, a.isFinite, b.isFinite, b != b.rounded() {
                throw problem("a negative number cannot be raised to a fraction")
            }
            let result = pow(a, b)
            if result.isInfinite, a.isFinite, b.isFinite { throw problem("the result of '**' is too large") }
            return result
        }
    }

    /// The remainder with the sign of the divisor.
    private static func modulo(_ a: Double, _ b: Double) -> Double {
        let remainder = fmod(a, b)
        if remainder == 0 { return b < 0 ? -0.0 : 0.0 }
        return (remainder < 0) != (b < 0) ? remainder + b : remainder
    }
}
