/// The split of a text with the best sum of scores, found from its end, with scores in whole ten-thousandths.
///
/// A character that begins no token costs what a token of score −1000 does and becomes the tokens of its bytes. Of equal
/// splits the one whose first token is longest is taken, place by place from the end.
///
/// Source: the tokenizer of PLaMo 2 (Preferred Networks, 2025), as llama.cpp reads it in files of model `plamo2`.
/// - Complexity: one trie walk per character, so O(n × longest token).
struct SuffixModel: Sendable {
    /// All tokens but those of bytes.
    let trie: ByteTrie
    /// By id, in ten-thousandths; `nil` for a token that is never chosen.
    let scores: [Int32?]
    /// The tokens `<0x00>` to `<0xFF>`.
    let byteTokens: [TokenID]

    private static let unknownScore: Int64 = -10_000_000
    private static let lowestScore: Double = -20_000_000

    init(trie: ByteTrie, scores: [Float], byteTokens: [TokenID]) {
        self.trie = trie
        self.scores = scores.map { score in
            let scaled = (Double(score) * 1e4).rounded(.toNearestOrAwayFromZero)
            return scaled > Self.lowestScore && scaled <= Double(Int32.max) ? Int32(scaled) : nil
        }
        self.byteTokens = byteTokens
    }

    private struct Step {
        var score: Int64 = 0
        var end = 0
        /// -1 for a character whose bytes are written.
        var id: TokenID = -1
    }

    /// Appends the tokens of `text`, but not of a byte order mark at its beginning.
    func encode(_ text: UnsafeBufferPointer<UInt8>, into ids: inout [TokenID]) {
        let isMarked = text.starts(with: [0xEF, 0xBB, 0xBF])
        let text = UnsafeBufferPointer(rebasing: text[(isMarked ? 3 : 0)...])
        let steps = bestSteps(text)
        var position = 0
        while position < text.count {
            let step = steps[position]
            if step.id >= 0 {
                ids.append(step.id)
            } else {
                ids += text[position..<step.end].map { byteTokens[Int($0)] }
            }
            position = step.end
        }
    }

    /// The best token at the beginning of each character.
    private func bestSteps(_ text: UnsafeBufferPointer<UInt8>) -> [Step] {
        var steps = [Step](repeating: Step(), count: text.count + 1)
        var start = text.count
        while start > 0 {
            let end = start
            start = UTF8Step.start(before: end, in: text)
            var best: Step?
            var node = ByteTrie.root
            var index = start
            while index < text.count {
                node = trie.step(node, text[index])
                if node == ByteTrie.none { break }
                index += 1
                let id = trie.value(at: node)
                guard id >= 0, let own = scores[Int(id)] else { continue }
                let score = steps[index].score + Int64(own)
                if best.map({ score >= $0.score }) ?? true { best = Step(score: score, end: index, id: id) }
            }
            let unknown = steps[end].score + Self.unknownScore
            steps[start] = best.flatMap { $0.score >= unknown ? $0 : nil } ?? Step(score: unknown, end: end)
        }
        return steps
    }
}
