/// Removes what cannot be part of any match.
enum AutomatonTrimmer {
    /// Cuts edges to states from which the end of the part cannot be reached.
    ///
    /// - Returns: whether anything matches at all.
    /// - Complexity: linear in the number of edges.
    static func trim(_ tables: inout Automaton.Tables) -> Bool {
        let isAlive = findAlive(tables)
        guard isAlive[Int(tables.start)] else { return false }
        let several = tables.several
        tables.several = Rows()
        for index in tables.next.indices {
            let target = tables.next[index]
            if target >= 0, !isAlive[Int(target)] { tables.next[index] = -1 }
            if target <= -2 {
                let alive = several[Int(-2 - target)].filter { isAlive[Int($0)] }
                if alive.count > 1 {
                    tables.next[index] = -2 - Int32(tables.several.count)
                    tables.several.append(alive)
                } else {
                    tables.next[index] = alive.first ?? -1
                }
            }
        }
        let (calls, loops, tokens) = (tables.calls, tables.loops, tables.tokens)
        (tables.calls, tables.loops, tables.tokens) = (Rows(), Rows(), Rows())
        for state in 0..<tables.stateCount {
            tables.calls.append(calls[state].filter { isAlive[Int($0.callee)] && isAlive[Int($0.next)] })
            tables.loops.append(
                loops[state].filter { index in
                    let site = tables.sites[Int(index)]
                    return isAlive[Int(site.body)] && isAlive[Int(site.next)]
                })
            tables.tokens.append(tokens[state].filter { isAlive[Int($0.next)] })
        }
        return true
    }

    /// The states from which the end of their part can be reached.
    private static func findAlive(_ tables: Automaton.Tables) -> [Bool] {
        // Pairs of states that both have to be alive for the user to be; bytes and tokens need only one.
        var users: [[(user: Int32, other: Int32)]] = Array(repeating: [], count: tables.stateCount)
        for state in 0..<tables.stateCount {
            var last: Int32 = -1
            for class_ in 0..<tables.classCount {
                let target = tables.next[state * tables.classCount + class_]
                if target == last || target == -1 { continue }
                last = target
                let ways = target >= 0 ? [target][...] : tables.several[Int(-2 - target)]
                for way in ways { users[Int(way)].append((Int32(state), way)) }
            }
            for edge in tables.tokens[state] { users[Int(edge.next)].append((Int32(state), edge.next)) }
            let pairs =
                tables.calls[state].map { ($0.callee, $0.next) }
                + tables.loops[state].map { (tables.sites[Int($0)].body, tables.sites[Int($0)].next) }
            for (callee, next) in pairs {
                users[Int(callee)].append((Int32(state), next))
                users[Int(next)].append((Int32(state), callee))
            }
        }
        var isAlive = tables.isFinal
        var pending = isAlive.indices.filter { isAlive[$0] }
        while let state = pending.popLast() {
            for (user, other) in users[state] where !isAlive[Int(user)] && isAlive[Int(other)] {
                isAlive[Int(user)] = true
                pending.append(Int(user))
            }
        }
        return isAlive
    }
}
