import SwiftletCache
import SwiftletTensor

/// Handlers of the policies that look at some queries.
extension Baselines {
    static func snapKV(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let (view, selector) = try window(oracle)
        let factor = try reduction(oracle, selector.window)
        let prefix = max(view.rowCount(ofHead: 0) - selector.window, 0)
        return [
            "prefix_scores": selector.scores(of: view).map { $0.prefix(prefix).map { $0 * factor } },
            "kept": kept(selector, view, budget: try rows(of: view.rowCount(ofHead: 0), oracle)),
        ]
    }

    static func snapKVOriginal(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let (view, selector) = try window(oracle)
        let factor = try reduction(oracle, selector.window)
        let capacity: Int = try oracle.params.read("max_capacity_prompt")
        let count = view.rowCount(ofHead: 0)
        let scores = (0..<view.shape.kvHeadCount).flatMap { view.windowMeans(ofHead: $0) }.map { head in
            SnapKVSelector.scores(
                importance: [head], prefix: max(count - selector.window, 0), kernel: selector.kernel,
                pooling: selector.pooling
            ).map { $0 * factor }
        }
        let padded = scores.map { $0 + [Float](repeating: 0, count: count - $0.count) }
        let selection = KVSelection.best(of: padded, budgets: padded.map { _ in capacity }) { _ in
            KVForcedRows(newest: selector.window)
        }
        return [
            "prefix_scores_per_query_head": scores,
            "kept_per_query_head": scores.indices.map { selection.rows(ofHead: $0) },
        ]
    }

    /// A layer that has recorded `q_window`, and the selector that the parameters describe.
    private static func window(
        _ oracle: OracleCase
    ) throws(SwiftletError) -> (view: KVLayerView, selector: SnapKVSelector) {
        let name: String = try oracle.params.read("pool", default: SnapKVSelector.Pooling.average.rawValue)
        let kernel: Int = try oracle.params.read("kernel", default: 1)
        guard let pooling = SnapKVSelector.Pooling(rawValue: name), kernel > 0, kernel % 2 == 1 else {
            throw oracle.malformed("params ask for a pool '\(name)' of \(kernel), expected an odd number")
        }
        let selector = SnapKVSelector(
            window: try oracle.params.read("window"), kernel: kernel, pooling: pooling)
        let layer = try EngineLayer.asked(
            try oracle.inputs.read("q_window"), keys: try oracle.inputs.read("k"),
            evidence: selector.needs(promptLength: 0))
        return (layer.view(), selector)
    }

    /// What turns a mean over the window into what the case asks for.
    private static func reduction(_ oracle: OracleCase, _ window: Int) throws(SwiftletError) -> Float {
        try oracle.params.read("window_reduce", default: "mean") == "sum" ? Float(window) : 1
    }

    static func tovaPrefill(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let query: [[Float]] = try oracle.inputs.read("q_last")
        let selector = TOVASelector()
        let layer = try EngineLayer.asked(
            query.map { [$0] }, keys: try oracle.inputs.read("k"), evidence: selector.needs(promptLength: 0))
        let budget = try rows(of: layer.slot.rowCount(ofHead: 0), oracle)
        return [
            "scores": selector.scores(of: layer.view())[0],
            "kept_last_forced": kept(selector, layer.view(), budget: budget)[0],
            "kept_original_rule": kept(selector, layer.view(phase: .decode), budget: budget)[0],
        ]
    }

    static func tovaTrace(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let rows: [[[Float]]] = try oracle.inputs.read("attention_rows")
        let budget: Int = try oracle.params.read("cache_size")
        let selector = TOVASelector()
        var (ids, trace): ([Int], [[Int]]) = ([], [])
        for (id, row) in rows.enumerated() {
            ids.append(id)
            guard !row.isEmpty, row.allSatisfy({ $0.count == ids.count }) else {
                throw oracle.malformed(
                    "inputs.attention_rows[\(id)] does not cover the \(ids.count) cached tokens")
            }
            let mean = TOVASelector.mean(of: row, heads: row.count)
            let selection = KVSelection.best(of: [mean], budgets: [budget]) {
                selector.forced(budget: $0, phase: .decode)
            }
            ids = selection.rows(ofHead: 0).map { ids[$0] }
            trace.append(ids)
        }
        return ["ids_after_each": trace]
    }

    static func expectedAttention(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let queries: [[[Float]]] = try oracle.inputs.read("q_prerope")
        let selector = ExpectedAttentionSelector(
            sinks: try oracle.params.read("n_sink"), future: try oracle.params.read("n_future"),
            usesCovariance: try oracle.params.read("use_covariance"),
            usesValueNorm: try oracle.params.read("use_vnorm"), epsilon: try oracle.params.read("epsilon"))
        let size = try EngineLayer.sizes(queries, "queries").2
        var layer = try EngineLayer(
            headCount: queries.count, keys: try oracle.inputs.read("k"), values: try oracle.inputs.read("v"),
            evidence: selector.needs(promptLength: 0),
            rope: Rope(base: try oracle.params.read("rope_theta"), rotatedSize: size))
        try layer.record(unrotated: queries)
        let view = layer.view()
        let count = view.rowCount(ofHead: 0)
        let rotation = MeanRotation(layer.rope, from: count, count: selector.future)
        return [
            "query_mean_rotated": queries.indices.map { head in
                ExpectedQuery(
                    mean: view.queryMoments(ofQueryHead: head).mean, covariance: nil, rotation
                ).mean
            },
            "mean_rotation_diag": rotation.cosine + rotation.cosine,
            "non_sink_scores": selector.scores(of: view).map { Array($0.dropFirst(selector.sinks)) },
            "kept": kept(selector, view, budget: try rows(of: count, oracle)),
        ]
    }
}

extension EngineLayer {
    /// A layer whose newest queries, `[heads][window][keySize]`, were recorded.
    static func asked(
        _ queries: [[[Float]]], keys: [[[Float]]], values: [[[Float]]]? = nil, evidence: KVEvidence
    ) throws(SwiftletError) -> EngineLayer {
        var layer = try EngineLayer(
            headCount: queries.count, keys: keys, values: values, evidence: evidence)
        let window = try sizes(queries, "queries").1
        let count = layer.slot.rowCount(ofHead: 0)
        guard window <= count else {
            throw SwiftletError(.mismatch, "\(window) queries for \(count) keys")
        }
        try layer.record(rotated: queries, at: count - window)
        return layer
    }
}
