/// The texts of a vocabulary's tokens as one tree over bytes, built once per tokenizer.
///
/// ```swift
/// let trie = TokenTrie(count: 3, endTokens: [2]) { id in id == 0 ? Array("a".utf8) : id == 1 ? [0xC3] : nil }
/// ```
package final class TokenTrie: Sendable {
    /// Nodes in preorder, without the root.
    struct Nodes: Sendable {
        var bytes: [UInt8] = []
        /// Bytes before the node's own.
        var depths: [Int32] = []
        /// The node behind the last descendant.
        var ends: [Int32] = []
        /// A token that ends here, or -1.
        var tokens: [Int32] = []

        var count: Int { bytes.count }

        mutating func append(byte: UInt8, depth: Int32, token: Int32) {
            bytes.append(byte)
            depths.append(depth)
            tokens.append(token)
        }

        /// Computes ``ends`` from the depths.
        mutating func close() {
            ends = Array(repeating: Int32(count), count: count)
            var open: [Int] = []
            for node in 0..<count {
                while let last = open.last, depths[last] >= depths[node] {
                    ends[last] = Int32(node)
                    open.removeLast()
                }
                open.append(node)
            }
        }
    }

    /// One more than the largest token.
    package let tokenCount: Int
    /// Tokens that end a text.
    package let endTokens: Set<Int32>
    let nodes: Nodes
    /// Bytes of the longest token.
    let depth: Int
    /// By token, another one with the same text, or -1.
    let twins: [Int32]
    private let texts: Rows<UInt8>
    private let findToken: @Sendable (String) -> Int32?

    /// Builds the tree.
    ///
    /// - Parameters:
    ///   - count: one more than the largest token.
    ///   - endTokens: the tokens that end a text; they are allowed where a text may end.
    ///   - findToken: the token that the vocabulary writes as a text, for grammars that name tokens.
    ///   - bytes: what a token stands for; `nil` for one that stands for no text, such as a control token.
    /// - Complexity: sorting, O(bytes · log tokens).
    package init(
        count: Int, endTokens: Set<Int32>, findToken: @escaping @Sendable (String) -> Int32? = { _ in nil },
        bytes: (Int32) -> [UInt8]?
    ) {
        tokenCount = count
        self.endTokens = endTokens
        self.findToken = findToken
        var texts: Rows<UInt8> = Rows()
        for token in 0..<Int32(count) { texts.append(endTokens.contains(token) ? [] : bytes(token) ?? []) }
        self.texts = texts
        let order = (0..<Int32(count)).filter { !texts.range(Int($0)).isEmpty }
            .sorted { Self.isBefore(texts, Int($0), Int($1)) }
        var nodes = Nodes()
        var twins = [Int32](repeating: -1, count: count)
        var depth = 0
        var previous: ArraySlice<UInt8> = []
        for token in order {
            let text = texts[Int(token)]
            depth = max(depth, text.count)
            if text == previous {
                twins[Int(token)] = nodes.tokens[nodes.count - 1]
                nodes.tokens[nodes.count - 1] = token
                continue
            }
            let common = zip(text, previous).prefix { $0 == $1 }.count
            for (offset, byte) in text.enumerated().dropFirst(common) {
                nodes.append(byte: byte, depth: Int32(offset), token: offset == text.count - 1 ? token : -1)
            }
            previous = text
        }
        nodes.close()
        self.nodes = nodes
        self.twins = twins
        self.depth = depth
    }

    /// The bytes a token stands for; none for a control token.
    func text(of token: Int32) -> ArraySlice<UInt8> {
        0..<Int32(tokenCount) ~= token ? texts[Int(token)] : []
    }

    /// The token with an exact written form.
    func token(named text: String) -> Int32? { findToken(text) }

    /// The nodes of some subtrees with the paths to them, where tokens on the paths are left out.
    ///
    /// - Parameter roots: ascending, none within the subtree of another.
    func subtrees(at roots: [Int32]) -> Nodes {
        var result = Nodes()
        var path: [Int32] = []
        var written: [Int32] = []
        var node: Int32 = 0
        for root in roots {
            // Siblings are skipped on the way down, so that a root costs its depth and breadth, not the whole tree.
            while node <= root {
                let depth = Int(nodes.depths[Int(node)])
                path.removeLast(path.count - depth)
                written.removeLast(max(written.count - depth, 0))
                if nodes.ends[Int(node)] <= root {
                    node = nodes.ends[Int(node)]
                } else {
                    path.append(node)
                    node += 1
                }
            }
            for ancestor in path.dropFirst(written.count).dropLast() {
                result.append(byte: nodes.bytes[Int(ancestor)], depth: nodes.depths[Int(ancestor)], token: -1)
                written.append(ancestor)
            }
            for inside in Int(root)..<Int(nodes.ends[Int(root)]) {
                result.append(
                    byte: nodes.bytes[inside], depth: nodes.depths[inside], token: nodes.tokens[inside])
            }
            node = nodes.ends[Int(root)]
        }
        result.close()
        return result
    }

    private static func isBefore(_ texts: Rows<UInt8>, _ a: Int, _ b: Int) -> Bool {
        let (left, right) = (texts.range(a), texts.range(b))
        for (i, j) in zip(left, right) where texts.elements[i] != texts.elements[j] {
            return texts.elements[i] < texts.elements[j]
        }
        return left.count == right.count ? a < b : left.count < right.count
    }
}
