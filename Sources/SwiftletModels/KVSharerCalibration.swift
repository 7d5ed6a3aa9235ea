package import SwiftletCache
package import SwiftletTensor

/// Runs calibration texts through a model under sharing maps, and finds the map.
///
/// Source: Yang et al., 2024, arXiv:2410.18517, §3. Keys and values of the cache are kept in single precision.
package final class KVSharerCalibration {
    private let model: any LanguageModel
    private let compute: Compute
    private let texts: [[Int32]]
    private let workspace = Workspace()
    /// About as many tokens go through the model at a time; texts stay whole.
    private static let batchTokens = 512

    /// - Parameter texts: tokens of each text, none of them empty.
    package init(model: any LanguageModel, compute: Compute, texts: [[Int32]]) {
        precondition(texts.allSatisfy { !$0.isEmpty }, "an empty calibration text")
        self.model = model
        self.compute = compute
        self.texts = texts
    }

    /// What a search found, and from what.
    package struct Result: Sendable {
        /// `[layers][layers]` below the diagonal; `nil` where two layers cannot share.
        package let distances: [[Double?]]
        package let search: KVSharerSearch
    }

    /// Finds a map with `target` borrowers.
    ///
    /// - Parameters:
    ///   - threshold: least cosine, exclusive, of the final hidden states under a map and without.
    ///   - similarFirst: tries the most similar layers first instead of the most dissimilar, as a control.
    ///   - progress: called before every run over the texts, with the runs done and the borrowers found; return
    ///     false to stop.
    /// - Returns: `nil` if it was stopped.
    package func find(
        target: Int, threshold: Double, similarFirst: Bool = false,
        progress: (_ runs: Int, _ borrowers: Int) -> Bool = { _, _ in true }
    ) throws(SwiftletError) -> Result? {
        let shapes = model.cacheLayers
        try model.checkAttends(for: "kvsharer")
        guard progress(0, 0) else { return nil }
        var mean = KVSharerMeanCache()
        let original = try finalStates(owners: Array(shapes.indices)) { sequence in
            let layers = shapes.indices.map { Self.rows(of: sequence.slot(of: $0)) }
            mean.add(layers, length: sequence.rowCount(layer: 0, head: 0))
        }
        let distances = mean.distances { shapes[$0] == shapes[$1] }
        var runs = 0
        var borrowers = 0
        do throws(Stop) {
            let search = try KVSharerSearch(
                layers: shapes.count, ranking: KVSharer.ranking(of: distances, ascending: similarFirst),
                target: target, threshold: threshold
            ) { map throws(Stop) in
                runs += 1
                borrowers = KVSharer.owners(in: map).count
                guard progress(runs, shapes.count - borrowers - 1) else { throw Stop(error: nil) }
                do throws(SwiftletError) {
                    return KVSharer.similarity(original, try self.finalStates(owners: map))
                } catch { throw Stop(error: error) }
            }
            return Result(distances: distances, search: search)
        } catch {
            if let error = error.error { throw error }
            return nil
        }
    }

    /// Ends a search early: because somebody asked for it, or by an error.
    private struct Stop: Error {
        let error: SwiftletError?
    }

    /// The final hidden states of every text under a map, after the final norm, `[texts][positions × hidden]`.
    ///
    /// - Parameter visit: receives the cache of every text, in order.
    package func finalStates(
        owners: [Int], visit: (KVSequence) -> Void = { _ in }
    ) throws(SwiftletError) -> [[Float]] {
        var states: [[Float]] = []
        while states.count < texts.count {
            var batch = texts[states.count...states.count]
            for text in texts[batch.endIndex...] {
                guard batch.reduce(text.count, { $0 + $1.count }) <= Self.batchTokens else { break }
                batch = texts[states.count...batch.endIndex]
            }
            let (found, sequences) = try run(batch, owners: owners)
            states += found
            sequences.forEach(visit)
        }
        return states
    }

    private func run(
        _ texts: ArraySlice<[Int32]>, owners: [Int]
    ) throws(SwiftletError) -> (states: [[Float]], sequences: [KVSequence]) {
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let configuration = model.configuration
        let layout = try KVLayout(layers: model.cacheLayers, owners: owners)
        var segments: [ForwardPass.Segment] = []
        var row = 0
        for text in texts {
            let sequence = try KVSequence(
                layout: layout, format: .f32, rope: configuration.rope,
                scale: configuration.attentionScale, pool: KVPagePool(), kernels: compute.kernels)
            segments.append(.init(sequence: sequence, rows: row..<row + text.count, phase: .prefill))
            row += text.count
        }
        let x = workspace.take(row, configuration.hiddenSize)
        let positions = texts.flatMap { $0.indices.map(Int32.init) }
        try model.embed(Array(texts.joined()), at: positions, into: x, compute)
        let pass = ForwardPass(
            segments: segments, positions: positions, compute: compute, workspace: workspace)
        for layer in 0..<configuration.layerCount { try model.forward(layer: layer, x, pass) }
        model.normalize(x, compute)
        let states = segments.map { segment in
            let rows = x.slice(segment.rows)
            return Array(UnsafeBufferPointer(start: rows.data, count: rows.count))
        }
        return (states, segments.map(\.sequence))
    }

    /// All rows of a slot, head after head.
    private static func rows(of slot: KVSlot) -> KVSharerMeanCache.Layer {
        var keys: [Float] = []
        var values: [Float] = []
        for head in 0..<slot.shape.kvHeadCount {
            for row in 0..<slot.rowCount(ofHead: head) {
                let (key, value) = slot.row(row, ofHead: head)
                keys += key
                values += value
            }
        }
        return KVSharerMeanCache.Layer(
            keys: keys, keySize: slot.shape.keySize, values: values, valueSize: slot.shape.valueSize)
    }
}
