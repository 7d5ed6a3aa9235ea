/// What is known about rules before an automaton is built.
struct RuleAnalysis {
    /// Whether a rule matches the empty text.
    private(set) var isNullable: [Bool]
    /// Whether a rule is written out wherever it is used.
    private(set) var isInlined: [Bool]
    /// States that a rule needs, roughly, with the inlined ones written out.
    private var sizes: [Int]

    init(_ rules: GrammarRules) {
        isNullable = Array(repeating: false, count: rules.bodies.count)
        isInlined = isNullable
        sizes = Array(repeating: 1, count: rules.bodies.count)
        let uses = rules.bodies.map { body in
            var used: [Int] = []
            body.forEachRule { used.append($0) }
            return used
        }
        findNullable(rules, uses)
        chooseInlined(rules, uses)
    }

    /// Whether a node matches the empty text.
    func isNullable(_ node: GrammarNode) -> Bool {
        switch node {
        case .set, .token: false
        case .literal(let bytes): bytes.isEmpty
        case .sequence(let nodes): nodes.allSatisfy(isNullable)
        case .choice(let nodes): nodes.contains(where: isNullable)
        case .repetition(let node, let low, _): low == 0 || isNullable(node)
        case .rule(let rule): isNullable[rule]
        case .graph(let graph): isNullable(graph)
        }
    }

    private func isNullable(_ graph: GrammarGraph) -> Bool {
        var reached: Set<Int> = [0]
        var grows = true
        while grows {
            grows = false
            for edge in graph.edges
            where reached.contains(edge.from) && !reached.contains(edge.to) && isNullable(edge.label) {
                reached.insert(edge.to)
                grows = true
            }
        }
        return !reached.isDisjoint(with: graph.finals)
    }

    /// States that a node needs, roughly, at most a million.
    func size(of node: GrammarNode) -> Int {
        let size =
            switch node {
            case .set(let set): (set.ranges.last?.upperBound ?? 0) < 0x80 ? 1 : 3 + 4 * set.ranges.count
            case .literal(let bytes): bytes.count
            case .sequence(let nodes), .choice(let nodes):
                nodes.reduce(1) { min($0 + self.size(of: $1), 1_000_000) }
            case .repetition(let node, let low, let high):
                min(self.size(of: node) * max(high ?? low + 1, 1), 1_000_000)
            case .rule(let rule): isInlined[rule] ? sizes[rule] : 1
            case .token: 1
            case .graph(let graph):
                graph.edges.reduce(graph.stateCount) { min($0 + self.size(of: $1.label), 1_000_000) }
            }
        return min(size, 1_000_000)
    }

    /// The least solution: each rule found to be nullable has the rules that use it looked at again.
    private mutating func findNullable(_ rules: GrammarRules, _ uses: [[Int]]) {
        var users: [[Int]] = Array(repeating: [], count: uses.count)
        for (user, used) in uses.enumerated() { for rule in used { users[rule].append(user) } }
        var pending = Array(rules.bodies.indices)
        while let rule = pending.popLast() {
            guard !isNullable[rule], isNullable(rules.bodies[rule]) else { continue }
            isNullable[rule] = true
            pending += users[rule]
        }
    }

    /// Inlines rules that are used once or small, but none on a cycle.
    ///
    /// Rules are put aside from both ends: those that use only rules put aside, and those used only by such. What
    /// is left lies on cycles or between them.
    private mutating func chooseInlined(_ rules: GrammarRules, _ uses: [[Int]]) {
        var users: [[Int]] = Array(repeating: [], count: uses.count)
        for (user, used) in uses.enumerated() { for rule in used { users[rule].append(user) } }
        let bottom = Self.peel(from: uses, users)
        let top = Self.peel(from: users, uses)
        var isDone = Array(repeating: false, count: uses.count)
        for rule in bottom + top.reversed() where !isDone[rule] {
            isDone[rule] = true
            sizes[rule] = size(of: rules.bodies[rule])
            isInlined[rule] = rule != rules.root && (users[rule].count == 1 || sizes[rule] <= 32)
        }
    }

    /// Rules in an order in which each comes behind those it depends on, as far as there is one.
    private static func peel(from needs: [[Int]], _ neededBy: [[Int]]) -> [Int] {
        var open = needs.map(\.count)
        var order = open.indices.filter { open[$0] == 0 }
        var next = 0
        while next < order.count {
            for user in neededBy[order[next]] {
                open[user] -= 1
                if open[user] == 0 { order.append(user) }
            }
            next += 1
        }
        return order
    }
}

extension GrammarNode {
    /// Visits the rules that a node refers to, once per place.
    func forEachRule(_ visit: (Int) -> Void) {
        switch self {
        case .set, .literal, .token: break
        case .sequence(let nodes), .choice(let nodes): for node in nodes { node.forEachRule(visit) }
        case .repetition(let node, _, _): node.forEachRule(visit)
        case .rule(let rule): visit(rule)
        case .graph(let graph): for edge in graph.edges { edge.label.forEachRule(visit) }
        }
    }
}
