import SwiftletTensor

extension Interpreter {
    /// The elements of whatever can be iterated over; iterators are used up.
    func elements(of value: Value) throws(SwiftletError) -> [Value] {
        switch value {
        case .list(let items), .tuple(let items): return items.values
        case .dict(let mapping): return mapping.keys
        case .view(let view):
            try charge(64, times: view.mapping.keys.count)
            return view.values
        case .range(let range):
            try charge(24, times: range.count)
            return (0..<range.count).map { .int(range.element($0)) }
        case .string(let text), .markup(let text):
            try charge(24, times: text.utf8.count)
            return text.unicodeScalars.map { .string(String(Character($0))) }
        case .iterator(let iterator): return try iterator.rest()
        case .undefined: return []
        default: throw problem("a value of type '\(value.typeName)' cannot be iterated over")
        }
    }

    /// The number of elements of what has a length.
    func length(of value: Value) throws(SwiftletError) -> Int {
        switch value {
        case .list(let items), .tuple(let items): items.values.count
        case .dict(let mapping): mapping.keys.count
        case .view(let view): view.mapping.keys.count
        case .range(let range): range.count
        case .string(let text), .markup(let text): text.unicodeScalars.count
        case .loop(let loop): try loop.length()
        case .undefined: 0
        default: throw problem("a value of type '\(value.typeName)' has no length")
        }
    }

    /// An iterator over values that were made at once.
    func iterator(_ values: [Value], failure: SwiftletError? = nil) throws(SwiftletError) -> Value {
        try charge(64, times: 1 + values.count / 3)
        let iterator = ValueIterator(values, failure: failure)
        try checkDepth(iterator.depth)
        return .iterator(iterator)
    }

    /// An iterator over what `body` appends; its error is thrown by who gets there, except for limits.
    func iterator(
        _ body: (inout [Value]) throws(SwiftletError) -> Void
    ) throws(SwiftletError) -> Value {
        var values: [Value] = []
        do {
            try body(&values)
        } catch {
            if error.code == .limit { throw error }
            return try iterator(values, failure: error)
        }
        return try iterator(values)
    }

    /// A value as the key of a dictionary.
    func key(of value: Value) throws(SwiftletError) -> Key {
        try step()
        switch value {
        case .none: return .none
        case .undefined: return .undefined
        case .bool(let value): return .int(value ? 1 : 0)
        case .int(let value): return .int(value)
        case .float(let value): return Int(exactly: value).map(Key.int) ?? .float(value)
        case .string(let text), .markup(let text):
            try step(text.utf8.count / 64)
            return .text(ExactText(text))
        case .tuple(let items):
            var keys: [Key] = []
            for item in items.values { keys.append(try key(of: item)) }
            return .tuple(keys)
        case .range(let range): return .range(range)
        case .function(let builtin): return .builtin(builtin)
        case .iterator(let object): return .identity(ObjectIdentifier(object))
        case .namespace(let object): return .identity(ObjectIdentifier(object))
        case .loop(let object): return .identity(ObjectIdentifier(object))
        case .macro(let object): return .identity(ObjectIdentifier(object))
        case .method(let object): return .identity(ObjectIdentifier(object))
        case .cycler(let object): return .identity(ObjectIdentifier(object))
        case .joiner(let object): return .identity(ObjectIdentifier(object))
        case .list, .dict, .view: throw problem("a value of type '\(value.typeName)' cannot be a key")
        }
    }

    /// Sorts stably by keys; `isReversed` keeps the order of equal ones, too.
    func sorted(
        _ values: [Value], isReversed: Bool = false, by key: (Value) throws(SwiftletError) -> Value
    ) throws(SwiftletError) -> [Value] {
        var keys: [Value] = []
        for value in values { keys.append(try key(value)) }
        try charge(48, times: values.count)
        var order = Array(values.indices)
        var buffer = order
        var width = 1
        while width < order.count {
            var start = 0
            while start < order.count {
                let middle = min(start + width, order.count)
                let end = min(start + 2 * width, order.count)
                var (left, right) = (start, middle)
                for place in start..<end {
                    var takesRight = left == middle
                    if !takesRight, right < end {
                        let (a, b) = (keys[order[left]], keys[order[right]])
                        takesRight = isReversed ? try compare(a, .less, b) : try compare(b, .less, a)
                    }
                    buffer[place] = takesRight ? order[right] : order[left]
                    if takesRight { right += 1 } else { left += 1 }
                }
                start = end
            }
            swap(&order, &buffer)
            width *= 2
        }
        return order.map { values[$0] }
    }
}
