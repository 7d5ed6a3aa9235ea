import Foundation
import SwiftletEngine
import SwiftletTestSupport
import Testing

@testable import SwiftletEval

@Suite struct DivergenceTests {
    private func divergence(_ p: [Float], _ q: [Float]) -> (forward: Double, reverse: Double) {
        p.withUnsafeBufferPointer { p in
            q.withUnsafeBufferPointer { q in Divergence.divergence(LogSoftmax(p), LogSoftmax(q)) }
        }
    }

    /// Σ p log(p / q), from probabilities.
    private func slow(_ p: [Float], _ q: [Float]) -> Double {
        func softmax(_ row: [Float]) -> [Double] {
            let weights = row.map { exp(Double($0)) }
            return weights.map { $0 / weights.reduce(0, +) }
        }
        return zip(softmax(p), softmax(q)).reduce(0) { $0 + ($1.0 > 0 ? $1.0 * log($1.0 / $1.1) : 0) }
    }

    @Test("the sums are those of the obvious formula", arguments: 0..<20 as Range<UInt64>)
    func formula(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let count = Int.random(in: 1...40, using: &random)
        let p = (0..<count).map { _ in Float.random(in: -6...6, using: &random) }
        let q = (0..<count).map { _ in Float.random(in: -6...6, using: &random) }
        let found = divergence(p, q)
        #expect(abs(found.forward - slow(p, q)) < 1e-12 && abs(found.reverse - slow(q, p)) < 1e-12)
        let same = divergence(p, p)
        #expect(same.forward == 0 && same.reverse == 0)
    }

    @Test("what one side excludes makes the other infinite")
    func excluded() {
        let found = divergence([0, -.infinity, 1], [0, 1, 1])
        #expect(found.forward.isFinite && found.forward > 0 && found.reverse == .infinity)
        let both = divergence([0, -.infinity, 1], [0.5, -.infinity, 1])
        #expect(both.forward.isFinite && both.reverse.isFinite)
        #expect(divergence([.nan, 0], [0, 0]).forward.isNaN)
        #expect(divergence([1e30, 0], [0, 1e30]).forward == Double(Float(1e30)))
    }

    @Test func sumsOfTokens() {
        let rows: [([Float], [Float])] = [
            ([0, 1, 2], [0, 1, 2]), ([3, 0, 0], [0, 0, 3]), ([1, 1, 0], [1, 1, 0.5]),
        ]
        var found = Divergence()
        var parts = [Divergence(), Divergence()]
        for (index, row) in rows.enumerated() {
            row.0.withUnsafeBufferPointer { full in
                row.1.withUnsafeBufferPointer { tested in
                    found.add(0, full: full, tested: tested)
                    parts[index % 2].add(0, full: full, tested: tested)
                }
            }
        }
        #expect(found.agreement.count == 3 && abs(found.agreement.value - 2.0 / 3) < 1e-15)
        let expected = rows.reduce(0) { $0 + slow($1.0, $1.1) } / 3
        #expect(abs(found.forward.mean.value - expected) < 1e-12)
        #expect(found.forward.values[0] == 0 && found.change.values[0] == 0)
        #expect(abs(found.change.values[1] + 3) < 1e-6)
        #expect(abs(log(found.tested.value / found.full.value) + found.change.mean.value) < 1e-12)
        #expect(found.forward.quantiles([0, 1])[0] == 0)
        parts[0].merge(parts[1])
        #expect(abs(parts[0].forward.mean.value - expected) < 1e-12 && parts[0].change.values.count == 3)
        #expect(abs(parts[0].full.standardError - found.full.standardError) < 1e-12)
    }
}
