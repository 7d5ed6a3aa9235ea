import SwiftletTensor

extension Interpreter {
    /// Whether a comparison holds.
    func compare(_ a: Value, _ comparison: Comparison, _ b: Value) throws(SwiftletError) -> Bool {
        switch comparison {
        case .equal: try isEqual(a, b)
        case .notEqual: try !isEqual(a, b)
        case .in: try contains(b, a)
        case .notIn: try !contains(b, a)
        case .less, .lessOrEqual, .greater, .greaterOrEqual: try isOrdered(a, comparison, b)
        }
    }

    /// Python's `==`.
    func isEqual(_ a: Value, _ b: Value) throws(SwiftletError) -> Bool {
        try step()
        if let a = a.string, let b = b.string {
            try step(min(a.utf8.count, b.utf8.count) / 64)
            return a.hasSameBytes(as: b)
        }
        if let result = Self.compareNumbers(a, .equal, b) { return result }
        switch (a, b) {
        case (.none, .none), (.undefined, .undefined): return true
        case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)):
            guard a !== b else { return true }
            guard a.values.count == b.values.count else { return false }
            for (a, b) in zip(a.values, b.values) where try !isEqual(a, b) { return false }
            return true
        case (.dict(let a), .dict(let b)): return try isEqual(a, b)
        case (.range(let a), .range(let b)):
            return a.count == b.count && (a.count == 0 || a.start == b.start)
                && (a.count < 2 || a.step == b.step)
        case (.view(let a), .view(let b)): return try isEqual(a, b)
        case (.function(let a), .function(let b)): return a == b
        case (.method(let a), .method(let b)):
            guard a.name == b.name else { return false }
            return try isEqual(a.receiver, b.receiver)
        default: return isSame(a, b)
        }
    }

    private func isEqual(_ a: Mapping, _ b: Mapping) throws(SwiftletError) -> Bool {
        guard a !== b else { return true }
        guard a.keys.count == b.keys.count else { return false }
        for (name, value) in zip(a.keys, a.values) {
            guard let other = b[try key(of: name)], try isEqual(value, other) else { return false }
        }
        return true
    }

    private func isEqual(_ a: DictView, _ b: DictView) throws(SwiftletError) -> Bool {
        switch (a.part, b.part) {
        case (.keys, .keys):
            guard a.mapping.keys.count == b.mapping.keys.count else { return false }
            for name in a.mapping.keys where b.mapping[try key(of: name)] == nil { return false }
            return true
        case (.items, .items): return try isEqual(a.mapping, b.mapping)
        default: return false
        }
    }

    /// Python's `is`; small numbers and texts are the same object if they are equal.
    func isSame(_ a: Value, _ b: Value) -> Bool {
        switch (a, b) {
        case (.none, .none): true
        case (.bool(let a), .bool(let b)): a == b
        case (.int(let a), .int(let b)): a == b
        case (.float(let a), .float(let b)): a == b
        case (.string(let a), .string(let b)): a.hasSameBytes(as: b)
        case (.undefined(let a), .undefined(let b)): a === b
        case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)): a === b
        case (.dict(let a), .dict(let b)): a === b
        case (.iterator(let a), .iterator(let b)): a === b
        case (.namespace(let a), .namespace(let b)): a === b
        case (.loop(let a), .loop(let b)): a === b
        case (.macro(let a), .macro(let b)): a === b
        case (.cycler(let a), .cycler(let b)): a === b
        case (.joiner(let a), .joiner(let b)): a === b
        case (.function(let a), .function(let b)): a == b
        default: false
        }
    }

    /// A comparison of two numbers; `nil` if one is none.
    private static func compareNumbers(_ a: Value, _ comparison: Comparison, _ b: Value) -> Bool? {
        func holds<Number: Comparable>(_ a: Number, _ b: Number) -> Bool {
            switch comparison {
            case .less: a < b
            case .lessOrEqual: a <= b
            case .greater: a > b
            case .greaterOrEqual: a >= b
            default: a == b
            }
        }
        if let a = a.integer, let b = b.integer { return holds(a, b) }
        guard let x = a.number, let y = b.number else { return nil }
        // A double beyond 2^53 is whole, so a whole number that is not exact as a double can be compared to it.
        if let a = a.integer, let y = Int(exactly: y) { return holds(a, y) }
        if let b = b.integer, let x = Int(exactly: x) { return holds(x, b) }
        return holds(x, y)
    }

    private func isOrdered(_ a: Value, _ comparison: Comparison, _ b: Value) throws(SwiftletError) -> Bool {
        try step()
        if let result = Self.compareNumbers(a, comparison, b) { return result }
        if let x = a.string, let y = b.string {
            try step(min(x.utf8.count, y.utf8.count) / 64)
            return Self.holds(x.compareBytes(with: y), comparison)
        }
        switch (a, b) {
        case (.list(let x), .list(let y)), (.tuple(let x), .tuple(let y)):
            for (a, b) in zip(x.values, y.values) where try !isEqual(a, b) {
                return try isOrdered(a, comparison, b)
            }
            return Self.holds(x.values.count - y.values.count, comparison)
        case (.undefined(let undefined), _), (_, .undefined(let undefined)): throw problem(undefined.message)
        default:
            throw problem(
                "'\(comparison.rawValue)' cannot compare '\(a.typeName)' and '\(b.typeName)'")
        }
    }

    private static func holds(_ difference: Int, _ comparison: Comparison) -> Bool {
        switch comparison {
        case .less: difference < 0
        case .lessOrEqual: difference <= 0
        case .greater: difference > 0
        default: difference >= 0
        }
    }

    /// Whether an element of a list is the one that is looked for; what is the same object always is.
    func matches(_ element: Value, _ wanted: Value) throws(SwiftletError) -> Bool {
        if isSame(element, wanted) { return true }
        return try isEqual(element, wanted)
    }

    /// Python's `element in container`.
    func contains(_ container: Value, _ element: Value) throws(SwiftletError) -> Bool {
        switch container {
        case .string(let text), .markup(let text):
            guard let part = element.string else {
                throw mismatch(element, "what is looked for in a string", "a string")
            }
            try step(text.utf8.count / 64)
            return text.firstIndex(ofBytes: part) != nil
        case .dict(let mapping): return mapping[try key(of: element)] != nil
        case .view(let view) where view.part == .keys: return view.mapping[try key(of: element)] != nil
        case .range(let range):
            guard let number = element.number, let value = Int(exactly: number) else { return false }
            let (distance, overflow) = value.subtractingReportingOverflow(range.start)
            return !overflow && distance % range.step == 0 && 0..<range.count ~= distance / range.step
        default:
            for value in try elements(of: container) {
                if try matches(value, element) { return true }
            }
            return false
        }
    }
}
