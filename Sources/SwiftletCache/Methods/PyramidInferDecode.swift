import SwiftletTensor

extension PyramidInfer {
    /// How many tokens of a block stay in a layer; at least 1.
    package func keptOfBlock(layer: Int, of layers: Int) -> Int {
        let factor = generationSchedule.ratio(layer: layer, of: layers, decay: generationDecay)
        return max(Int(Double(blockLength) * generationKeep * factor), 1)
    }

    /// The tokens before the last one that count as recent in a decode step, the same for all layers.
    ///
    /// - Parameter firstLayerLength: rows of layer 0 before the step's token is added.
    package func recentLength(decodingAfter firstLayerLength: Int) -> Int {
        recentLength(of: firstLayerLength + 1)
    }

    /// The lengths of all caches in decode, which do not depend on data.
    ///
    /// - Parameters:
    ///   - lengths: rows of every layer after prefill.
    ///   - steps: generated tokens.
    /// - Returns: per step the recent length and the rows of every layer after it.
    package func decodeLengths(
        after lengths: [Int], steps: Int
    ) -> [(recentLength: Int, lengths: [Int])] {
        var lengths = lengths
        var marks = lengths
        return (0..<steps).map { _ in
            let recent = recentLength(decodingAfter: lengths.first ?? 0)
            for layer in lengths.indices {
                lengths[layer] += 1
                guard block(length: lengths[layer], recentLength: recent, mark: marks[layer]) != nil else {
                    continue
                }
                lengths[layer] -= max(blockLength - keptOfBlock(layer: layer, of: lengths.count), 0)
                marks[layer] = lengths[layer] - recent
            }
            return (recent, lengths)
        }
    }

    /// The rows that have left the recent window and are thinned now; `nil` while there are too few.
    ///
    /// - Parameters:
    ///   - length: rows of the layer, the newest token included.
    ///   - mark: rows that are settled: the prompt's, and what earlier blocks left.
    func block(length: Int, recentLength: Int, mark: Int) -> Range<Int>? {
        guard length - recentLength - mark >= blockLength else { return nil }
        let end = length - 1 - recentLength
        return max(end - blockLength, 0)..<max(end, 0)
    }
}

/// The newest attention rows of one layer in decode, and which of its rows are settled.
///
/// Rows are averaged over the query heads and hold what their query gave to the rows that existed then. They are
/// stored unweighted; nothing from prefill is needed, since the first block is made of generated tokens whose
/// window lies in decode.
///
/// Source: Yang et al., 2024, arXiv:2405.12532, §3.3, and its code.
package struct PyramidInferThinning: Sendable {
    /// Attention of the newest steps, oldest first: `[steps][rows]`, shorter by the rows that came later.
    package private(set) var attention: [[Float]]
    /// Rows that are settled.
    package private(set) var mark: Int
    /// Rows at the front that no block will contain; their attention is not stored.
    package private(set) var settled = 0
    /// The scores of the block that was thinned last.
    package private(set) var scores: [Float] = []

    /// - Parameters:
    ///   - mark: rows after prefill.
    ///   - attention: of earlier decode steps.
    package init(mark: Int, attention: [[Float]] = []) {
        self.mark = mark
        self.attention = attention
    }

    /// Forgets the attention given to rows that will not be thinned any more.
    package mutating func forgetSettled() {
        let first = max(mark - 1, 0)
        guard first > settled else { return }
        for step in attention.indices {
            attention[step].removeFirst(min(first - settled, attention[step].count))
        }
        settled = first
    }

    /// Takes in one step.
    ///
    /// - Parameters:
    ///   - row: attention of the new token, averaged over query heads, over the rows of the layer from ``settled`` on.
    ///   - recentLength: of this step.
    /// - Returns: the rows to keep, ascending; `nil` if all stay.
    package mutating func update(
        _ row: [Float], recentLength: Int, layer: Int, of layers: Int, method: PyramidInfer
    ) -> [Int]? {
        attention.append(row)
        let (window, length) = (recentLength + 1, settled + row.count)
        defer { attention.removeFirst(max(attention.count - window, 0)) }
        guard let block = method.block(length: length, recentLength: recentLength, mark: mark) else {
            return nil
        }
        let queries = attention.suffix(window).map { row in
            block.map { column in
                row.indices.contains(column - settled) ? row[column - settled] : 0
            }
        }
        scores = method.scores(queries)
        let count = method.keptOfBlock(layer: layer, of: layers)
        let kept = scores.indicesOfLargest(count).map { block.lowerBound + $0 }
        mark = length - (block.count - kept.count) - recentLength
        guard kept.count < block.count else { return nil }
        remove(Set(block).subtracting(kept))
        return Array(0..<block.lowerBound) + kept + Array(block.upperBound..<length)
    }

    /// Writes or reads everything but the scores, which are only shown.
    mutating func code(_ state: inout KVStateCoder) throws(SwiftletError) {
        try state.code(&mark, "settled rows", in: -(1 << 32)...(1 << 32))
        try state.code(&settled, "forgotten rows", in: 0...(1 << 32))
        try state.code(&attention, "attention rows", count: 0...(1 << 32), blank: []) {
            (state, row) throws(SwiftletError) in
            try state.code(&row, "weights", count: 0...(1 << 32))
        }
    }

    /// Follows the layer when rows are dropped.
    private mutating func remove(_ rows: Set<Int>) {
        for step in attention.indices {
            attention[step] = attention[step].enumerated().filter { !rows.contains($0.offset + settled) }
                .map(\.element)
        }
    }
}
