import SwiftletTensor

/// What a template consists of after parsing.
struct Syntax: Sendable {
    let body: [Statement]
    /// Every occurrence of a name, in the order of the source.
    let names: [NameUse]
    /// How many frames the statements refer to; frame 0 is the template's own.
    let frameCount: Int
}

/// Reads tokens into statements.
struct Parser {
    let tokens: [Token]
    let name: String
    var position = 0
    var names: [NameUse] = []
    var frameCount = 1
    /// How many expressions, brackets and blocks are open around this place.
    private var depth = 0
    /// How many loops are open in the innermost function.
    var loops = 0
    /// The blocks that are open, for errors.
    var blocks: [(tag: String, line: Int)] = []

    init(_ source: String, name: String) throws(SwiftletError) {
        guard source.utf8.count <= TemplateLimits.sourceBytes else {
            throw SwiftletError(
                .limit,
                "\(name): found \(source.utf8.count) bytes of template, expected at most \(TemplateLimits.sourceBytes)"
            )
        }
        var lexer = Lexer(source, name: name)
        try lexer.run()
        tokens = lexer.tokens
        self.name = name
    }

    /// Reads the whole template.
    mutating func parse() throws(SwiftletError) -> Syntax {
        let body = try statements(until: [])
        return Syntax(body: body, names: names, frameCount: frameCount)
    }

    /// Reads up to one of the tags that end a block; its name is the current token then.
    mutating func statements(until ends: [String]) throws(SwiftletError) -> [Statement] {
        try enter()
        defer { leave() }
        var result: [Statement] = []
        while true {
            let token = current
            switch token.kind {
            case .data(let text):
                advance()
                result.append(Statement(.data(text), line: token.line))
            case .variableBegin:
                advance()
                let expression = try tupleOrExpression()
                guard current.kind == .variableEnd else { throw expected("'}}'") }
                advance()
                result.append(Statement(.output([expression]), line: token.line))
            case .blockBegin:
                advance()
                if case .name(let tag) = current.kind, ends.contains(tag) { return result }
                result.append(try statement())
                guard current.kind == .blockEnd else { throw expected("'%}'") }
                advance()
            default:
                guard ends.isEmpty else {
                    let open = blocks.last.map { " the '\($0.tag)' of line \($0.line)" } ?? ""
                    throw problem(
                        "the template ends inside\(open); expected "
                            + ends.map { "'\($0)'" }.joined(separator: " or "))
                }
                return result
            }
        }
    }

    /// Reads the body of a block, from the end of its first tag to the name of its last.
    mutating func block(until ends: [String]) throws(SwiftletError) -> [Statement] {
        if current.is(symbol: ":") { advance() }
        guard current.kind == .blockEnd else { throw expected("'%}'") }
        advance()
        return try statements(until: ends)
    }

    /// Reads the body of a block that has one last tag, and that tag's name.
    mutating func body(until end: String) throws(SwiftletError) -> [Statement] {
        let body = try block(until: [end])
        advance()
        return body
    }

    // MARK: Names and frames

    mutating func use(_ name: String, _ context: NameUse.Context, line: Int) -> Int {
        names.append(NameUse(name: name, context: context, line: line))
        return names.count - 1
    }

    mutating func newFrames(_ count: Int = 1) -> Int {
        defer { frameCount += count }
        return frameCount
    }

    // MARK: Tokens

    var current: Token { tokens[min(position, tokens.count - 1)] }

    var following: Token { tokens[min(position + 1, tokens.count - 1)] }

    mutating func advance() { position += 1 }

    mutating func take(symbol: String) -> Bool {
        guard current.is(symbol: symbol) else { return false }
        advance()
        return true
    }

    mutating func take(name: String) -> Bool {
        guard current.is(name: name) else { return false }
        advance()
        return true
    }

    mutating func expect(symbol: String) throws(SwiftletError) {
        guard take(symbol: symbol) else { throw expected("'\(symbol)'") }
    }

    mutating func expectName() throws(SwiftletError) -> String {
        guard case .name(let name) = current.kind else { throw expected("a name") }
        advance()
        return name
    }

    // MARK: Bounds and errors

    mutating func enter() throws(SwiftletError) {
        depth += 1
        if depth > TemplateLimits.syntaxDepth { throw tooDeep() }
    }

    mutating func leave() { depth -= 1 }

    func tooDeep() -> SwiftletError {
        SwiftletError(
            .limit,
            "\(name): line \(current.line): found nesting deeper than \(TemplateLimits.syntaxDepth), the limit"
        )
    }

    func expected(_ what: String) -> SwiftletError {
        problem("found \(current.description), expected \(what)")
    }

    func problem(_ what: String, line: Int? = nil) -> SwiftletError {
        SwiftletError(.malformed, "\(name): line \(line ?? current.line): \(what)")
    }

    func unsupported(_ what: String, line: Int) -> SwiftletError {
        SwiftletError(.unsupported, "\(name): line \(line): \(what)")
    }
}
