import SwiftletTensor

extension PyramidInfer {
    /// The method as parts of a policy.
    package func apply(to policy: inout KVPolicy, layers: Int) {
        policy.hiddenRows = PyramidInferRows(method: self)
        policy.selector = PyramidInferDecode(method: self, layers: layers)
    }
}

/// Prefill: after every layer the context tokens that the recent ones look at least are dropped from the residual
/// stream. The layer that computes the scores keeps its own rows.
///
/// Source: Yang et al., 2024, arXiv:2405.12532, §3.2, and its code. The recent tokens' attention is averaged over
/// query heads and weighted by ``PyramidInfer/weight(ofQuery:of:)``. Under a budget the decay ratio is chosen so
/// that the plan of this prompt keeps to it.
struct PyramidInferRows: KVHiddenRowRule {
    private let settings: PyramidInfer
    private var method: PyramidInfer
    private var promptLength = 0
    private var layers = 1

    init(method: PyramidInfer) {
        settings = method
        self.method = method
    }

    mutating func prepare(for prompt: KVPrompt) throws(SwiftletError) {
        promptLength = prompt.length
        layers = prompt.layerCount
        method = settings
        guard let budget = prompt.budget, prompt.length > 0 else { return }
        let share = Double(budget) / Double(prompt.length)
        guard
            let scaled = settings.scaled(
                toKeep: share, ofPrompt: prompt.length, owners: prompt.owners)
        else {
            let least = settings.least(ofPrompt: prompt.length, owners: prompt.owners)
            throw SwiftletError(
                .invalidArgument,
                "the cache budget leaves \(budget) rows per layer and head, but 'pyramidinfer' keeps \(least) of "
                    + "\(prompt.length) tokens in any case (the recent share, the first layers and at least "
                    + "\(settings.minimumContext) others); give at least \(least)")
        }
        method = scaled
    }

    func needs(promptLength: Int) -> KVEvidence {
        var needs = KVEvidence()
        let window = settings.recentLength(of: promptLength) + 1
        needs.tail = KVEvidence.Tail(
            firstPosition: max(promptLength - window, 0), count: min(window, promptLength),
            newestWeight: Float(settings.distanceWeight))
        return needs
    }

    func survivorCount(after layer: Int, of count: Int) -> Int {
        let window = method.recentLength(of: promptLength) + 1
        let (context, minimum) = (count - window, min(method.minimumContext, promptLength - window))
        let kept = method.contextKept(of: context, minimum: minimum, layer: layer, of: layers)
        return kept.map { $0 + window } ?? count
    }

    mutating func survivors(after layer: KVLayerView, positions: [Int32]) -> [Int]? {
        let window = method.recentLength(of: promptLength) + 1
        let context = positions.count - window
        let minimum = min(method.minimumContext, promptLength - window)
        guard let scores = layer.tailSums,
            let kept = method.contextKept(of: context, minimum: minimum, layer: layer.layer, of: layers)
        else { return nil }
        precondition(scores.count == positions.count, "\(scores.count) scores for \(positions.count) rows")
        return method.kept(kept, scores: Array(scores.prefix(context)))
            + Array(context..<positions.count)
    }
}

/// Decode: tokens that leave the recent window are thinned in blocks, harder in deeper layers.
///
/// Every layer has a copy, which follows the length of layer 0, since that decides how many tokens count as recent;
/// lengths do not depend on data.
struct PyramidInferDecode: KVSelector {
    private let method: PyramidInfer
    private let layers: Int
    private var thinning: PyramidInferThinning?
    private var seen = 0  // tokens
    private var firstLength = 0  // rows of layer 0
    private var firstMark = 0

    init(method: PyramidInfer, layers: Int) {
        self.method = method
        self.layers = layers
    }

    var decodeRule: KVDecodeRule { .own }

    /// Blocks of generated tokens are thinned, whatever the budget.
    var boundsGeneration: Bool { false }

    func needs(promptLength: Int) -> KVEvidence { KVEvidence() }

    func decodeNeeds(promptLength: Int) -> KVEvidence { KVEvidence(rollingRows: 1) }

    /// Rows are not ranked between steps: all score the same.
    mutating func scores(of layer: KVLayerView) -> [[Float]] {
        (0..<layer.shape.kvHeadCount).map { Array(repeating: 0, count: layer.rowCount(ofHead: $0)) }
    }

    mutating func code(_ state: inout KVStateCoder) throws(SwiftletError) {
        for field in [\Self.seen, \.firstLength, \.firstMark] {
            try state.code(&self[keyPath: field], "a number of tokens", in: -(1 << 32)...(1 << 32))
        }
        try state.code(&thinning, blank: PyramidInferThinning(mark: 0)) {
            (state, thinning) throws(SwiftletError) in try thinning.code(&state)
        }
    }

    mutating func update(from layer: KVLayerView, budgets: [Int]) -> KVSelection? {
        let count = layer.rowCount(ofHead: 0)
        let seen = layer.positions(ofHead: 0).last.map { Int($0) + 1 } ?? 0
        firstLength = max(firstLength + seen - self.seen, 0)
        self.seen = seen
        guard thinning != nil else {
            thinning = PyramidInferThinning(mark: count)
            firstMark = firstLength
            return nil
        }
        guard layer.phase == .decode, count > 0 else { return nil }
        let recent = method.recentLength(decodingAfter: firstLength - 1)
        let row = row(layer)
        let kept = thinning?.update(
            row, recentLength: recent, layer: layer.layer, of: layers, method: method)
        thinning?.forgetSettled()
        if method.block(length: firstLength, recentLength: recent, mark: firstMark) != nil {
            firstLength -= max(method.blockLength - method.keptOfBlock(layer: 0, of: layers), 0)
            firstMark = firstLength - recent
        }
        return kept.map { .allHeads($0) }
    }

    /// The attention rows.
    var heldBytes: Int {
        thinning?.attention.reduce(0) { $0 + $1.count * MemoryLayout<Float>.stride } ?? 0
    }

    /// Rows that no block will contain.
    var settledRows: Int { thinning?.settled ?? 0 }

    /// Attention of the newest token over the rows that are not settled, averaged over the query heads.
    private func row(_ layer: KVLayerView) -> [Float] {
        let rows = (0..<layer.shape.kvHeadCount).compactMap { layer.rollingRows(ofHead: $0).last }
        return layer.kernels.sums(
            of: rows, count: rows.first?.count ?? 0, divisor: Double(layer.shape.headCount))
    }
}
