import SwiftletTensor

/// Texts that are in several languages at once, or outside of some.
///
/// All languages are walked together over sets of states, and the result is a graph over characters. Complements cost
/// nothing: the walk is the same, only what counts as an end differs.
struct ScalarProduct {
    /// A language, or all texts outside of it. Its node refers to no rules and no tokens.
    struct Term {
        let language: GrammarNode
        var isComplement = false
    }

    private enum Label {
        case free
        case set(ScalarSet)
    }

    private var edges: [[(label: Label, target: Int)]] = []
    private var bounds: [UInt32] = []

    /// The graph of all texts that satisfy all terms; it may match nothing.
    ///
    /// - Throws: `.limit` beyond ``GrammarLimits/scalarStates``.
    static func graph(of terms: [Term]) throws(SwiftletError) -> GrammarGraph {
        var product = ScalarProduct()
        return try product.build(terms)
    }

    /// Whether no text satisfies all terms.
    static func isEmpty(_ terms: [Term]) throws(SwiftletError) -> Bool {
        try graph(of: terms).finals.isEmpty
    }

    private mutating func build(_ terms: [Term]) throws(SwiftletError) -> GrammarGraph {
        var entries: [Int] = []
        var exits: [Int] = []
        for term in terms {
            entries.append(try addState())
            exits.append(try addState())
            try add(term.language, entries[entries.count - 1], exits[exits.count - 1])
        }
        findBounds()
        var graph = GrammarGraph()
        var numbers: [[[Int]]: Int] = [:]
        let start = entries.map { closure([$0]) }
        var tuples = [start]
        numbers[start] = 0
        var next = 0
        while next < tuples.count {
            let tuple = tuples[next]
            let isFinal = terms.indices.allSatisfy { tuple[$0].contains(exits[$0]) != terms[$0].isComplement }
            if isFinal { graph.finals.insert(next) }
            var ranges: [Int: [ClosedRange<UInt32>]] = [:]
            for (index, low) in bounds.enumerated() {
                let high = index + 1 < bounds.count ? bounds[index + 1] - 1 : 0x10FFFF
                let target = tuple.map { step($0, low) }
                // Nothing comes back from a text that has left a language it must be in.
                if zip(target, terms).contains(where: { $0.isEmpty && !$1.isComplement }) { continue }
                var number = numbers[target] ?? -1
                if number < 0 {
                    number = tuples.count
                    numbers[target] = number
                    tuples.append(target)
                }
                ranges[number, default: []].append(low...high)
            }
            for number in ranges.keys.sorted() {
                while graph.stateCount <= number { _ = graph.addState() }
                graph.connect(next, number, .set(ScalarSet(ranges[number] ?? [])))
            }
            next += 1
            guard tuples.count <= GrammarLimits.scalarStates else {
                throw GrammarLimits.exceeded(
                    "patterns and lengths that must hold together need more than "
                        + "\(GrammarLimits.scalarStates) states")
            }
        }
        return graph
    }

    // MARK: Machine with free moves

    private mutating func addState() throws(SwiftletError) -> Int {
        guard edges.count < 4 * GrammarLimits.scalarStates else {
            throw GrammarLimits.exceeded(
                "a pattern needs more than \(4 * GrammarLimits.scalarStates) states beside other constraints")
        }
        edges.append([])
        return edges.count - 1
    }

    private mutating func add(_ node: GrammarNode, _ from: Int, _ to: Int) throws(SwiftletError) {
        switch node {
        case .set(let set): edges[from].append((.set(set), to))
        case .literal(let bytes):
            var state = from
            for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
                let next = try addState()
                edges[state].append((.set(ScalarSet([scalar.value...scalar.value])), next))
                state = next
            }
            edges[state].append((.free, to))
        case .sequence(let nodes):
            var state = from
            for node in nodes {
                let next = try addState()
                try add(node, state, next)
                state = next
            }
            edges[state].append((.free, to))
        case .choice(let nodes): for node in nodes { try add(node, from, to) }
        case .repetition(let body, let low, let high): try addRepetition(body, low, high, from, to)
        case .graph(let graph):
            var states: [Int] = []
            for _ in 0..<graph.stateCount { states.append(try addState()) }
            edges[from].append((.free, states[0]))
            for edge in graph.edges { try add(edge.label, states[edge.from], states[edge.to]) }
            for state in graph.finals { edges[states[state]].append((.free, to)) }
        case .rule, .token: preconditionFailure("a pattern holds a rule or a token")
        }
    }

    private mutating func addRepetition(
        _ body: GrammarNode, _ low: Int, _ high: Int?, _ from: Int, _ to: Int
    ) throws(SwiftletError) {
        var state = from
        for _ in 0..<low {
            let next = try addState()
            try add(body, state, next)
            state = next
        }
        for _ in low..<(high ?? low) {
            let next = try addState()
            edges[state].append((.free, to))
            try add(body, state, next)
            state = next
        }
        if high == nil {
            let center = try addState()
            edges[state].append((.free, center))
            try add(body, center, center)
            state = center
        }
        edges[state].append((.free, to))
    }

    /// Where sets of characters begin or end.
    private mutating func findBounds() {
        var begins: Set<UInt32> = [0, 0xD800, 0xE000]
        for case (.set(let set), _) in edges.joined() {
            for range in set.ranges {
                begins.insert(range.lowerBound)
                if range.upperBound < 0x10FFFF { begins.insert(range.upperBound + 1) }
            }
        }
        bounds = begins.sorted()
    }

    private func step(_ states: [Int], _ scalar: UInt32) -> [Int] {
        var targets: [Int] = []
        for state in states {
            for case (.set(let set), let target) in edges[state] where set.contains(scalar) {
                targets.append(target)
            }
        }
        return targets.isEmpty ? [] : closure(targets)
    }

    private func closure(_ states: [Int]) -> [Int] {
        var reached = Set(states)
        var pending = Array(reached)
        while let state = pending.popLast() {
            for case (.free, let target) in edges[state] where reached.insert(target).inserted {
                pending.append(target)
            }
        }
        return reached.sorted()
    }
}
