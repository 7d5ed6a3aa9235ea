import SwiftletTensor

extension Parser {
    /// Reads one statement, from the name of its tag to the end of its last tag.
    mutating func statement() throws(SwiftletError) -> Statement {
        let line = current.line
        guard case .name(let tag) = current.kind else { throw expected("the name of a tag") }
        advance()
        blocks.append((tag, line))
        defer { blocks.removeLast() }
        switch tag {
        case "if": return Statement(try conditional(), line: line)
        case "for": return Statement(try loop(), line: line)
        case "set": return Statement(try assignment(), line: line)
        case "macro": return Statement(try macro(), line: line)
        case "call": return Statement(try callBlock(line), line: line)
        case "filter": return Statement(try filterBlock(), line: line)
        case "with": return Statement(try with(), line: line)
        case "print": return Statement(try printing(), line: line)
        case "generation":
            let body = try functionBody(until: "endgeneration")
            let definition = MacroDefinition(
                name: nil, parameters: [], defaults: [], body: body, frame: newFrames())
            return Statement(.generation(definition), line: line)
        case "break", "continue":
            guard loops > 0 else { throw problem("found '\(tag)' outside of a loop", line: line) }
            return Statement(tag == "break" ? .leave : .next, line: line)
        case "include", "import", "from", "extends", "block", "autoescape", "do", "trans", "debug":
            throw unsupported("the tag '\(tag)' is not supported in chat templates", line: line)
        default: throw problem("found the unknown tag '\(tag)'", line: line)
        }
    }

    private mutating func conditional() throws(SwiftletError) -> Statement.Kind {
        var branches: [(test: Expression, body: [Statement])] = []
        while true {
            let test = try tupleOrExpression(withConditional: false)
            branches.append((test, try block(until: ["elif", "else", "endif"])))
            if take(name: "elif") { continue }
            let hasElse = current.is(name: "else")
            advance()
            return .conditional(branches, otherwise: hasElse ? try body(until: "endif") : [])
        }
    }

    private mutating func loop() throws(SwiftletError) -> Statement.Kind {
        let firstName = names.count
        let target = try assignable()
        guard take(name: "in") else { throw expected("'in'") }
        let iterable = try tupleOrExpression(withConditional: false)
        let test = take(name: "if") ? try expression() : nil
        let isRecursive = take(name: "recursive")
        let enclosing = loops
        loops = isRecursive ? 1 : loops + 1
        let body = try block(until: ["endfor", "else"])
        loops = isRecursive ? 0 : enclosing
        let hasElse = current.is(name: "else")
        advance()
        let otherwise = hasElse ? try self.body(until: "endfor") : []
        loops = enclosing
        if let use = names[firstName...].first(where: { $0.context == .store && $0.name == "loop" }) {
            throw problem("found an assignment to 'loop', which belongs to the loop", line: use.line)
        }
        let loop = ForLoop(
            target: target, testTarget: copy(target), iterable: iterable, test: test,
            isRecursive: isRecursive, body: body,
            otherwise: otherwise, frame: newFrames(3))
        return .loop(loop)
    }

    private mutating func assignment() throws(SwiftletError) -> Statement.Kind {
        let target = try assignable(withNamespace: true)
        if take(symbol: "=") { return .assign(target, try tupleOrExpression()) }
        let filter = current.is(symbol: "|") ? try filters(on: nil) : nil
        let body = try body(until: "endset")
        return .assignBlock(target, filter: filter, body: body, frame: newFrames())
    }

    private mutating func macro() throws(SwiftletError) -> Statement.Kind {
        let line = current.line
        let macroName = try parameterName()
        let reference = use(macroName, .definition, line: line)
        let signature = try self.signature()
        let body = try functionBody(until: "endmacro")
        let definition = MacroDefinition(
            name: macroName, parameters: signature.parameters, defaults: signature.defaults, body: body,
            frame: newFrames())
        return .macro(name: reference, definition)
    }

    private mutating func callBlock(_ line: Int) throws(SwiftletError) -> Statement.Kind {
        let signature = current.is(symbol: "(") ? try self.signature() : (parameters: [], defaults: [])
        let call = try expression()
        guard case .call = call.kind else { throw problem("found no call behind 'call'", line: line) }
        let body = try functionBody(until: "endcall")
        let definition = MacroDefinition(
            name: nil, parameters: signature.parameters, defaults: signature.defaults, body: body,
            frame: newFrames())
        return .callBlock(definition, call: call)
    }

    private mutating func filterBlock() throws(SwiftletError) -> Statement.Kind {
        let filter = try filters(on: nil, startsInline: true)
        let body = try body(until: "endfilter")
        return .filterBlock(filter, body: body, frame: newFrames())
    }

    private mutating func with() throws(SwiftletError) -> Statement.Kind {
        var bindings: [(target: Target, value: Expression)] = []
        while current.kind != .blockEnd {
            if !bindings.isEmpty { try expect(symbol: ",") }
            let target = try assignable(context: .parameter)
            try expect(symbol: "=")
            bindings.append((target, try expression()))
        }
        let body = try body(until: "endwith")
        return .with(bindings, body: body, frame: newFrames())
    }

    private mutating func printing() throws(SwiftletError) -> Statement.Kind {
        var expressions: [Expression] = []
        while current.kind != .blockEnd {
            if !expressions.isEmpty { try expect(symbol: ",") }
            expressions.append(try expression())
        }
        return .output(expressions)
    }

    /// Reads the body of a function, out of which no loop can be left.
    private mutating func functionBody(until end: String) throws(SwiftletError) -> [Statement] {
        let enclosing = loops
        loops = 0
        defer { loops = enclosing }
        return try body(until: end)
    }

    private mutating func signature() throws(SwiftletError)
        -> (parameters: [(name: String, reference: Int)], defaults: [Expression])
    {
        var parameters: [(name: String, reference: Int)] = []
        var defaults: [Expression] = []
        try expect(symbol: "(")
        while !current.is(symbol: ")") {
            if !parameters.isEmpty { try expect(symbol: ",") }
            let line = current.line
            let name = try parameterName()
            guard !parameters.contains(where: { $0.name == name }) else {
                throw problem("found the parameter '\(name)' twice", line: line)
            }
            parameters.append((name, use(name, .parameter, line: line)))
            if take(symbol: "=") {
                defaults.append(try expression())
            } else if !defaults.isEmpty {
                throw problem("found a parameter without a default value after one that has it")
            }
        }
        advance()
        return (parameters, defaults)
    }

    private mutating func parameterName() throws(SwiftletError) -> String {
        let line = current.line
        let name = try expectName()
        guard !Self.constants.contains(name) else {
            throw problem("found '\(name)', which cannot be assigned to", line: line)
        }
        return name
    }

    /// Names that are values.
    static let constants: Set<String> = ["true", "false", "none", "True", "False", "None"]

    // MARK: Targets

    /// The same target with uses of names of its own.
    private mutating func copy(_ target: Target) -> Target {
        switch target {
        case .name(let index):
            return .name(use(names[index].name, names[index].context, line: names[index].line))
        case .attribute(let index, let attribute):
            return .attribute(use(names[index].name, .load, line: names[index].line), attribute)
        case .tuple(let targets):
            var copies: [Target] = []
            for target in targets { copies.append(copy(target)) }
            return .tuple(copies)
        }
    }

    /// Reads what is assigned to: a name, names with commas, or attributes of namespaces.
    mutating func assignable(
        withNamespace: Bool = false, context: NameUse.Context = .store
    ) throws(SwiftletError) -> Target {
        var targets: [Target] = []
        var isTuple = false
        while true {
            if !targets.isEmpty { try expect(symbol: ",") }
            if isTupleEnd { break }
            targets.append(try singleTarget(withNamespace, context))
            guard current.is(symbol: ",") else { break }
            isTuple = true
        }
        if isTuple { return .tuple(targets) }
        guard let target = targets.first else { throw expected("a name to assign to") }
        return target
    }

    private mutating func singleTarget(
        _ withNamespace: Bool, _ context: NameUse.Context
    ) throws(SwiftletError) -> Target {
        try enter()
        defer { leave() }
        let line = current.line
        if take(symbol: "(") {
            if take(symbol: ")") { return .tuple([]) }
            let target = try assignable(context: context)
            try expect(symbol: ")")
            return target
        }
        guard case .name(let name) = current.kind else { throw expected("a name to assign to") }
        guard !Self.constants.contains(name) else {
            throw problem("found '\(name)', which cannot be assigned to", line: line)
        }
        advance()
        guard withNamespace, take(symbol: ".") else { return .name(use(name, context, line: line)) }
        let attribute = try expectName()
        return .attribute(use(name, .load, line: line), attribute)
    }

    var isTupleEnd: Bool {
        switch current.kind {
        case .variableEnd, .blockEnd, .symbol(")"): true
        default: false
        }
    }
}
