import SwiftletTensor

extension Interpreter {
    /// Calls a method.
    func call(_ method: BoundMethod, _ arguments: Arguments) throws(SwiftletError) -> Value {
        switch method.receiver {
        case .string, .markup:
            guard let name = StringMethod(rawValue: method.name) else { return .none }
            return try call(name, of: method.receiver, arguments)
        case .dict(let mapping): return try call(method.name, of: mapping, arguments)
        case .list(let items), .tuple(let items):
            if method.name == "copy" {
                _ = try bind(arguments, [], for: "copy")
                return method.receiver
            }
            return try search(method.name, items.values, arguments)
        case .range: return try search(method.name, try elements(of: method.receiver), arguments)
        case .loop(let loop): return try call(method.name, of: loop, arguments)
        case .cycler(let cycler):
            _ = try bind(arguments, [], for: method.name)
            let current = cycler.current
            cycler.position = method.name == "reset" ? 0 : (cycler.position + 1) % cycler.items.values.count
            return method.name == "reset" ? .none : current
        case .float(let value): return .bool(value.isFinite && value == value.rounded())
        case .int(let value): return .int(Int.bitWidth - value.magnitude.leadingZeroBitCount)
        default: return .none
        }
    }

    private func call(_ name: String, of mapping: Mapping, _ arguments: Arguments) throws(SwiftletError)
        -> Value
    {
        if name == "get" {
            guard arguments.keywords.isEmpty else { throw problem("get takes no keyword arguments") }
            let values = try bind(arguments, ["key", "default"], required: 1, for: "get")
            return mapping[try key(of: values[0] ?? .none)] ?? values[1] ?? .none
        }
        if name == "fromkeys" {
            let values = try bind(arguments, ["iterable", "value"], required: 1, for: "fromkeys")
            var builder = Mapping.Builder()
            for name in try elements(of: values[0] ?? .none) {
                builder.set(try key(of: name), name, values[1] ?? .none)
            }
            return try dictionary(builder)
        }
        _ = try bind(arguments, [], for: name)
        switch name {
        case "keys": return .view(DictView(part: .keys, mapping: mapping))
        case "values": return .view(DictView(part: .values, mapping: mapping))
        case "items": return .view(DictView(part: .items, mapping: mapping))
        default: return .dict(mapping)
        }
    }

    /// `index` and `count`.
    private func search(_ name: String, _ values: [Value], _ arguments: Arguments) throws(SwiftletError)
        -> Value
    {
        let parameters = name == "index" ? ["value", "start", "stop"] : ["value"]
        let given = try bind(arguments, parameters, required: 1, for: name)
        let wanted = given[0] ?? .none
        if name == "count" {
            var count = 0
            for value in values where try matches(value, wanted) { count += 1 }
            return .int(count)
        }
        let bounds: SliceBounds = (
            try integer(given[1], "the start of index"), try integer(given[2], "the end of index"), 1
        )
        for place in Self.slice(bounds, values.count)
        where try matches(values[place], wanted) {
            return .int(place)
        }
        throw problem("the value was not found")
    }

    private func call(_ name: String, of loop: LoopState, _ arguments: Arguments) throws(SwiftletError)
        -> Value
    {
        guard arguments.keywords.isEmpty else { throw problem("\(name) takes no keyword arguments") }
        let values = arguments.positional
        if name == "cycle" {
            guard !values.isEmpty else { throw problem("cycle needs at least one value") }
            return values[loop.index0 % values.count]
        }
        if let last = loop.changed, last.count == values.count {
            var isSame = true
            for (a, b) in zip(last, values) where try !isEqual(a, b) { isSame = false }
            if isSame { return .bool(false) }
        }
        try charge(17, times: values.count)
        for value in values { try checkDepth(value.depth + 1) }
        loop.changed = values
        return .bool(true)
    }
}
