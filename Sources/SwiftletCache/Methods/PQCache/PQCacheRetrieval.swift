package import SwiftletTensor

/// PQCache: keeps everything, and fetches for every generated token what its queries are likely to attend to.
///
/// Each KV head of each layer gets an index of its keys at the end of the prompt (``PQIndex``). A generated
/// token attends exactly to the sinks, a recent window and the tokens with the best approximate inner products.
///
/// Source: Zhang et al., "PQCache: Product Quantization-based KVCache for Long Context LLM Inference", SIGMOD
/// 2025, arXiv:2407.12820. Differences from its implementation: keys of the window are clustered as they are,
/// a token that leaves the window is stored before it is overwritten, prompts too short for clusters are read
/// in full, and only blocks that are complete enter the block cache.
package struct PQCacheRetrieval: KVRetrieval {
    /// Where rows lie that are only read when chosen.
    package struct SlowTier: Sendable {
        /// The pool of a temporary file.
        package var pool: KVPagePool
        /// Tokens per layer whose rows are copied back to memory; 0 for none.
        package var cachedTokens: Int
        /// Which copies give way.
        package var policy: PQBlockCache.Policy
        /// Blocks per layer that a token can bring in.
        package var blocksPerStep = 32
        /// Tokens per block.
        package static let blockTokens = 2 * Kernels.pageRows

        package init(pool: KVPagePool, cachedTokens: Int = 4096, policy: PQBlockCache.Policy = .lfu) {
            self.pool = pool
            self.cachedTokens = cachedTokens
            self.policy = policy
        }
    }

    /// Fetched rows that were found in copies, and those that were not.
    package struct Traffic: Hashable, Sendable {
        package var hits = 0
        package var misses = 0
    }

    package let settings: PQCacheSettings
    /// Share of the indexed tokens that may be generated before all tokens are clustered again; `nil` never.
    package let reindexShare: Double?
    /// `nil` leaves all rows where they are.
    package let slowTier: SlowTier?
    /// Overrides what follows from the length of the prompt.
    package var budget: PQCacheBudget?
    /// Overrides the rows that the centroids start from, counted from the first token behind the sinks.
    package var initialRows: [Int]?
    /// What the copies of slow rows were good for.
    package private(set) var traffic = Traffic()

    private var layers: [PQCacheLayer?] = []  // empty: attention is full
    private var hasLearned = false
    private var scratches: [PQIndex.Scratch] = []
    private var blocks: [PQBlockCache] = []  // by layer
    private var changes: [KVCopyChange] = []

    package init(
        _ settings: PQCacheSettings = PQCacheSettings(), reindexShare: Double? = nil,
        slowTier: SlowTier? = nil
    ) {
        self.settings = settings
        self.reindexShare = reindexShare
        self.slowTier = slowTier
    }

    /// The index of a layer that owns rows; `nil` while attention is full.
    package func layer(_ layer: Int) -> PQCacheLayer? { layers.indices.contains(layer) ? layers[layer] : nil }

    package var heldBytes: Int { layers.reduce(0) { $0 + ($1?.heldBytes ?? 0) } }

    package func tableBytes(ofLayer layer: Int) -> Int { self.layer(layer)?.heldBytes ?? 0 }

    package func bytesNeeded(layers: [KVLayerShape], length: Int) -> Int {
        guard budget ?? settings.budget(promptLength: length) != nil else { return 0 }
        return layers.reduce(0) { sum, layer in
            let shape = PQIndex.Shape(
                size: layer.keySize, subspaces: settings.subspaces, bits: settings.bits)
            return sum + layer.kvHeadCount * shape.byteCount(tokens: length - settings.sinks)
        }
    }

    package func validate(layers: [KVLayerShape]) throws(SwiftletError) {
        for (layer, shape) in layers.enumerated() {
            if let window = shape.window {
                throw SwiftletError(
                    .invalidArgument,
                    "pqcache cannot fetch rows of layer \(layer), whose sliding window of \(window) tokens "
                        + "bounds what it reads; leave it out of --kv-policy")
            }
            if shape.keySize % settings.subspaces != 0 {
                throw SwiftletError(
                    .invalidArgument,
                    "pqcache:m=\(settings.subspaces) does not divide the \(shape.keySize) dimensions of a key; "
                        + "choose a divisor such as 2")
            }
        }
    }

    // MARK: Learning

    package mutating func learn(from slots: [KVSlot?], length: Int, compute: Compute) {
        hasLearned = true
        guard layers.isEmpty else { return }
        let owners = slots.indices.filter { slots[$0] != nil }
        guard
            let found = PQCacheLayer.index(
                slots.compactMap { $0 }, length: length, settings: settings, budget: budget,
                initialRows: initialRows, compute: compute)
        else { return }
        layers = Array(repeating: nil, count: slots.count)
        for (owner, layer) in zip(owners, found) { layers[owner] = layer }
        let heads = slots.reduce(0) { max($0, $1?.shape.kvHeadCount ?? 0) }
        scratches = Array(repeating: PQIndex.Scratch(), count: heads)
        if let slowTier {
            let capacity = slowTier.cachedTokens / SlowTier.blockTokens
            blocks = Array(
                repeating: PQBlockCache(capacity: capacity, policy: slowTier.policy), count: slots.count)
        }
    }

    package mutating func truncate(to length: Int) {
        changes = []
        for index in layers.indices where layers[index]?.truncate(to: length) == false { return forget() }
        for index in blocks.indices { blocks[index].removeBlocks(from: length / SlowTier.blockTokens) }
        if length == 0 { forget() }
    }

    private mutating func forget() {
        layers = []
        blocks = []
        hasLearned = false
    }

    // MARK: Choosing

    package mutating func plan(for query: KVRetrievalQuery, compute: Compute) -> KVRowPlan? {
        if !hasLearned { learn(from: query.slots, length: query.length, compute: compute) }
        guard layers.indices.contains(query.owner), let slot = query.slots[query.owner] else { return nil }
        reindexIfNeeded(query.owner, slot, length: query.length, compute)
        return layers[query.owner]?.plan(slot: slot, cached: query.length, compute: compute)
    }

    package mutating func choices(
        for query: KVRetrievalQuery, compute: Compute, beside others: Int,
        _ body: (_ task: Int, _ scratch: UnsafeMutablePointer<Float>) -> Void
    ) -> [KVRowChoice] {
        guard let slot = query.slots[query.owner] else { return [] }
        let choices =
            layers[query.owner]?.choices(
                queries: query.queries, scale: query.scale, slot: slot, cached: query.length,
                scratches: &scratches, compute: compute, beside: others, body) ?? []
        countBlocks(query.owner, choices)
        return choices
    }

    private mutating func reindexIfNeeded(_ owner: Int, _ slot: KVSlot, length: Int, _ compute: Compute) {
        guard let reindexShare, let layer = layers[owner] else { return }
        let generated = length - settings.sinks - layer.trainedCount
        guard Double(generated) > reindexShare * Double(layer.trainedCount) else { return }
        let fresh = PQCacheLayer.index(
            [slot], length: length, settings: settings, budget: layer.budget, compute: compute)
        layers[owner] = fresh?.first
    }

    // MARK: Slow rows

    package func slowRows(length: Int) -> (rows: Range<Int>, pool: KVPagePool)? {
        guard let slowTier, let layer = layers.lazy.compactMap({ $0 }).first else { return nil }
        return (layer.candidates(cached: length), slowTier.pool)
    }

    /// Counts hits, and asks for the blocks that were chosen from most, once per step of a layer's owner.
    private mutating func countBlocks(_ owner: Int, _ choices: [KVRowChoice]) {
        guard let slowTier, slowTier.cachedTokens > 0 else { return }
        let size = SlowTier.blockTokens
        let fetched = choices.map { $0.rows.dropFirst(settings.sinks) }
        let demand = PQBlockDemand(selected: fetched, block: size, offloaded: choices[0].tail)
        for (block, count) in demand.tokensPerBlock.enumerated() where count > 0 {
            if blocks[owner].slot(of: block) != nil {
                traffic.hits += count
            } else {
                traffic.misses += count
            }
        }
        for block in demand.fullest(slowTier.blocksPerStep) {
            guard case .admitted(let evicted) = blocks[owner].request(block) else { continue }
            changes.append(
                KVCopyChange(
                    layer: owner, held: block * size..<(block + 1) * size,
                    dropped: evicted.map { $0 * size..<($0 + 1) * size }))
        }
    }

    package mutating func takeCopyChanges() -> [KVCopyChange] {
        defer { changes = [] }
        return changes
    }
}
