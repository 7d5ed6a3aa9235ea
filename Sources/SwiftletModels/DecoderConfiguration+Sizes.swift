package import SwiftletCache
import SwiftletTensor

/// What a decoder of these sizes needs, without its weights.
extension DecoderConfiguration {
    /// What every layer caches.
    package var cacheLayers: [KVLayerShape] {
        let costs: Vector? = if case .slopes(let slopes) = form.position { Vector(slopes) } else { nil }
        return windows.indices.map { layer in
            if let convolution = form.convolution, convolution.layers[layer] {
                return .states(of: hiddenSize, window: convolution.size)
            }
            var shape = KVLayerShape(
                headCount: headCount, kvHeadCount: kvHeadCount, keySize: headSize, valueSize: headSize,
                window: windows[layer])
            if let latent = form.latent {
                shape.kvHeadCount = 1
                (shape.keySize, shape.valueSize) = (latent.rotatedSize + latent.rank, latent.rank)
                shape.content = .keyWithValue
            }
            shape.rope = layerRopes.isEmpty ? nil : layerRopes[layer]
            shape.scoreCap = form.scoreCap
            shape.slopes = costs
            if form.isBidirectional {
                shape.lookahead = windows[layer].map { ($0 - 1) / 2 } ?? Int(Int32.max)
            }
            return shape
        }
    }

    /// The longest vector that a matrix is multiplied with.
    package var widestInput: Int {
        let width = headCount * (form.latent?.valueSize ?? headSize)
        return [
            innerSize, width, form.experts?.innerSize ?? 0, form.experts?.sharedSize ?? 0,
            form.latent?.queryRank ?? 0,
        ].reduce(hiddenSize, max)
    }

    /// Numbers in all weights; `nil` if they are more than can be counted.
    package var parameterCount: Int? {
        var all: [[Int]] = [[tiesEmbeddings ? 1 : 2, vocabularySize, hiddenSize]]
        if form.hasLogitBias { all.append([vocabularySize]) }
        if form.tokenTypeCount > 0 { all.append([form.tokenTypeCount, hiddenSize]) }
        if case .learned(let count, _) = form.position { all.append([count, hiddenSize]) }
        var norms = (form.hasFinalNorm ? 1 : 0) + (form.normalizesEmbeddings ? 1 : 0)
        norms += layerCount * normsPerLayer - (form.firstLayerHasAttentionNorm ? 0 : 1)
        all.append([norms, normWidth, hiddenSize])
        let convolutions = form.convolution?.layers.count { $0 } ?? 0
        all += attentionParameters.map { [layerCount - convolutions] + $0 }
        all += convolutionParameters.map { [convolutions] + $0 }
        for layer in 0..<layerCount { all += feedForwardParameters(layer) }
        var sum = 0
        for factors in all {
            guard let count = Tensor.elementCount(of: factors) else { return nil }
            let (total, overflow) = sum.addingReportingOverflow(count)
            guard !overflow else { return nil }
            sum = total
        }
        return sum
    }

    /// Vectors per norm: a weight, a bias, both or none.
    private var normWidth: Int { (form.normsHaveWeights ? 1 : 0) + (form.normsHaveBiases ? 1 : 0) }

    /// Norms of the residual stream in a layer.
    private var normsPerLayer: Int {
        switch form.normPlace {
        case .before: form.residual == .shared ? 1 : 2
        case .around: 4
        case .after, .residual: 2
        }
    }

    private var attentionParameters: [[Int]] {
        if let latent = form.latent {
            let width = headCount * (latent.plainSize + latent.rotatedSize)
            let query = latent.queryRank.map { [[$0, hiddenSize + width + 1]] } ?? [[width, hiddenSize]]
            return query + [
                [latent.rank + latent.rotatedSize, hiddenSize], [latent.rank],
                [headCount * (latent.plainSize + latent.valueSize), latent.rank],
                [hiddenSize, headCount * latent.valueSize],
            ]
        }
        let (width, kvWidth) = (headCount * headSize, kvHeadCount * headSize)
        var parts: [[Int]] = [[2, width, hiddenSize], [2, kvWidth, hiddenSize]]
        if hasQueryKeyValueBias { parts.append([width + 2 * kvWidth]) }
        if hasOutputBias { parts.append([hiddenSize]) }
        let vectors = form.headNormsHaveBiases ? 2 : 1
        switch form.headNorm {
        case .none: break
        case .perHead: parts.append([2, vectors, headSize])
        case .eachHead, .whole: parts.append([vectors, width + kvWidth])
        }
        return parts
    }

    private var convolutionParameters: [[Int]] {
        guard let convolution = form.convolution else { return [] }
        return [
            [4, hiddenSize, hiddenSize], [convolution.size + (convolution.hasBias ? 5 : 0), hiddenSize],
        ]
    }

    private func feedForwardParameters(_ layer: Int) -> [[Int]] {
        let matrices = form.isGated ? 3 : 2
        guard let experts = form.experts, experts.layers.indices.contains(layer), experts.layers[layer] else {
            let bias = hasFeedForwardBias ? (matrices - 1) * innerSize + hiddenSize : 0
            return [[matrices, innerSize, hiddenSize], [bias]]
        }
        return [
            [experts.count, matrices, experts.innerSize, hiddenSize],
            [experts.count, hiddenSize + (experts.hasSelectionBias ? 1 : 0)],
            [3, experts.sharedSize, hiddenSize], [experts.gatesShared ? hiddenSize : 0],
        ]
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
            for rope in sequence.layout.ropes {
                for _ in 0..<2 { _ = layout.place(rows * (rope ?? sequence.rope).pairs) }
            }
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
        for _ in 0..<2 { _ = layout.place(rows * hiddenSize) }
        let inner = layout.mark
        for size in attentionSizes.map({ rows * $0 }) + pieces { _ = layout.place(size) }
        layout.release(to: inner)
        if let convolution = form.convolution {
            for size in [3 * rows, rows, rows, convolution.size - 1] { _ = layout.place(size * hiddenSize) }
            layout.release(to: inner)
        }
        if form.residual != .sequential { _ = layout.place(rows * hiddenSize) }
        for size in feedForwardSizes { _ = layout.place(rows * size) }
        layout.release(to: mark)
    }

    /// Columns of what attention takes.
    private var attentionSizes: [Int] {
        let (width, kvWidth) = (headCount * headSize, kvHeadCount * headSize)
        guard let latent = form.latent else { return [width, kvWidth, kvWidth, width] }
        let (row, rank) = (latent.rotatedSize + latent.rank, latent.rank)
        return [headCount * row, row, rank, headCount * rank, headCount * latent.valueSize]
    }

    /// Columns of what a feed-forward block takes; of experts, as if every token used the same ones.
    private var feedForwardSizes: [Int] {
        guard let experts = form.experts else {
            return Array(repeating: innerSize, count: form.isGated ? 2 : 1)
        }
        return [experts.count, hiddenSize]
            + Array(repeating: max(experts.innerSize, experts.sharedSize), count: 2)
    }
}
