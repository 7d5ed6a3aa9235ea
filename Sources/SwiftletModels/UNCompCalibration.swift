import SwiftletCache
package import SwiftletTensor

/// Measures how many directions the queries of every head use.
///
/// Source: Xiong et al., 2024, arXiv:2410.03090: the truncated matrix entropy of rotated queries. Effective ranks
/// are averaged over samples.
package final class UNCompCalibration {
    private let model: any LanguageModel
    private let compute: Compute
    private let rank: Int
    private let workspace = Workspace()
    /// Tokens that go through a layer at a time.
    private static let tileTokens = 512

    /// - Parameter rank: eigenvalues that count.
    package init(model: any LanguageModel, compute: Compute, rank: Int) {
        self.model = model
        self.compute = compute
        self.rank = rank
    }

    /// The effective rank of every query head for one sample, `[layers][heads]`.
    ///
    /// Layers are visited one after another, so that the queries and the cache of one layer are held at a time.
    /// - Parameter progress: called after every layer with its number; return false to stop.
    /// - Returns: `nil` if it was stopped.
    package func effectiveRanks(
        of tokens: [Int32], progress: (_ layersDone: Int) -> Bool = { _ in true }
    ) throws(SwiftletError) -> [[Double]]? {
        try model.checkAttends(for: "uncomp")
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let configuration = model.configuration
        let layout = KVLayout(layers: model.cacheLayers)
        let x = workspace.take(tokens.count, configuration.hiddenSize)
        try model.embed(tokens, at: tokens.indices.map(Int32.init), into: x, compute)
        var ranks: [[Double]] = []
        for (layer, shape) in layout.layers.enumerated() {
            let sequence = try KVSequence(
                layout: layout, rope: configuration.rope, scale: configuration.attentionScale,
                pool: KVPagePool(), kernels: compute.kernels)
            var queries: [Float] = []  // [tokens, heads, keySize]
            queries.reserveCapacity(tokens.count * shape.headCount * shape.keySize)
            for first in stride(from: 0, to: tokens.count, by: Self.tileTokens) {
                let rows = first..<min(first + Self.tileTokens, tokens.count)
                let mark = workspace.mark
                defer { workspace.release(to: mark) }
                let pass = ForwardPass(
                    segments: [.init(sequence: sequence, rows: 0..<rows.count, phase: .prefill)],
                    positions: rows.map(Int32.init), compute: compute, workspace: workspace)
                pass.afterRotation = { queries += UnsafeBufferPointer(start: $0.data, count: $0.count) }
                try model.forward(layer: layer, x.slice(rows), pass)
            }
            ranks.append(effectiveRanks(queries, shape))
            guard progress(layer + 1) else { return nil }
        }
        return ranks
    }

    /// The effective rank of every head of `[tokens, heads, keySize]`.
    private func effectiveRanks(_ queries: [Float], _ shape: KVLayerShape) -> [Double] {
        var ranks = [Double](repeating: 0, count: shape.headCount)
        let width = shape.headCount * shape.keySize
        ranks.withUnsafeMutableBufferPointer { ranks in
            nonisolated(unsafe) let ranks = ranks  // every task writes its own element
            compute.run(shape.headCount) { head, _ in
                var rows: [Float] = []
                rows.reserveCapacity(queries.count / max(shape.headCount, 1))
                for token in stride(from: head * shape.keySize, to: queries.count, by: width) {
                    rows += queries[token..<token + shape.keySize]
                }
                ranks[head] = UNCompSpectrum(rows: rows, size: shape.keySize).effectiveRank(rank)
            }
        }
        return ranks
    }
}
