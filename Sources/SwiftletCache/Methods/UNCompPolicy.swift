import SwiftletTensor

extension UNComp {
    /// How rows are selected, and how budgets and tokens are divided.
    package struct Settings: Hashable, Sendable {
        /// Newest queries whose attention counts.
        package var window = 8
        /// Width of the pooling.
        package var kernel = 7
        /// How neighbours are combined.
        package var pooling = Pooling.max
        /// Groups of KV heads, at most; a layer has no more groups than KV heads.
        package var groups = 8
        /// Weight of the first group.
        package var first = 640
        /// Weight of the last group.
        package var last = 122
        /// Whether hidden states are dropped between groups of layers.
        package var dropsHiddenRows = false
        /// Tokens that a group of layers has fewer than the one before.
        package var stageStep = 512
        /// Tokens that every group of layers keeps.
        package var stageMinimum = 1_536
        /// Fall of the rank that begins a group of layers; `nil` is the one that gives up to five.
        package var epsilon: Double?

        package init() {}
    }

    /// The method as parts of a policy.
    ///
    /// - Parameter ranks: effective rank of every query head, `[layers][heads]`.
    package static func apply(
        _ settings: Settings, ranks: [[Double]], kvHeads: [Int], to policy: inout KVPolicy
    ) {
        let layers = ranks.map { LayerRanks(queryHeads: $0) }
        policy.selector = UNCompSelector(settings)
        policy.heads = UNCompHeads(
            weights: zip(layers, kvHeads).map { headWeights(ranks: $0.kvHeads($1), settings) })
        guard settings.dropsHiddenRows else { return }
        let means = layers.map(\.mean)
        let epsilon = settings.epsilon ?? epsilon(for: 5, ranks: means)
        policy.hiddenRows = UNCompStages(
            labels: layerGroups(ranks: means, epsilon: epsilon), window: settings.window,
            rule: .falling(step: settings.stageStep, minimum: settings.stageMinimum))
    }

    /// The selection alone, with given rows per KV head, the same for all layers.
    package static func policy(_ settings: Settings, budgets: [Int]) -> KVPolicy {
        var policy = KVPolicy()
        policy.selector = UNCompSelector(settings)
        policy.heads = FixedHeads(rows: budgets)
        policy.budget = .rows(max(budgets.max() ?? 1, settings.window, 1))
        return policy
    }

    private struct FixedHeads: KVHeadAllocator {
        let rows: [Int]
        var readsScores: Bool { false }

        func budgets(
            layer: Int, budget: Int, rowCounts: [Int], scores: [[Float]], forced: KVForcedRows
        ) -> [Int] { rows }
    }

    /// The weight of every KV head of a layer: an even ladder over its groups from the first to the last.
    static func headWeights(ranks: [Double], _ settings: Settings) -> [Double] {
        let count = max(min(settings.groups, ranks.count), 1)
        var weights = [Double](repeating: 0, count: ranks.count)
        for (group, heads) in headGroups(ranks: ranks, groups: count).enumerated() {
            let depth = count > 1 ? Double(group) / Double(count - 1) : 0
            let weight = Double(settings.first) + Double(settings.last - settings.first) * depth
            for head in heads { weights[head] = weight }
        }
        return weights
    }

    /// The fall of the rank from which on there are at most `groups` groups of layers.
    static func epsilon(for groups: Int, ranks: [Double]) -> Double {
        let falls = zip(ranks, ranks.dropFirst()).map { $0 - $1 }.filter { $0 > 0 }.sorted(by: >)
        return groups - 1 < falls.count ? falls[groups - 1] : 0
    }
}

/// Rows per KV head in proportion to the weight of its group, with an exact sum.
///
/// Source: Xiong et al., 2024, arXiv:2410.03090, version 2: eight groups of 640, 566, …, 122 rows; here the ladder
/// is scaled to the wanted mean and belongs to KV heads. What a head has no rows for goes to the others.
struct UNCompHeads: KVHeadAllocator {
    /// `[layers][kvHeads]`.
    let weights: [[Double]]

    var readsScores: Bool { false }

    func budgets(
        layer: Int, budget: Int, rowCounts: [Int], scores: [[Float]], forced: KVForcedRows
    ) -> [Int] {
        KVShares.split(budget * rowCounts.count, weights: weights[layer], caps: rowCounts)
    }
}

/// Keeps the rows of a head that the last queries look at, pooled over neighbours, and holds the budget at every
/// step of decode.
///
/// Source: Xiong et al., 2024, arXiv:2410.03090, and its code (`update_head_kv_generate`). The attention rows of the
/// window stay with the kept rows, as they were when their query was computed.
struct UNCompSelector: KVSelector {
    private let settings: UNComp.Settings
    private var windows: [UNCompWindow] = []  // per KV head, rows as they lie
    private var orders: [UNCompRowOrder] = []  // per KV head

    init(_ settings: UNComp.Settings) { self.settings = settings }

    var decodeRule: KVDecodeRule { .own }

    func needs(promptLength: Int) -> KVEvidence { KVEvidence(windowQueries: settings.window) }

    func decodeNeeds(promptLength: Int) -> KVEvidence { KVEvidence(rollingRows: 1) }

    func forced(budget: Int, phase: KVPhase) -> KVForcedRows { KVForcedRows(newest: settings.window) }

    mutating func scores(of layer: KVLayerView) -> [[Float]] {
        restoreOrder()
        follow(layer)
        return windows.enumerated().map {
            UNComp.pooled(
                $1.scores(of: layer.rowCount(ofHead: $0))[...], kernel: settings.kernel, settings.pooling)
        }
    }

    mutating func select(from layer: KVLayerView, budgets: [Int]) -> KVSelection {
        update(from: layer, budgets: budgets)
            ?? .perHead(budgets.indices.map { Array(0..<layer.rowCount(ofHead: $0)) })
    }

    mutating func update(from layer: KVLayerView, budgets: [Int]) -> KVSelection? {
        restoreOrder()
        follow(layer)
        let kept = windows.enumerated().map { head, window in
            UNComp.keptRows(
                scores: window.scores(of: layer.rowCount(ofHead: head)), budget: budgets[head],
                window: settings.window, kernel: settings.kernel, pooling: settings.pooling)
        }
        guard kept.indices.contains(where: { kept[$0].count < layer.rowCount(ofHead: $0) }) else {
            return nil
        }
        for head in windows.indices { windows[head].keep(kept[head]) }
        return .perHead(kept)
    }

    /// One row per head and token, found by its place among the positions.
    mutating func rowsToRemove(from layer: KVLayerView, budgets: [Int]) -> [Int?]? {
        let counts = budgets.indices.map(layer.rowCount(ofHead:))
        guard windows.count == counts.count, zip(counts, budgets).allSatisfy({ $0 <= $1 + 1 }) else {
            return nil
        }
        if counts.indices.allSatisfy(layer.isAscending(ofHead:)) { restoreOrder() }
        if orders.count != counts.count { orders = counts.map { _ in UNCompRowOrder() } }
        follow(layer)
        return counts.indices.map { head in
            orders[head].grow(to: counts[head])
            guard counts[head] > budgets[head] else { return nil }
            let scores = windows[head].scores(of: counts[head], layer.kernels)
            let place = UNComp.rowToRemove(
                scores: orders[head].ordered(scores, layer.kernels), window: settings.window,
                kernel: settings.kernel, pooling: settings.pooling, layer.kernels)
            let row = orders[head].remove(place)
            windows[head].remove(row, last: counts[head] - 1)
            return row
        }
    }

    /// The windows, and where their rows lie.
    var heldBytes: Int {
        windows.reduce(0) { $0 + $1.heldBytes } + orders.reduce(0) { $0 + $1.heldBytes }
    }

    /// The windows are summed up for every token.
    var bytesPerStep: Int { heldBytes }

    /// A weight per query of the window, and the row's place.
    var bytesPerRow: Int { settings.window * MemoryLayout<Float>.stride + MemoryLayout<Int32>.stride }

    /// The windows.
    mutating func code(_ state: inout KVStateCoder) throws(SwiftletError) {
        restoreOrder()
        try state.code(
            &windows, "windows", count: 0...(1 << 16), blank: UNCompWindow(size: settings.window)
        ) { (state, window) throws(SwiftletError) in try window.code(&state) }
    }

    /// Follows the cache when its rows are brought back to ascending positions.
    private mutating func restoreOrder() {
        for (head, order) in orders.enumerated() where !order.rows.isEmpty {
            windows[head].reorder(order.rows)
        }
        orders = []
    }

    /// Takes in the attention of queries that came since, over rows as they lie.
    private mutating func follow(_ layer: KVLayerView) {
        let heads = 0..<layer.shape.kvHeadCount
        if windows.count != heads.count { windows = heads.map { _ in UNCompWindow(size: settings.window) } }
        for head in heads {
            let count = layer.rowCount(ofHead: head)
            switch layer.phase {
            case .decode:
                guard let row = layer.rollingRows(ofHead: head).last else { continue }
                windows[head].truncate(to: count - 1)
                windows[head].append(row)
            case .prefill, .laterTurn:
                guard windows[head].columnCount != count else { continue }
                windows[head].truncate(to: count)
                for query in layer.windowWeights(ofHead: head) {
                    windows[head].append(UNComp.sum(query.map { [$0] }))
                }
            case .verify:
                windows[head].truncate(to: count)
            }
        }
    }
}

/// Where the rows of one KV head lie that have been overwritten one by one, by their positions.
private struct UNCompRowOrder {
    private(set) var rows: [Int32] = []

    var heldBytes: Int { rows.count * MemoryLayout<Int32>.stride }

    /// Takes in rows that came since, which are the newest and lie behind the others.
    mutating func grow(to count: Int) {
        rows += (min(rows.count, count)..<count).map { Int32($0) }
    }

    /// Numbers of the rows as they lie, in the order of positions.
    func ordered(_ numbers: [Float], _ kernels: Kernels) -> [Float] { kernels.gather(numbers, at: rows) }

    /// Follows the cache when the row at a place leaves and the last one takes its place.
    ///
    /// - Returns: where the row lies.
    mutating func remove(_ place: Int) -> Int {
        let last = Int32(rows.count - 1)
        let row = rows.remove(at: place)
        if let moved = rows.lastIndex(of: last) { rows[moved] = row }
        return Int(row)
    }
}

/// Drops the hidden states of tokens that the last queries hardly look at, from one group of layers to the next.
///
/// Source: Xiong et al., 2024, arXiv:2410.03090. The newest tokens always survive.
struct UNCompStages: KVHiddenRowRule {
    /// The group of every layer.
    let labels: [Int]
    let window: Int
    let rule: UNComp.StageRule
    private var lengths: [Int] = []

    init(labels: [Int], window: Int, rule: UNComp.StageRule) {
        self.labels = labels
        self.window = window
        self.rule = rule
    }

    mutating func prepare(for prompt: KVPrompt) {
        lengths = UNComp.stageLengths(labels: labels, promptLength: prompt.length, rule: rule)
    }

    func needs(promptLength: Int) -> KVEvidence { KVEvidence(windowQueries: window) }

    func survivorCount(after layer: Int, of count: Int) -> Int {
        layer + 1 < lengths.count ? min(lengths[layer + 1], count) : count
    }

    mutating func survivors(after layer: KVLayerView, positions: [Int32]) -> [Int]? {
        let next = layer.layer + 1
        // A layer that reads the cache of another has no attention rows of its own: the next one drops.
        guard next < lengths.count, lengths[next] < positions.count, layer.windowCount > 0 else { return nil }
        var sums = [Float](repeating: 0, count: positions.count)
        for head in 0..<layer.shape.kvHeadCount {
            let ones = [Float](repeating: 1, count: layer.windowCount)
            for (row, sum) in layer.weightedSum(ofHead: head, weights: ones).enumerated() {
                sums[row] += sum
            }
        }
        return UNComp.hiddenRows(attention: sums, keeping: lengths[next], forcedTail: window)
    }
}
