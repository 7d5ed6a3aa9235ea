import SwiftletCache
import SwiftletTensor
import SwiftletTestSupport

@testable import swiftlet_conformance

/// A layer with random rows and every kind of evidence.
struct RandomLayer {
    let layer: EngineLayer
    let queries: [[[Float]]]  // [heads][rows][keySize]

    init(
        heads: Int = 4, kvHeads: Int = 2, rows: Int, size: Int = 8, using random: inout SplitMix64
    ) throws {
        queries = Self.list(heads, rows, size, using: &random)
        var layer = try EngineLayer(
            headCount: heads, keys: Self.list(kvHeads, rows, size, using: &random),
            values: Self.list(kvHeads, rows, size, using: &random),
            evidence: KVEvidence(windowQueries: 8, columnSums: true, queryMoments: true, momentSkip: 4),
            rope: Rope(base: 10_000, rotatedSize: size))
        try layer.record(rotated: queries, at: 0)
        try layer.record(unrotated: queries)
        try layer.record(columnSums: (0..<heads).map { _ in random.floats(rows, in: 0...4) })
        self.layer = layer
    }

    /// Random numbers `[first][second][third]`.
    static func list(
        _ first: Int, _ second: Int, _ third: Int, using random: inout SplitMix64
    ) -> [[[Float]]] {
        (0..<first).map { _ in (0..<second).map { _ in random.floats(third, in: -2...2) } }
    }
}
