import SwiftletTensor

extension Interpreter {
    /// The value of an expression.
    func evaluate(_ expression: Expression) throws(SwiftletError) -> Value {
        try step()
        line = expression.line
        switch expression.kind {
        case .literal(let literal): return value(of: literal)
        case .name(let index): return read(index)
        default: break
        }
        try descend()
        defer { ascend() }
        let value = try compound(expression)
        line = expression.line
        return value
    }

    private func value(of literal: Literal) -> Value {
        switch literal {
        case .none: .none
        case .bool(let value): .bool(value)
        case .int(let value): .int(value)
        case .float(let value): .float(value)
        case .string(let text): .string(text)
        }
    }

    private func compound(_ expression: Expression) throws(SwiftletError) -> Value {
        switch expression.kind {
        case .literal, .name: return .none
        case .list(let items): return try list(try evaluate(items))
        case .tuple(let items): return try tuple(try evaluate(items))
        case .dict(let items): return try dictionary(items)
        case .unary(let operation, let operand): return try apply(operation, try evaluate(operand))
        case .binary(let operation, let left, let right): return try binary(operation, left, right)
        case .and(let left, let right):
            let value = try evaluate(left)
            return value.isTrue ? try evaluate(right) : value
        case .or(let left, let right):
            let value = try evaluate(left)
            return value.isTrue ? value : try evaluate(right)
        case .concat(let parts): return try concatenation(parts)
        case .compare(let first, let rest): return try comparison(first, rest)
        case .conditional(let test, let then, let otherwise):
            return try conditional(test, then, otherwise)
        case .attribute(let operand, let name):
            let value = try evaluate(operand)
            return try attribute(name, of: value)
        case .item(let operand, let index): return try item(operand, index)
        case .slice(let operand, let start, let stop, let step):
            return try slice(operand, start, stop, step)
        case .call(let callee, let arguments): return try invoke(callee, arguments)
        case .filter(let operand, let name, let arguments): return try filter(operand, name, arguments)
        case .test(let operand, let name, let arguments): return try test(operand, name, arguments)
        }
    }

    func evaluate(_ expressions: [Expression]) throws(SwiftletError) -> [Value] {
        var values: [Value] = []
        values.reserveCapacity(expressions.count)
        for expression in expressions { values.append(try evaluate(expression)) }
        return values
    }

    // MARK: Containers

    /// A list; its elements are counted.
    func list(_ values: [Value]) throws(SwiftletError) -> Value { .list(try items(values)) }

    /// A tuple; its elements are counted.
    func tuple(_ values: [Value]) throws(SwiftletError) -> Value { .tuple(try items(values)) }

    func items(_ values: [Value], isGroup: Bool = false) throws(SwiftletError) -> Items {
        try charge(64, times: 1 + values.count / 3)
        let items = Items(values, isGroup: isGroup)
        try checkDepth(items.depth)
        return items
    }

    func dictionary(_ builder: Mapping.Builder) throws(SwiftletError) -> Value {
        try charge(160, times: 1 + builder.keys.count)
        let mapping = builder.mapping
        try checkDepth(mapping.depth)
        return .dict(mapping)
    }

    func checkDepth(_ depth: Int) throws(SwiftletError) {
        if depth > TemplateLimits.valueDepth {
            throw SwiftletError(
                .limit,
                "\(name): line \(line): found values nested deeper than \(TemplateLimits.valueDepth), the limit"
            )
        }
    }

    private func dictionary(_ items: [(key: Expression, value: Expression)]) throws(SwiftletError) -> Value {
        var builder = Mapping.Builder()
        for item in items {
            let name = try evaluate(item.key)
            let value = try evaluate(item.value)
            builder.set(try key(of: name), name, value)
        }
        return try dictionary(builder)
    }

    // MARK: Operators

    private func binary(
        _ operation: BinaryOperator, _ left: Expression, _ right: Expression
    ) throws(SwiftletError) -> Value {
        let a = try evaluate(left)
        let b = try evaluate(right)
        return try apply(operation, a, b)
    }

    private func concatenation(_ parts: [Expression]) throws(SwiftletError) -> Value {
        var result = ""
        for part in parts {
            let value = try evaluate(part)
            try append(value, to: &result)
        }
        return .string(result)
    }

    private func comparison(
        _ first: Expression, _ rest: [(Comparison, Expression)]
    ) throws(SwiftletError) -> Value {
        var left = try evaluate(first)
        for (comparison, expression) in rest {
            let right = try evaluate(expression)
            guard try compare(left, comparison, right) else { return .bool(false) }
            left = right
        }
        return .bool(true)
    }

    private func conditional(
        _ test: Expression, _ then: Expression, _ otherwise: Expression?
    ) throws(SwiftletError) -> Value {
        if try evaluate(test).isTrue { return try evaluate(then) }
        if let otherwise { return try evaluate(otherwise) }
        return .undefined(
            Undefined("the 'if' without 'else' of line \(test.line) was false, so it has no value"))
    }

    // MARK: Parts of values

    private func item(_ operand: Expression, _ index: Expression) throws(SwiftletError) -> Value {
        let value = try evaluate(operand)
        let place = try evaluate(index)
        return try item(place, of: value)
    }

    private func slice(
        _ operand: Expression, _ start: Expression?, _ stop: Expression?, _ step: Expression?
    ) throws(SwiftletError) -> Value {
        let value = try evaluate(operand)
        var bounds: [Value?] = []
        for bound in [start, stop, step] { bounds.append(try bound.map(evaluate)) }
        return try slice(value, bounds[0], bounds[1], bounds[2])
    }

    // MARK: Calls

    /// The arguments of a call.
    func arguments(_ arguments: CallArguments) throws(SwiftletError) -> Arguments {
        var result = Arguments(positional: try evaluate(arguments.positional))
        for (name, value) in arguments.keywords { result.keywords.append((name, try evaluate(value))) }
        if let star = arguments.star {
            let value = try evaluate(star)
            result.positional += try elements(of: value)
            try charge(16, times: result.positional.count)
        }
        if let doubleStar = arguments.doubleStar {
            let value = try evaluate(doubleStar)
            guard case .dict(let mapping) = value else {
                throw mismatch(value, "the value behind '**'", "a dict")
            }
            for (name, value) in zip(mapping.keys, mapping.values) {
                guard let name = name.string else { throw mismatch(name, "a key behind '**'", "a string") }
                guard !result.keywords.contains(where: { $0.name.hasSameBytes(as: name) }) else {
                    throw problem("found two values for the argument '\(name)'")
                }
                try step(result.keywords.count)
                result.keywords.append((name, value))
            }
        }
        return result
    }

    private func invoke(_ callee: Expression, _ arguments: CallArguments) throws(SwiftletError) -> Value {
        let function = try evaluate(callee)
        let values = try self.arguments(arguments)
        line = callee.line
        return try call(function, values)
    }

    private func filter(
        _ operand: Expression?, _ name: String, _ arguments: CallArguments
    ) throws(SwiftletError) -> Value {
        guard let operand else { throw problem("the filter '\(name)' has nothing to filter") }
        let value = try evaluate(operand)
        return try apply(filter: name, to: value, try self.arguments(arguments))
    }

    private func test(
        _ operand: Expression, _ name: String, _ arguments: CallArguments
    ) throws(SwiftletError) -> Value {
        let value = try evaluate(operand)
        return .bool(try passes(value, test: name, try self.arguments(arguments)))
    }

    /// A captured text after the filters of its block.
    func filtered(_ text: Value, _ filter: Expression?) throws(SwiftletError) -> Value {
        guard let filter, case .filter(let inner, let name, let arguments) = filter.kind else { return text }
        let value = try filtered(text, inner)
        line = filter.line
        return try apply(filter: name, to: value, try self.arguments(arguments))
    }
}
