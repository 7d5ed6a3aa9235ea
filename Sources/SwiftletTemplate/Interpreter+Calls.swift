import SwiftletTensor

extension Interpreter {
    /// Calls a value.
    func call(_ callee: Value, _ arguments: Arguments) throws(SwiftletError) -> Value {
        switch callee {
        case .macro(let macro): return .string(try call(macro, arguments))
        case .method(let method): return try call(method, arguments)
        case .function(let builtin): return try call(builtin, arguments)
        case .joiner(let joiner):
            _ = try bind(arguments, [], for: "a joiner")
            defer { joiner.isUsed = true }
            return joiner.isUsed ? joiner.separator : .string("")
        case .loop(let loop):
            let iterable = try bind(arguments, ["iterable"], required: 1, for: "loop")[0]
            guard let recursion = loop.recursion, let iterable else {
                throw problem("found a call of 'loop' in a loop without 'recursive'")
            }
            return .string(try recurse(recursion, iterable, depth0: loop.depth0 + 1))
        case .undefined(let undefined): throw problem(undefined.message)
        default: throw problem("a value of type '\(callee.typeName)' cannot be called")
        }
    }

    // MARK: Macros

    /// Makes a macro that sees the variables of the function that runs now.
    func macro(_ definition: MacroDefinition) throws(SwiftletError) -> Macro {
        try charge(256)
        let macro = Macro(definition, activation)
        register(macro)
        return macro
    }

    func callBlock(_ definition: MacroDefinition, _ expression: Expression) throws(SwiftletError) {
        let caller = try macro(definition)
        guard case .call(let callee, let list) = expression.kind else { return }
        let function = try evaluate(callee)
        var arguments = try arguments(list)
        guard !arguments.keywords.contains(where: { $0.name == "caller" }) else {
            throw problem("found two values for the argument 'caller'")
        }
        arguments.keywords.append(("caller", .macro(caller)))
        line = expression.line
        try write(try written(try call(function, arguments)))
    }

    private func call(_ macro: Macro, _ arguments: Arguments) throws(SwiftletError) -> String {
        let definition = macro.definition
        let frame = program.frames[definition.frame]
        try charge(64 + 17 * program.slotCounts[frame.function])
        let own = Activation(count: program.slotCounts[frame.function], parent: macro.scope)
        let missing = try bind(arguments, to: macro, frame, own)
        let caller = activation
        activation = own
        defer { activation = caller }
        return try capture { () throws(SwiftletError) in
            enter(frame)
            for place in missing {
                let parameter = definition.parameters[place]
                let value: Value
                if let expression = definition.defaultValue(place) {
                    value = try evaluate(expression)
                } else {
                    value = .undefined(Undefined("the parameter '\(parameter.name)' was not given"))
                }
                store(value, to: parameter.reference)
            }
            _ = try execute(definition.body)
        }
    }

    /// Gives arguments to parameters and returns the places of those that got none.
    private func bind(
        _ arguments: Arguments, to macro: Macro, _ frame: FramePlan, _ own: Activation
    ) throws(SwiftletError) -> [Int] {
        let definition = macro.definition
        let title = "the macro '\(definition.name ?? "caller")'"
        var rest = arguments
        var missing: [Int] = []
        for (place, parameter) in definition.parameters.enumerated() {
            let slot = program.references[parameter.reference].slot
            if place < arguments.positional.count {
                own.slots[slot] = arguments.positional[place]
            } else if let value = rest.take(parameter.name) {
                own.slots[slot] = value
            } else {
                missing.append(place)
            }
        }
        if let slot = frame.caller {
            let given = rest.take("caller")
            own.slots[slot] =
                given.map { $0.isNone ? .undefined(Undefined("no caller is defined")) : $0 }
                ?? .undefined(Undefined("no caller is defined"))
        }
        if let slot = frame.keywords {
            var builder = Mapping.Builder()
            for (name, value) in rest.keywords { builder.set(name, value) }
            own.slots[slot] = try dictionary(builder)
        } else if let extra = rest.keywords.first {
            throw problem("\(title) takes no argument '\(extra.name)'")
        }
        let extras = Array(arguments.positional.dropFirst(definition.parameters.count))
        if let slot = frame.extras {
            own.slots[slot] = try tuple(extras)
        } else if !extras.isEmpty {
            throw problem("\(title) takes at most \(definition.parameters.count) arguments")
        }
        return missing
    }

    // MARK: Functions

    private func call(_ builtin: Builtin, _ arguments: Arguments) throws(SwiftletError) -> Value {
        switch builtin {
        case .range: return .range(try range(arguments))
        case .dict: return try dictionary(try members(arguments, for: "dict"))
        case .namespace: return try namespace(arguments)
        case .cycler:
            guard !arguments.positional.isEmpty, arguments.keywords.isEmpty else {
                throw problem("cycler needs at least one value")
            }
            return .cycler(Cycler(try items(arguments.positional)))
        case .joiner:
            let separator = try bind(arguments, ["sep"], for: "joiner")[0] ?? .string(", ")
            try checkDepth(separator.depth + 1)
            return .joiner(Joiner(separator))
        case .raiseException:
            let message = try bind(arguments, ["message"], required: 1, for: "raise_exception")[0]
            throw problem(try message.map(text) ?? "")
        case .strftimeNow:
            let format = try bind(arguments, ["format"], required: 1, for: "strftime_now")[0]
            return .string(now.formatted(try string(format, "the format of strftime_now") ?? ""))
        case .lipsum: throw problem("the function 'lipsum' is not supported in chat templates")
        }
    }

    private func range(_ arguments: Arguments) throws(SwiftletError) -> NumberRange {
        guard arguments.keywords.isEmpty, 1...3 ~= arguments.positional.count else {
            throw problem("range needs one to three numbers")
        }
        var numbers: [Int] = []
        for value in arguments.positional {
            numbers.append(try integer(value, "an argument of range") ?? 0)
        }
        let start = numbers.count == 1 ? 0 : numbers[0]
        let stop = numbers.count == 1 ? numbers[0] : numbers[1]
        let step = numbers.count == 3 ? numbers[2] : 1
        guard step != 0 else { throw problem("range needs a step that is not 0") }
        let (distance, overflow) =
            step > 0
            ? stop.subtractingReportingOverflow(start) : start.subtractingReportingOverflow(stop)
        guard start == stop || (step > 0) == (start < stop) else {
            return NumberRange(start: start, stop: stop, step: step, count: 0)
        }
        let count = overflow ? UInt.max : (UInt(distance) &+ step.magnitude &- 1) / step.magnitude
        guard count <= TemplateLimits.rangeCount else {
            throw problem("found a range of more than \(TemplateLimits.rangeCount) numbers, the limit")
        }
        return NumberRange(start: start, stop: stop, step: step, count: Int(count))
    }

    /// The members that `dict` and `namespace` are made of.
    private func members(_ arguments: Arguments, for callee: String) throws(SwiftletError) -> Mapping.Builder
    {
        guard arguments.positional.count <= 1 else { throw problem("\(callee) takes at most one value") }
        var builder = Mapping.Builder()
        switch arguments.positional.first {
        case .dict(let mapping): builder.add(mapping)
        case let pairs?:
            for pair in try elements(of: pairs) {
                let parts = try elements(of: pair)
                guard parts.count == 2 else { throw problem("\(callee) needs pairs of keys and values") }
                builder.set(try key(of: parts[0]), parts[0], parts[1])
            }
        case nil: break
        }
        for (name, value) in arguments.keywords { builder.set(name, value) }
        return builder
    }

    private func namespace(_ arguments: Arguments) throws(SwiftletError) -> Value {
        let builder = try members(arguments, for: "namespace")
        for name in builder.keys where name.string?.utf8.first == UInt8(ascii: "_") {
            throw problem("found an attribute of a namespace that begins with '_'")
        }
        try charge(160, times: 1 + builder.keys.count)
        let namespace = Namespace(builder)
        register(namespace)
        return .namespace(namespace)
    }
}
