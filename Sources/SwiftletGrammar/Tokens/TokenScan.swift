/// Walks a tree of tokens and an automaton together.
struct TokenScan {
    /// The roots of subtrees whose tokens depend on what lies around an unknown frame, ascending.
    private(set) var open: [Int32] = []
    private var path: [Int32]
    private var hasLeft: [Bool]

    /// - Parameter depth: bytes of the longest token.
    init(depth: Int) {
        path = Array(repeating: 0, count: depth + 1)
        hasLeft = Array(repeating: false, count: depth + 1)
    }

    /// Adds to `set` the tokens that `nodes` hold and that may follow `configuration`.
    ///
    /// - Parameters:
    ///   - mostBytes: deeper subtrees that were not excluded before are put into ``open``.
    ///   - twins: tokens with the same texts.
    /// - Complexity: one step per node whose parent may follow.
    mutating func add(
        _ nodes: TokenTrie.Nodes, from configuration: Int32, _ graph: inout StackGraph,
        mostBytes: Int32 = .max,
        twins: [Int32], to set: inout TokenSet
    ) {
        path[0] = configuration
        hasLeft[0] = graph.endsUnknown(configuration)
        var node = 0
        while node < nodes.count {
            let depth = Int(nodes.depths[node])
            let next = graph.step(path[depth], nodes.bytes[node])
            if next == StackGraph.dead || depth >= mostBytes {
                if next != StackGraph.dead || hasLeft[depth] { open.append(Int32(node)) }
                node = Int(nodes.ends[node])
                continue
            }
            path[depth + 1] = next
            hasLeft[depth + 1] = hasLeft[depth] || graph.endsUnknown(next)
            var token = nodes.tokens[node]
            while token >= 0 {
                set.insert(token)
                token = twins[Int(token)]
            }
            node += 1
        }
    }
}
