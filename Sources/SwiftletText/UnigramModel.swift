/// The most probable split of a text under independent token probabilities.
///
/// Source: Kudo, 2018, arXiv:1804.10959; ties go to the split whose last token starts first, as in SentencePiece.
/// - Complexity: one trie walk per character, so O(n × longest token).
struct UnigramModel: Sendable {
    /// How scores are added up: each library rounds in its own way.
    enum Arithmetic: Sendable {
        /// `tokenizers` and llama.cpp: sums are doubles.
        case double
        /// SentencePiece: sums are floats.
        case single
    }

    private struct Node {
        var score = 0.0
        var start = -1
        var id: TokenID = -1
    }

    /// What a text is worth less than the worst token if it has to be unknown.
    static let unknownPenalty: Float = 10

    /// All tokens that may be chosen.
    var trie = ByteTrie()
    /// The logarithm of each id's probability.
    var scores: [Double]
    /// What an unknown character costs.
    var unknownScore: Double
    /// Stands for characters that are no token.
    var unknown: TokenID?
    var arithmetic = Arithmetic.double
    /// The tokens `<0x00>` to `<0xFF>`, -1 where there is none; empty if unknown characters are not split.
    var byteTokens: [TokenID] = []
    /// A run of unknown characters that is a token as a whole becomes it.
    var looksUpUnknownRuns = false

    /// Appends the tokens of `text`.
    func encode(
        _ text: UnsafeBufferPointer<UInt8>, _ vocabulary: Vocabulary, into ids: inout [TokenID]
    ) {
        guard !text.isEmpty else { return }
        let path = bestPath(text)
        var end = 0
        var index = path.count
        while index > 0 {
            index -= 1
            let start = end
            let isUnknown = path[index].id < 0 || path[index].id == unknown
            end = path[index].end
            guard isUnknown else {
                ids.append(path[index].id)
                continue
            }
            while index > 0, path[index - 1].id < 0 || path[index - 1].id == unknown {
                index -= 1
                end = path[index].end
            }
            appendUnknown(UnsafeBufferPointer(rebasing: text[start..<end]), vocabulary, into: &ids)
        }
    }

    /// The tokens of the best split and where each ends, last one first.
    private func bestPath(_ text: UnsafeBufferPointer<UInt8>) -> [(id: TokenID, end: Int)] {
        var best = [Node](repeating: Node(), count: text.count + 1)
        var start = 0
        while start < text.count {
            let length = UTF8Step.length(text, at: start)
            var coversCharacter = false
            let soFar = best[start].score
            var node = ByteTrie.root
            var end = start
            while end < text.count {
                node = trie.step(node, text[end])
                if node == ByteTrie.none { break }
                end += 1
                let id = trie.value(at: node)
                guard id >= 0 else { continue }
                offer(soFar + scores[Int(id)], id, start, to: &best[end])
                if end - start == length { coversCharacter = true }
            }
            if !coversCharacter {
                offer(soFar + unknownScore, unknown ?? -1, start, to: &best[start + length])
            }
            start += length
        }
        var path: [(id: TokenID, end: Int)] = []
        var end = text.count
        while end > 0 {
            path.append((best[end].id, end))
            end = best[end].start
        }
        return path
    }

    private func offer(_ score: Double, _ id: TokenID, _ start: Int, to node: inout Node) {
        let score = arithmetic == .single ? Double(Float(score)) : score
        guard node.start < 0 || score > node.score else { return }
        node = Node(score: score, start: start, id: id)
    }

    private func appendUnknown(
        _ text: UnsafeBufferPointer<UInt8>, _ vocabulary: Vocabulary, into ids: inout [TokenID]
    ) {
        if looksUpUnknownRuns, let id = vocabulary.id(of: text) {
            ids.append(id)
        } else if !byteTokens.isEmpty, text.allSatisfy({ byteTokens[Int($0)] >= 0 }) {
            ids.append(contentsOf: text.map { byteTokens[Int($0)] })
        } else if let unknown {
            ids.append(unknown)
        }
    }
}
