import SwiftletEngine
import Testing

@testable import SwiftletEval

@Suite struct BootstrapTests {
    @Test func quantiles() {
        #expect(Quantile.of(sorted: [1, 2, 3, 4], 0) == 1 && Quantile.of(sorted: [1, 2, 3, 4], 1) == 4)
        #expect(
            Quantile.of(sorted: [1, 2, 3, 4], 0.5) == 2.5 && Quantile.of(sorted: [1, 2, 3, 4, 9], 0.5) == 3)
        #expect(Quantile.of(sorted: [7], 0.3) == 7 && Quantile.of(sorted: [], 0.3).isNaN)
        #expect(Quantile.of(sorted: [-.infinity, -.infinity, 1], 0.25) == -.infinity)
    }

    @Test("no cases, one case and equal cases have the obvious intervals")
    func few() {
        #expect(Bootstrap().interval(ofMean: []).value.isNaN)
        let one = Bootstrap().interval(ofMean: [3])
        #expect(one.value == 3 && one.low == 3 && one.high == 3)
        let equal = Bootstrap().interval(ofMean: [2, 2, 2])
        #expect(equal.low == 2 && equal.high == 2 && equal.excludes(1) && !equal.excludes(2))
    }

    @Test("two cases: the resamples are both, one or the other, as a coin falls")
    func two() {
        let interval = Bootstrap(resamples: 4_000).interval(ofMean: [0, 1])
        #expect(interval.low == 0 && interval.high == 1 && interval.value == 0.5)
        let narrow = Bootstrap(resamples: 4_000, level: 0.4).interval(ofMean: [0, 1])
        #expect(narrow.low == 0.5 && narrow.high == 0.5)  // each end has a quarter of the resamples
    }

    @Test("the same seed draws the same, another one does not")
    func seeds() {
        let values = (0..<50).map { Double($0 * $0 % 17) }
        let first = Bootstrap(seed: 5).interval(ofMean: values)
        #expect(first == Bootstrap(seed: 5).interval(ofMean: values))
        #expect(first != Bootstrap(seed: 6).interval(ofMean: values))
    }

    @Test("about 95 % of the intervals cover the true mean", arguments: [15, 30])
    func coverage(count: Int) {
        var random = Xoshiro256(seed: 9)
        var covered = 0
        for seed in 0..<100 as Range<UInt64> {
            let values = (0..<count).map { _ in random.nextUnit() }
            let interval = Bootstrap(resamples: 100, seed: seed).interval(ofMean: values)
            if !interval.excludes(0.5) { covered += 1 }
        }
        #expect((86...99).contains(covered), "\(covered) of 100")
    }

    @Test("a paired interval sees a difference that two intervals would hide")
    func paired() {
        let base = (0..<40).map { Double(($0 * 29) % 40) }
        let better = base.map { $0 + 0.5 + ($0.truncatingRemainder(dividingBy: 2) - 0.5) / 10 }
        let difference = Bootstrap().interval(ofMeanDifference: better, minus: base)
        #expect(difference.excludes(0) && abs(difference.value - 0.5) < 1e-12)
        #expect(!Bootstrap().interval(ofMean: better).excludes(19.5))
    }

    @Test("an index is any of those there are, and each is as likely")
    func indices() {
        var random = Xoshiro256(seed: 1)
        var counts = [Int](repeating: 0, count: 5)
        for _ in 0..<5_000 { counts[random.nextIndex(below: 5)] += 1 }
        #expect(counts.allSatisfy { (900...1_100).contains($0) })
        #expect(random.nextIndex(below: 1) == 0)
    }
}
