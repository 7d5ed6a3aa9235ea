/// Finds the names that a frame loads and stores, in Jinja2's order.
///
/// Frames inside the frame are left out: of a loop only its iterable counts, of a macro only its name.
struct SymbolVisitor {
    let names: [NameUse]
    var symbols: Symbols
    var functions: FunctionTable

    mutating func visit(_ statements: [Statement]) {
        for statement in statements { visit(statement) }
    }

    mutating func visit(_ statement: Statement) {
        switch statement.kind {
        case .data, .leave, .next, .generation: break
        case .output(let expressions): visit(expressions)
        case .conditional(let branches, let otherwise): visitConditional(branches, otherwise)
        case .loop(let loop): visit(loop.iterable)
        case .assign(let target, let value):
            visit(value)
            visit(target)
        case .assignBlock(let target, _, _, _): visit(target)
        case .macro(let name, _): use(name)
        case .callBlock(_, let call): visit(call)
        case .filterBlock(let filter, _, _): visit(filter)
        case .with(let bindings, _, _): visit(bindings.map(\.value))
        }
    }

    mutating func visit(_ expressions: [Expression]) {
        for expression in expressions { visit(expression) }
    }

    mutating func visit(_ expression: Expression) {
        if case .name(let index) = expression.kind {
            use(index)
        } else {
            visit(expression.children)
        }
    }

    mutating func visit(_ target: Target, asParameter: Bool = false) {
        switch target {
        case .name(let index): use(index, asParameter: asParameter)
        case .tuple(let targets):
            for target in targets { visit(target, asParameter: asParameter) }
        case .attribute(let index, _): use(index)
        }
    }

    mutating func use(_ index: Int, asParameter: Bool = false) {
        let use = names[index]
        if asParameter || use.context == .parameter {
            _ = symbols.declareParameter(use.name, &functions)
        } else if use.context != .load {
            symbols.store(use.name, &functions)
        } else {
            symbols.load(use.name, &functions)
        }
    }

    /// The three branches are the first body, all that follows with `elif`, and the last body.
    private mutating func visitConditional(
        _ branches: [(test: Expression, body: [Statement])], _ otherwise: [Statement]
    ) {
        guard let first = branches.first else { return }
        visit(first.test)
        let mark = symbols.mark
        visit(first.body)
        var results = [symbols.takeBranch(since: mark)]
        for branch in branches.dropFirst() { visitConditional([branch], []) }
        results.append(symbols.takeBranch(since: mark))
        visit(otherwise)
        results.append(symbols.takeBranch(since: mark))
        symbols.join(results)
    }
}

extension Expression {
    /// The expressions directly inside, in the order in which Jinja2 visits them.
    var children: [Expression] {
        switch kind {
        case .literal, .name: []
        case .list(let items), .tuple(let items), .concat(let items): items
        case .dict(let items): items.flatMap { [$0.key, $0.value] }
        case .unary(_, let operand), .attribute(let operand, _): [operand]
        case .binary(_, let left, let right), .and(let left, let right), .or(let left, let right),
            .item(let left, let right):
            [left, right]
        case .compare(let first, let rest): [first] + rest.map(\.1)
        case .conditional(let test, let then, let otherwise): [test, then] + [otherwise].compactMap { $0 }
        case .slice(let operand, let start, let stop, let step):
            [operand] + [start, stop, step].compactMap { $0 }
        case .call(let callee, let arguments): [callee] + arguments.all
        case .filter(let operand, _, let arguments): [operand].compactMap { $0 } + arguments.all
        case .test(let operand, _, let arguments): [operand] + arguments.all
        }
    }
}

/// Finds which of some names a piece of a template uses before it assigns them itself, frames inside included.
struct UndeclaredNames {
    private let uses: [NameUse]
    private var wanted: Set<String>
    private(set) var found: Set<String> = []

    init(_ wanted: Set<String>, in statements: [Statement], _ uses: [NameUse]) {
        self.wanted = wanted
        self.uses = uses
        visit(statements)
    }

    private mutating func visit(_ statements: [Statement]) {
        for statement in statements { visit(statement) }
    }

    private mutating func visit(_ statement: Statement) {
        switch statement.kind {
        case .data, .leave, .next: break
        case .output(let expressions): visit(expressions)
        case .conditional(let branches, let otherwise):
            for branch in branches {
                visit([branch.test])
                visit(branch.body)
            }
            visit(otherwise)
        case .loop(let loop):
            visit(loop.target)
            visit([loop.iterable])
            visit(loop.body)
            visit(loop.otherwise)
            visit([loop.test].compactMap { $0 })
        case .assign(let target, let value):
            visit(target)
            visit([value])
        case .assignBlock(let target, let filter, let body, _):
            visit(target)
            visit([filter].compactMap { $0 })
            visit(body)
        case .macro(_, let macro), .generation(let macro): visit(macro)
        case .callBlock(let macro, let call):
            visit([call])
            visit(macro)
        case .filterBlock(let filter, let body, _):
            visit(body)
            visit([filter])
        case .with(let bindings, let body, _):
            for binding in bindings { visit(binding.target) }
            visit(bindings.map(\.value))
            visit(body)
        }
    }

    private mutating func visit(_ macro: MacroDefinition) {
        for parameter in macro.parameters { use(parameter.reference) }
        visit(macro.defaults)
        visit(macro.body)
    }

    private mutating func visit(_ expressions: [Expression]) {
        for expression in expressions {
            if case .name(let index) = expression.kind {
                use(index)
            } else {
                visit(expression.children)
            }
        }
    }

    private mutating func visit(_ target: Target) {
        switch target {
        case .name(let index): use(index)
        case .tuple(let targets):
            for target in targets { visit(target) }
        case .attribute: break
        }
    }

    private mutating func use(_ index: Int) {
        let use = uses[index]
        if use.context == .load, wanted.contains(use.name) {
            found.insert(use.name)
        } else {
            wanted.remove(use.name)
        }
    }
}
