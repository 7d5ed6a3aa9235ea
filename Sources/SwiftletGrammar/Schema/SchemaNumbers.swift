import SwiftletTensor

/// Numbers within bounds, digit by digit.
///
/// Numbers have at most 18 digits before and 18 behind the point, so that every number that is written is finite.
/// Numbers with bounds are written without an exponent.
enum SchemaNumbers {
    private static let mostDigits = 18
    private static let limit = 999_999_999_999_999_999
    private static let nonZero = GrammarNode.range(0x31, 0x39)

    /// Integers of which nothing is asked.
    static let anyInteger: GrammarNode = .choice([
        .text("0"), .sequence([.optional(.text("-")), nonZero, .repetition(.digit, 0, mostDigits - 1)]),
    ])

    /// Numbers of which nothing is asked.
    static let anyNumber: GrammarNode = .sequence([
        .optional(.text("-")),
        .choice([.text("0"), .sequence([nonZero, .repetition(.digit, 0, mostDigits - 1)])]),
        .optional(.sequence([.text("."), .repetition(.digit, 1, mostDigits)])),
        .optional(.sequence([.any("eE"), .optional(.any("+-")), exponent])),
    ])

    /// Up to 289, so that 18 digits times a power of ten stay below the largest double.
    private static let exponent: GrammarNode = .choice([
        .repetition(.digit, 1, 2), .sequence([.text("1"), .digit, .digit]),
        .sequence([.text("2"), .range(0x30, 0x38), .digit]),
    ])

    /// The numbers that a schema allows; nothing if there are none.
    static func node(_ conjunct: SchemaConjunct) throws(SwiftletError) -> GrammarNode {
        let isInteger = !conjunct.types.contains(.fraction)
        var divisors: [Int] = []
        var places: Int?  // digits behind the point
        for divisor in conjunct.divisors {
            let number = try divisor.number()
            if number.isNegative || number.isZero { throw divisor.expected("a number above 0") }
            if number.fraction.isEmpty {
                guard number.floor <= 1000 else { throw unsupported(divisor, "integers up to 1000") }
                divisors.append(number.floor)
            } else if !isInteger, number.whole.isEmpty, number.fraction.last == 1,
                number.fraction.dropLast().allSatisfy({ $0 == 0 }), number.fraction.count <= mostDigits
            {
                places = min(places ?? .max, number.fraction.count)
            } else {
                throw unsupported(divisor, "integers up to 1000, and 0.1, 0.01 and so on for numbers")
            }
        }
        let whole = isInteger || !divisors.isEmpty
        let hasBounds = conjunct.lower != nil || conjunct.upper != nil
        if !hasBounds, divisors.isEmpty, places == nil { return whole ? anyInteger : anyNumber }
        var terms = [ScalarProduct.Term(language: whole ? integers(conjunct) : try numbers(conjunct))]
        for divisor in divisors where divisor > 1 { terms.append(.init(language: multiples(of: divisor))) }
        if let places, !whole {
            terms.append(
                .init(
                    language: .sequence([
                        .optional(.text("-")), .repetition(.digit, 1, nil),
                        .optional(.sequence([.text("."), .repetition(.digit, 1, places)])),
                    ])))
        }
        return terms.count == 1 ? terms[0].language : .graph(try ScalarProduct.graph(of: terms))
    }

    private static func unsupported(_ place: SchemaPlace, _ known: String) -> SwiftletError {
        place.problem("this 'multipleOf' is not supported; known are \(known)", .unsupported)
    }

    // MARK: Integers

    /// The integers between the bounds.
    private static func integers(_ conjunct: SchemaConjunct) -> GrammarNode {
        var low = -limit
        var high = limit
        if let bound = conjunct.upper {
            let isExact = bound.value.fraction.isEmpty
            high = bound.value.floor - (isExact && bound.isExclusive ? 1 : 0)
        }
        if let bound = conjunct.lower {
            // The least integer that is not smaller: the floor of the opposite number, negated.
            let isExact = bound.value.fraction.isEmpty
            low = -bound.value.negated.floor + (isExact && bound.isExclusive ? 1 : 0)
        }
        (low, high) = (max(low, -limit), min(high, limit))
        guard low <= high else { return .never }
        var choices: [GrammarNode] = []
        if low < 0 { choices.append(.sequence([.text("-"), digits(from: max(-high, 1), to: -low)])) }
        if high >= 0 { choices.append(digits(from: max(low, 0), to: high)) }
        return .choice(choices)
    }

    /// The digits of the integers of a range; both bounds are 0 or more.
    private static func digits(from low: Int, to high: Int) -> GrammarNode {
        var choices: [GrammarNode] = []
        var start = low
        while start <= high {
            // All numbers with as many digits as `start`.
            let count = String(start).utf8.count
            let end = min(high, (0..<count).reduce(1) { power, _ in power * 10 } - 1)
            choices.append(between(values(start), values(end)))
            start = end + 1
        }
        return .choice(choices)
    }

    private static func values(_ number: Int) -> [Int] { String(number).utf8.map { Int($0) - 0x30 } }

    private static func digit(_ low: Int, _ high: Int) -> GrammarNode {
        .range(UInt32(0x30 + low), UInt32(0x30 + high))
    }

    private static func rest(_ count: Int) -> GrammarNode { .repetition(.digit, count, count) }

    /// Digit strings of one length from `low` to `high`.
    private static func between(_ low: [Int], _ high: [Int]) -> GrammarNode {
        guard let first = low.first, let last = high.first else { return .empty }
        let (lowRest, highRest) = (Array(low.dropFirst()), Array(high.dropFirst()))
        if first == last { return .sequence([digit(first, first), between(lowRest, highRest)]) }
        var choices: [GrammarNode] = [.sequence([digit(first, first), atLeast(lowRest)])]
        if first + 1 < last { choices.append(.sequence([digit(first + 1, last - 1), rest(lowRest.count)])) }
        choices.append(.sequence([digit(last, last), atMost(highRest)]))
        return .choice(choices)
    }

    private static func atLeast(_ digits: [Int]) -> GrammarNode {
        guard let first = digits.first else { return .empty }
        let tail = Array(digits.dropFirst())
        var choices: [GrammarNode] = [.sequence([digit(first, first), atLeast(tail)])]
        if first < 9 { choices.append(.sequence([digit(first + 1, 9), rest(tail.count)])) }
        return .choice(choices)
    }

    private static func atMost(_ digits: [Int]) -> GrammarNode {
        guard let first = digits.first else { return .empty }
        let tail = Array(digits.dropFirst())
        var choices: [GrammarNode] = [.sequence([digit(first, first), atMost(tail)])]
        if first > 0 { choices.append(.sequence([digit(0, first - 1), rest(tail.count)])) }
        return .choice(choices)
    }

    /// Integers without a remainder: a state per remainder of what was read.
    private static func multiples(of divisor: Int) -> GrammarNode {
        var graph = GrammarGraph()
        let sign = graph.addState()
        let zero = graph.addState()
        let first = graph.addState()
        for _ in 1..<divisor { _ = graph.addState() }
        graph.connect(0, sign, .optional(.text("-")))
        graph.connect(sign, zero, .text("0"))
        for value in 1...9 { graph.connect(sign, first + value % divisor, digit(value, value)) }
        for remainder in 0..<divisor {
            for value in 0...9 {
                graph.connect(
                    first + remainder, first + (remainder * 10 + value) % divisor, digit(value, value))
            }
        }
        graph.finals = [zero, first]
        return .graph(graph)
    }

    // MARK: Numbers with a fraction

    /// The numbers between the bounds, without exponents.
    private static func numbers(_ conjunct: SchemaConjunct) throws(SwiftletError) -> GrammarNode {
        var choices: [GrammarNode] = []
        let (lower, upper) = (conjunct.lower, conjunct.upper)
        if upper.map({ !$0.value.isNegative }) ?? true {
            let low = lower.flatMap { $0.value.isNegative ? nil : $0 }
            choices.append(try magnitudes(from: low, to: upper))
        }
        if lower.map({ $0.value.isNegative }) ?? true {
            let low = upper.flatMap { bound in
                bound.value.isNegative || bound.value.isZero
                    ? SchemaBound(value: bound.value.magnitude, isExclusive: bound.isExclusive) : nil
            }
            let high = lower.map { SchemaBound(value: $0.value.magnitude, isExclusive: $0.isExclusive) }
            choices.append(.sequence([.text("-"), try magnitudes(from: low, to: high)]))
        }
        return .choice(choices)
    }

    /// Numbers without a sign between bounds that are 0 or more.
    private static func magnitudes(
        from low: SchemaBound?, to high: SchemaBound?
    ) throws(SwiftletError) -> GrammarNode {
        let low = low ?? SchemaBound(value: .zero, isExclusive: false)
        let first = low.value.floor
        let last = high?.value.floor ?? limit
        guard first <= last else { return .never }
        let above = fractions(above: low)
        guard let high, last <= limit else {
            let more = first < limit ? digits(from: first + 1, to: limit) : .never
            return .choice([
                .sequence([digits(from: first, to: first), above]), .sequence([more, anyFraction]),
            ])
        }
        let below = fractions(below: high)
        if first == last {
            // Both bounds cut the same unit: of what is above one, only what is below the other.
            return .sequence([digits(from: first, to: first), try both(low, high)])
        }
        var choices: [GrammarNode] = [
            .sequence([digits(from: first, to: first), above]),
            .sequence([digits(from: last, to: last), below]),
        ]
        if first + 1 < last {
            choices.append(.sequence([digits(from: first + 1, to: last - 1), anyFraction]))
        }
        return .choice(choices)
    }

    private static let anyFraction: GrammarNode = .optional(
        .sequence([.text("."), .repetition(.digit, 1, mostDigits)]))
    private static let anyDigits: GrammarNode = .repetition(.digit, 0, mostDigits - 1)
    private static let zeros: GrammarNode = .repetition(.text("0"), 0, mostDigits - 1)
    /// Digits that are not all zero.
    private static let someDigits: GrammarNode = .sequence([zeros, nonZero, anyDigits])

    /// Fractions, with their point or empty, from the bound's fraction on.
    private static func fractions(above bound: SchemaBound) -> GrammarNode {
        let digits = bound.value.fraction.map { Int($0) }
        if digits.isEmpty {
            return bound.isExclusive ? .sequence([.text("."), someDigits]) : anyFraction
        }
        return .sequence([.text("."), fraction(atLeast: digits[...], bound.isExclusive)])
    }

    private static func fraction(atLeast digits: ArraySlice<Int>, _ isExclusive: Bool) -> GrammarNode {
        guard let first = digits.first else { return isExclusive ? someDigits : anyDigits }
        var choices: [GrammarNode] = [
            .sequence([digit(first, first), fraction(atLeast: digits.dropFirst(), isExclusive)])
        ]
        if first < 9 { choices.append(.sequence([digit(first + 1, 9), anyDigits])) }
        return .choice(choices)
    }

    /// Fractions, with their point or empty, up to the bound's fraction.
    private static func fractions(below bound: SchemaBound) -> GrammarNode {
        let digits = bound.value.fraction.map { Int($0) }
        if digits.isEmpty {
            return bound.isExclusive ? .never : .optional(.sequence([.text("."), .text("0"), zeros]))
        }
        return .optional(.sequence([.text("."), fraction(atMost: digits[...], bound.isExclusive)]))
    }

    private static func fraction(atMost digits: ArraySlice<Int>, _ isExclusive: Bool) -> GrammarNode {
        guard let first = digits.first else { return .never }
        let rest = digits.dropFirst()
        // Fewer digits than the bound has are less, as its last is not zero.
        let tail: GrammarNode =
            rest.isEmpty ? (isExclusive ? .never : zeros) : .optional(fraction(atMost: rest, isExclusive))
        var choices: [GrammarNode] = [.sequence([digit(first, first), tail])]
        if first > 0 { choices.append(.sequence([digit(0, first - 1), anyDigits])) }
        return .choice(choices)
    }

    /// Fractions between the fractions of two bounds with the same whole part.
    private static func both(
        _ low: SchemaBound, _ high: SchemaBound
    ) throws(SwiftletError) -> GrammarNode {
        let terms = [fractions(above: low), fractions(below: high)].map { ScalarProduct.Term(language: $0) }
        return .graph(try ScalarProduct.graph(of: terms))
    }
}
