package import SwiftletCache
import SwiftletTensor

/// What a decoder of these sizes needs, without its weights.
extension DecoderConfiguration {
    /// What every layer caches.
    package var cacheLayers: [KVLayerShape] {
        windows.map {
            KVLayerShape(
                headCount: headCount, kvHeadCount: kvHeadCount, keySize: headSize, valueSize: headSize,
                window: $0)
        }
    }

    /// Numbers in all weights; `nil` if they are more than can be counted.
    package var parameterCount: Int? {
        let (width, kvWidth) = (headCount * headSize, kvHeadCount * headSize)
        var layer: [[Int]] = [
            [2, hiddenSize], [2, width, hiddenSize], [2, kvWidth, hiddenSize], [3, innerSize, hiddenSize],
        ]
        if hasQueryKeyValueBias { layer.append([width + 2 * kvWidth]) }
        if hasOutputBias { layer.append([hiddenSize]) }
        if hasFeedForwardBias { layer.append([2 * innerSize + hiddenSize]) }
        if normalizesQueriesAndKeys { layer.append([2, headSize]) }
        let all =
            layer.map { [layerCount] + $0 }
            + [[tiesEmbeddings ? 1 : 2, vocabularySize, hiddenSize], [hiddenSize]]
        var sum = 0
        for factors in all {
            guard let count = Tensor.elementCount(of: factors) else { return nil }
            let (total, overflow) = sum.addingReportingOverflow(count)
            guard !overflow else { return nil }
            sum = total
        }
        return sum
    }

    /// Bytes of activations that a ``Runner`` holds after a first prompt, by the workspace's own arithmetic.
    ///
    /// Follows what ``Decoder`` and attention take, in their order. What attention of a few tokens takes to share a
    /// long cache among threads is left out.
    ///
    /// - Parameters:
    ///   - count: tokens of the prompt.
    ///   - chunk: tokens that are processed at a time.
    ///   - sequence: an empty one, whose policy says how the prompt is read.
    /// - Complexity: O(count / chunk).
    package func activationBytes(reading count: Int, chunk: Int, _ sequence: KVSequence) -> Int {
        var layout = WorkspaceLayout()
        let layered = sequence.readsLayerMajor
        if layered { _ = layout.place(count * hiddenSize) }
        for first in stride(from: 0, to: count, by: chunk) {
            let rows = min(chunk, count - first)
            let mark = layout.mark
            if !layered { _ = layout.place(rows * hiddenSize) }
            for _ in 0..<2 { _ = layout.place(rows * sequence.rope.pairs) }
            placeLayer(rows, sequence.workspacePieces(tokens: rows, rows: first + rows, of: count), &layout)
            if !layered, first + rows == count { _ = layout.place(vocabularySize) }
            layout.release(to: mark)
        }
        if layered { _ = layout.place(vocabularySize) }
        return layout.byteCount
    }

    /// What a layer takes for some rows, and attention inside it.
    private func placeLayer(_ rows: Int, _ pieces: [Int], _ layout: inout WorkspaceLayout) {
        let mark = layout.mark
        let (width, kvWidth) = (rows * headCount * headSize, rows * kvHeadCount * headSize)
        for _ in 0..<2 { _ = layout.place(rows * hiddenSize) }
        let inner = layout.mark
        for size in [width, kvWidth, kvWidth, width] + pieces { _ = layout.place(size) }
        layout.release(to: inner)
        for _ in 0..<2 { _ = layout.place(rows * innerSize) }
        layout.release(to: mark)
    }
}
