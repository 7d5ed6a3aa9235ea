import SwiftletTensor

extension Interpreter {
    /// `value.name`: attributes and methods win over the keys of a dictionary.
    func attribute(_ name: String, of value: Value) throws(SwiftletError) -> Value {
        if case .undefined(let undefined) = value { throw problem(undefined.message) }
        if let found = try ownAttribute(name, of: value) { return found }
        if case .dict(let mapping) = value, let found = mapping[name] { return found }
        return missing(name, of: value)
    }

    /// `value[place]`: keys and elements win over attributes.
    func item(_ place: Value, of value: Value) throws(SwiftletError) -> Value {
        switch value {
        case .undefined(let undefined): throw problem(undefined.message)
        case .dict(let mapping):
            if let key = try? key(of: place), let found = mapping[key] { return found }
        case .list(let items), .tuple(let items):
            if let index = place.integer.flatMap({ Self.index($0, items.values.count) }) {
                return items.values[index]
            }
        case .range(let range):
            if let index = place.integer.flatMap({ Self.index($0, range.count) }) {
                return .int(range.element(index))
            }
        case .string(let text), .markup(let text):
            if let index = place.integer {
                try step(text.utf8.count / 64)
                if let scalar = text.scalar(at: index) { return value.sameText(String(Character(scalar))) }
            }
        default: break
        }
        if let name = place.string, let found = try ownAttribute(name, of: value) { return found }
        if let name = place.string { return missing(name, of: value) }
        return missing(try representation(of: place), of: value, isName: false)
    }

    /// The place of an element counted from either end, if there is one.
    static func index(_ index: Int, _ count: Int) -> Int? {
        let place = index < 0 ? index + count : index
        return 0..<count ~= place ? place : nil
    }

    private func missing(_ name: String, of value: Value, isName: Bool = true) -> Value {
        let owner = value.isNone ? "None" : "'\(value.typeName) object'"
        return .undefined(Undefined("\(owner) has no \(isName ? "attribute '\(name)'" : "element \(name)")"))
    }

    /// An attribute or method that belongs to the type of a value.
    private func ownAttribute(_ name: String, of value: Value) throws(SwiftletError) -> Value? {
        if name.hasPrefix("__"), name.hasSuffix("__") { return unsafe(name, of: value) }
        switch value {
        case .string, .markup: return StringMethod(rawValue: name) == nil ? nil : method(name, of: value)
        case .dict:
            if Self.changingDict.contains(name) { return unsafe(name, of: value) }
            return Self.dictMethods.contains(name) ? method(name, of: value) : nil
        case .list(let items):
            if Self.changingList.contains(name) { return unsafe(name, of: value) }
            return sequenceAttribute(name, of: value, items)
        case .tuple(let items): return sequenceAttribute(name, of: value, items)
        case .range(let range): return attribute(name, of: value, range)
        case .namespace(let namespace): return namespace.members[.text(ExactText(name))]
        case .loop(let loop): return try attribute(name, of: value, loop)
        case .macro(let macro): return try attribute(name, of: macro)
        case .cycler(let cycler):
            switch name {
            case "current": return cycler.current
            case "items": return .tuple(cycler.items)
            case "pos": return .int(cycler.position)
            case "next", "reset": return method(name, of: value)
            default: return nil
            }
        case .joiner(let joiner):
            return name == "sep" ? joiner.separator : name == "used" ? .bool(joiner.isUsed) : nil
        case .int, .bool, .float: return numberAttribute(name, of: value)
        default: return nil
        }
    }

    /// What cannot be reached by templates; reading it is harmless, using it an error.
    private func unsafe(_ name: String, of value: Value) -> Value {
        .undefined(Undefined("access to the attribute '\(name)' of a '\(value.typeName)' object is unsafe"))
    }

    private func method(_ name: String, of value: Value) -> Value { .method(BoundMethod(value, name)) }

    private static let dictMethods: Set = ["items", "keys", "values", "get", "copy", "fromkeys"]
    private static let changingDict: Set = ["clear", "pop", "popitem", "setdefault", "update"]
    private static let changingList: Set = [
        "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove",
    ]

    private func sequenceAttribute(_ name: String, of value: Value, _ items: Items) -> Value? {
        switch name {
        case "index", "count": method(name, of: value)
        case "copy": if case .list = value { method(name, of: value) } else { nil }
        case "grouper": items.isGroup ? items.values[0] : nil
        case "list": items.isGroup ? items.values[1] : nil
        default: nil
        }
    }

    private func attribute(_ name: String, of value: Value, _ range: NumberRange) -> Value? {
        switch name {
        case "start": .int(range.start)
        case "stop": .int(range.stop)
        case "step": .int(range.step)
        case "index", "count": method(name, of: value)
        default: nil
        }
    }

    private func numberAttribute(_ name: String, of value: Value) -> Value? {
        switch (name, value) {
        case ("real", .float), ("real", .int): value
        case ("imag", .float): .float(0)
        case ("imag", _): .int(0)
        case ("numerator", .int): value
        case ("denominator", .int): .int(1)
        case ("is_integer", .float), ("bit_length", .int): method(name, of: value)
        default: nil
        }
    }

    private func attribute(
        _ name: String, of value: Value, _ loop: LoopState
    ) throws(SwiftletError) -> Value? {
        switch name {
        case "index": .int(loop.index0 + 1)
        case "index0": .int(loop.index0)
        case "first": .bool(loop.index0 == 0)
        case "last": .bool(try loop.peek() == nil)
        case "length": .int(try loop.length())
        case "revindex": .int(try loop.length() - loop.index0)
        case "revindex0": .int(try loop.length() - loop.index0 - 1)
        case "depth": .int(loop.depth0 + 1)
        case "depth0": .int(loop.depth0)
        case "previtem":
            loop.index0 == 0
                ? .undefined(Undefined("there is no previous item"))
                : loop.before ?? .undefined(Undefined("there is no previous item"))
        case "nextitem": try loop.peek() ?? .undefined(Undefined("there is no next item"))
        case "cycle", "changed": method(name, of: value)
        default: nil
        }
    }

    private func attribute(_ name: String, of macro: Macro) throws(SwiftletError) -> Value? {
        let frame = program.frames[macro.definition.frame]
        switch name {
        case "name": return macro.definition.name.map(Value.string) ?? Value.none
        case "arguments": return try tuple(macro.definition.parameters.map { .string($0.name) })
        case "catch_kwargs": return .bool(frame.keywords != nil)
        case "catch_varargs": return .bool(frame.extras != nil)
        case "caller":
            let hasParameter = macro.definition.parameters.contains { $0.name == "caller" }
            return .bool(frame.caller != nil || hasParameter)
        default: return nil
        }
    }

    // MARK: Slices

    /// `value[start:stop:step]`.
    func slice(
        _ value: Value, _ start: Value?, _ stop: Value?, _ step: Value?
    ) throws(SwiftletError) -> Value {
        let bounds = (try bound(start), try bound(stop), try bound(step) ?? 1)
        guard bounds.2 != 0 else { throw problem("a slice needs a step that is not 0") }
        switch value {
        case .list(let items): return try list(pick(items.values, bounds))
        case .tuple(let items): return try tuple(pick(items.values, bounds))
        case .range(let range):
            let places = Self.slice(bounds, range.count)
            let (newStep, overflow) = range.step.multipliedReportingOverflow(by: bounds.2)
            guard !overflow else { throw problem("a slice of a range is too far") }
            let start = places.first.map(range.element) ?? range.start
            let stop = start &+ places.count &* newStep
            return .range(NumberRange(start: start, stop: stop, step: newStep, count: places.count))
        case .string(let text), .markup(let text):
            try charge(text.utf8.count)
            return value.sameText(text.sliced(bounds))
        case .undefined(let undefined): throw problem(undefined.message)
        default: throw problem("a value of type '\(value.typeName)' has no slices")
        }
    }

    private func bound(_ value: Value?) throws(SwiftletError) -> Int? {
        guard let value, !value.isNone else { return nil }
        return try integer(value, "the bound of a slice")
    }

    private func pick(_ values: [Value], _ bounds: SliceBounds) throws(SwiftletError) -> [Value] {
        let places = Self.slice(bounds, values.count)
        try step(places.count / 16)
        return places.map { values[$0] }
    }

    typealias SliceBounds = (start: Int?, stop: Int?, step: Int)

    /// The places of a slice of `count` elements, in Python's rules.
    static func slice(_ bounds: SliceBounds, _ count: Int) -> StrideTo<Int> {
        let step = bounds.step
        let (low, high) = step > 0 ? (0, count) : (-1, count - 1)
        func clamp(_ bound: Int?, _ otherwise: Int) -> Int {
            guard let bound else { return otherwise }
            return min(max(bound < 0 ? bound + count : bound, low), high)
        }
        let start = clamp(bounds.start, step > 0 ? 0 : count - 1)
        let stop = clamp(bounds.stop, step > 0 ? count : -1)
        // A step beyond the ends would overflow while it is taken.
        return stride(from: start, to: stop, by: min(max(step, -count - 1), count + 1))
    }
}

extension StrideTo<Int> {
    /// How many numbers there are.
    var count: Int { reduce(0) { count, _ in count + 1 } }

    var first: Int? { first { _ in true } }
}
