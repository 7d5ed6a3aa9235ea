import SwiftletTensor

/// The tests of Jinja2.
enum Test: String {
    case odd, even, divisibleby, defined, undefined, filter, test, none, boolean, `false`, `true`, integer,
        float
    case lower, upper, string, mapping, number, sequence, iterable, callable, sameas, escaped, `in`
    case equal = "eq"
    case notEqual = "ne"
    case greater = "gt"
    case greaterOrEqual = "ge"
    case less = "lt"
    case lessOrEqual = "le"

    /// A test by one of its names.
    init?(name: String) {
        switch name {
        case "==", "equalto": self = .equal
        case "!=": self = .notEqual
        case ">", "greaterthan": self = .greater
        case ">=": self = .greaterOrEqual
        case "<", "lessthan": self = .less
        case "<=": self = .lessOrEqual
        default: self.init(rawValue: name)
        }
    }

    /// The comparison that the test is.
    fileprivate var comparison: Comparison? {
        switch self {
        case .equal: .equal
        case .notEqual: .notEqual
        case .greater: .greater
        case .greaterOrEqual: .greaterOrEqual
        case .less: .less
        case .lessOrEqual: .lessOrEqual
        case .in: .in
        default: nil
        }
    }
}

extension Interpreter {
    /// Whether a value passes a test.
    func passes(_ value: Value, test name: String, _ arguments: Arguments) throws(SwiftletError) -> Bool {
        guard let test = Test(name: name) else { throw problem("found no test named '\(name)'") }
        try step()
        if let comparison = test.comparison {
            let other = try bind(arguments, ["other"], required: 1, for: name)[0] ?? .none
            return try compare(value, comparison, other)
        }
        switch test {
        case .divisibleby:
            let number = try bind(arguments, ["num"], required: 1, for: name)[0] ?? .none
            return try isEqual(try apply(.modulo, value, number), .int(0))
        case .sameas:
            return isSame(value, try bind(arguments, ["other"], required: 1, for: name)[0] ?? .none)
        default:
            _ = try bind(arguments, [], for: name)
            return try passes(value, test)
        }
    }

    private func passes(_ value: Value, _ test: Test) throws(SwiftletError) -> Bool {
        switch test {
        case .odd: return try isEqual(try apply(.modulo, value, .int(2)), .int(1))
        case .even: return try isEqual(try apply(.modulo, value, .int(2)), .int(0))
        case .defined: return !value.isUndefined
        case .undefined: return value.isUndefined
        case .filter, .test:
            // Whatever is asked for must be hashable, as in a dictionary.
            _ = try key(of: value)
            guard let name = value.string else { return false }
            return test == .filter ? Filter(rawValue: name) != nil : Test(name: name) != nil
        case .lower: return try text(of: value).has(.islower)
        case .upper: return try text(of: value).has(.isupper)
        case .string: return value.string != nil
        case .number: return value.number != nil
        default: return isOfKind(value, test)
        }
    }

    private func isOfKind(_ value: Value, _ test: Test) -> Bool {
        switch (test, value) {
        case (.none, .none), (.boolean, .bool), (.true, .bool(true)), (.false, .bool(false)),
            (.integer, .int),
            (.float, .float), (.mapping, .dict), (.escaped, .markup):
            true
        case (.sequence, .string), (.sequence, .markup), (.sequence, .list), (.sequence, .tuple),
            (.sequence, .dict), (.sequence, .range), (.sequence, .undefined):
            true
        case (.iterable, .string), (.iterable, .markup), (.iterable, .list), (.iterable, .tuple),
            (.iterable, .dict), (.iterable, .range), (.iterable, .undefined), (.iterable, .view),
            (.iterable, .iterator), (.iterable, .loop):
            true
        case (.callable, .macro), (.callable, .method), (.callable, .function), (.callable, .joiner),
            (.callable, .loop), (.callable, .undefined):
            true
        default: false
        }
    }
}
