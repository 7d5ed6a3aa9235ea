import SwiftletTensor

/// Decides which variable every name of a template means.
struct Resolver {
    private let syntax: Syntax
    private let name: String
    private var functions = FunctionTable()
    private var references: [Reference]
    private var frames: [FramePlan]

    /// Where a statement or expression stands.
    private struct Scope {
        var symbols: Symbols
        /// Whether a missing filter is an error only when it is reached: inside `if`.
        var isSoft = false

        var function: Int { symbols.function }
    }

    init(_ syntax: Syntax, name: String) {
        self.syntax = syntax
        self.name = name
        references = Array(repeating: Reference(hops: 0, slot: 0), count: syntax.names.count)
        frames = Array(repeating: FramePlan(), count: syntax.frameCount)
    }

    /// Resolves the whole template.
    mutating func program() throws(SwiftletError) -> Program {
        var symbols = Symbols(function: functions.newFunction(inside: nil), inside: nil)
        let body = syntax.body
        analyze(&symbols) { $0.visit(body) }
        plan(0, symbols)
        try resolve(syntax.body, Scope(symbols: symbols))
        return Program(
            syntax: syntax, references: references, frames: frames, slotCounts: functions.slotCounts)
    }

    // MARK: Frames

    private mutating func analyze(_ symbols: inout Symbols, _ body: (inout SymbolVisitor) -> Void) {
        var visitor = SymbolVisitor(names: syntax.names, symbols: symbols, functions: functions)
        functions = FunctionTable()  // so that the visitor's is the only one and is not copied
        body(&visitor)
        symbols = visitor.symbols
        functions = visitor.functions
    }

    private mutating func plan(_ frame: Int, _ symbols: Symbols) {
        frames[frame].function = symbols.function
        for (variable, load) in symbols.loads.sorted(by: { $0.key.slot < $1.key.slot }) {
            frames[frame].slots.append(variable.slot)
            switch load {
            case .parameter: break
            case .resolve(let name): frames[frame].starts.append((variable.slot, .resolve(name)))
            case .undefined: frames[frame].starts.append((variable.slot, .undefined))
            case .alias(let outer):
                let outer = reference(outer, from: symbols.function)
                frames[frame].starts.append((variable.slot, .copy(outer)))
            }
        }
    }

    private func reference(_ variable: Variable, from function: Int) -> Reference {
        Reference(
            hops: functions.depths[function] - functions.depths[variable.function], slot: variable.slot)
    }

    // MARK: Statements

    private mutating func resolve(_ statements: [Statement], _ scope: Scope) throws(SwiftletError) {
        for statement in statements { try resolve(statement, scope) }
    }

    private mutating func resolve(_ statement: Statement, _ scope: Scope) throws(SwiftletError) {
        switch statement.kind {
        case .data, .leave, .next: break
        case .output(let expressions): try resolve(expressions, scope)
        case .conditional(let branches, let otherwise):
            var scope = scope
            scope.isSoft = true
            for branch in branches {
                try resolve([branch.test], scope)
                try resolve(branch.body, scope)
            }
            try resolve(otherwise, scope)
        case .loop(let loop): try resolve(loop, scope)
        case .assign(let target, let value):
            try resolve(target, scope)
            try resolve([value], scope)
        case .assignBlock(let target, let filter, let body, let frame):
            try resolve(target, scope)
            try resolveBlock(body, filter, frame, scope)
        case .macro(let index, let macro):
            try resolve(name: index, scope)
            try resolve(macro, line: statement.line, scope)
        case .callBlock(let macro, let call):
            try resolve(macro, line: statement.line, scope)
            try resolve([call], scope)
        case .filterBlock(let filter, let body, let frame): try resolveBlock(body, filter, frame, scope)
        case .with(let bindings, let body, let frame): try resolveWith(bindings, body, frame, scope)
        case .generation(let macro): try resolve(macro, line: statement.line, scope)
        }
    }

    /// A body that has variables of its own and is passed through a filter.
    private mutating func resolveBlock(
        _ body: [Statement], _ filter: Expression?, _ frame: Int, _ scope: Scope
    ) throws(SwiftletError) {
        var symbols = Symbols(function: scope.function, inside: scope.symbols)
        analyze(&symbols) {
            $0.visit(body)
            if let filter { $0.visit(filter) }
        }
        plan(frame, symbols)
        try resolve(body, Scope(symbols: symbols))
        if let filter { try resolve([filter], Scope(symbols: symbols)) }
    }

    private mutating func resolveWith(
        _ bindings: [(target: Target, value: Expression)], _ body: [Statement], _ frame: Int, _ scope: Scope
    ) throws(SwiftletError) {
        var symbols = Symbols(function: scope.function, inside: scope.symbols)
        analyze(&symbols) {
            for binding in bindings { $0.visit(binding.target) }
            $0.visit(body)
        }
        plan(frame, symbols)
        for binding in bindings {
            try resolve(binding.target, Scope(symbols: symbols))
            try resolve([binding.value], scope)
        }
        try resolve(body, Scope(symbols: symbols))
    }

    private mutating func resolve(_ loop: ForLoop, _ scope: Scope) throws(SwiftletError) {
        let function = loop.isRecursive ? functions.newFunction(inside: scope.function) : scope.function
        var body = Symbols(function: function, inside: scope.symbols)
        if loop.isRecursive || !UndeclaredNames(["loop"], in: loop.body, syntax.names).found.isEmpty {
            frames[loop.frame].loop = body.declareParameter("loop", &functions).slot
        }
        analyze(&body) {
            $0.visit(loop.target, asParameter: true)
            $0.visit(loop.body)
        }
        plan(loop.frame, body)
        if let test = loop.test {
            let function = functions.newFunction(inside: scope.function)
            var symbols = Symbols(function: function, inside: scope.symbols)
            analyze(&symbols) {
                $0.visit(loop.testTarget, asParameter: true)
                $0.visit(test)
            }
            plan(loop.testFrame, symbols)
            try resolve(loop.testTarget, Scope(symbols: symbols))
            try resolve([test], Scope(symbols: symbols))
        }
        try resolve([loop.iterable], scope)
        try resolve(loop.target, Scope(symbols: body))
        try resolve(loop.body, Scope(symbols: body))
        var otherwise = Symbols(function: function, inside: scope.symbols)
        analyze(&otherwise) { $0.visit(loop.otherwise) }
        plan(loop.otherwiseFrame, otherwise)
        try resolve(loop.otherwise, Scope(symbols: otherwise))
    }

    private mutating func resolve(
        _ macro: MacroDefinition, line: Int, _ scope: Scope
    ) throws(SwiftletError) {
        let function = functions.newFunction(inside: scope.function)
        var symbols = Symbols(function: function, inside: scope.symbols)
        visit(macro, &symbols)
        let special = UndeclaredNames(["caller", "kwargs", "varargs"], in: macro.body, syntax.names).found
        let names = macro.parameters.map(\.name)
        if special.contains("caller") {
            if let place = names.firstIndex(of: "caller") {
                guard macro.defaultValue(place) != nil else {
                    throw problem("found the parameter 'caller' without a default value", line)
                }
            } else {
                frames[macro.frame].caller = symbols.declareParameter("caller", &functions).slot
            }
        }
        if special.contains("kwargs"), !names.contains("kwargs") {
            frames[macro.frame].keywords = symbols.declareParameter("kwargs", &functions).slot
        }
        if special.contains("varargs"), !names.contains("varargs") {
            frames[macro.frame].extras = symbols.declareParameter("varargs", &functions).slot
        }
        visit(macro, &symbols)
        plan(macro.frame, symbols)
        let scope = Scope(symbols: symbols)
        for parameter in macro.parameters { try resolve(name: parameter.reference, scope) }
        try resolve(macro.defaults, scope)
        try resolve(macro.body, scope)
    }

    private mutating func visit(_ macro: MacroDefinition, _ symbols: inout Symbols) {
        analyze(&symbols) {
            for parameter in macro.parameters { $0.use(parameter.reference) }
            $0.visit(macro.defaults)
            $0.visit(macro.body)
        }
    }

    // MARK: Expressions

    private mutating func resolve(_ expressions: [Expression], _ scope: Scope) throws(SwiftletError) {
        for expression in expressions { try resolve(expression, scope) }
    }

    private mutating func resolve(_ expression: Expression, _ scope: Scope) throws(SwiftletError) {
        var scope = scope
        switch expression.kind {
        case .name(let index): try resolve(name: index, scope)
        case .conditional: scope.isSoft = true
        case .filter(_, let filter, _):
            if !scope.isSoft, Filter(rawValue: filter) == nil {
                throw problem("found no filter named '\(filter)'", expression.line)
            }
        case .test(_, let test, _):
            if !scope.isSoft, Test(name: test) == nil {
                throw problem("found no test named '\(test)'", expression.line)
            }
        default: break
        }
        try resolve(expression.children, scope)
    }

    private mutating func resolve(_ target: Target, _ scope: Scope) throws(SwiftletError) {
        switch target {
        case .name(let index), .attribute(let index, _): try resolve(name: index, scope)
        case .tuple(let targets):
            for target in targets { try resolve(target, scope) }
        }
    }

    private mutating func resolve(name index: Int, _ scope: Scope) throws(SwiftletError) {
        let use = syntax.names[index]
        guard let variable = scope.symbols.find(use.name) else {
            throw problem("found the name '\(use.name)' where it has no meaning", use.line)
        }
        references[index] = reference(variable, from: scope.function)
    }

    private func problem(_ what: String, _ line: Int) -> SwiftletError {
        SwiftletError(.malformed, "\(name): line \(line): \(what)")
    }
}
