public import SwiftletTensor

/// What an allocator divides.
public struct KVDemand: Hashable, Sendable {
    /// Rows to hand out, per KV head and summed over the layers that a policy drops rows of: those that store rows and have
    /// no window.
    public var total: Int
    /// Rows that every such layer can keep at most: what it holds, or the budget if that is more.
    public var rowCounts: [Int]
    /// Rows that a layer has to keep in any case.
    public var minimum: Int
    /// What ``KVLayerAllocator/statistic(of:)`` said about each layer; zeros for a static allocator.
    public var statistics: [Double]

    /// Describes a division.
    public init(total: Int, rowCounts: [Int], minimum: Int, statistics: [Double]) {
        self.total = total
        self.rowCounts = rowCounts
        self.minimum = minimum
        self.statistics = statistics
    }
}

/// Divides one budget over the layers that store rows.
public protocol KVLayerAllocator: Sendable {
    /// Whether budgets need nothing but the length of the prompt. Then every layer is compressed as soon as the
    /// prompt has been through it, and the full cache never exists.
    var isStatic: Bool { get }
    /// What must be recorded for ``statistic(of:)``.
    func needs(promptLength: Int) -> KVEvidence
    /// One number about a layer after the prompt, such as its uncertainty.
    func statistic(of layer: KVLayerView) -> Double
    /// Rows per KV head for every layer that stores rows; sums to the demand's total.
    func budgets(for demand: KVDemand) throws(SwiftletError) -> [Int]
}

extension KVLayerAllocator {
    /// Nothing is recorded.
    public func needs(promptLength: Int) -> KVEvidence { KVEvidence() }

    /// Layers are not looked at.
    public func statistic(of layer: KVLayerView) -> Double { 0 }
}

/// Every layer keeps as much as the others.
public struct UniformLayers: KVLayerAllocator {
    /// Uniform division has no settings.
    public init() {}

    /// Known from the start.
    public var isStatic: Bool { true }

    /// Equal numbers; leftovers go to the lower layers.
    public func budgets(for demand: KVDemand) -> [Int] {
        KVShares.split(
            demand.total, weights: demand.rowCounts.map { _ in 1 }, floor: Double(demand.minimum),
            caps: demand.rowCounts)
    }
}

/// Rows per layer that somebody wrote down; the budget of the sequence does not change them.
public struct LayerTable: KVLayerAllocator {
    /// Rows per KV head of every layer that stores rows.
    public let rows: [Int]

    /// Keeps so many rows.
    public init(rows: [Int]) { self.rows = rows }

    /// Reads whole numbers that spaces, commas, brackets or line ends separate.
    ///
    /// - Throws: `.unreadable` or `.malformed`, naming the file.
    static func rows(at path: String) throws(SwiftletError) -> [Int] {
        let file = try MappedFile(path: path)
        let bytes = file.bytes
        let words = bytes.split { " ,[]\t\r\n".utf8.contains($0) }.map { String(decoding: $0, as: UTF8.self) }
        var rows: [Int] = []
        for word in words {
            guard let count = Int(word), count > 0 else {
                throw SwiftletError(
                    .malformed,
                    "'\(path)' holds '\(word.prefix(20))'; expected rows per layer, whole numbers above 0")
            }
            rows.append(count)
        }
        return rows
    }

    /// Known from the start.
    public var isStatic: Bool { true }

    /// The table.
    public func budgets(for demand: KVDemand) throws(SwiftletError) -> [Int] {
        guard rows.count == demand.rowCounts.count else {
            throw SwiftletError(
                .mismatch,
                "the table of budgets has \(rows.count) layers, the cache has \(demand.rowCounts.count) "
                    + "whose rows a policy may drop")
        }
        return rows
    }
}
