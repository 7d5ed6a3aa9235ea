import SwiftletTensor

/// Turns a ``LooseMachine`` into tables in which, wherever that stays small, a byte leads to one state.
struct AutomatonBuilder {
    private let machine: LooseMachine
    private var tables = Automaton.Tables()
    /// Where each part begins.
    private var entries: [Int32] = []
    private var marks: [Int32]
    private var mark: Int32 = 0

    // Of the part in work:
    private var firstState = 0
    private var exit = 0
    private var numbers: [[Int32]: Int32] = [:]
    private var rawNumbers: [[Int32]: Int32] = [:]
    private var sets: [[Int32]] = []
    private var steps = 0

    private init(_ machine: LooseMachine) {
        self.machine = machine
        marks = Array(repeating: 0, count: machine.heads.count)
    }

    /// The automaton of some rules.
    ///
    /// - Throws: `.limit` if it is too large, `.invalidArgument` if there is no text that it matches.
    static func build(_ rules: GrammarRules, source: String) throws(SwiftletError) -> Automaton {
        var builder = AutomatonBuilder(try LooseMachine(rules))
        builder.findClasses()
        for part in builder.machine.parts.indices { try builder.buildPart(part) }
        builder.link()
        guard AutomatonTrimmer.trim(&builder.tables) else {
            throw SwiftletError(
                .invalidArgument,
                "\(source): no text matches; every way through the grammar runs into a dead end")
        }
        return Automaton(builder.tables)
    }

    /// Bytes between which no edge tells apart form a class.
    private mutating func findClasses() {
        var begins = [Bool](repeating: false, count: 257)
        for edge in machine.edges {
            guard case .bytes(let low, let high) = edge.label else { continue }
            begins[Int(low)] = true
            begins[Int(high) + 1] = true
        }
        var current = 0
        for byte in 1..<256 {
            if begins[byte] { current += 1 }
            tables.classes[byte] = UInt8(current)
        }
        tables.classCount = current + 1
        tables.conditions = machine.conditions
    }

    // MARK: Parts

    private mutating func buildPart(_ part: Int) throws(SwiftletError) {
        let saved = (tables.next.count, tables.several.count, tables.sites.count)
        firstState = tables.stateCount
        exit = machine.parts[part].exit
        entries.append(Int32(firstState))
        if try buildStates(part, isStrict: true) { return }
        tables.next.removeLast(tables.next.count - saved.0)
        tables.several.truncate(to: saved.1)
        tables.sites.removeLast(tables.sites.count - saved.2)
        tables.isFinal.removeLast(tables.stateCount - firstState)
        tables.calls.truncate(to: firstState)
        tables.loops.truncate(to: firstState)
        tables.tokens.truncate(to: firstState)
        _ = try buildStates(part, isStrict: false)
    }

    /// Builds the states of a part: sets of loose states if `isStrict`, single ones otherwise.
    ///
    /// - Returns: false if strict states are too many.
    private mutating func buildStates(_ part: Int, isStrict: Bool) throws(SwiftletError) -> Bool {
        (numbers, rawNumbers, sets, steps) = ([:], [:], [], 0)
        let entry = machine.parts[part].entry
        let end = part + 1 < machine.parts.count ? machine.parts[part + 1].entry : machine.heads.count
        let (most, mostSteps) = (256 + 8 * (end - entry), GrammarLimits.steps + 200 * (end - entry))
        _ = number(of: [Int32(entry)])
        var next = 0
        while next < sets.count {
            try buildState(sets[next], isStrict)
            next += 1
            if isStrict, sets.count > most || steps > mostSteps { return false }
            let entries = max(tables.next.count, tables.several.elements.count)
            guard entries <= GrammarLimits.tableEntries else {
                throw GrammarLimits.exceeded(
                    "its tables have more than \(GrammarLimits.tableEntries) entries")
            }
        }
        return true
    }

    /// The state for a sorted set of loose states: sets from which the same edges are reached share one.
    private mutating func number(of set: [Int32]) -> Int32 {
        if let number = rawNumbers[set] { return number }
        let reached = closure(of: set)
        let number = numbers[reached] ?? Int32(firstState + sets.count)
        if numbers.updateValue(number, forKey: reached) == nil { sets.append(reached) }
        rawNumbers[set] = number
        return number
    }

    /// The loose states that are reached without consuming anything and matter then, sorted.
    private mutating func closure(of set: [Int32]) -> [Int32] {
        mark += 1
        var reached = set
        var matters: [Int32] = []
        for state in set { marks[Int(state)] = mark }
        var next = 0
        while next < reached.count {
            let state = Int(reached[next])
            var index = machine.heads[state]
            var isNeeded = state == exit
            while index >= 0 {
                let edge = machine.edges[index]
                if edge.label != .free {
                    isNeeded = true
                } else if marks[edge.target] != mark {
                    marks[edge.target] = mark
                    reached.append(Int32(edge.target))
                }
                index = edge.next
                steps += 1
            }
            if isNeeded { matters.append(reached[next]) }
            next += 1
        }
        return matters.sorted()
    }

    private mutating func buildState(_ reached: [Int32], _ isStrict: Bool) throws(SwiftletError) {
        var targets: [[Int32]] = Array(repeating: [], count: tables.classCount)
        var calls: [Int: [Int32]] = [:]
        var loops: [Int: [Int32]] = [:]
        var tokens: [Int: [Int32]] = [:]
        var isFinal = false
        for state in reached {
            if Int(state) == exit { isFinal = true }
            machine.forEachEdge(of: Int(state)) { label, target in
                switch label {
                case .free: break
                case .bytes(let low, let high):
                    for byteClass in tables.classes[Int(low)]...tables.classes[Int(high)] {
                        targets[Int(byteClass)].append(Int32(target))
                    }
                case .call(let part): calls[part, default: []].append(Int32(target))
                case .loop(let loop): loops[loop, default: []].append(Int32(target))
                case .token(let condition): tokens[condition, default: []].append(Int32(target))
                }
            }
        }
        for byteClass in targets.indices {
            steps += targets[byteClass].count
            let ways = ways(targets[byteClass], isStrict)
            switch ways.count {
            case 0: tables.next.append(-1)
            case 1: tables.next.append(ways[0])
            default:
                tables.next.append(-2 - Int32(tables.several.count))
                tables.several.append(ways)
            }
        }
        tables.isFinal.append(isFinal)
        tables.calls.append(
            sorted(calls, isStrict).map { Automaton.Call(callee: Int32($0.0), next: $0.1) })
        let firstSite = tables.sites.count
        for (loop, next) in sorted(loops, isStrict) {
            let high = machine.loops[loop].high.map { Int32($0) }
            tables.sites.append(
                Automaton.Site(
                    body: Int32(machine.loops[loop].part), low: Int32(machine.loops[loop].low), high: high,
                    next: next))
        }
        tables.loops.append((firstSite..<tables.sites.count).map { Int32($0) })
        tables.tokens.append(
            sorted(tokens, isStrict).map { Automaton.TokenEdge(condition: Int32($0.0), next: $0.1) })
    }

    /// Pairs of a label and where it leads, in a fixed order.
    private mutating func sorted(_ edges: [Int: [Int32]], _ isStrict: Bool) -> [(Int, Int32)] {
        var pairs: [(Int, Int32)] = []
        for label in edges.keys.sorted() {
            for way in ways(edges[label] ?? [], isStrict) { pairs.append((label, way)) }
        }
        return pairs
    }

    /// The states for loose targets: one for all if strict.
    private mutating func ways(_ targets: [Int32], _ isStrict: Bool) -> [Int32] {
        guard !targets.isEmpty else { return [] }
        if targets.count == 1 { return [number(of: targets)] }
        let unique = Set(targets).sorted()
        return isStrict ? [number(of: unique)] : unique.map { number(of: [$0]) }
    }

    /// Calls and loops know their parts by index until all parts have states.
    private mutating func link() {
        var calls: Rows<Automaton.Call> = Rows()
        for state in 0..<tables.stateCount {
            calls.append(
                tables.calls[state].map { Automaton.Call(callee: entries[Int($0.callee)], next: $0.next) })
        }
        tables.calls = calls
        for site in tables.sites.indices { tables.sites[site].body = entries[Int(tables.sites[site].body)] }
        tables.start = entries[0]
    }
}
