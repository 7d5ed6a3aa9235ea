import SwiftletCache
import SwiftletModels
import SwiftletTensor

extension OracleMethod {
    /// The kinds of `kvsharer.json`.
    static let kvsharer = OracleMethod(
        handlers: [
            "distance": KVSharerCases.distance,
            "rank": KVSharerCases.rank,
            "greedy_search": KVSharerCases.search,
            "flatten_maps": KVSharerCases.flatten,
            "similarity": KVSharerCases.similarity,
            "toy_llama": KVSharerCases.toy,
        ], information: ["ranking_flattened_reading", "cosine_of_means_paper_wording"])
}

private enum KVSharerCases {
    /// Mean caches of some texts, their distances and the ranking of pairs.
    static func distance(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let texts: [[OracleFields]] = try oracle.inputs.read("kv_cache")
        var mean = KVSharerMeanCache()
        for text in texts {
            var layers: [KVSharerMeanCache.Layer] = []
            var length = 0
            for layer in text {
                let keys: [[[Float]]] = try layer.read("k")
                let values: [[[Float]]] = try layer.read("v")
                length = keys.first?.count ?? 0
                layers.append(
                    KVSharerMeanCache.Layer(
                        keys: keys.flatMap { $0.flatMap { $0 } }, keySize: keys.first?.first?.count ?? 1,
                        values: values.flatMap { $0.flatMap { $0 } },
                        valueSize: values.first?.first?.count ?? 1))
            }
            mean.add(layers, length: length)
        }
        let distances = mean.distances()
        return [
            "used_texts": mean.usedTexts, "distance": distances,
            "ranking": pairs(KVSharer.ranking(of: distances)),
        ]
    }

    static func rank(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let distances: [[Double?]] = try oracle.inputs.read("distance")
        return [
            "ranking": pairs(KVSharer.ranking(of: distances)),
            "ranking_ascending_ablation": pairs(KVSharer.ranking(of: distances, ascending: true)),
        ]
    }

    /// The greedy search with a stand-in for the model: the similarity falls by a cost per borrowing layer.
    static func search(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let layers: Int = try oracle.params.read("layers")
        let cost: [[Double]] = try oracle.inputs.read("cost")
        let ranking: [[Int]] = try oracle.inputs.read("ranking")
        guard ranking.allSatisfy({ $0.count == 2 && 0 <= $0[1] && $0[1] < $0[0] && $0[0] < layers }),
            cost.count == layers, cost.allSatisfy({ $0.count == layers })
        else { throw oracle.malformed("ranking and cost do not fit \(layers) layers") }
        let search = KVSharerSearch(
            layers: layers, ranking: ranking.map { KVSharer.Pair(borrower: $0[0], owner: $0[1]) },
            target: try oracle.params.read("target_shared"), threshold: try oracle.params.read("threshold")
        ) { map in 1 - map.indices.reduce(0) { $0 + cost[$1][map[$1]] } }
        return [
            "map": search.map, "shared_layers_in_order": search.borrowers, "trace": trace(search),
            "target_reached": search.reachesTarget, "owning_layers": KVSharer.owners(in: search.map),
        ]
    }

    static func flatten(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let maps: [[Int]] = try oracle.inputs.read("maps")
        guard maps.allSatisfy({ $0.enumerated().allSatisfy { (0...$0).contains($1) } }) else {
            throw oracle.malformed("a map points to a later layer")
        }
        return ["maps": maps.map(KVSharer.flattened)]
    }

    static func similarity(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let original: [[[Float]]] = try oracle.inputs.read("original")
        let candidate: [[[Float]]] = try oracle.inputs.read("candidate")
        let (first, second) = (original.map { $0.flatMap { $0 } }, candidate.map { $0.flatMap { $0 } })
        guard first.map(\.count) == second.map(\.count) else {
            throw oracle.malformed("the two lists of states differ in shape")
        }
        return [
            "per_text": zip(first, second).map { KVSharer.cosine($0, $1) },
            "mean_of_cosines": KVSharer.similarity(first, second),
        ]
    }

    /// Calibration, search and generation with a tiny model.
    static func toy(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let toy = try ToyLlama(oracle)
        let ids: [[Int]] = try oracle.inputs.read("calibration_tokens")
        var texts: [[Int32]] = []
        for text in ids where !text.isEmpty { texts.append(try toy.tokens(text)) }
        let calibration = KVSharerCalibration(model: toy.model, compute: toy.runner.compute, texts: texts)
        let found = try calibration.find(
            target: try oracle.params.read("target_shared"), threshold: try oracle.params.read("threshold"))
        guard let found else { return [:] }
        let prompt = try toy.tokens(try oracle.inputs.read("prompt_tokens"))
        let forced = try toy.tokens(try oracle.inputs.read("forced_decode_tokens"))
        func logits(_ sequence: KVSequence) throws(SwiftletError) -> [[Float]] {
            var rows = [try toy.prefill(prompt, sequence).logits]
            for token in forced { rows.append(try toy.decode(token, sequence)) }
            return rows
        }
        let shared = try toy.sequence(owners: found.search.map)
        var lengths: [String: any OracleResult] = [:]
        let sharedLogits = try logits(shared)
        for layer in KVSharer.owners(in: found.search.map) {
            lengths["\(layer)"] = shared.rowCount(layer: layer, head: 0)
        }
        return [
            "distance": found.distances, "ranking": pairs(KVSharer.ranking(of: found.distances)),
            "trace": trace(found.search), "map": found.search.map,
            "target_reached": found.search.reachesTarget, "last_logits_full": try logits(toy.sequence()),
            "last_logits_shared": sharedLogits, "stored_lengths_after_decode": lengths,
        ]
    }

    private static func pairs(_ ranking: [KVSharer.Pair]) -> [[Int]] {
        ranking.map { [$0.borrower, $0.owner] }
    }

    private static func trace(_ search: KVSharerSearch) -> [[String: any OracleResult]] {
        search.trace.map { step in
            [
                "pair": [step.pair.borrower, step.pair.owner], "action": step.action.rawValue,
                "similarity": step.similarity, "candidate": step.candidate,
            ]
        }
    }
}
