/// A piece of grammar: what GBNF, regular expressions and schemas are turned into.
///
/// Text is a sequence of Unicode scalars here; the builder of the automaton turns them into bytes.
indirect enum GrammarNode: Sendable, Hashable {
    /// One scalar of a set; the empty set matches nothing.
    case set(ScalarSet)
    /// These bytes.
    case literal([UInt8])
    /// One after the other; nothing at all if empty.
    case sequence([GrammarNode])
    /// Any of them; matches nothing if empty.
    case choice([GrammarNode])
    /// At least so many times and at most so many; without bound if `nil`.
    case repetition(GrammarNode, Int, Int?)
    /// A rule by its index in ``GrammarRules``.
    case rule(Int)
    /// One token of the vocabulary, whatever its text.
    case token(TokenCondition)
    /// A path through a graph.
    case graph(GrammarGraph)

    /// The empty text.
    static let empty = GrammarNode.sequence([])
    /// No text.
    static let never = GrammarNode.choice([])

    /// The UTF-8 of a string.
    static func text(_ text: String) -> GrammarNode { .literal(Array(text.utf8)) }
    /// One of some ASCII characters.
    static func any(_ characters: StaticString) -> GrammarNode { .set(ScalarSet(ascii: characters)) }
    /// One scalar of a range.
    static func range(_ low: UInt32, _ high: UInt32) -> GrammarNode { .set(ScalarSet([low...high])) }
    /// A decimal digit.
    static let digit = GrammarNode.range(0x30, 0x39)
    /// The node or nothing.
    static func optional(_ node: GrammarNode) -> GrammarNode { .repetition(node, 0, 1) }
    /// The node any number of times.
    static func star(_ node: GrammarNode) -> GrammarNode { .repetition(node, 0, nil) }
}

/// States and edges labelled with nodes; a text matches if it is what lies on a path from state 0 to a final one.
struct GrammarGraph: Sendable, Hashable {
    /// An edge that consumes what its label matches.
    struct Edge: Sendable, Hashable {
        let from: Int
        let to: Int
        let label: GrammarNode
    }

    /// The number of states; state 0 is the start.
    var stateCount = 1
    /// Where a path may end.
    var finals: Set<Int> = []
    var edges: [Edge] = []

    /// Adds a state and returns it.
    mutating func addState() -> Int {
        stateCount += 1
        return stateCount - 1
    }

    /// Adds an edge.
    mutating func connect(_ from: Int, _ to: Int, _ label: GrammarNode) {
        edges.append(Edge(from: from, to: to, label: label))
    }
}

/// Which token a place of a grammar takes.
struct TokenCondition: Sendable, Hashable {
    /// How the token is named.
    enum Name: Sendable, Hashable {
        case id(Int32)
        /// As the vocabulary writes it.
        case text(String)
    }

    let name: Name
    /// Takes every other token instead.
    let isNegated: Bool
}

/// Named nodes that refer to each other.
struct GrammarRules: Sendable {
    /// For errors; empty for rules without a name.
    private(set) var names: [String] = []
    /// What the rules match.
    var bodies: [GrammarNode] = []
    /// The rule that the whole text must match.
    var root = 0

    /// Adds a rule, to be filled in later, and returns its index.
    mutating func add(_ name: String = "", _ body: GrammarNode = .never) -> Int {
        names.append(name)
        bodies.append(body)
        return bodies.count - 1
    }
}
