import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletCache

@Suite("Product quantisation of keys")
struct PQIndexTests {
    private static let kernels = Kernels.best

    private func index(
        _ keys: [Float], _ shape: PQIndex.Shape, initialRows: [Int]? = nil, iterations: Int = 10
    ) -> PQIndex {
        let count = keys.count / shape.size
        return PQIndex(
            keys: keys, shape,
            initialRows: initialRows ?? PQCacheSettings.draw(shape.clusters, of: count, seed: 1),
            limits: KMeans.Limits(iterations: iterations), kernels: Self.kernels)
    }

    private func codes(_ index: PQIndex) -> [[Int]] {
        (0..<index.count).map { token in
            (0..<index.shape.subspaces).map { index.code(ofToken: token, subspace: $0) }
        }
    }

    @Test("as many centroids as distinct parts give exact inner products", arguments: 0..<10 as Range<UInt64>)
    func exact(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let shape = PQIndex.Shape(size: 6, subspaces: [1, 2, 3][Int(seed % 3)], bits: 3)
        let distinct = (0..<8).map { _ in random.floats(6, in: -2...2) }
        let keys = (0..<30).map { $0 < 8 ? distinct[$0] : distinct.randomElement(using: &random) ?? [] }
        let index = index(keys.flatMap { $0 }, shape, initialRows: Array(0..<8))
        let query = random.floats(6)
        let found = index.dots(with: query, candidates: 30, kernels: Self.kernels)
        // 6 products of numbers up to 2, summed in floats in two orders.
        #expect(largestDifference(found, keys.map { Reference.dot($0, query) }) < 1e-5)
    }

    @Test("permuted keys have permuted codes", arguments: 0..<10 as Range<UInt64>)
    func permuted(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let shape = PQIndex.Shape(size: 4, subspaces: 2, bits: 2)
        let keys = (0..<50).map { _ in random.floats(4) }
        let order = Array(keys.indices).shuffled(using: &random)
        let initialRows = [3, 9, 20, 44]
        let first = index(keys.flatMap { $0 }, shape, initialRows: initialRows)
        let second = index(
            order.flatMap { keys[$0] }, shape,
            initialRows: initialRows.map { row in order.firstIndex(of: row) ?? 0 })
        #expect(codes(second) == order.map { codes(first)[$0] })
    }

    @Test(
        "the choice agrees with sorting the scores, with and without classes",
        arguments: 0..<40 as Range<UInt64>)
    func selection(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let (subspaces, bits) = [(1, 1), (2, 2), (2, 6), (4, 3), (2, 7), (4, 4), (1, 9), (8, 2)][
            Int(seed % 8)]
        let shape = PQIndex.Shape(size: 16, subspaces: subspaces, bits: bits)
        let count = shape.clusters + Int.random(in: 0...120, using: &random)
        var index = index(random.floats(count * 16), shape, iterations: 2)
        let group = Int.random(in: 1...4, using: &random)
        let queries = random.floats(group * 16, in: -3...3)
        var scratch = PQIndex.Scratch()
        // Candidates come, go with a truncation, and come again.
        for candidates in [count, count / 2, count - 1] where candidates > 0 {
            let wanted = Int.random(in: 0...candidates, using: &random)
            let scores =
                group > 1
                ? index.scores(
                    queries: queries, group: group, scale: 0.25, candidates: candidates, kernels: Self.kernels
                )
                : index.dots(with: queries, candidates: candidates, kernels: Self.kernels)
            var rows = [UInt32](repeating: 0, count: wanted + Kernels.collectSlack)
            index.select(
                wanted, queries: queries, group: group, scale: 0.25, candidates: candidates, first: 5,
                into: &rows, scratch: &scratch, kernels: Self.kernels)
            #expect(rows[..<wanted].map { Int($0) - 5 } == scores.indicesOfLargest(wanted), "\(shape)")
        }
    }

    @Test("scores are sums of softmaxes of the inner products", arguments: 0..<8 as Range<UInt64>)
    func scores(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let shape = PQIndex.Shape(size: 8, subspaces: 2, bits: seed % 2 == 0 ? 3 : 7)
        var index = index(random.floats(200 * 8), shape)
        let queries = random.floats(3 * 8, in: -2...2)
        let found = index.scores(
            queries: queries, group: 3, scale: 0.5, candidates: 190, kernels: Self.kernels)
        var expected = [Double](repeating: 0, count: 190)
        for head in 0..<3 {
            let query = Array(queries[head * 8..<(head + 1) * 8])
            let dots = index.dots(with: query, candidates: 190, kernels: Self.kernels)
            for (token, weight) in Reference.softmax(dots.map { $0 * 0.5 }).enumerated() {
                expected[token] += weight
            }
        }
        #expect(largestDifference(found, expected) < 1e-6)
    }

    @Test("copies do not see each other's changes")
    func copies() {
        var random = SplitMix64(seed: 5)
        let shape = PQIndex.Shape(size: 4, subspaces: 2, bits: 2)
        let first = index(random.floats(40), shape)
        var second = first
        second.append(random.floats(4), kernels: Self.kernels)
        second.append(random.floats(4), kernels: Self.kernels)
        #expect(first.count == 10 && second.count == 12)
        second.truncate(to: 7)
        #expect(codes(second) == Array(codes(first)[..<7]))
    }

    @Test("rows drawn are distinct, in range and repeatable")
    func draw() {
        for (count, limit) in [(1, 1), (4, 4), (64, 65), (64, 10_000)] {
            let drawn = PQCacheSettings.draw(count, of: limit, seed: 4321)
            #expect(drawn.count == count && Set(drawn).count == count)
            #expect(drawn.allSatisfy { (0..<limit).contains($0) })
            #expect(drawn == PQCacheSettings.draw(count, of: limit, seed: 4321))
        }
    }
}
