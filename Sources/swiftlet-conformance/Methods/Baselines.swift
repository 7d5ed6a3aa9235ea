import SwiftletCache
import SwiftletTensor

extension OracleMethod {
    /// The kinds of `baselines.json`.
    static let baselines = OracleMethod(handlers: [
        "budget_truncation": Baselines.budgetTruncation,
        "streaming_prefill": Baselines.streamingPrefill,
        "streaming_decode_trace": Baselines.streamingTrace,
        "observed_attention_prefill": Baselines.observedAttention,
        "h2o_accumulated_trace": Baselines.heavyHitterTrace,
        "snapkv": Baselines.snapKV,
        "snapkv_original": Baselines.snapKVOriginal,
        "pyramidkv_budgets": Baselines.pyramidBudgets,
        "pyramidkv_original_prefix_budgets": Baselines.pyramidOriginalBudgets,
        "tova_prefill": Baselines.tovaPrefill,
        "tova_decode_trace": Baselines.tovaTrace,
        "knorm": Baselines.keyNorm,
        "expected_attention": Baselines.expectedAttention,
        "adakv": Baselines.adaptiveHeads,
        "adakv_original_budgets": Baselines.adaptiveOriginalBudgets,
        "key_rerotation": Baselines.keyRotation,
        "kivi": KIVI.cache,
        "kivi_constant_group": KIVI.constantGroup,
        "kivi_residual_lengths_trace": KIVI.residualLengths,
        "periodic_decode_eviction": Baselines.periodicEviction,
        "ratio_zero_is_full_cache": Baselines.fullCache,
    ])
}

/// Handlers of the reference policies.
enum Baselines {
    /// What is left after a share of `count` rows was removed.
    static func rows(of count: Int, _ oracle: OracleCase) throws(SwiftletError) -> Int {
        KVBudget.rows(of: count, share: 1 - (try oracle.params.read("compression_ratio")))
    }

    /// What a selector keeps under `budget` rows per head, `[kvHeads][rows]`.
    static func kept(_ selector: some KVSelector, _ view: KVLayerView, budget: Int) -> [[Int]] {
        var selector = selector
        let heads = 0..<view.shape.kvHeadCount
        let selection = selector.select(from: view, budgets: heads.map { _ in budget })
        return heads.map { selection.rows(ofHead: $0) }
    }

    static func budgetTruncation(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let counts: [Int] = try oracle.inputs.read("T")
        let ratios: [Double] = try oracle.inputs.read("compression_ratio")
        return [
            "kept": zip(counts, ratios).map { KVBudget.truncatedRows(of: $0, share: 1 - $1) },
            "kept_with_floor_one": zip(counts, ratios).map { KVBudget.rows(of: $0, share: 1 - $1) },
        ]
    }

    static func streamingPrefill(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let count: Int = try oracle.params.read("T")
        let selector = StreamingSelector(sinks: try oracle.params.read("n_sink"))
        return ["kept": selector.survivors(of: count, budget: try rows(of: count, oracle))]
    }

    static func streamingTrace(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let sinks: Int = try oracle.params.read("start_size")
        let budget = sinks + (try oracle.params.read("recent_size"))
        let selector = StreamingSelector(sinks: sinks)
        var (ids, next): ([Int], Int) = ([], 0)
        var trace: [[Int]] = []
        for arrivals in try oracle.inputs.read("arrivals", as: [Int].self) {
            ids = selector.survivors(of: ids.count, entering: arrivals, budget: budget).map { ids[$0] }
            ids += next..<next + arrivals
            next += arrivals
            trace.append(ids)
        }
        return [
            "kept_ids_after_each": trace,
            "rope_positions_after_each": trace.map { Array($0.indices) },
        ]
    }

    static func observedAttention(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let view = try recordedView(oracle)
        let length = view.rowCount(ofHead: 0)
        let budget = try rows(of: length, oracle)
        guard try oracle.params.read("normalise", default: true) else {
            let selector = HeavyHitterSelector(recentShare: 0)
            let group = Float(view.shape.group)
            return [
                "scores": selector.scores(of: view).map { $0.map { $0 / group } },
                "kept": kept(selector, view, budget: budget),
            ]
        }
        let selector = ObservedAttentionSelector()
        return ["scores": selector.scores(of: view), "kept": kept(selector, view, budget: budget)]
    }

    /// A layer with the column sums of all queries `q` over `k`, recorded by a sequence.
    private static func recordedView(_ oracle: OracleCase) throws(SwiftletError) -> KVLayerView {
        let recorder = try ColumnSumRecorder(
            queries: try oracle.inputs.read("q"), keys: try oracle.inputs.read("k"))
        return try recorder.view(chunks: [recorder.tokenCount])
    }

    static func heavyHitterTrace(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let heavy: Int = try oracle.params.read("heavy")
        let recent: Int = try oracle.params.read("recent")
        let prompt: [[Float]] = try oracle.inputs.read("prefill_attention_group_sum")
        let steps: [[[Float]]] = try oracle.inputs.read("decode_attention_group_sum")
        let selector = HeavyHitterSelector(recentShare: Double(recent) / Double(max(heavy + recent, 1)))
        let needs = selector.needs(promptLength: 0)
        var layer = try EngineLayer(keys: prompt.map { $0.map { _ in [0] } }, evidence: needs)
        var (ids, scores): ([[[Int32]]], [[[Float]]]) = ([], [])
        for step in 0...steps.count {
            if step == 0 {
                try layer.record(columnSums: prompt)
            } else {
                let token = prompt.map { _ in [[Float(0)]] }
                try layer.append(keys: token, values: token, at: (prompt.first?.count ?? 0) + step - 1)
                try layer.record(columnSums: steps[step - 1])
            }
            let view = layer.view(phase: step == 0 ? .prefill : .decode)
            try layer.keep(.perHead(kept(selector, view, budget: heavy + recent)))
            ids.append(layer.positions)
            scores.append(selector.scores(of: layer.view()))
        }
        return ["ids_after_each": ids, "scores_after_each": scores]
    }

    static func pyramidBudgets(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let budgets = try table(oracle, ["T", "n_layers", "compression_ratio", "window", "beta"]).map { row in
            PyramidLayers.roundedBudgets(
                mean: row[0] * (1 - row[2]), length: Int(row[0]), layers: Int(row[1]), window: Int(row[3]),
                beta: row[4])
        }
        return ["kept_per_layer": budgets]
    }

    static func pyramidOriginalBudgets(
        _ oracle: OracleCase
    ) throws(SwiftletError) -> [String: any OracleResult] {
        let columns = ["T", "n_layers", "max_capacity_prompt", "window", "beta"]
        let budgets = try table(oracle, columns).map { row in
            let row = row.map { Int($0) }
            return PyramidLayers.originalPrefixBudgets(
                length: row[0], layers: row[1], capacity: row[2], window: row[3], beta: row[4])
        }
        return ["prefix_tokens_per_layer": budgets]
    }

    /// The rows of a table with known columns.
    private static func table(_ oracle: OracleCase, _ columns: [String]) throws(SwiftletError) -> [[Double]] {
        let rows: [[Double]] = try oracle.inputs.read("rows")
        guard rows.allSatisfy({ $0.count == columns.count && $0.allSatisfy { abs($0) < 0x1p31 } }) else {
            throw oracle.malformed("inputs.rows needs the columns \(columns.joined(separator: ", "))")
        }
        return rows
    }

    static func keyNorm(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let view = try EngineLayer(keys: try oracle.inputs.read("k")).view()
        let selector = KeyNormSelector()
        let budget = try rows(of: view.rowCount(ofHead: 0), oracle)
        return ["scores": selector.scores(of: view), "kept": kept(selector, view, budget: budget)]
    }

    static func adaptiveHeads(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let scores: [[Float]] = try oracle.inputs.read("scores")
        let query: [[Float]] = try oracle.inputs.read("q")
        var layer = try EngineLayer(
            headCount: query.count, keys: try oracle.inputs.read("k"), values: try oracle.inputs.read("v"))
        guard scores.map(\.count) == layer.positions.map(\.count) else {
            throw SwiftletError(.mismatch, "inputs.scores and inputs.k differ in heads or rows")
        }
        let allocator = AdaptiveHeads(safeguard: try oracle.params.read("alpha_safeguard"))
        let budget = try rows(of: layer.slot.rowCount(ofHead: 0), oracle)
        let counts = allocator.budgets(
            layer: 0, budget: budget, rowCounts: scores.map(\.count), scores: scores, forced: KVForcedRows())
        let selection = KVSelection.best(of: scores, budgets: counts) { _ in KVForcedRows() }
        try layer.keep(selection)
        return [
            "safe_per_head": AdaptiveHeads.safeRows(budget, allocator.safeguard),
            "kept": counts.indices.map { selection.rows(ofHead: $0) },
            "kept_counts": counts,
            "attention_output": try layer.attend(query).output,
        ]
    }

    static func adaptiveOriginalBudgets(
        _ oracle: OracleCase
    ) throws(SwiftletError) -> [String: any OracleResult] {
        let (counts, budgets) = AdaptiveHeads.originalBudgets(
            scores: try oracle.inputs.read("prefix_scores"),
            base: try oracle.params.read("base_capacity_without_window"),
            safeguard: try oracle.params.read("floor_alpha"))
        return ["count_in_global_topk": counts, "prefix_budget_per_head": budgets]
    }

    static func keyRotation(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let keys: [[[Float]]] = try oracle.inputs.read("k_rope")
        let kept: [[Int]] = try oracle.inputs.read("kept")
        let rope = Rope(
            base: try oracle.params.read("rope_theta"), rotatedSize: try EngineLayer.sizes(keys, "keys").2)
        guard keys.count == kept.count,
            zip(keys, kept).allSatisfy({ keys, kept in kept.allSatisfy(keys.indices.contains) })
        else { throw oracle.malformed("inputs.kept names rows that inputs.k_rope lacks") }
        let turned = zip(keys, kept).map { keys, kept in
            kept.enumerated().map { rank, position in
                var key = keys[position]
                rope.turn(&key, by: rank - position)
                return key
            }
        }
        return ["k_rerotated": turned]
    }

    static func periodicEviction(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let keys: [[[Float]]] = try oracle.inputs.read("keys_in_arrival_order")
        let prompt: Int = try oracle.params.read("prompt")
        let rows = try EngineLayer.sizes(keys, "keys").1
        guard (0...rows).contains(prompt) else {
            throw oracle.malformed("params.prompt is \(prompt) of \(rows) keys")
        }
        var schedule = PeriodicEviction(
            interval: try oracle.params.read("compression_interval"),
            target: try oracle.params.read("target_size"))
        var layer = try EngineLayer(keys: keys.map { Array($0.prefix(prompt)) })
        var trace: [[[Int32]]] = []
        for position in prompt..<rows {
            let token = keys.map { [$0[position]] }
            try layer.append(keys: token, values: token, at: position)
            if schedule.isDue(entering: 1, rows: layer.slot.rowCount(ofHead: 0)) {
                let view = layer.view(phase: .decode)
                try layer.keep(.perHead(kept(KeyNormSelector(), view, budget: schedule.target)))
            }
            trace.append(layer.positions)
        }
        return ["ids_after_each_step": trace]
    }

    static func fullCache(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let query: [[Float]] = try oracle.inputs.read("q")
        var layer = try EngineLayer(
            headCount: query.count, keys: try oracle.inputs.read("k"), values: try oracle.inputs.read("v"))
        let budget = try rows(of: layer.slot.rowCount(ofHead: 0), oracle)
        try layer.keep(.perHead(kept(KeyNormSelector(), layer.view(), budget: budget)))
        return ["kept": layer.positions, "attention_output": try layer.attend(query).output]
    }
}
