import SwiftletTensor

/// The filters of Jinja2, and `tojson` as chat templates have it.
enum Filter: String {
    case abs, attr, batch, capitalize, center, count, d, `default`, dictsort, e, escape, filesizeformat, first
    case float, forceescape, format, groupby, indent, int, items, join, last, length, list, lower, map, max
    case min, pprint, random, reject, rejectattr, replace, reverse, round, safe, select, selectattr, slice
    case sort, string, striptags, sum, title, tojson, trim, truncate, unique, upper, urlencode, urlize
    case wordcount, wordwrap, xmlattr
}

extension Interpreter {
    /// The value of a filter.
    func apply(
        filter name: String, to value: Value, _ arguments: Arguments
    ) throws(SwiftletError) -> Value {
        guard let filter = Filter(rawValue: name) else { throw problem("found no filter named '\(name)'") }
        try step()
        switch filter {
        case .default, .d: return try defaultValue(value, arguments)
        case .length, .count:
            _ = try bind(arguments, [], for: name)
            if let text = value.string { try step(text.utf8.count / 64) }
            return .int(try length(of: value))
        case .first, .last, .list, .reverse, .sort, .unique, .min, .max, .sum, .join, .batch, .slice:
            return try applySequence(filter, value, arguments)
        case .map, .select, .reject, .selectattr, .rejectattr, .groupby, .attr:
            return try applyEach(filter, value, arguments)
        case .items, .dictsort, .xmlattr, .urlencode: return try applyMapping(filter, value, arguments)
        case .abs, .int, .float, .round, .filesizeformat: return try applyNumber(filter, value, arguments)
        case .tojson: return try json(value, arguments)
        case .random, .urlize:
            throw problem("the filter '\(name)' is not supported in chat templates")
        default: return try applyText(filter, value, arguments)
        }
    }

    private func defaultValue(_ value: Value, _ arguments: Arguments) throws(SwiftletError) -> Value {
        let given = try bind(arguments, ["default_value", "boolean"], for: "default")
        let counts = value.isUndefined || (given[1]?.isTrue ?? false && !value.isTrue)
        return counts ? given[0] ?? .string("") : value
    }

    // MARK: Attributes of elements

    /// Reads `a.b.0` of a value, as filters do that take an attribute.
    func lookUp(_ path: Value?, in value: Value, default fallback: Value? = nil) throws(SwiftletError)
        -> Value
    {
        guard let path, !path.isNone else { return value }
        var result = value
        for part in Self.parts(of: path) {
            result = try item(part, of: result)
            if let fallback, !fallback.isNone, result.isUndefined { result = fallback }
        }
        return result
    }

    private static func parts(of path: Value) -> [Value] {
        guard let text = path.string else { return [path] }
        return text.split(separator: ".", omittingEmptySubsequences: false).map {
            let isNumber = !$0.isEmpty && $0.utf8.allSatisfy { 48...57 ~= $0 }
            return isNumber ? Int($0).map(Value.int) ?? .string(String($0)) : .string(String($0))
        }
    }

    /// Texts in small letters, anything else as it is.
    func ignoringCase(_ value: Value) throws(SwiftletError) -> Value {
        guard let text = value.string else { return value }
        try charge(text.utf8.count)
        return value.sameText(text.lowercasedByScalars)
    }

    /// The key of an element for comparisons: an attribute, in small letters unless case matters.
    func sortKey(
        _ value: Value, _ attribute: Value?, isCaseSensitive: Bool, default fallback: Value? = nil
    ) throws(SwiftletError) -> Value {
        let key = try lookUp(attribute, in: value, default: fallback)
        return isCaseSensitive ? key : try ignoringCase(key)
    }

    // MARK: Filters that work on every element

    private func applyEach(
        _ filter: Filter, _ value: Value, _ arguments: Arguments
    ) throws(SwiftletError) -> Value {
        switch filter {
        case .map: return try map(value, arguments)
        case .select, .reject: return try select(filter, value, arguments, usesAttribute: false)
        case .selectattr, .rejectattr: return try select(filter, value, arguments, usesAttribute: true)
        case .groupby: return try group(value, arguments)
        default:
            let name = try string(try bind(arguments, ["name"], required: 1, for: "attr")[0], "the attribute")
            guard case .dict(let mapping) = value, let name, mapping[name] != nil,
                try attribute(name, of: .dict(Mapping.Builder().mapping)).isUndefined
            else { return try attribute(name ?? "", of: value) }
            return .undefined(Undefined("'dict object' has no attribute '\(name)'"))
        }
    }

    private func map(_ value: Value, _ arguments: Arguments) throws(SwiftletError) -> Value {
        try iterator { (results) throws(SwiftletError) in
            guard value.isTrue else { return }
            var arguments = arguments
            if arguments.positional.isEmpty, let attribute = arguments.take("attribute") {
                let fallback = arguments.take("default")
                if let extra = arguments.keywords.first {
                    throw problem("map takes no argument '\(extra.name)'")
                }
                for element in try elements(of: value) {
                    results.append(try lookUp(attribute, in: element, default: fallback))
                }
                return
            }
            guard let first = arguments.positional.first else {
                throw problem("map needs a filter or an attribute")
            }
            guard let name = first.string else { throw mismatch(first, "the filter of map", "a string") }
            arguments.positional.removeFirst()
            for element in try elements(of: value) {
                results.append(try apply(filter: name, to: element, arguments))
            }
        }
    }

    private func select(
        _ filter: Filter, _ value: Value, _ arguments: Arguments, usesAttribute: Bool
    ) throws(SwiftletError) -> Value {
        try iterator { (results) throws(SwiftletError) in
            guard value.isTrue else { return }
            var arguments = arguments
            var path: Value?
            if usesAttribute {
                guard let first = arguments.positional.first else {
                    throw problem("\(filter) needs an attribute")
                }
                path = first
                arguments.positional.removeFirst()
            }
            let test = arguments.positional.first
            if test != nil { arguments.positional.removeFirst() }
            let wanted = filter == .select || filter == .selectattr
            for element in try elements(of: value) {
                let tested = try lookUp(path, in: element)
                let holds: Bool
                if let test {
                    guard let name = test.string else {
                        throw mismatch(test, "the test of \(filter)", "a string")
                    }
                    holds = try passes(tested, test: name, arguments)
                } else {
                    holds = tested.isTrue
                }
                if holds == wanted { results.append(element) }
            }
        }
    }

    private func group(_ value: Value, _ arguments: Arguments) throws(SwiftletError) -> Value {
        let given = try bind(
            arguments, ["attribute", "default", "case_sensitive"], required: 1, for: "groupby")
        let isCaseSensitive = given[2]?.isTrue ?? false
        func key(_ element: Value) throws(SwiftletError) -> Value {
            try sortKey(element, given[0], isCaseSensitive: isCaseSensitive, default: given[1])
        }
        let elements = try sorted(try elements(of: value), by: key)
        var groups: [Value] = []
        var current: (key: Value, elements: [Value])?
        func close() throws(SwiftletError) {
            guard let current else { return }
            let name = try lookUp(given[0], in: current.elements[0], default: given[1])
            groups.append(.tuple(try items([name, try list(current.elements)], isGroup: true)))
        }
        for element in elements {
            let key = try key(element)
            if let open = current, try isEqual(open.key, key) {
                current?.elements.append(element)
            } else {
                try close()
                current = (key, [element])
            }
        }
        try close()
        return try list(groups)
    }
}
