import SwiftletCache
import SwiftletTensor

extension OracleMethod {
    /// The kinds of `pqcache.json`.
    static let pqcache = OracleMethod(handlers: [
        "kmeans": PQCacheOracle.kMeans,
        "index_adc": PQCacheOracle.index,
        "block_cache": PQCacheOracle.blockCache,
        "block_selection": PQCacheOracle.blockSelection,
        "iteration_schedule": PQCacheOracle.schedule,
        "sizes": PQCacheOracle.sizes,
        "decode_trace": PQCacheTrace.decode,
        "short_prompt_is_full_attention": PQCacheTrace.shortPrompt,
        "topk_covers_all": PQCacheTrace.coveringAll,
    ])
}

/// The kinds of PQCache, each through the code that decodes.
private enum PQCacheOracle {
    private static var kernels: Kernels { .best }

    /// Rows as one array, after checking that they are equally long.
    private static func flat(_ rows: [[Float]], _ oracle: OracleCase) throws(SwiftletError) -> [Float] {
        let width = rows.first?.count ?? 0
        guard width > 0, rows.allSatisfy({ $0.count == width }) else {
            throw oracle.malformed("rows are empty or differ in length")
        }
        return rows.flatMap { $0 }
    }

    /// Cuts an array into rows of `width`.
    private static func rows(_ values: [Float], _ width: Int) -> [[Float]] {
        stride(from: 0, to: values.count, by: width).map { Array(values[$0..<$0 + width]) }
    }

    private static func limits(_ oracle: OracleCase) throws(SwiftletError) -> KMeans.Limits {
        KMeans.Limits(
            iterations: try oracle.params.read("max_iter"), tolerance: try oracle.params.read("tol"))
    }

    private static func check(
        _ initialRows: [Int], below count: Int, _ oracle: OracleCase
    ) throws(SwiftletError) {
        guard !initialRows.isEmpty, initialRows.allSatisfy({ (0..<count).contains($0) }) else {
            throw oracle.malformed("init_rows are empty or beyond the \(count) points")
        }
    }

    // MARK: Clusters

    @Sendable static func kMeans(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let points: [[Float]] = try oracle.inputs.read("x")
        let initialRows: [Int] = try oracle.inputs.read("init_rows")
        try check(initialRows, below: points.count, oracle)
        let data = try flat(points, oracle)
        let size = points[0].count
        let found = KMeans(
            points: data, stride: size, count: points.count, size: size, initialRows: initialRows,
            limits: try limits(oracle), kernels: kernels)
        return [
            "centroids": rows(found.centroids, size), "labels": found.labels.map(Int.init),
            "iterations": found.iterations,
        ]
    }

    // MARK: Index

    @Sendable static func index(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let keys: [[[Float]]] = try oracle.inputs.read("keys")  // [kvHeads, tokens, size]
        let queries: [[Float]] = try oracle.inputs.read("q")  // [heads, size]
        let newKeys: [[Float]] = try oracle.inputs.read("new_key")  // [kvHeads, size]
        let initialRows: [Int] = try oracle.inputs.read("init_rows")
        let count = keys.first?.count ?? 0
        guard !keys.isEmpty, queries.count % keys.count == 0, newKeys.count == keys.count,
            keys.allSatisfy({ $0.count == count })
        else { throw oracle.malformed("keys, q and new_key do not agree in their heads") }
        try check(initialRows, below: count, oracle)
        let shape = try indexShape(oracle, size: keys[0][0].count)
        let group = queries.count / keys.count
        let scale = 1 / Float(shape.size).squareRoot()
        let wanted = min(try oracle.params.read("topk", as: Int.self), count)
        var answers = IndexAnswers()
        for head in keys.indices {
            let index = PQIndex(
                keys: try flat(keys[head], oracle), shape, initialRows: initialRows,
                limits: try limits(oracle), kernels: kernels)
            let own = try flat(Array(queries[head * group..<(head + 1) * group]), oracle)
            answers.add(
                index, queries: own, group: group, scale: scale, count: count, wanted: wanted,
                newKey: newKeys[head], kernels)
            answers.addRecall(keys[head], queries[head * group..<(head + 1) * group], wanted)
        }
        return answers.results
    }

    private static func indexShape(_ oracle: OracleCase, size: Int) throws(SwiftletError) -> PQIndex.Shape {
        let subspaces: Int = try oracle.params.read("m")
        let bits: Int = try oracle.params.read("b")
        guard subspaces > 0, size % subspaces == 0, (1...16).contains(bits) else {
            throw oracle.malformed("\(size) dimensions in \(subspaces) sub-spaces of \(bits) bits")
        }
        return PQIndex.Shape(size: size, subspaces: subspaces, bits: bits)
    }

    private struct IndexAnswers {
        private var centroids: [[[[Float]]]] = []
        private var codes: [[[Int]]] = []
        private var tables: [[[Float]]] = []
        private var dots: [[Float]] = []
        private var scores: [[Float]] = []
        private var selected: [[Int]] = []
        private var newCodes: [[Int]] = []
        private var recalls: [Double] = []

        mutating func add(
            _ index: PQIndex, queries: [Float], group: Int, scale: Float, count: Int, wanted: Int,
            newKey: [Float], _ kernels: Kernels
        ) {
            var index = index
            let shape = index.shape
            let parts = rows(index.centroids, shape.clusters * shape.width)
            centroids.append(parts.map { rows($0, shape.width) })
            codes.append(
                (0..<count).map { token in
                    (0..<shape.subspaces).map { index.code(ofToken: token, subspace: $0) }
                })
            queries.withUnsafeBufferPointer { queries in
                guard let first = queries.baseAddress else { return }
                for head in 0..<group {
                    tables.append(
                        rows(index.table(of: first + head * shape.size, kernels: kernels), shape.clusters))
                    dots.append(
                        index.dots(with: first + head * shape.size, candidates: count, kernels: kernels))
                }
                scores.append(
                    index.scores(
                        queries: first, group: group, scale: scale, candidates: count, kernels: kernels))
                var chosen = [UInt32](repeating: 0, count: wanted + Kernels.collectSlack)
                var scratch = PQIndex.Scratch()
                index.select(
                    wanted, queries: first, group: group, scale: scale, candidates: count, first: 0,
                    into: &chosen, scratch: &scratch, kernels: kernels)
                selected.append(chosen[..<wanted].map(Int.init))
            }
            newCodes.append(index.encode(newKey, kernels: kernels))
        }

        /// The share of every query's truly best tokens that its KV head selected.
        mutating func addRecall(_ keys: [[Float]], _ queries: ArraySlice<[Float]>, _ wanted: Int) {
            let found = Set(selected.last ?? [])
            for query in queries {
                let best = keys.map { Float(Reference.dot($0, query)) }.indicesOfLargest(wanted)
                recalls.append(wanted > 0 ? Double(found.intersection(best).count) / Double(wanted) : 1)
            }
        }

        var results: [String: any OracleResult] {
            [
                "centroids": centroids, "codes": codes, "lookup_table": tables, "approx_dot": dots,
                "group_score": scores, "selected": selected, "new_key_code": newCodes,
                "mean_recall_of_exact_topk": recalls.reduce(0, +) / Double(recalls.count),
            ]
        }
    }

    // MARK: Blocks

    @Sendable static func blockCache(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult]
    {
        let requests: [[Int]] = try oracle.inputs.read("requests")
        let policy: String = try oracle.params.read(
            "policy", default: oracle.name.contains("lru") ? "lru" : "lfu")
        guard let policy = PQBlockCache.Policy(rawValue: policy) else {
            throw oracle.malformed("there is no block cache '\(policy)'")
        }
        let blockCount: Int = try oracle.params.read("n_blocks")
        var cache = PQBlockCache(capacity: try oracle.params.read("capacity_blocks"), policy: policy)
        var slots: [[Int]] = []
        var hits = 0
        for batch in requests {
            hits += batch.count { cache.slot(of: $0) != nil }
            for block in batch { cache.request(block) }
            slots.append((0..<blockCount).map { cache.slot(of: $0) ?? -1 })
        }
        return [
            "slot_of_block_after_each": slots, "hits_before_insert": hits,
            "requested": requests.joined().count,
        ]
    }

    @Sendable static func blockSelection(
        _ oracle: OracleCase
    ) throws(SwiftletError) -> [String: any OracleResult] {
        let selected: [[Int]] = try oracle.inputs.read("selected_per_kv_head")
        let block: Int = try oracle.params.read("block")
        let offloaded: Int = try oracle.params.read("offloaded_tokens")
        guard block > 0, offloaded >= 0, selected.joined().allSatisfy({ (0..<offloaded).contains($0) }) else {
            throw oracle.malformed("selected tokens beyond \(offloaded), or blocks of \(block)")
        }
        let demand = PQBlockDemand(selected: selected, block: block, offloaded: offloaded)
        return [
            "tokens_per_block": demand.tokensPerBlock,
            "insert_order": demand.fullest(try oracle.params.read("blocks_per_step")),
        ]
    }

    // MARK: Budgets

    @Sendable static func schedule(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let lengths: [Int] = try oracle.inputs.read("n")
        let schedule = PQCacheSchedule(
            prefill: try oracle.params.read("prefill"),
            threeIterations: try oracle.params.read("three_iterations"),
            perIteration: try oracle.params.read("per_iteration"))
        return ["max_iter": lengths.map { schedule.iterations(tokens: $0) }]
    }

    @Sendable static func sizes(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let names: [String] = try oracle.params.read("row")
        let table: [[Double]] = try oracle.inputs.read("rows")
        var results: [[String: any OracleResult]] = []
        for values in table {
            guard values.count == names.count else {
                throw oracle.malformed("rows and names differ in length")
            }
            results.append(try sizes(Dictionary(zip(names, values)) { $1 }, oracle))
        }
        return ["rows": results]
    }

    private static func sizes(
        _ row: [String: Double], _ oracle: OracleCase
    ) throws(SwiftletError) -> [String: any OracleResult] {
        func value(_ name: String) throws(SwiftletError) -> Double {
            guard let value = row[name], value.isFinite, value >= 0 else {
                throw oracle.malformed("a row has no number '\(name)'")
            }
            return value
        }
        func integer(_ name: String) throws(SwiftletError) -> Int {
            guard let integer = Int(exactly: try value(name)) else {
                throw oracle.malformed("'\(name)' is not an integer")
            }
            return integer
        }
        var settings = PQCacheSettings()
        settings.ratio = try value("ratio")
        settings.localFraction = try value("local_fraction")
        settings.sinks = try integer("sink")
        settings.subspaces = try integer("m")
        settings.bits = try integer("b")
        let length = try integer("T")
        let sizes = PQCacheSizes(
            settings, length: length, layers: try integer("layers"), kvHeads: try integer("n_kv"),
            headSize: try integer("head_dim"), bytesPerElement: try integer("bytes_per_element"))
        let budget = PQCacheBudget(
            promptLength: length, sinks: settings.sinks, ratio: settings.ratio,
            localFraction: settings.localFraction)
        return [
            "local": budget.local, "topk": budget.fetched, "attended_per_step": budget.attended,
            "code_bits_per_token_per_head": sizes.codeBitsPerToken, "code_bytes": sizes.codes,
            "centroid_bytes": sizes.centroids, "full_kv_bytes": sizes.full,
            "resident_kv_bytes": sizes.resident, "codes_over_keys": sizes.codesOverKeys,
        ]
    }
}
