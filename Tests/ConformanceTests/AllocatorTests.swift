import SwiftletCache
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import swiftlet_conformance

@Suite struct AllocatorTests {
    static let allocators: [any KVLayerAllocator] = [
        PyramidLayers(), UncertaintyLayers(), VarianceLayers(), VarianceLayers(exemptBottom: 0, exemptTop: 0),
    ]

    @Test("budgets sum up exactly, and no layer gets more than it has", arguments: 0..<40 as Range<UInt64>)
    func sums(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let layers = Int.random(in: 1...33, using: &random)
        let length = Int.random(in: 1...4000, using: &random)
        let mean = Int.random(in: 1...length, using: &random)
        let demand = KVDemand(
            total: mean * layers, rowCounts: Array(repeating: length, count: layers),
            minimum: Int.random(in: 0...mean, using: &random),
            statistics: random.floats(layers, in: 0...1).map(Double.init))
        for allocator in Self.allocators {
            let budgets = try allocator.budgets(for: demand)
            #expect(budgets.reduce(0, +) == demand.total, "\(allocator)")
            #expect(budgets.allSatisfy { $0 >= demand.minimum && $0 <= length }, "\(allocator)")
        }
    }

    @Test("everything fits: every layer keeps all rows")
    func everything() throws {
        let demand = KVDemand(total: 90, rowCounts: [30, 30, 30], minimum: 4, statistics: [1, 0, 5])
        for allocator in Self.allocators {
            #expect(try allocator.budgets(for: demand) == [30, 30, 30], "\(allocator)")
        }
    }

    @Test("a pyramid falls from layer to layer and stays above the window")
    func pyramid() {
        let demand = KVDemand(
            total: 16 * 400, rowCounts: Array(repeating: 2000, count: 16), minimum: 16,
            statistics: Array(repeating: 0, count: 16))
        let budgets = PyramidLayers().budgets(for: demand)
        #expect(zip(budgets, budgets.dropFirst()).allSatisfy { $0 > $1 })
        #expect(budgets.last == 20 && budgets.first == 780)
        #expect(
            PyramidLayers.roundedBudgets(mean: 10, length: 100, layers: 1, window: 4, beta: 20) == [10])
    }

    @Test("exempt layers keep every row inside the budget, or the budget is refused")
    func exempt() throws {
        let allocator = ExemptLayers(bottom: 1, top: 1)
        var demand = KVDemand(
            total: 250, rowCounts: [100, 90, 90, 100], minimum: 4, statistics: [0, 0, 0, 0])
        #expect(try allocator.budgets(for: demand) == [100, 25, 25, 100])
        demand.total = 209
        #expect(try allocator.budgets(for: demand) == [100, 5, 4, 100])
        demand.total = 207
        #expect(throws: SwiftletError.self) { try allocator.budgets(for: demand) }
        demand.total = 1000
        #expect(try allocator.budgets(for: demand) == demand.rowCounts)
        demand.total = 380
        #expect(try ExemptLayers(bottom: 9, top: 9).budgets(for: demand) == demand.rowCounts)
    }

    @Test("more attention to keep never needs fewer rows; rows without attention do not count")
    func minimumRows() {
        var random = SplitMix64(seed: 3)
        for _ in 0..<20 {
            let attention = random.floats(30, in: 0...1)
            let thresholds = [0, 0.1, 0.5, 0.9, 1]
            let rows = thresholds.map { UncertaintyLayers.minimumRows(of: attention, threshold: $0) }
            #expect(rows == rows.sorted() && rows[0] == 0 && rows[4] <= 30)
            #expect(UncertaintyLayers.minimumRows(of: attention + [0, 0], threshold: 0.9) == rows[3])
            #expect(UncertaintyLayers.minimumRows(of: attention.map { $0 * 8 }, threshold: 0.9) == rows[3])
        }
        #expect(UncertaintyLayers.minimumRows(of: [], threshold: 0.9) == 0)
    }

    @Test("equal uncertainty and a full bound are uniform; a common factor changes nothing")
    func uncertainty() {
        func budgets(_ values: [Double], bound: Double = 4) -> [Int] {
            UncertaintyLayers.budgets(
                uncertainty: values, total: 60, bound: bound, caps: values.map { _ in 50 })
        }
        #expect(budgets([3, 3, 3]) == [20, 20, 20] && budgets([0, 0, 0]) == [20, 20, 20])
        #expect(budgets([1, 2, 6], bound: 20) == [20, 20, 20])
        #expect(budgets([1, 2, 6]) == budgets([5, 10, 30]))
        #expect(budgets([0, 0, 1]) == [5, 5, 50], "what a layer cannot hold goes to the others")
    }

    @Test("uncertainty does not depend on the order of heads")
    func headOrder() throws {
        var random = SplitMix64(seed: 9)
        let queries = RandomLayer.list(4, 20, 8, using: &random)
        let keys = RandomLayer.list(2, 20, 8, using: &random)
        let allocator = UncertaintyLayers(window: 6)
        func statistic(_ queries: [[[Float]]], _ keys: [[[Float]]]) throws -> Double {
            allocator.statistic(
                of: try EngineLayer.asked(queries, keys: keys, evidence: allocator.needs(promptLength: 20))
                    .view())
        }
        let turned = try statistic(Array(queries[2...] + queries[..<2]), keys.reversed())
        #expect(try statistic(queries, keys) == turned)
    }

    @Test("even attention gets the larger share, exempt layers all rows while that leaves enough")
    func variance() {
        let demand = KVDemand(
            total: 8 * 500, rowCounts: Array(repeating: 1000, count: 8), minimum: 10,
            statistics: [0.5, 0.5, 0.1, 0.9, 0.5, 0.5, 0.5, 0.5])
        let exempt = VarianceLayers(exemptBottom: 1, exemptTop: 1).budgets(for: demand)
        #expect(exempt[0] == 1000 && exempt[7] == 1000 && exempt[2] > exempt[4] && exempt[4] > exempt[3])
        #expect(VarianceLayers().budgets(for: demand)[0] < 1000, "three of eight would take too much")
    }

    @Test("spread is 0 for equal heads and does not depend on their order")
    func spread() {
        var random = SplitMix64(seed: 21)
        let sums = (0..<5).map { _ in random.floats(30, in: 0...3) }
        let forward = VarianceLayers.spread(sums)
        let backward = VarianceLayers.spread(sums.reversed())
        #expect(abs(forward.mean - backward.mean) < 1e-12)
        #expect((0...1).contains(forward.mean))
        #expect(VarianceLayers.spread([sums[0], sums[0]]).mean == 0)
        #expect(VarianceLayers.spread([[1]]).mean == 0)
    }

    @Test(
        "head budgets have the sum of equal ones, and never cut what is safe",
        arguments: 0..<20 as Range<UInt64>)
    func heads(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let heads = Int.random(in: 1...6, using: &random)
        let rows = Int.random(in: 1...50, using: &random)
        let budget = Int.random(in: 1...rows, using: &random)
        var scores = (0..<heads).map { _ in random.floats(rows, in: 0...1) }
        if seed % 4 == 0 { scores = scores.map { $0.map { ($0 * 3).rounded() } } }
        let forced = KVForcedRows(oldest: Int.random(in: 0...2, using: &random), newest: 1)
        let budgets = AdaptiveHeads(safeguard: 0.25).budgets(
            layer: 0, budget: budget, rowCounts: scores.map(\.count), scores: scores, forced: forced)
        #expect(budgets.reduce(0, +) == heads * budget)
        let floor = max(min(forced.count, budget), AdaptiveHeads.safeRows(budget, 0.25))
        #expect(budgets.allSatisfy { $0 >= floor && $0 <= rows })
        let equal = AdaptiveHeads(safeguard: 1).budgets(
            layer: 0, budget: budget, rowCounts: scores.map(\.count), scores: scores, forced: forced)
        #expect(equal.allSatisfy { $0 == budget })
    }
}
