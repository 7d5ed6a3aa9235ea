import SwiftletCache
import SwiftletTensor

/// The kinds of PQCache that generate tokens, in a sequence of one layer.
struct PQCacheTrace {
    private let oracle: OracleCase
    private let keys: [[[Float]]]  // [kvHeads, tokens, size]
    private let values: [[[Float]]]
    private let settings: PQCacheSettings
    private let retrieval: PQCacheRetrieval
    private let shape: KVLayerShape
    private let prompt: Int
    private let scale: Float
    private let compute = Compute(kernels: .best, threadCount: 1)

    /// - Parameter budget: makes the budget from its share where a case does not give it.
    private init(
        _ oracle: OracleCase, headCount: Int,
        _ budget: (PQCacheSettings) throws(SwiftletError) -> PQCacheBudget?
    ) throws(SwiftletError) {
        self.oracle = oracle
        let keys: [[[Float]]] = try oracle.inputs.read("k")
        let values: [[[Float]]] = try oracle.inputs.read("v")
        let prompt: Int = try oracle.params.read("prompt")
        var settings = PQCacheSettings()
        settings.sinks = try oracle.params.read("sink")
        settings.subspaces = try oracle.params.read("m")
        settings.bits = try oracle.params.read("b")
        settings.ratio = try oracle.params.read("ratio", default: settings.ratio)
        settings.localFraction = try oracle.params.read("local_fraction", default: settings.localFraction)
        settings.limits = KMeans.Limits(
            iterations: try oracle.params.read("max_iter", default: 0),
            tolerance: try oracle.params.read("tol", default: 0))
        let size = keys.first?.first?.count ?? 0
        let rows = (keys + values).map(\.count)
        guard size > 0, values.count == keys.count, rows.allSatisfy({ $0 == rows[0] && $0 > prompt }),
            (keys + values).joined().allSatisfy({ $0.count == size }), headCount % keys.count == 0,
            prompt >= 0, settings.sinks >= 0
        else { throw oracle.malformed("k, v and q do not agree in their shapes, or end with the prompt") }
        guard settings.subspaces > 0, size % settings.subspaces == 0, (1...16).contains(settings.bits) else {
            throw oracle.malformed("\(size) dimensions in \(settings.subspaces) sub-spaces")
        }
        shape = KVLayerShape(
            headCount: headCount, kvHeadCount: keys.count, keySize: size, valueSize: size)
        scale = 1 / Float(size).squareRoot()
        var retrieval = PQCacheRetrieval(settings)
        retrieval.budget = try budget(settings)
        if oracle.inputs.has("init_rows") {
            let initialRows: [Int] = try oracle.inputs.read("init_rows")
            guard initialRows.count == settings.clusters,
                initialRows.allSatisfy({ (0..<prompt - settings.sinks).contains($0) })
            else { throw oracle.malformed("init_rows are not \(settings.clusters) rows of the prompt") }
            retrieval.initialRows = initialRows
        }
        self.keys = keys
        self.values = values
        self.prompt = prompt
        self.settings = settings
        self.retrieval = retrieval
    }

    // MARK: Kinds

    @Sendable static func decode(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let queries: [[[Float]]] = try oracle.inputs.read("q_per_step")
        let trace = try PQCacheTrace(oracle, headCount: queries.first?.count ?? 0) { _ in nil }
        guard trace.prompt + queries.count <= trace.keys[0].count else {
            throw oracle.malformed("there are fewer tokens than steps")
        }
        return try trace.decode(queries)
    }

    @Sendable static func shortPrompt(
        _ oracle: OracleCase
    ) throws(SwiftletError) -> [String: any OracleResult] {
        let queries: [[Float]] = try oracle.inputs.read("q")
        let trace = try PQCacheTrace(oracle, headCount: queries.count) { _ in nil }
        return [
            "indexed": trace.settings.budget(promptLength: trace.prompt) != nil,
            "output": try trace.output(queries),
        ]
    }

    @Sendable static func coveringAll(
        _ oracle: OracleCase
    ) throws(SwiftletError) -> [String: any OracleResult] {
        let queries: [[Float]] = try oracle.inputs.read("q")
        let trace = try PQCacheTrace(oracle, headCount: queries.count) { settings throws(SwiftletError) in
            PQCacheBudget(
                sinks: settings.sinks, local: try oracle.params.read("local"),
                fetched: try oracle.params.read("topk"))
        }
        return ["output": try trace.output(queries)]
    }

    // MARK: Steps

    /// What the first generated token attends to.
    private func output(_ queries: [[Float]]) throws(SwiftletError) -> [[Float]] {
        let sequence = try sequence(retrieval)
        try append(prompt..<prompt + 1, to: sequence)
        return attend(queries, at: prompt, sequence)
    }

    private func decode(_ queries: [[[Float]]]) throws(SwiftletError) -> [String: any OracleResult] {
        let fetching = try sequence(retrieval)
        let full = try sequence(nil)
        guard
            var layer = PQCacheLayer.index(
                [fetching.slot(of: 0)], length: prompt, settings: settings,
                initialRows: retrieval.initialRows, compute: compute)?.first
        else { throw oracle.malformed("the prompt is not longer than the codebook") }
        var steps: [[String: any OracleResult]] = []
        for (step, queries) in queries.enumerated() {
            let position = prompt + step
            try append(position..<position + 1, to: fetching)
            try append(position..<position + 1, to: full)
            var result = chosen(queries, at: position, &layer, fetching.slot(of: 0))
            result["output"] = attend(queries, at: position, fetching)
            result["full_attention_output"] = attend(queries, at: position, full)
            fetching.advance(by: 1)
            full.advance(by: 1)
            steps.append(result)
        }
        return [
            "local": layer.budget.local, "topk": layer.budget.fetched,
            "centroids": layer.heads.map { parts($0) },
            "codes_at_end": layer.heads.map { index in
                (0..<index.count).map { token in
                    (0..<settings.subspaces).map { index.code(ofToken: token, subspace: $0) }
                }
            },
            "steps": steps,
        ]
    }

    /// Centroids as `[subspaces][clusters][width]`.
    private func parts(_ index: PQIndex) -> [[[Float]]] {
        let (clusters, width) = (index.shape.clusters, index.shape.width)
        return (0..<index.shape.subspaces).map { subspace in
            (0..<clusters).map { cluster in
                let first = (subspace * clusters + cluster) * width
                return Array(index.centroids[first..<first + width])
            }
        }
    }

    private func chosen(
        _ queries: [[Float]], at position: Int, _ layer: inout PQCacheLayer, _ slot: KVSlot
    ) -> [String: any OracleResult] {
        var scratches = Array(repeating: PQIndex.Scratch(), count: shape.kvHeadCount)
        let candidates = layer.candidates(cached: position)
        let choices = layer.choices(
            queries: queries.flatMap { $0 }, scale: scale, slot: slot, cached: position,
            scratches: &scratches, compute: compute)
        let attended =
            choices.map { $0.map { $0.rows.map(Int.init) + Array($0.tail..<position + 1) } }
            ?? Array(repeating: Array(0..<position + 1), count: shape.kvHeadCount)
        return [
            "candidates": candidates.count,
            "selected_positions": attended.map { $0.filter(candidates.contains) },
            "attended_positions": attended,
        ]
    }

    /// A sequence that has read the prompt.
    private func sequence(_ retrieval: PQCacheRetrieval?) throws(SwiftletError) -> KVSequence {
        var policy = KVPolicy()
        policy.retrieval = retrieval
        let sequence = try KVSequence(
            layout: KVLayout(layers: [shape]), format: .f32, rope: Rope(base: 10_000, rotatedSize: 0),
            scale: scale, policy: policy, pool: KVPagePool(), kernels: compute.kernels)
        try append(0..<prompt, to: sequence)
        sequence.advance(by: prompt)
        try sequence.learnPrompt(compute)
        return sequence
    }

    private func append(_ tokens: Range<Int>, to sequence: KVSequence) throws(SwiftletError) {
        func rows(_ heads: [[[Float]]]) -> [Float] { tokens.flatMap { token in heads.flatMap { $0[token] } } }
        let positions = tokens.map { Int32($0) }
        try positions.withUnsafeBufferPointer { positions throws(SwiftletError) in
            try sequence.append(layer: 0, keys: rows(keys), values: rows(values), positions: positions)
        }
    }

    private func attend(_ queries: [[Float]], at position: Int, _ sequence: KVSequence) -> [[Float]] {
        var output = [Float](repeating: 0, count: shape.headCount * shape.valueSize)
        queries.flatMap { $0 }.withUnsafeBufferPointer { queries in
            [Int32(position)].withUnsafeBufferPointer { positions in
                guard let data = queries.baseAddress else { return }
                sequence.attend(
                    KVSequence.Queries(data: data, positions: positions), layer: 0, phase: .decode,
                    into: &output, compute: compute, workspace: Workspace())
            }
        }
        return stride(from: 0, to: output.count, by: shape.valueSize).map {
            Array(output[$0..<$0 + shape.valueSize])
        }
    }
}
