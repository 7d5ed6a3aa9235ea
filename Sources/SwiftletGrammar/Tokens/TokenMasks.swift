package import SwiftletTensor
import Synchronization

/// A grammar and a vocabulary, with what is known of which tokens may come where.
///
/// For each state of the automaton, all tokens are sorted once into those that fit whatever lies around the state's
/// part, those that never fit, and those for which it depends: tokens that go on behind the end of the part. Only
/// these few are looked at again for each text. All matchers of a grammar share what was found.
///
/// Source: Dong et al., 2024, "XGrammar", arXiv:2411.15100, §3.1–3.2, for the split. We keep the tokens that depend as
/// a tree, and count within repetitions.
package final class TokenMasks: Sendable {
    /// What is known of one state.
    final class Local: Sendable {
        /// Tokens that fit anyway.
        let tokens: TokenSet
        /// Tokens for which it depends.
        let open: TokenTrie.Nodes

        init(_ tokens: TokenSet, _ open: TokenTrie.Nodes) {
            self.tokens = tokens
            self.open = open
        }

        var byteCount: Int { tokens.words.count * 8 + open.count * 13 + 128 }
    }

    /// A state, and where in a counted repetition it is, as far as that matters for a token.
    struct Key: Hashable, Sendable {
        let state: Int32
        /// A return to a loop in an unknown frame.
        let loop: StackGraph.Return?
    }

    private struct State: Sendable {
        var graph: StackGraph
        var locals: RecentCache<Key, Local>
    }

    /// Iterations of a counted repetition that a token may hold; more are looked at for each text.
    private static let horizon: Int32 = 24
    private static let cacheBytes = 48 << 20
    private static let graphBytes = 32 << 20

    let automaton: Automaton
    package let trie: TokenTrie
    /// By condition of the automaton, the tokens that satisfy it.
    private let conditions: [TokenSet]
    private let state: Mutex<State>

    /// - Throws: `.invalidArgument` if the grammar names a token that the vocabulary does not have.
    package init(_ grammar: Grammar, _ trie: TokenTrie) throws(SwiftletError) {
        automaton = grammar.automaton
        self.trie = trie
        var conditions: [TokenSet] = []
        for condition in grammar.automaton.tables.conditions {
            conditions.append(try Self.tokens(of: condition, trie))
        }
        self.conditions = conditions
        state = Mutex(State(graph: StackGraph(automaton), locals: RecentCache(limit: Self.cacheBytes)))
    }

    /// Whether a token satisfies a condition of the automaton.
    func satisfies(_ token: Int32, _ condition: Int) -> Bool { conditions[condition].contains(token) }

    /// The tokens that may follow a configuration.
    func tokens(after configuration: Int32, _ graph: inout StackGraph) -> TokenSet {
        var result = TokenSet(count: trie.tokenCount)
        var seen: [Local] = []
        for place in graph.places(of: configuration) {
            let local = local(key(of: place, graph))
            if seen.contains(where: { $0 === local }) { continue }
            seen.append(local)
            result.formUnion(local.tokens)
            for edge in automaton.tables.tokens[Int(place.state)] {
                result.formUnion(conditions[Int(edge.condition)])
            }
        }
        for local in seen where local.open.count > 0 {
            var scan = TokenScan(depth: trie.depth)
            scan.add(local.open, from: configuration, &graph, twins: trie.twins, to: &result)
        }
        if graph.canEnd(configuration) { for token in trie.endTokens { result.insert(token) } }
        return result
    }

    /// What is known of a place without looking at its frame, except into a counted repetition.
    private func key(of place: StackGraph.Place, _ graph: StackGraph) -> Key {
        let returns = graph.returns(of: place.frame)
        guard returns.count == 1, let way = returns.first, way.target <= StackGraph.Return.loop else {
            return Key(state: place.state, loop: nil)
        }
        let site = automaton.tables.sites[Int(StackGraph.Return.loop - way.target)]
        var count = way.count
        if site.low - count >= Self.horizon {
            count = 1
        } else if count >= site.low, site.high.map({ $0 - count >= Self.horizon }) ?? true {
            count = site.low
        }
        let loop = StackGraph.Return(target: way.target, count: count, frame: StackGraph.unknownFrame)
        return Key(state: place.state, loop: loop)
    }

    private func local(_ key: Key) -> Local {
        state.withLock { state in
            if let known = state.locals.value(for: key) { return known }
            if state.graph.byteCount > Self.graphBytes { state.graph = StackGraph(automaton) }
            var tokens = TokenSet(count: trie.tokenCount)
            var scan = TokenScan(depth: trie.depth)
            let start = state.graph.start(at: key.state, within: key.loop)
            if start != StackGraph.dead {
                scan.add(
                    trie.nodes, from: start, &state.graph, mostBytes: key.loop == nil ? .max : Self.horizon,
                    twins: trie.twins, to: &tokens)
            }
            let local = Local(tokens, trie.subtrees(at: scan.open))
            state.locals.insert(local, cost: local.byteCount, for: key)
            return local
        }
    }

    private static func tokens(
        of condition: TokenCondition, _ trie: TokenTrie
    ) throws(SwiftletError) -> TokenSet {
        let token: Int32? =
            switch condition.name {
            case .id(let id): id
            case .text(let text): trie.token(named: text)
            }
        guard let token, 0..<Int32(trie.tokenCount) ~= token else {
            let name = if case .text(let text) = condition.name { text } else { "<[\(token ?? -1)]>" }
            throw SwiftletError(
                .invalidArgument,
                "the grammar names the token \(name), but the vocabulary of \(trie.tokenCount) tokens has none; "
                    + "write its text in quotes to match it byte by byte")
        }
        var set = TokenSet(count: trie.tokenCount)
        if condition.isNegated {
            for other in 0..<Int32(trie.tokenCount) where other != token { set.insert(other) }
        } else {
            set.insert(token)
        }
        for end in trie.endTokens where set.contains(end) { set.remove(end) }
        return set
    }
}
