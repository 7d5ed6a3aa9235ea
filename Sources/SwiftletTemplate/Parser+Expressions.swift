import SwiftletTensor

extension Parser {
    /// Reads one expression, or several with commas, which make a tuple.
    mutating func tupleOrExpression(
        withConditional: Bool = true, inParentheses: Bool = false
    ) throws(SwiftletError) -> Expression {
        let line = current.line
        var items: [Expression] = []
        var isTuple = false
        while true {
            if !items.isEmpty { try expect(symbol: ",") }
            if isTupleEnd { break }
            items.append(withConditional ? try expression() : try disjunction())
            guard current.is(symbol: ",") else { break }
            isTuple = true
        }
        if !isTuple {
            if let only = items.first { return only }
            guard inParentheses else { throw expected("an expression") }
        }
        return try node(.tuple(items), items, line)
    }

    /// Reads one expression.
    mutating func expression() throws(SwiftletError) -> Expression {
        try enter()
        defer { leave() }
        var line = current.line
        var result = try disjunction()
        while take(name: "if") {
            let test = try disjunction()
            let otherwise = take(name: "else") ? try expression() : nil
            result = try node(
                .conditional(test: test, then: result, otherwise: otherwise),
                [test, result] + [otherwise].compactMap { $0 }, line)
            line = current.line
        }
        return result
    }

    /// Reads an expression that is not a conditional one.
    mutating func disjunction() throws(SwiftletError) -> Expression {
        let line = current.line
        var left = try conjunction()
        while take(name: "or") {
            let right = try conjunction()
            left = try node(.or(left, right), [left, right], line)
        }
        return left
    }

    private mutating func conjunction() throws(SwiftletError) -> Expression {
        let line = current.line
        var left = try negation()
        while take(name: "and") {
            let right = try negation()
            left = try node(.and(left, right), [left, right], line)
        }
        return left
    }

    private mutating func negation() throws(SwiftletError) -> Expression {
        let line = current.line
        guard take(name: "not") else { return try comparison() }
        try enter()
        defer { leave() }
        let operand = try negation()
        return try node(.unary(.not, operand), [operand], line)
    }

    private mutating func comparison() throws(SwiftletError) -> Expression {
        let line = current.line
        let first = try sum()
        var rest: [(Comparison, Expression)] = []
        while let comparison = takeComparison() { rest.append((comparison, try sum())) }
        return rest.isEmpty ? first : try node(.compare(first, rest), [first] + rest.map(\.1), line)
    }

    private mutating func takeComparison() -> Comparison? {
        switch current.kind {
        case .symbol(let symbol):
            guard let comparison = Comparison(rawValue: symbol) else { return nil }
            advance()
            return comparison
        case .name("in"):
            advance()
            return .in
        case .name("not") where following.is(name: "in"):
            position += 2
            return .notIn
        default: return nil
        }
    }

    private mutating func sum() throws(SwiftletError) -> Expression {
        let line = current.line
        var left = try concatenation()
        while let operation = takeOperator([.add, .subtract]) {
            let right = try concatenation()
            left = try node(.binary(operation, left, right), [left, right], line)
        }
        return left
    }

    private mutating func concatenation() throws(SwiftletError) -> Expression {
        let line = current.line
        var parts = [try product()]
        while take(symbol: "~") { parts.append(try product()) }
        return parts.count == 1 ? parts[0] : try node(.concat(parts), parts, line)
    }

    private mutating func product() throws(SwiftletError) -> Expression {
        let line = current.line
        var left = try power()
        while let operation = takeOperator([.multiply, .divide, .floorDivide, .modulo]) {
            let right = try power()
            left = try node(.binary(operation, left, right), [left, right], line)
        }
        return left
    }

    private mutating func power() throws(SwiftletError) -> Expression {
        let line = current.line
        var left = try unary()
        while let operation = takeOperator([.power]) {
            let right = try unary()
            left = try node(.binary(operation, left, right), [left, right], line)
        }
        return left
    }

    private mutating func takeOperator(_ operators: [BinaryOperator]) -> BinaryOperator? {
        guard case .symbol(let symbol) = current.kind, let found = BinaryOperator(rawValue: symbol),
            operators.contains(found)
        else { return nil }
        advance()
        return found
    }

    private mutating func unary(withFilters: Bool = true) throws(SwiftletError) -> Expression {
        try enter()
        defer { leave() }
        let line = current.line
        var result: Expression
        if take(symbol: "-") {
            let operand = try unary(withFilters: false)
            result = try node(.unary(.negative, operand), [operand], line)
        } else if take(symbol: "+") {
            let operand = try unary(withFilters: false)
            result = try node(.unary(.positive, operand), [operand], line)
        } else {
            result = try primary()
        }
        result = try postfix(result)
        return withFilters ? try filtersAndTests(on: result) : result
    }

    // MARK: Values

    private mutating func primary() throws(SwiftletError) -> Expression {
        let token = current
        switch token.kind {
        case .name(let name):
            advance()
            return try nameOrConstant(name, token.line)
        case .string(var text):
            advance()
            while case .string(let more) = current.kind {
                text += more
                advance()
            }
            return try node(.literal(.string(text)), [], token.line)
        case .int(let value):
            advance()
            return try node(.literal(.int(value)), [], token.line)
        case .float(let value):
            advance()
            return try node(.literal(.float(value)), [], token.line)
        case .symbol("("):
            advance()
            let result = try tupleOrExpression(inParentheses: true)
            try expect(symbol: ")")
            return result
        case .symbol("["): return try list()
        case .symbol("{"): return try dictionary()
        default: throw expected("an expression")
        }
    }

    private mutating func nameOrConstant(_ name: String, _ line: Int) throws(SwiftletError) -> Expression {
        switch name {
        case "true", "True": return try node(.literal(.bool(true)), [], line)
        case "false", "False": return try node(.literal(.bool(false)), [], line)
        case "none", "None": return try node(.literal(.none), [], line)
        default: return try node(.name(use(name, .load, line: line)), [], line)
        }
    }

    private mutating func list() throws(SwiftletError) -> Expression {
        let line = current.line
        advance()
        var items: [Expression] = []
        while !current.is(symbol: "]") {
            if !items.isEmpty { try expect(symbol: ",") }
            if current.is(symbol: "]") { break }
            items.append(try expression())
        }
        advance()
        return try node(.list(items), items, line)
    }

    private mutating func dictionary() throws(SwiftletError) -> Expression {
        let line = current.line
        advance()
        var items: [(key: Expression, value: Expression)] = []
        while !current.is(symbol: "}") {
            if !items.isEmpty { try expect(symbol: ",") }
            if current.is(symbol: "}") { break }
            let key = try expression()
            try expect(symbol: ":")
            items.append((key, try expression()))
        }
        advance()
        return try node(.dict(items), items.flatMap { [$0.key, $0.value] }, line)
    }

    // MARK: What follows a value

    func node(_ kind: Expression.Kind, _ parts: [Expression], _ line: Int) throws(SwiftletError) -> Expression
    {
        let depth = parts.reduce(0) { max($0, $1.depth) } + 1
        if depth > TemplateLimits.syntaxDepth { throw tooDeep() }
        return Expression(kind, line: line, depth: depth)
    }

    private mutating func postfix(_ operand: Expression) throws(SwiftletError) -> Expression {
        var result = operand
        while case .symbol(let symbol) = current.kind {
            switch symbol {
            case ".": result = try attribute(of: result)
            case "[": result = try item(of: result)
            case "(": result = try call(result)
            default: return result
            }
        }
        return result
    }

    private mutating func filtersAndTests(on operand: Expression) throws(SwiftletError) -> Expression {
        var result = operand
        while true {
            if current.is(symbol: "|") {
                result = try filters(on: result)
            } else if current.is(name: "is") {
                result = try test(of: result)
            } else if current.is(symbol: "(") {
                result = try call(result)
            } else {
                return result
            }
        }
    }

    private mutating func attribute(of operand: Expression) throws(SwiftletError) -> Expression {
        let line = current.line
        advance()
        let token = current
        advance()
        switch token.kind {
        case .name(let name): return try node(.attribute(operand, name), [operand], line)
        case .int(let index):
            let index = try node(.literal(.int(index)), [], token.line)
            return try node(.item(operand, index), [operand], line)
        default: throw problem("found \(token.description), expected a name or number behind '.'", line: line)
        }
    }

    private mutating func item(of operand: Expression) throws(SwiftletError) -> Expression {
        let line = current.line
        advance()
        var items: [Expression] = []
        while !current.is(symbol: "]") {
            if !items.isEmpty { try expect(symbol: ",") }
            let first = current.is(symbol: ":") ? nil : try expression()
            if current.is(symbol: ":") {
                let slice = try slice(of: operand, from: first, line)
                guard items.isEmpty, take(symbol: "]") else { throw problem("found a slice inside a tuple") }
                return slice
            }
            if let first { items.append(first) }
        }
        advance()
        let index = items.count == 1 ? items[0] : try node(.tuple(items), items, line)
        return try node(.item(operand, index), [operand, index], line)
    }

    /// Reads `:stop:step` of a slice.
    private mutating func slice(
        of operand: Expression, from start: Expression?, _ line: Int
    ) throws(SwiftletError) -> Expression {
        var parts = [start]
        while parts.count < 3, take(symbol: ":") {
            let isEmpty = current.is(symbol: ":") || current.is(symbol: "]") || current.is(symbol: ",")
            parts.append(isEmpty ? nil : try expression())
        }
        if parts.count < 3 { parts.append(nil) }
        return try node(
            .slice(operand, start: parts[0], stop: parts[1], step: parts[2]),
            [operand] + parts.compactMap { $0 }, line)
    }

    private mutating func call(_ callee: Expression) throws(SwiftletError) -> Expression {
        let line = current.line
        let arguments = try callArguments()
        return try node(.call(callee, arguments), [callee] + arguments.all, line)
    }

    /// Reads filters, each with its `|`; the first goes without if it starts a filter block.
    mutating func filters(on operand: Expression?, startsInline: Bool = false) throws(SwiftletError)
        -> Expression
    {
        var result = operand
        var needsBar = !startsInline
        while true {
            if needsBar, !take(symbol: "|") { break }
            needsBar = true
            let line = current.line
            let name = try dottedName()
            let arguments = current.is(symbol: "(") ? try callArguments() : CallArguments()
            result = try node(
                .filter(result, name, arguments), [result].compactMap { $0 } + arguments.all, line)
        }
        guard let result else { throw expected("a filter") }
        return result
    }

    private mutating func test(of operand: Expression) throws(SwiftletError) -> Expression {
        let line = current.line
        advance()
        let isNegated = take(name: "not")
        let name = try dottedName()
        var arguments = CallArguments()
        if current.is(symbol: "(") {
            arguments = try callArguments()
        } else if startsTestArgument {
            if current.is(name: "is") { throw problem("found two tests in a row; join them with 'and'") }
            arguments.positional = [try postfix(try primary())]
        }
        let result = try node(.test(operand, name, arguments), [operand] + arguments.all, line)
        return isNegated ? try node(.unary(.not, result), [result], line) : result
    }

    private var startsTestArgument: Bool {
        switch current.kind {
        case .name(let name): !["else", "or", "and"].contains(name)
        case .string, .int, .float, .symbol("["), .symbol("{"): true
        default: false
        }
    }

    private mutating func dottedName() throws(SwiftletError) -> String {
        var name = try expectName()
        while take(symbol: ".") { name += "." + (try expectName()) }
        return name
    }

    private mutating func callArguments() throws(SwiftletError) -> CallArguments {
        let line = current.line
        try expect(symbol: "(")
        var arguments = CallArguments()
        var needsComma = false
        while !current.is(symbol: ")") {
            if needsComma {
                try expect(symbol: ",")
                if current.is(symbol: ")") { break }
            }
            needsComma = true
            guard try readArgument(into: &arguments) else {
                throw problem("found arguments of a call in an order that is not allowed", line: line)
            }
        }
        advance()
        return arguments
    }

    private mutating func readArgument(into arguments: inout CallArguments) throws(SwiftletError) -> Bool {
        if take(symbol: "*") {
            guard arguments.star == nil, arguments.doubleStar == nil else { return false }
            arguments.star = try expression()
        } else if take(symbol: "**") {
            guard arguments.doubleStar == nil else { return false }
            arguments.doubleStar = try expression()
        } else if case .name(let name) = current.kind, following.is(symbol: "=") {
            guard arguments.doubleStar == nil, !arguments.keywords.contains(where: { $0.name == name }) else {
                return false
            }
            position += 2
            arguments.keywords.append((name, try expression()))
        } else {
            guard arguments.star == nil, arguments.doubleStar == nil, arguments.keywords.isEmpty else {
                return false
            }
            arguments.positional.append(try expression())
        }
        return true
    }
}
