import SwiftletCache
import SwiftletTensor

extension OracleMethod {
    /// The kinds of `d2o.json`.
    static let d2o = OracleMethod(
        handlers: [
            "colsum": D2O.columnSums,
            "layer_variance": D2O.layerVariance,
            "layer_budgets": D2O.layerBudgets,
            "select": D2O.select,
            "merge": D2O.merge,
            "trace": D2O.trace,
        ], isMixed: true)
}

/// Handlers of D2O.
enum D2O {
    static func columnSums(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let recorder = try ColumnSumRecorder(
            queries: try oracle.inputs.read("q"), keys: try oracle.inputs.read("k"))
        let view = try recorder.view(
            chunks: try oracle.params.read("chunks", default: [recorder.tokenCount]))
        return [
            "colsum_query_heads": (0..<view.shape.headCount).map { view.columnSums(ofQueryHead: $0) },
            "score_kv_heads": HeavyHitterSelector().scores(of: view),
        ]
    }

    static func layerVariance(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let spread = VarianceLayers.spread(
            try oracle.inputs.read("colsum"), epsilon: try oracle.params.read("eps", default: 1e-6))
        return ["head_var": spread.variances, "head_norm": spread.scaled, "F": spread.mean]
    }

    static func layerBudgets(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let clamp: [Double] = try oracle.params.read("clamp")
        let exempt: [Int] = try oracle.params.read("protected")
        guard clamp.count == 2, clamp[0] <= clamp[1] else {
            throw oracle.malformed("params.clamp needs a lower and an upper bound")
        }
        let budgets = VarianceLayers.referenceBudgets(
            spreads: try oracle.inputs.read("F"), heavyRatio: try oracle.params.read("hh_ratio"),
            recentRatio: try oracle.params.read("recent_ratio"), rows: try oracle.params.read("n_tokens"),
            clamp: clamp[0]...clamp[1])
        return [
            "alpha": budgets.map(\.alpha), "ratio": budgets.map(\.ratio), "hh": budgets.map(\.heavy),
            "recent": budgets.map(\.recent),
            "budget": budgets.enumerated().map { exempt.contains($0) ? -1 : $1.heavy + $1.recent },
        ]
    }

    static func select(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let scores: [[Float]] = try oracle.inputs.read("scores")
        let (selector, budget) = try selector(oracle)
        var layer = try EngineLayer(
            keys: scores.map { $0.map { _ in [0] } }, evidence: selector.needs(promptLength: 0))
        try layer.record(columnSums: scores)
        let kept = Baselines.kept(selector, layer.view(), budget: budget)
        return ["kept": kept, "evicted": evicted(kept, layer)]
    }

    /// The selector and the budget of a layer with `hh` heavy hitters and `recent` newest rows.
    private static func selector(
        _ oracle: OracleCase
    ) throws(SwiftletError) -> (selector: HeavyHitterSelector, budget: Int) {
        let heavy: Int = try oracle.params.read("hh")
        let recent: Int = try oracle.params.read("recent")
        guard heavy >= 0, recent >= 0, heavy + recent > 0 else {
            throw oracle.malformed("params.hh + params.recent is \(heavy) + \(recent)")
        }
        let share = Double(recent) / Double(heavy + recent)
        return (
            HeavyHitterSelector(recentShare: share, sinks: try oracle.params.read("n_sink", default: 4)),
            heavy + recent
        )
    }

    private static func evicted(_ kept: [[Int]], _ layer: EngineLayer) -> [[Int]] {
        let selection = KVSelection.perHead(kept)
        return kept.indices.map { selection.droppedRows(ofHead: $0, of: layer.slot.rowCount(ofHead: $0)) }
    }

    /// The merger that the parameters describe.
    private static func merger(_ oracle: OracleCase) throws(SwiftletError) -> CompensationMerger {
        let name: String = try oracle.params.read("mode")
        guard let mode = CompensationMerger.Mode(rawValue: name) else {
            throw oracle.malformed("params.mode is '\(name)', expected 'paper' or 'reference'")
        }
        var merger = CompensationMerger(mode: mode, beta: try oracle.params.read("beta"))
        if mode == .reference { merger.alpha = try oracle.params.read("alpha") }
        merger.selfWeight = try oracle.params.read("e", default: merger.selfWeight)
        merger.mergesKeys = try oracle.params.read("merge_keys", default: true)
        return merger
    }

    /// Thresholds as the case writes them: per KV head, or one number in the reference mode.
    private static func thresholds(_ merger: CompensationMerger, heads: Int) -> OracleValue {
        if merger.mode == .reference { return (merger.thresholds.first ?? nil).oracleValue }
        let thresholds = merger.thresholds.isEmpty ? Array(repeating: nil, count: heads) : merger.thresholds
        return thresholds.oracleValue
    }

    static func merge(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        var merger = try merger(oracle)
        if merger.mode == .reference {
            merger.thresholds = [try oracle.inputs.read("tau_prev", as: Double?.self)]
        } else {
            merger.thresholds = try oracle.inputs.read("tau_prev")
        }
        var layer = try EngineLayer(keys: try oracle.inputs.read("K"), values: try oracle.inputs.read("V"))
        let kept: [[Int]] = try oracle.inputs.read("kept")
        let evicted: [[Int]] = try oracle.inputs.read("evicted")
        try check(kept, layer)
        try check(evicted, layer)
        let plan = merger.plan(in: layer.view(), kept: kept, evicted: evicted)
        try layer.apply(merger.rewrites(plan))
        try layer.keep(.perHead(kept))
        return [
            "umax": plan.heads.map(\.similarity), "nearest": plan.heads.map(\.nearest),
            "tau": thresholds(merger, heads: kept.count), "merged": plan.merged,
            "merged_slot": plan.merged.first ?? [], "K": layer.keys, "V": layer.values,
        ]
    }

    private static func check(_ rows: [[Int]], _ layer: EngineLayer) throws(SwiftletError) {
        let counts = layer.positions.map(\.count)
        guard rows.count == counts.count,
            zip(rows, counts).allSatisfy({ rows, count in
                rows.allSatisfy((0..<count).contains) && zip(rows, rows.dropFirst()).allSatisfy(<)
            })
        else { throw SwiftletError(.malformed, "inputs.kept or inputs.evicted are not ascending rows of K") }
    }

    static func trace(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let queries: [[[Float]]] = try oracle.inputs.read("q_new")
        let newKeys: [[[Float]]] = try oracle.inputs.read("k_new")
        let newValues: [[[Float]]] = try oracle.inputs.read("v_new")
        let (selector, budget) = try selector(oracle)
        var merger = try merger(oracle)
        var layer = try EngineLayer(
            headCount: queries.count, keys: try oracle.inputs.read("K"), values: try oracle.inputs.read("V"),
            evidence: selector.needs(promptLength: 0))
        let score: [[Float]] = try oracle.inputs.read("score")
        // Scores are sums over the group: the first query head of each group stands for all.
        try layer.record(
            columnSums: score.flatMap { sums in
                [sums] + Array(repeating: sums.map { _ in 0 }, count: layer.shape.group - 1)
            })
        let steps = try EngineLayer.sizes(queries, "queries").1
        let prompt = layer.slot.rowCount(ofHead: 0)
        guard try EngineLayer.sizes(newKeys, "k_new").1 == steps,
            try EngineLayer.sizes(newValues, "v_new").1 == steps
        else { throw SwiftletError(.mismatch, "q_new, k_new and v_new differ in steps") }
        var outputs: [[[Float]]] = []
        var positions: [[[Int32]]] = []
        var taus: [OracleValue] = []
        var counts: [OracleValue] = []
        for step in 0..<steps {
            try layer.append(
                keys: newKeys.map { [$0[step]] }, values: newValues.map { [$0[step]] }, at: prompt + step)
            let (output, weights) = try layer.attend(queries.map { $0[step] })
            try layer.record(columnSums: weights)
            let merged = try compress(&layer, selector, &merger, budget: budget)
            outputs.append(output)
            positions.append(layer.positions)
            taus.append(thresholds(merger, heads: newKeys.count))
            counts.append(merger.mode == .reference ? .integer(merged[0]) : merged.oracleValue)
        }
        return [
            "output": outputs, "positions": positions, "tau": taus, "n_merged": counts,
            "K": layer.keys, "V": layer.values, "score": selector.scores(of: layer.view()),
        ]
    }

    /// What a session does after a token: drops rows above the budget and folds them into others.
    ///
    /// - Returns: how many rows were folded in, per KV head.
    private static func compress(
        _ layer: inout EngineLayer, _ selector: HeavyHitterSelector, _ merger: inout CompensationMerger,
        budget: Int
    ) throws(SwiftletError) -> [Int] {
        let view = layer.view(phase: .decode)
        let kept = Baselines.kept(selector, view, budget: budget)
        let evicted = evicted(kept, layer)
        guard evicted.contains(where: { !$0.isEmpty }) else { return kept.map { _ in 0 } }
        let plan = merger.plan(in: view, kept: kept, evicted: evicted)
        try layer.apply(merger.rewrites(plan))
        try layer.keep(.perHead(kept))
        return plan.merged.map { $0.count { $0 } }
    }
}
