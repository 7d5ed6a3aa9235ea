import SwiftletCache
import SwiftletTensor

extension OracleMethod {
    /// The kinds of `zigzagkv.json`.
    static let zigzagkv = OracleMethod(handlers: [
        "mba": ZigZag.minimumRows,
        "lmba_from_window_queries": ZigZag.windowRows,
        "allocation": ZigZag.allocation,
        "prompt": ZigZag.prompt,
        "lmbo_diagnostic": ZigZag.outputRows,
    ])
}

/// Handlers of ZigZagKV.
enum ZigZag {
    static func minimumRows(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let attention: [[Float]] = try oracle.inputs.read("p")
        let threshold: Double = try oracle.params.read("threshold")
        let rows = attention.map { UncertaintyLayers.minimumRows(of: $0, threshold: threshold) }
        return ["mba_per_head": rows, "lmba": UncertaintyLayers.mean(rows)]
    }

    static func windowRows(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let allocator = try allocator(oracle)
        let view = try EngineLayer.asked(
            try oracle.inputs.read("q_window"), keys: try oracle.inputs.read("k"),
            evidence: allocator.needs(promptLength: 0)
        ).view()
        let importance = (0..<view.shape.kvHeadCount).flatMap { view.windowMeans(ofHead: $0) }
        return [
            "importance": importance,
            "mba_per_head": importance.map {
                UncertaintyLayers.minimumRows(of: $0, threshold: allocator.threshold)
            },
            "lmba": allocator.statistic(of: view),
        ]
    }

    private static func allocator(_ oracle: OracleCase) throws(SwiftletError) -> UncertaintyLayers {
        UncertaintyLayers(
            threshold: try oracle.params.read("threshold"), window: try oracle.params.read("window"))
    }

    static func allocation(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let uncertainty: [Double] = try oracle.inputs.read("lmba")
        let length: Int = try oracle.params.read("T")
        let mean = min(try oracle.params.read("average_budget"), length)
        let bound: Double = try oracle.params.read("bound")
        return [
            "uncertainty": UncertaintyLayers.shares(uncertainty),
            "budget_real_unclamped": UncertaintyLayers.realBudgets(
                uncertainty, mean: Double(mean), bound: bound),
            "budget_int": budgets(uncertainty, mean: mean, bound: bound, length: length),
        ]
    }

    private static func budgets(_ uncertainty: [Double], mean: Int, bound: Double, length: Int) -> [Int] {
        UncertaintyLayers.budgets(
            uncertainty: uncertainty, total: mean * uncertainty.count, bound: min(bound, Double(mean)),
            caps: uncertainty.map { _ in length })
    }

    static func prompt(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let allocator = try allocator(oracle)
        let kernel: Int = try oracle.params.read("pool_kernel")
        guard kernel > 0, kernel % 2 == 1 else {
            throw oracle.malformed("params.pool_kernel is \(kernel), expected an odd number")
        }
        let selector = SnapKVSelector(window: allocator.window, kernel: kernel)
        var layers: [EngineLayer] = []
        var queries: [[[[Float]]]] = []
        for fields in try oracle.inputs.read("layers", as: [OracleFields].self) {
            queries.append(try fields.read("q_window"))
            layers.append(
                try EngineLayer.asked(
                    queries[layers.count], keys: try fields.read("k"), values: try fields.read("v"),
                    evidence: allocator.needs(promptLength: 0)))
        }
        let length = layers.reduce(0) { max($0, $1.slot.rowCount(ofHead: 0)) }
        let uncertainty = layers.map { allocator.statistic(of: $0.view()) }
        let budgets = budgets(
            uncertainty, mean: min(try oracle.params.read("average_budget"), length),
            bound: try oracle.params.read("bound"), length: length)
        var outputs: [[[Float]]] = []
        for index in layers.indices {
            let kept = Baselines.kept(selector, layers[index].view(layer: index), budget: budgets[index])
            try layers[index].keep(.perHead(kept))
            outputs.append(try layers[index].attend(queries[index].compactMap(\.last)).output)
        }
        return [
            "lmba": uncertainty, "budget_int": budgets, "kept": layers.map(\.positions),
            "attention_output_last_query": outputs,
        ]
    }

    static func outputRows(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let query: [[Float]] = try oracle.inputs.read("q_last")
        let layer = try EngineLayer(
            headCount: query.count, keys: try oracle.inputs.read("k"), values: try oracle.inputs.read("v"))
        let values = layer.values.flatMap { Array(repeating: $0, count: layer.shape.group) }
        let errors = UncertaintyLayers.outputErrors(
            attention: try layer.attend(query).weights, values: values)
        return [
            "relative_error_by_budget": errors,
            "lmbo": UncertaintyLayers.outputRows(errors: errors, epsilon: try oracle.params.read("eps")),
        ]
    }
}
