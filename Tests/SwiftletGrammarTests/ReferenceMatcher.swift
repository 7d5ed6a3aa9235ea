@testable import SwiftletGrammar

/// Decides slowly and obviously whether rules match a text: by sets of positions, iterated until nothing changes.
struct ReferenceMatcher {
    private struct Spot: Hashable {
        let rule: Int
        let from: Int
    }

    private let rules: GrammarRules
    private let text: [UInt8]
    private var ends: [Spot: Set<Int>] = [:]
    private var hasChanged = false

    static func matches(_ rules: GrammarRules, _ text: [UInt8]) -> Bool {
        var matcher = ReferenceMatcher(rules: rules, text: text)
        var result: Set<Int> = []
        repeat {
            matcher.hasChanged = false
            result = matcher.ends(.rule(rules.root), 0)
        } while matcher.hasChanged
        return result.contains(text.count)
    }

    private init(rules: GrammarRules, text: [UInt8]) {
        self.rules = rules
        self.text = text
    }

    private mutating func ends(_ node: GrammarNode, _ from: Int) -> Set<Int> {
        switch node {
        case .set(let set):
            return Set(
                (from + 1..<max(text.count + 1, from + 1)).filter { end in
                    guard end - from <= 4, let string = String(validating: text[from..<end], as: UTF8.self),
                        string.unicodeScalars.count == 1, let scalar = string.unicodeScalars.first
                    else { return false }
                    return set.contains(scalar.value)
                })
        case .literal(let bytes):
            return text[from...].starts(with: bytes) ? [from + bytes.count] : []
        case .sequence(let nodes):
            return nodes.reduce(into: Set([from])) { spots, node in
                spots = spots.reduce(into: []) { $0.formUnion(ends(node, $1)) }
            }
        case .choice(let nodes): return nodes.reduce(into: []) { $0.formUnion(ends($1, from)) }
        case .repetition(let node, let low, let high):
            var result: Set<Int> = low == 0 ? [from] : []
            var spots: Set<Int> = [from]
            var count = 0
            while !spots.isEmpty, count < high ?? (low + text.count + 1) {
                spots = spots.reduce(into: []) { $0.formUnion(ends(node, $1)) }
                count += 1
                if count >= low { result.formUnion(spots) }
            }
            return result
        case .rule(let rule): return ends(ofRule: rule, from)
        case .token: return []
        case .graph(let graph):
            var result: Set<Int> = []
            var seen: Set<[Int]> = [[0, from]]
            var pending = [(0, from)]
            while let (state, spot) = pending.popLast() {
                if graph.finals.contains(state) { result.insert(spot) }
                for edge in graph.edges where edge.from == state {
                    for end in ends(edge.label, spot) where seen.insert([edge.to, end]).inserted {
                        pending.append((edge.to, end))
                    }
                }
            }
            return result
        }
    }

    private var open: Set<Spot> = []

    private mutating func ends(ofRule rule: Int, _ from: Int) -> Set<Int> {
        let spot = Spot(rule: rule, from: from)
        guard open.insert(spot).inserted else { return ends[spot] ?? [] }
        defer { open.remove(spot) }
        let found = ends(rules.bodies[rule], from)
        let old = ends[spot] ?? []
        if !found.isSubset(of: old) {
            ends[spot] = old.union(found)
            hasChanged = true
        }
        return ends[spot] ?? []
    }
}

/// All texts over an alphabet with at most `length` characters.
func texts(over alphabet: [UInt8], upTo length: Int) -> [[UInt8]] {
    var all: [[UInt8]] = [[]]
    var last = all
    for _ in 0..<length {
        last = last.flatMap { text in alphabet.map { text + [$0] } }
        all += last
    }
    return all
}
