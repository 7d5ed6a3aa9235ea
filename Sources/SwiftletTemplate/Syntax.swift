/// An expression and the line where it stands.
final class Expression: Sendable {
    indirect enum Kind: Sendable {
        case literal(Literal)
        /// An occurrence of a name; the index of its reference.
        case name(Int)
        case list([Expression])
        case tuple([Expression])
        case dict([(key: Expression, value: Expression)])
        case unary(UnaryOperator, Expression)
        case binary(BinaryOperator, Expression, Expression)
        case and(Expression, Expression)
        case or(Expression, Expression)
        case concat([Expression])
        case compare(Expression, [(Comparison, Expression)])
        case conditional(test: Expression, then: Expression, otherwise: Expression?)
        case attribute(Expression, String)
        case item(Expression, Expression)
        case slice(Expression, start: Expression?, stop: Expression?, step: Expression?)
        case call(Expression, CallArguments)
        /// A filter; without an operand it takes what its block has written.
        case filter(Expression?, String, CallArguments)
        case test(Expression, String, CallArguments)
    }

    let kind: Kind
    let line: Int
    /// How many levels of expressions there are, this one included.
    let depth: Int

    init(_ kind: Kind, line: Int, depth: Int) {
        self.kind = kind
        self.line = line
        self.depth = depth
    }
}

/// A constant as it was written.
enum Literal: Sendable {
    case none
    case bool(Bool)
    case int(Int)
    case float(Double)
    case string(String)
}

enum UnaryOperator: Sendable {
    case not, negative, positive
}

enum BinaryOperator: String, Sendable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case floorDivide = "//"
    case modulo = "%"
    case power = "**"
}

enum Comparison: String, Sendable {
    case equal = "=="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    case `in`
    case notIn = "not in"
}

/// What is between the parentheses of a call.
struct CallArguments: Sendable {
    var positional: [Expression] = []
    var keywords: [(name: String, value: Expression)] = []
    var star: Expression?
    var doubleStar: Expression?

    /// All argument expressions in the order of the source.
    var all: [Expression] {
        positional + keywords.map(\.value) + [star, doubleStar].compactMap { $0 }
    }
}

/// What can be assigned to.
indirect enum Target: Sendable {
    /// A name; the index of its reference.
    case name(Int)
    case tuple([Target])
    /// An attribute of a namespace.
    case attribute(Int, String)
}

/// A statement and the line where it stands.
final class Statement: Sendable {
    indirect enum Kind: Sendable {
        case data(String)
        case output([Expression])
        case conditional([(test: Expression, body: [Statement])], otherwise: [Statement])
        case loop(ForLoop)
        case assign(Target, Expression)
        case assignBlock(Target, filter: Expression?, body: [Statement], frame: Int)
        case macro(name: Int, MacroDefinition)
        case callBlock(MacroDefinition, call: Expression)
        case filterBlock(Expression, body: [Statement], frame: Int)
        case with([(target: Target, value: Expression)], body: [Statement], frame: Int)
        /// The answer of a model; its body is a scope of its own.
        case generation(MacroDefinition)
        case leave
        case next
    }

    let kind: Kind
    let line: Int

    init(_ kind: Kind, line: Int) {
        self.kind = kind
        self.line = line
    }
}

/// A `for` loop; its frames follow each other: body, test, else.
struct ForLoop: Sendable {
    let target: Target
    /// The same names once more, as the variables of the test.
    let testTarget: Target
    let iterable: Expression
    let test: Expression?
    let isRecursive: Bool
    let body: [Statement]
    let otherwise: [Statement]
    /// The frame of the body; the test's and the else branch's are the next two.
    let frame: Int

    var testFrame: Int { frame + 1 }
    var otherwiseFrame: Int { frame + 2 }
}

/// A macro, or the body of a call block.
struct MacroDefinition: Sendable {
    /// `nil` for the body of a call block.
    let name: String?
    let parameters: [(name: String, reference: Int)]
    /// For the last parameters.
    let defaults: [Expression]
    let body: [Statement]
    let frame: Int

    /// The value of a parameter that was not given.
    func defaultValue(_ parameter: Int) -> Expression? {
        let i = parameter - (parameters.count - defaults.count)
        return i >= 0 ? defaults[i] : nil
    }
}

/// An occurrence of a name in the source.
struct NameUse: Sendable {
    enum Context: Sendable {
        case load, store, parameter
        /// The name of a macro, where it is defined.
        case definition
    }

    let name: String
    let context: Context
    let line: Int
}
