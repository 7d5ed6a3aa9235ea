public import SwiftletTensor

/// The first and last layers keep every row; the others share what the budget leaves, equally.
///
/// Exempt layers count inside the budget.
///
/// Source: the setting `skip_layers` of Knorm's code, Devoto et al., 2024, arXiv:2406.11430, for any selector.
public struct ExemptLayers: KVLayerAllocator {
    /// How many of the lowest layers keep everything.
    public let bottom: Int
    /// How many of the highest layers keep everything.
    public let top: Int

    /// Exempts so many layers.
    public init(bottom: Int, top: Int) {
        self.bottom = bottom
        self.top = top
    }

    /// Known from the start.
    public var isStatic: Bool { true }

    /// All rows of exempt layers and equal numbers for the others, leftovers to the lower ones.
    ///
    /// - Throws: `.invalidArgument` if the others would keep less than the minimum.
    public func budgets(for demand: KVDemand) throws(SwiftletError) -> [Int] {
        let layers = demand.rowCounts.indices
        let exempt = layers.map { $0 < bottom || $0 >= layers.count - top }
        let whole = layers.reduce(0) { $0 + (exempt[$1] ? demand.rowCounts[$1] : 0) }
        let others = exempt.count { !$0 }
        guard demand.total >= demand.rowCounts.reduce(0, +) || demand.total - whole >= others * demand.minimum
        else {
            let needed = (whole + others * demand.minimum + layers.count - 1) / max(layers.count, 1)
            throw SwiftletError(
                .invalidArgument,
                "the cache budget holds \(demand.total) rows per KV head in all layers, but 'exempt' keeps \(whole) "
                    + "and the other layers \(demand.minimum) each; give at least \(needed) per layer")
        }
        let shares = KVShares.split(
            demand.total - whole, weights: exempt.map { $0 ? 0 : 1 }, floor: Double(demand.minimum),
            caps: layers.map { exempt[$0] ? 0 : demand.rowCounts[$0] })
        return layers.map { exempt[$0] ? demand.rowCounts[$0] : shares[$0] }
    }
}
