/// One text that is being written under a grammar, token by token.
///
/// A value: a copy goes on by itself, for several answers to one prompt.
///
/// ```swift
/// var matcher = GrammarMatcher(masks)
/// while !matcher.isFinished {
///     let token = choose(among: matcher.allowedTokens())
///     matcher.accept(token)
/// }
/// ```
package struct GrammarMatcher: Sendable {
    private let masks: TokenMasks
    private var graph: StackGraph
    /// Where the text is, after each of ``tokens``; one more than these.
    private var path: [Int32]
    /// The tokens so far.
    package private(set) var tokens: [Int32] = []
    private var allowed: RecentCache<Int32, TokenSet>
    private var mostBytes = Self.graphBytes
    private static let graphBytes = 8 << 20

    /// A matcher before the first token.
    package init(_ masks: TokenMasks) {
        self.masks = masks
        graph = StackGraph(masks.automaton)
        path = [graph.start()]
        allowed = RecentCache(limit: max(1 << 20, masks.trie.tokenCount / 8 * 16))
    }

    private var position: Int32 { path[path.count - 1] }

    /// Whether the text may end here.
    package var canEnd: Bool { position != StackGraph.dead && graph.canEnd(position) }

    /// Whether nothing can follow any more, but an end token.
    package var isFinished: Bool { position == StackGraph.dead || graph.places(of: position).isEmpty }

    /// Whether the text went where the grammar is too ambiguous to follow; it then counts as refused.
    package var hasOverflowed: Bool { graph.hasOverflowed }

    /// The tokens that may come next: bit `id % 64` of word `id / 64`. Tokens that end the text are among them where it
    /// may end.
    ///
    /// - Complexity: for places seen before a few passes over the words; else a walk over the vocabulary.
    package mutating func allowedTokens() -> [UInt64] {
        guard position != StackGraph.dead else { return TokenSet(count: masks.trie.tokenCount).words }
        compact()
        if let known = allowed.value(for: position) { return known.words }
        let set = masks.tokens(after: position, &graph)
        allowed.insert(set, cost: set.words.count * 8, for: position)
        return set.words
    }

    /// Sets the logits of all tokens that may not come next to −∞.
    ///
    /// - Parameter logits: `[vocabulary]`; tokens that the vocabulary lacks are not allowed.
    package mutating func apply(to logits: UnsafeMutableBufferPointer<Float>) {
        let words = allowedTokens()
        for index in logits.indices {
            let isAllowed = index / 64 < words.count && words[index / 64] >> UInt64(index % 64) & 1 == 1
            if !isAllowed { logits[index] = -.infinity }
        }
    }

    /// Goes on behind a token. One that is not allowed leaves everything as it was.
    ///
    /// - Returns: whether it is allowed.
    /// - Complexity: one step per byte.
    @discardableResult
    package mutating func accept(_ token: Int32) -> Bool {
        let next = configuration(after: token)
        guard next != StackGraph.dead else { return false }
        path.append(next)
        tokens.append(token)
        return true
    }

    /// Whether a token ends the text.
    package func isEnd(_ token: Int32) -> Bool { masks.trie.endTokens.contains(token) }

    /// How many of some tokens may come next, one behind the other, for drafts that are to be checked.
    package mutating func prefix(of draft: [Int32]) -> Int {
        var count = 0
        while count < draft.count, accept(draft[count]) { count += 1 }
        rollback(count)
        return count
    }

    /// Takes back the last tokens.
    ///
    /// - Parameter count: at most the number of ``tokens``.
    package mutating func rollback(_ count: Int) {
        precondition(count <= tokens.count, "\(count) tokens to take back, but there are \(tokens.count)")
        tokens.removeLast(count)
        path.removeLast(count)
    }

    private mutating func configuration(after token: Int32) -> Int32 {
        guard position != StackGraph.dead else { return StackGraph.dead }
        if masks.trie.endTokens.contains(token) { return StackGraph.dead }
        let masks = masks
        let whole = graph.step(position, tokenWhere: { masks.satisfies(token, $0) })
        let text = masks.trie.text(of: token)
        var place = text.isEmpty ? StackGraph.dead : position
        for byte in text where place != StackGraph.dead { place = graph.step(place, byte) }
        return graph.union(whole, place)
    }

    /// Forgets configurations that the text does not use, once there are many.
    private mutating func compact() {
        guard graph.byteCount > mostBytes else { return }
        let old = tokens
        graph = StackGraph(masks.automaton)
        (tokens, path) = ([], [graph.start()])
        allowed.removeAll()
        for token in old { accept(token) }
        mostBytes = max(Self.graphBytes, 2 * graph.byteCount)
    }
}
