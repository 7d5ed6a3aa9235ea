import SwiftletTensor

extension Interpreter {
    /// Filters that take whatever has elements.
    func applySequence(
        _ filter: Filter, _ value: Value, _ arguments: Arguments
    ) throws(SwiftletError) -> Value {
        switch filter {
        case .first: return try first(value, arguments)
        case .last: return try last(value, arguments)
        case .list:
            _ = try bind(arguments, [], for: "list")
            return try list(try elements(of: value))
        case .reverse: return try reversed(value, arguments)
        case .sort:
            let given = try bind(arguments, ["reverse", "case_sensitive", "attribute"], for: "sort")
            return try sort(value, given)
        case .unique: return try unique(value, arguments)
        case .min, .max: return try extreme(filter, value, arguments)
        case .sum: return try sum(value, arguments)
        case .join: return try join(value, arguments)
        case .batch: return try batch(value, arguments)
        default: return try sliced(value, arguments)
        }
    }

    private func first(_ value: Value, _ arguments: Arguments) throws(SwiftletError) -> Value {
        _ = try bind(arguments, [], for: "first")
        let found: Value?
        switch value {
        case .iterator(let iterator): found = try iterator.next()
        case .string(let text), .markup(let text):
            found = text.unicodeScalars.first.map { value.sameText(String(Character($0))) }
        default: found = try elements(of: value).first
        }
        return found ?? .undefined(Undefined("the sequence has no first element"))
    }

    private func last(_ value: Value, _ arguments: Arguments) throws(SwiftletError) -> Value {
        _ = try bind(arguments, [], for: "last")
        if case .iterator = value { throw problem("a value of type 'generator' has no last element") }
        return try elements(of: value).last ?? .undefined(Undefined("the sequence has no last element"))
    }

    private func reversed(_ value: Value, _ arguments: Arguments) throws(SwiftletError) -> Value {
        _ = try bind(arguments, [], for: "reverse")
        if let text = value.string {
            try charge(text.utf8.count)
            return value.sameText(String(String.UnicodeScalarView(text.unicodeScalars.reversed())))
        }
        let elements = Array(try elements(of: value).reversed())
        if case .iterator = value { return try list(elements) }
        return try iterator(elements)
    }

    private func sort(_ value: Value, _ given: [Value?]) throws(SwiftletError) -> Value {
        let isCaseSensitive = given[1]?.isTrue ?? false
        let paths: [Value?]
        if let text = given[2]?.string {
            paths = text.split(separator: ",", omittingEmptySubsequences: false).map { .string(String($0)) }
        } else {
            paths = [given[2]]
        }
        let elements = try elements(of: value)
        return try list(
            try sorted(
                elements, isReversed: try integer(given[0], "the argument 'reverse' of sort") ?? 0 != 0
            ) { (element) throws(SwiftletError) in
                var keys: [Value] = []
                for path in paths {
                    keys.append(try sortKey(element, path, isCaseSensitive: isCaseSensitive))
                }
                return try tuple(keys)
            })
    }

    private func unique(_ value: Value, _ arguments: Arguments) throws(SwiftletError) -> Value {
        let given = try bind(arguments, ["case_sensitive", "attribute"], for: "unique")
        return try iterator { (results) throws(SwiftletError) in
            var seen: Set<Key> = []
            for element in try elements(of: value) {
                let key = try sortKey(element, given[1], isCaseSensitive: given[0]?.isTrue ?? false)
                if seen.insert(try self.key(of: key)).inserted { results.append(element) }
            }
        }
    }

    private func extreme(
        _ filter: Filter, _ value: Value, _ arguments: Arguments
    ) throws(SwiftletError) -> Value {
        let given = try bind(arguments, ["case_sensitive", "attribute"], for: filter.rawValue)
        let isCaseSensitive = given[0]?.isTrue ?? false
        var best: (element: Value, key: Value)?
        for element in try elements(of: value) {
            let key = try sortKey(element, given[1], isCaseSensitive: isCaseSensitive)
            if let best, try !compare(key, filter == .min ? .less : .greater, best.key) { continue }
            best = (element, key)
        }
        return best?.element ?? .undefined(Undefined("the sequence has no elements to compare"))
    }

    private func sum(_ value: Value, _ arguments: Arguments) throws(SwiftletError) -> Value {
        let given = try bind(arguments, ["attribute", "start"], for: "sum")
        var total = given[1] ?? .int(0)
        if total.string != nil { throw problem("sum cannot start with a string; use join") }
        for element in try elements(of: value) {
            total = try apply(.add, total, try lookUp(given[0], in: element))
        }
        return total
    }

    private func join(_ value: Value, _ arguments: Arguments) throws(SwiftletError) -> Value {
        let given = try bind(arguments, ["d", "attribute"], for: "join")
        let separator = try given[0].map(text) ?? ""
        var result = ""
        for (place, element) in try elements(of: value).enumerated() {
            if place > 0 {
                try charge(separator.utf8.count)
                result += separator
            }
            try append(try lookUp(given[1], in: element), to: &result)
            try step()
        }
        return .string(result)
    }

    private func batch(_ value: Value, _ arguments: Arguments) throws(SwiftletError) -> Value {
        let given = try bind(arguments, ["linecount", "fill_with"], required: 1, for: "batch")
        // As in Jinja2, a size that is no whole number is never reached.
        let count = given[0]?.integer ?? -1
        return try iterator { (results) throws(SwiftletError) in
            var rest = try elements(of: value)[...]
            // As in Jinja2, batches that can never be full hold everything.
            let size = count > 0 ? count : count == 0 && !rest.isEmpty ? rest.count : Swift.max(rest.count, 1)
            if count == 0, !rest.isEmpty { results.append(try list([])) }
            while !rest.isEmpty {
                var part = Array(rest.prefix(size))
                rest = rest.dropFirst(size)
                if let fill = given[1], !fill.isNone, part.count < count {
                    try charge(17, times: count - part.count)
                    part += Array(repeating: fill, count: count - part.count)
                }
                results.append(try list(part))
            }
        }
    }

    private func sliced(_ value: Value, _ arguments: Arguments) throws(SwiftletError) -> Value {
        let given = try bind(arguments, ["slices", "fill_with"], required: 1, for: "slice")
        return try iterator { (results) throws(SwiftletError) in
            let count = try integer(given[0], "the number of slices") ?? 0
            let elements = try elements(of: value)
            guard count != 0 else { throw problem("slice needs a number of slices that is not 0") }
            guard count > 0 else { return }
            try charge(64, times: count)
            let size = elements.count / count
            let longer = elements.count % count
            var start = 0
            for place in 0..<count {
                let end = start + size + (place < longer ? 1 : 0)
                var part = Array(elements[start..<end])
                if let fill = given[1], !fill.isNone, place >= longer { part.append(fill) }
                results.append(try list(part))
                start = end
            }
        }
    }
}
