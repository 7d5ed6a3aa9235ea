import SwiftletCache
import SwiftletModels
import SwiftletTensor

extension OracleMethod {
    /// The kinds of `pyramidinfer.json`.
    static let pyramidInfer = OracleMethod(
        handlers: [
            "schedule": PyramidInferCases.schedule,
            "plan": PyramidInferCases.plan,
            "gen_lengths": PyramidInferCases.decodeLengths,
            "select": PyramidInferCases.select,
            "gen_update": PyramidInferCases.decodeUpdate,
            "toy_llama": PyramidInferCases.toy,
        ], information: ["selection_margin"])
}

private enum PyramidInferCases {
    /// Ratios per layer for every strategy and decay that the case lists.
    static func schedule(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let layers: Int = try oracle.params.read("layers")
        let listed: [OracleFields] = try OracleFields(oracle.expected, path: "expected").read("schedules")
        var schedules: [[String: any OracleResult]] = []
        for entry in listed {
            let name: String = try entry.read("strategy")
            let decay: Double = try entry.read("d")
            let schedule = try schedule(named: name)
            schedules.append([
                "strategy": name, "d": decay,
                "ratios": (0..<layers).map { schedule.ratio(layer: $0, of: layers, decay: decay) },
            ])
        }
        return ["schedules": schedules]
    }

    static func plan(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let method = try method(oracle)
        let layers: Int = try oracle.params.read("layers")
        let lengths: [Int] = try oracle.inputs.read("prompt_lengths")
        let plans: [[String: any OracleResult]] = lengths.map { length in
            let plan = method.plan(promptLength: length, layers: layers)
            return [
                "prompt_length": length, "recent_length": plan.recentLength, "window": plan.window,
                "min_context": plan.minimumContext, "kv_length_per_layer": plan.lengths,
                "tokens_leaving_last_layer": plan.leaving, "kv_retention": plan.retention,
            ]
        }
        return ["plans": plans]
    }

    static func decodeLengths(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let method = try method(oracle)
        let layers: Int = try oracle.params.read("layers")
        let plan = method.plan(promptLength: try oracle.inputs.read("prompt_length"), layers: layers)
        let steps = method.decodeLengths(after: plan.lengths, steps: try oracle.inputs.read("decode_steps"))
        return [
            "kv_length_after_prefill": plan.lengths, "recent_length_per_step": steps.map(\.recentLength),
            "kv_length_after_step": steps.map(\.lengths),
            "kept_per_compression": (0..<layers).map { method.keptOfBlock(layer: $0, of: layers) },
        ]
    }

    static func select(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        var method = PyramidInfer()
        method.sinks = try oracle.params.read("sink_length")
        method.distanceWeight = try oracle.params.read("distance_weight")
        let count: Int = try oracle.params.read("keep")
        let attention: [[[[Float]]]] = try oracle.inputs.read("attention")
        let positions: [[Int]] = try oracle.inputs.read("positions")
        let scores = attention.map { method.scores(PyramidInfer.headMean($0)) }
        let kept = scores.map { method.kept(count, scores: $0) }
        guard scores.map(\.count) == positions.map(\.count) else {
            throw oracle.malformed("attention and positions differ in length")
        }
        return [
            "scores": scores, "kept_indices": kept,
            "kept_positions": zip(positions, kept).map { positions, kept in kept.map { positions[$0] } },
        ]
    }

    /// One step of decode in one layer.
    static func decodeUpdate(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let method = try method(oracle)
        let mark: Int = try oracle.params.read("mark")
        var state = PyramidInferThinning(mark: mark, attention: try oracle.inputs.read("stored_rows"))
        let attention: [[Float]] = try oracle.inputs.read("new_attention")
        let row = PyramidInfer.headMean(attention.map { [$0] }).first ?? []
        let keys: [[[Float]]] = try oracle.inputs.read("keys")
        let values: [[[Float]]] = try oracle.inputs.read("values")
        guard keys.count == row.count, values.count == row.count else {
            throw oracle.malformed("keys, values and attention differ in length")
        }
        let update = state.update(
            row, recentLength: try oracle.params.read("recent_length"),
            layer: try oracle.params.read("layer"), of: try oracle.params.read("layers"), method: method)
        let kept = update ?? Array(row.indices)
        let rows = state.attention.map { row in
            row + [Float](repeating: 0, count: max(kept.count - row.count, 0))
        }
        var answer: [String: any OracleResult] = [
            "triggered": state.mark != mark, "kept_cache_indices": kept, "new_length": kept.count,
            "new_mark": state.mark, "stored_rows": rows, "keys": kept.map { keys[$0] },
            "values": kept.map { values[$0] },
        ]
        if !state.scores.isEmpty {
            let first = row.count - 1 - (try oracle.params.read("recent_length") as Int) - state.scores.count
            answer["scores"] = state.scores
            answer["kept_in_window"] = kept.map { $0 - first }.filter(state.scores.indices.contains)
        }
        return answer
    }

    /// Prefill and forced decode of a tiny model, with the caches that result.
    static func toy(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let toy = try ToyLlama(oracle)
        let layers = toy.model.cacheLayers.count
        var policy = KVPolicy()
        try method(oracle).apply(to: &policy, layers: layers)
        let sequence = try toy.sequence(policy: policy)
        let prompt = try toy.tokens(try oracle.inputs.read("prompt_tokens"))
        let forced = try toy.tokens(try oracle.inputs.read("forced_decode_tokens"))
        func positions() -> [[Int]] {
            (0..<layers).map { sequence.positions(layer: $0, head: 0).map(Int.init) }
        }
        let (logits, leaving) = try toy.prefill(prompt, sequence)
        let entering = positions()
        var rows: [[Float]] = []
        var events: [[String: any OracleResult]] = []
        for (step, token) in forced.enumerated() {
            let lengths = positions().map(\.count)
            rows.append(try toy.decode(token, sequence))
            let compressed = (0..<layers).filter { positions()[$0].count <= lengths[$0] }
            if !compressed.isEmpty { events.append(["step": step, "layers": compressed]) }
        }
        return [
            "positions_entering_layer": entering, "positions_leaving_last_layer": leaving,
            "last_prompt_logits": logits,
            "last_prompt_logits_without_compression": try toy.prefill(prompt, toy.sequence()).logits,
            "logits_per_decode_step": rows, "compression_events": events,
            "cached_positions_after_decode": positions(),
        ]
    }

    /// The settings of a case; what it does not name has its default.
    static func method(_ oracle: OracleCase) throws(SwiftletError) -> PyramidInfer {
        let params = oracle.params
        var method = PyramidInfer()
        method.recentRatio = try params.read("recent_ratio", default: method.recentRatio)
        method.decay = try params.read("prefill_decay_ratio", default: method.decay)
        method.schedule = try schedule(named: params.read("prefill_decay_strategy", default: "cosine"))
        method.minimumContext = try params.read("min_context_length", default: method.minimumContext)
        method.interval = try params.read("layerwise_downsample_interval", default: method.interval)
        method.sinks = try params.read("sink_length", default: method.sinks)
        method.distanceWeight = try params.read("distance_weight", default: method.distanceWeight)
        method.generationDecay = try params.read("gen_decay_ratio", default: method.generationDecay)
        method.generationSchedule = try schedule(
            named: params.read("gen_decay_strategy", default: "cosine"))
        method.generationKeep = try params.read("gen_compress_ratio", default: method.generationKeep)
        method.blockLength = try params.read("exceed_length_to_compress", default: method.blockLength)
        try method.validate()
        return method
    }

    private static func schedule(named name: String) throws(SwiftletError) -> PyramidInfer.Schedule {
        guard let schedule = PyramidInfer.Schedule(rawValue: name) else {
            throw SwiftletError(.malformed, "there is no schedule '\(name)'")
        }
        return schedule
    }
}
