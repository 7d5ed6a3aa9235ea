import SwiftletTensor

/// A machine over bytes with several ways on from a state, some of which consume nothing.
///
/// One machine holds all rules that are called and the bodies of all counted repetitions, each from its own entry to
/// its own exit.
struct LooseMachine {
    /// What an edge asks for.
    enum Label: Hashable {
        /// Nothing.
        case free
        /// A byte of a range.
        case bytes(UInt8, UInt8)
        /// A text of another part, by its index in ``LooseMachine/parts``.
        case call(Int)
        /// Texts of a counted repetition, by its index in ``LooseMachine/loops``.
        case loop(Int)
        /// A token, by its index in ``LooseMachine/conditions``.
        case token(Int)
    }

    /// An edge; edges of one state form a list.
    struct Edge {
        let label: Label
        let target: Int
        let next: Int
    }

    /// A rule, or what a counted repetition repeats.
    struct Part {
        let node: GrammarNode
        var entry = 0
        var exit = 0
    }

    /// A repetition that is counted when the automaton runs.
    struct Loop {
        let part: Int
        let low: Int
        let high: Int?
    }

    private(set) var heads: [Int] = []
    private(set) var edges: [Edge] = []
    private(set) var parts: [Part] = []
    private(set) var loops: [Loop] = []
    private(set) var conditions: [TokenCondition] = []

    private let rules: GrammarRules
    private let analysis: RuleAnalysis
    private var partOfRule: [Int: Int] = [:]
    private var inlineDepth = 0
    private var sequences: [ScalarSet: [ByteRangeSequence]] = [:]

    /// Builds the parts that the root rule needs; the root is part 0.
    ///
    /// - Throws: `.limit` beyond ``GrammarLimits/looseStates``.
    init(_ rules: GrammarRules) throws(SwiftletError) {
        self.rules = rules
        analysis = RuleAnalysis(rules)
        _ = part(ofRule: rules.root)
        var next = 0
        while next < parts.count {
            parts[next].entry = try addState()
            parts[next].exit = try addState()
            try build(parts[next].node, parts[next].entry, parts[next].exit)
            next += 1
        }
    }

    /// Visits the edges of a state.
    func forEachEdge(of state: Int, _ visit: (Label, Int) -> Void) {
        var index = heads[state]
        while index >= 0 {
            visit(edges[index].label, edges[index].target)
            index = edges[index].next
        }
    }

    // MARK: Building

    private mutating func part(ofRule rule: Int) -> Int {
        if let part = partOfRule[rule] { return part }
        parts.append(Part(node: rules.bodies[rule]))
        partOfRule[rule] = parts.count - 1
        return parts.count - 1
    }

    private mutating func addState() throws(SwiftletError) -> Int {
        guard heads.count < GrammarLimits.looseStates else {
            throw GrammarLimits.exceeded("it needs more than \(GrammarLimits.looseStates) states")
        }
        heads.append(-1)
        return heads.count - 1
    }

    private mutating func connect(_ from: Int, _ to: Int, _ label: Label) {
        edges.append(Edge(label: label, target: to, next: heads[from]))
        heads[from] = edges.count - 1
    }

    /// Adds paths that match `node`; no edge is added into `from` or out of `to`.
    private mutating func build(_ node: GrammarNode, _ from: Int, _ to: Int) throws(SwiftletError) {
        switch node {
        case .set(let set): try build(set, from, to)
        case .literal(let bytes): try buildLiteral(bytes, from, to)
        case .sequence(let nodes):
            var state = from
            for (index, node) in nodes.enumerated() {
                let next = index == nodes.count - 1 ? to : try addState()
                try build(node, state, next)
                state = next
            }
            if nodes.isEmpty { connect(from, to, .free) }
        case .choice(let nodes):
            for node in nodes { try build(node, from, to) }
        case .repetition(let body, let low, let high): try buildRepetition(body, low, high, from, to)
        case .rule(let rule): try buildRule(rule, from, to)
        case .token(let condition):
            let known = conditions.firstIndex(of: condition)
            if known == nil { conditions.append(condition) }
            connect(from, to, .token(known ?? conditions.count - 1))
        case .graph(let graph):
            var states: [Int] = []
            for _ in 0..<graph.stateCount { states.append(try addState()) }
            connect(from, states[0], .free)
            for edge in graph.edges { try build(edge.label, states[edge.from], states[edge.to]) }
            for state in graph.finals { connect(states[state], to, .free) }
        }
    }

    private mutating func buildLiteral(_ bytes: [UInt8], _ from: Int, _ to: Int) throws(SwiftletError) {
        var state = from
        for (index, byte) in bytes.enumerated() {
            let next = index == bytes.count - 1 ? to : try addState()
            connect(state, next, .bytes(byte, byte))
            state = next
        }
        if bytes.isEmpty { connect(from, to, .free) }
    }

    private mutating func buildRule(_ rule: Int, _ from: Int, _ to: Int) throws(SwiftletError) {
        if analysis.isInlined[rule], inlineDepth < GrammarLimits.inlining {
            inlineDepth += 1
            defer { inlineDepth -= 1 }
            return try build(rules.bodies[rule], from, to)
        }
        connect(from, to, .call(part(ofRule: rule)))
        // What consumes nothing bypasses the call, so that a part never ends where it began.
        if analysis.isNullable[rule] { connect(from, to, .free) }
    }

    private mutating func buildRepetition(
        _ body: GrammarNode, _ low: Int, _ high: Int?, _ from: Int, _ to: Int
    ) throws(SwiftletError) {
        if high == 0 { return connect(from, to, .free) }
        let low = analysis.isNullable(body) ? 0 : low
        let written = max(high ?? low + 1, 1)
        let (cost, overflow) = analysis.size(of: body).multipliedReportingOverflow(by: written)
        if written > 2, overflow || cost > GrammarLimits.writtenOut {
            if low == 0 { connect(from, to, .free) }
            parts.append(Part(node: body))
            loops.append(Loop(part: parts.count - 1, low: max(low, 1), high: high))
            return connect(from, to, .loop(loops.count - 1))
        }
        var state = from
        for _ in 0..<low {
            let next = try addState()
            try build(body, state, next)
            state = next
        }
        guard let high else {
            let center = try addState()
            connect(state, center, .free)
            try build(body, center, center)
            return connect(center, to, .free)
        }
        for _ in low..<high {
            let next = try addState()
            connect(state, to, .free)
            try build(body, state, next)
            state = next
        }
        connect(state, to, .free)
    }

    /// Adds the encodings of a set; tails that take any continuation byte are shared.
    private mutating func build(_ set: ScalarSet, _ from: Int, _ to: Int) throws(SwiftletError) {
        if sequences[set] == nil { sequences[set] = set.utf8Sequences }
        var tails = [to]
        for sequence in sequences[set] ?? [] {
            let free = sequence.reversed().prefix { $0 == 0x80...0xBF }.count
            let shared = min(free, sequence.count - 1)
            while tails.count <= shared {
                let tail = try addState()
                connect(tail, tails[tails.count - 1], .bytes(0x80, 0xBF))
                tails.append(tail)
            }
            var state = from
            let own = sequence.count - shared
            for (index, range) in sequence.prefix(own).enumerated() {
                let next = index == own - 1 ? tails[shared] : try addState()
                connect(state, next, .bytes(range.lowerBound, range.upperBound))
                state = next
            }
        }
    }
}
