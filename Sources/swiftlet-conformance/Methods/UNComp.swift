import SwiftletCache
import SwiftletTensor

extension OracleMethod {
    /// The kinds of `uncomp.json`.
    static let uncomp = OracleMethod(
        handlers: [
            "matrix_entropy": UNCompCases.entropy,
            "head_erank": UNCompCases.headRanks,
            "elbow": UNCompCases.elbow,
            "layer_groups": UNCompCases.layerGroups,
            "stage_lengths": UNCompCases.stageLengths,
            "head_groups": UNCompCases.headGroups,
            "hidden_select": UNCompCases.hiddenRows,
            "kv_select": UNCompCases.keptRows,
            "decode_update": UNCompCases.decodeUpdate,
            "trace": UNCompCases.trace,
        ], isMixed: true)
}

private enum UNCompCases {
    /// Spectrum and truncated entropies of a token matrix.
    static func entropy(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let rows: [[Float]] = try oracle.inputs.read("X")
        let ranks: [Int] = try oracle.params.read("k")
        let size = try width(of: rows, oracle)
        let spectrum = UNCompSpectrum(
            rows: rows.flatMap { $0 }, size: size, epsilon: try oracle.params.read("eps", default: 1e-10),
            zeroRow: try oracle.params.read("zero_row", default: 1e-6))
        return [
            "eigenvalues": spectrum.eigenvalues, "entropy": ranks.map(spectrum.entropy),
            "entropy_over_log_d": ranks.map { spectrum.relativeEntropy($0) },
            "erank": ranks.map(spectrum.effectiveRank),
        ]
    }

    static func headRanks(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let heads: [[[Float]]] = try oracle.inputs.read("Q")
        let rank: Int = try oracle.params.read("k")
        let kvHeads: Int = try oracle.params.read("n_kv_heads")
        guard kvHeads > 0, heads.count % kvHeads == 0 else {
            throw oracle.malformed("\(heads.count) heads do not share \(kvHeads) KV heads")
        }
        var ranks: [Double] = []
        for rows in heads {
            let spectrum = UNCompSpectrum(rows: rows.flatMap { $0 }, size: try width(of: rows, oracle))
            ranks.append(spectrum.effectiveRank(rank))
        }
        let layer = UNComp.LayerRanks(queryHeads: ranks)
        return [
            "erank_query_heads": ranks, "erank_kv_heads": layer.kvHeads(kvHeads), "erank_layer": layer.mean,
        ]
    }

    static func elbow(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        ["k": UNCompSpectrum(eigenvalues: try oracle.inputs.read("eigenvalues")).elbow]
    }

    static func layerGroups(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let labels = UNComp.layerGroups(
            ranks: try oracle.inputs.read("series"), epsilon: try oracle.params.read("epsilon"))
        let groups = (labels.last ?? -1) + 1
        return [
            "label": labels, "sizes": (0..<groups).map { group in labels.filter { $0 == group }.count },
        ]
    }

    static func stageLengths(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let name: String = try oracle.params.read("rule")
        let minimum: Int = try oracle.params.read("min_len")
        let rule: UNComp.StageRule
        switch name {
        case "reference": rule = .fixed(maximum: try oracle.params.read("max_token"), minimum: minimum)
        case "paper": rule = .falling(step: try oracle.params.read("delta"), minimum: minimum)
        default: throw oracle.malformed("there is no rule '\(name)'")
        }
        let lengths = UNComp.stageLengths(
            labels: try oracle.inputs.read("label"), promptLength: try oracle.params.read("n_tokens"),
            rule: rule)
        return ["tokens": lengths]
    }

    static func headGroups(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let count: Int = try oracle.params.read("n_groups")
        guard count > 0 else { throw oracle.malformed("there are no groups") }
        let groups = UNComp.headGroups(ranks: try oracle.inputs.read("erank"), groups: count)
        return [
            "groups": groups,
            "budget": UNComp.headBudgets(
                groups: groups, first: try oracle.params.read("n1"), step: try oracle.params.read("step")),
        ]
    }

    static func hiddenRows(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let attention: [[[Float]]] = try oracle.inputs.read("attn")
        return [
            "kept": UNComp.hiddenRows(
                attention: UNComp.sum(attention), keeping: try oracle.params.read("keep"),
                forcedTail: try oracle.params.read("forced_tail"))
        ]
    }

    static func keptRows(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let attention: [[[Float]]] = try oracle.inputs.read("attn")
        let budgets: [Int] = try oracle.params.read("budget")
        let window: Int = try oracle.params.read("window")
        let kernel: Int = try oracle.params.read("kernel")
        let pooling = try pooling(oracle)
        let kvHeads: Int = try oracle.params.read("n_kv_heads")
        guard kvHeads > 0, budgets.count == kvHeads, attention.count % kvHeads == 0 else {
            throw oracle.malformed("\(attention.count) heads and \(budgets.count) budgets do not fit")
        }
        let group = attention.count / kvHeads
        return [
            "kept": budgets.indices.map { head in
                UNComp.keptRows(
                    scores: UNComp.sum(Array(attention[head * group..<(head + 1) * group])),
                    budget: budgets[head], window: window, kernel: kernel, pooling: pooling)
            }
        ]
    }

    static func decodeUpdate(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        var window = UNCompWindow(
            rows: try oracle.inputs.read("window"), size: try oracle.params.read("window_size"))
        let kept = window.update(
            try oracle.inputs.read("row"), budget: try oracle.params.read("budget"),
            kernel: try oracle.params.read("kernel"), pooling: try pooling(oracle))
        return ["kept": kept, "window": window.rows]
    }

    /// One layer through prompt and decode, in the cache that sessions use.
    static func trace(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let queries: [[[Float]]] = try oracle.inputs.read("q_window")
        let keys: [[[Float]]] = try oracle.inputs.read("K")
        let values: [[[Float]]] = try oracle.inputs.read("V")
        let budgets: [Int] = try oracle.params.read("budget")
        var settings = UNComp.Settings()
        settings.window = try oracle.params.read("window")
        settings.kernel = try oracle.params.read("kernel")
        settings.pooling = try pooling(oracle)
        guard let shape = LayerTrace.shape(queries: queries, keys: keys, values: values),
            budgets.count == shape.kvHeadCount
        else { throw oracle.malformed("queries, keys, values and budgets do not fit together") }
        let trace = try LayerTrace(
            shape, policy: UNComp.policy(settings, budgets: budgets), prompt: (queries, keys, values))
        let start = trace.positions
        let newQueries: [[[Float]]] = try oracle.inputs.read("q_new")
        let newKeys: [[[Float]]] = try oracle.inputs.read("k_new")
        let newValues: [[[Float]]] = try oracle.inputs.read("v_new")
        var outputs: [[[Float]]] = []
        var positions: [[[Int]]] = []
        for step in 0..<(newQueries.first?.count ?? 0) {
            guard (newQueries + newKeys + newValues).allSatisfy({ $0.count > step }) else {
                throw oracle.malformed("queries, keys and values have different numbers of steps")
            }
            outputs.append(
                try trace.decode(
                    newQueries.map { $0[step] }, newKeys.map { $0[step] }, newValues.map { $0[step] }))
            positions.append(trace.positions)
        }
        return ["positions_after_prefill": start, "output": outputs, "positions": positions]
    }

    private static func pooling(_ oracle: OracleCase) throws(SwiftletError) -> UNComp.Pooling {
        let name: String = try oracle.params.read("pooling", default: "max")
        guard let pooling = UNComp.Pooling(rawValue: name) else {
            throw oracle.malformed("there is no pooling '\(name)'")
        }
        return pooling
    }

    /// Elements per row; all rows must have as many.
    private static func width(of rows: [[Float]], _ oracle: OracleCase) throws(SwiftletError) -> Int {
        guard let first = rows.first?.count, first > 0, rows.allSatisfy({ $0.count == first }) else {
            throw oracle.malformed("a matrix has no rows, or rows of different length")
        }
        return first
    }
}
