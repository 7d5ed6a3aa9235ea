package import SwiftletTensor

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Prefill that drops context tokens from the hidden states layer by layer, and decode that thins tokens as they
/// leave the recent window, harder in deeper layers.
///
/// Source: Yang et al., 2024, arXiv:2405.12532, §3, and its code (first release). Lengths are computed in double
/// precision and cut towards zero, in the order of operations of that code. Where we differ: ties go to the lower
/// position, the linear schedule falls (in the code it rises and is never used), and decode compares a layer's own
/// length (a later release compares all tokens seen, so that deep layers lose their prompt).
package struct PyramidInfer: Hashable, Sendable {
    /// How a ratio changes from the first layer to the last.
    package enum Schedule: String, CaseIterable, Sendable {
        /// Half a cosine wave from 1 down to the decay ratio.
        case cosine
        /// A straight line from 1 down to the decay ratio.
        case linear
        /// The decay ratio everywhere.
        case constant

        /// The ratio of one of `layers` layers, with decay ratio `decay`.
        package func ratio(layer: Int, of layers: Int, decay: Double) -> Double {
            switch self {
            case .cosine: (1 - decay) * (cos(.pi * Double(layer) / Double(layers)) + 1) / 2 + decay
            case .linear: 1 - (1 - decay) * Double(layer) / Double(layers)
            case .constant: decay
            }
        }
    }

    /// The recent window is this share of the tokens, plus the last one.
    package var recentRatio = 0.2
    /// Share of the context that the last layer passes on (δ).
    package var decay = 0.9
    /// How the share falls from layer to layer.
    package var schedule = Schedule.cosine
    /// Fewer context tokens than this are not thinned.
    package var minimumContext = 64
    /// Only every so many layers drop tokens.
    package var interval = 1
    /// The first tokens, which stay.
    package var sinks = 4
    /// Weight of the newest query of the window; the oldest has weight 1.
    package var distanceWeight = 1.2
    /// The last layer's factor of ``generationKeep``.
    package var generationDecay = 0.1
    /// How that factor falls from layer to layer.
    package var generationSchedule = Schedule.cosine
    /// Share of a block that stays when it leaves the recent window in decode.
    package var generationKeep = 0.9
    /// Tokens of such a block.
    package var blockLength = 16

    /// The settings published for models of 7 to 8 billion parameters.
    package init() {}

    /// Tokens before the last one that count as recent, for a context of so many.
    package func recentLength(of tokens: Int) -> Int { Int(Double(tokens) * recentRatio) }

    // MARK: Prefill

    /// What a prompt of some length keeps in every layer; the same for all prompts of that length.
    package struct Plan: Hashable, Sendable {
        /// Recent tokens before the last one.
        package let recentLength: Int
        /// Context tokens that are always kept.
        package let minimumContext: Int
        /// Tokens that enter each layer, which is the length of its cache.
        package let lengths: [Int]
        /// Tokens that leave the last layer.
        package let leaving: Int

        /// The layer whose cache each layer reads.
        package let owners: [Int]

        /// Tokens of the recent window: the recent ones and the last.
        package var window: Int { recentLength + 1 }

        /// Cached tokens as a share of the full cache of the layers that keep one; 1 for an empty prompt.
        package var retention: Double {
            let stored = lengths.indices.filter { owners[$0] == $0 }
            let full = (lengths.first ?? 0) * stored.count
            return full == 0 ? 1 : Double(stored.reduce(0) { $0 + lengths[$1] }) / Double(full)
        }
    }

    /// The lengths of all layers for a prompt.
    package func plan(promptLength: Int, layers: Int) -> Plan {
        plan(promptLength: promptLength, owners: Array(0..<layers))
    }

    /// The lengths of all layers for a prompt when some layers read the cache of others: those drop nothing, since
    /// no scores are computed for them.
    package func plan(promptLength: Int, owners: [Int]) -> Plan {
        let recent = recentLength(of: promptLength)
        let minimum = min(minimumContext, promptLength - 1 - recent)
        var count = promptLength
        var lengths: [Int] = []
        for layer in owners.indices {
            lengths.append(count)
            let context = count - 1 - recent
            if owners[layer] == layer,
                let kept = contextKept(of: context, minimum: minimum, layer: layer, of: owners.count)
            {
                count += kept - context
            }
        }
        return Plan(
            recentLength: recent, minimumContext: minimum, lengths: lengths, leaving: count, owners: owners)
    }

    /// How many of some context tokens go on after a layer; `nil` if all do.
    func contextKept(of context: Int, minimum: Int, layer: Int, of layers: Int) -> Int? {
        let ratio = schedule.ratio(layer: layer, of: layers, decay: decay)
        guard layer % interval == 0, context > minimum, ratio < 1 else { return nil }
        let kept = Int(Double(context) * ratio)
        return kept > minimum && kept < context ? kept : nil
    }

    // MARK: Budgets

    /// The same method with the decay ratio whose plan keeps at most `share` of a prompt's cache, as close to it as
    /// the bisection comes.
    ///
    /// For short prompts the share does not rise evenly with the ratio, because layers near the minimum are left
    /// alone.
    /// - Returns: `nil` if no decay ratio keeps so little: the recent window and the minimum need more.
    package func scaled(toKeep share: Double, ofPrompt promptLength: Int, owners: [Int]) -> PyramidInfer? {
        func retention(_ decay: Double) -> Double {
            keeping(decay).plan(promptLength: promptLength, owners: owners).retention
        }
        if retention(1) <= share { return keeping(1) }
        var (low, high) = (0.0, 1.0)
        var best: (decay: Double, retention: Double)?
        for _ in 0..<Self.bisections {
            let middle = (low + high) / 2
            let kept = retention(middle)
            if kept <= share, kept > best?.retention ?? -1 { best = (middle, kept) }
            if kept <= share { low = middle } else { high = middle }
        }
        if let best { return keeping(best.decay) }
        let least = leastDecay(ofPrompt: promptLength, owners: owners)
        return retention(least) <= share ? keeping(least) : nil
    }

    /// The fewest rows per layer that some decay ratio leaves of a prompt.
    package func least(ofPrompt promptLength: Int, owners: [Int]) -> Int {
        let decay = leastDecay(ofPrompt: promptLength, owners: owners)
        let plan = keeping(decay).plan(promptLength: promptLength, owners: owners)
        return Int((plan.retention * Double(promptLength)).rounded(.up))
    }

    private func leastDecay(ofPrompt promptLength: Int, owners: [Int]) -> Double {
        var least = (decay: 1.0, retention: Double.infinity)
        for step in 0...Self.gridSteps {
            let decay = Double(step) / Double(Self.gridSteps)
            let kept = keeping(decay).plan(promptLength: promptLength, owners: owners).retention
            if kept < least.retention { least = (decay, kept) }
        }
        return least.decay
    }

    private func keeping(_ decay: Double) -> PyramidInfer {
        var other = self
        other.decay = decay
        return other
    }

    private static let gridSteps = 50
    private static let bisections = 40

    // MARK: Selection

    /// The weight of a window's query: rising evenly from 1 for the oldest; a single query has weight 1.
    package func weight(ofQuery query: Int, of count: Int) -> Double {
        count > 1 ? 1 + (distanceWeight - 1) * Double(query) / Double(count - 1) : 1
    }

    /// Weighted mean over the window's queries of the attention that every context token receives.
    ///
    /// - Parameter attention: averaged over the query heads, `[queries][context]`, oldest query first.
    /// - Returns: one score per context token; sums are in double precision.
    package func scores(_ attention: [[Float]]) -> [Float] {
        guard let columns = attention.first?.count else { return [] }
        var scores = [Double](repeating: 0, count: columns)
        for (query, row) in attention.enumerated() {
            let weight = weight(ofQuery: query, of: attention.count)
            for column in scores.indices { scores[column] += weight * Double(row[column]) }
        }
        return scores.map { Float($0 / Double(attention.count)) }
    }

    /// The context tokens that stay, ascending: the sinks, then the best scores, ties to the lower index.
    package func kept(_ count: Int, scores: [Float]) -> [Int] {
        var scores = scores
        for index in scores.indices.prefix(sinks) { scores[index] = .infinity }
        return scores.indicesOfLargest(count)
    }

    /// The mean over query heads.
    ///
    /// - Parameter attention: `[heads][queries][tokens]`.
    package static func headMean(_ attention: [[[Float]]], _ kernels: Kernels = .best) -> [[Float]] {
        guard let first = attention.first else { return [] }
        return first.indices.map { query in
            kernels.sums(
                of: attention.map { $0[query] }, count: first[query].count, divisor: Double(attention.count))
        }
    }

    /// Checks every setting.
    ///
    /// - Throws: `.invalidArgument` naming the option, its value and the range.
    package func validate() throws(SwiftletError) {
        func check(_ name: String, _ value: Double, _ range: ClosedRange<Double>) throws(SwiftletError) {
            guard !range.contains(value) else { return }
            throw SwiftletError(
                .invalidArgument,
                "pyramidinfer: \(name) is \(value); expected \(range.lowerBound) to \(range.upperBound)")
        }
        try check("recent", recentRatio, 0...1)
        try check("decay", decay, 0...1)
        try check("gen-decay", generationDecay, 0...1)
        try check("gen-keep", generationKeep, 0...1)
        try check("weight", distanceWeight, 0...1_000)
        try check("min", Double(minimumContext), 0...0x1p31)
        try check("interval", Double(interval), 1...0x1p31)
        try check("sinks", Double(sinks), 0...0x1p31)
        try check("block", Double(blockLength), 1...0x1p31)
    }
}
