import Foundation
import SwiftletTestSupport
import Testing

@testable import SwiftletCache

@Suite("UNComp")
struct UNCompTests {
    @Test("eigenvalues of the second difference matrix", arguments: [1, 2, 3, 17, 64, 256])
    func secondDifferences(size: Int) {
        var matrix = [Double](repeating: 0, count: size * size)
        for i in 0..<size {
            matrix[i * size + i] = 2
            if i > 0 { matrix[i * size + i - 1] = -1 }
            if i + 1 < size { matrix[i * size + i + 1] = -1 }
        }
        let expected = (1...size).map { 2 - 2 * cos(.pi * Double($0) / Double(size + 1)) }
        // A few ulps of the largest eigenvalue, 4, per sweep over the matrix.
        for (x, y) in zip(SymmetricEigenvalues.of(matrix, size: size), expected.reversed()) {
            #expect(abs(x - y) <= Double(size) * 4 * .ulpOfOne)
        }
    }

    @Test("eigenvalues of dense matrices keep trace and Frobenius norm", arguments: 1..<24)
    func dense(size: Int) {
        var random = SplitMix64(seed: UInt64(size))
        var matrix = [Double](repeating: 0, count: size * size)
        for i in 0..<size {
            for j in 0...i {
                let x = size % 5 == 0 && i % 3 == 0 ? 0 : Double.random(in: -1...1, using: &random)
                matrix[i * size + j] = x
                matrix[j * size + i] = x
            }
        }
        let values = SymmetricEigenvalues.of(matrix, size: size)
        let trace = (0..<size).reduce(0) { $0 + matrix[$1 * size + $1] }
        let squares = matrix.reduce(0) { $0 + $1 * $1 }
        #expect(abs(values.reduce(0, +) - trace) < 1e-12 * Double(size))
        #expect(abs(values.reduce(0) { $0 + $1 * $1 } - squares) < 1e-11 * Double(size))
        #expect(zip(values, values.dropFirst()).allSatisfy { $0 >= $1 })
    }

    @Test("isotropic vectors have full rank, vectors on a line rank 1, equal vectors entropy 0")
    func extremes() {
        let size = 6
        var axes: [Float] = []
        for i in 0..<size {
            for sign in [Float(1), -1] {
                axes += (0..<size).map { $0 == i ? sign : 0 }
            }
        }
        let isotropic = UNCompSpectrum(rows: axes, size: size)
        #expect(abs(isotropic.effectiveRank(size) - 6) < 1e-6)
        #expect(abs(isotropic.entropy(3) - log(6) / 2) < 1e-6)
        let line = UNCompSpectrum(rows: (0..<10).flatMap { [Float($0), Float($0) * 2] }, size: 2)
        #expect(abs(line.effectiveRank(2) - 1) < 1e-6)
        for rows in [[Float](), [3, 4], [3, 4, 3, 4, 3, 4], [0, 0, 0, 0]] {
            #expect(abs(UNCompSpectrum(rows: rows, size: 2).entropy(2)) < 1e-7)
        }
        #expect(UNCompSpectrum(eigenvalues: [0.25, 0.25, 0.25, 0.25]).elbow == 1)
    }

    @Test("order, scale, a common offset and a rotation change nothing", arguments: 0..<5)
    func invariance(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let (size, count) = (8, 30)
        let rows = (0..<count).map { _ in random.floats(size, in: -1...1) }
        let spectrum = UNCompSpectrum(rows: rows.flatMap { $0 }, size: size)
        let moved = rows.shuffled(using: &random).map { row in
            let (c, s) = (Float(cos(0.7)), Float(sin(0.7)))
            var row = row.map { $0 * 3 + 5 }
            (row[0], row[3]) = (c * row[0] - s * row[3], s * row[0] + c * row[3])
            return row
        }
        let other = UNCompSpectrum(rows: moved.flatMap { $0 }, size: size)
        for k in 0...size {
            // Inputs are rounded to 24 bits after the move.
            #expect(abs(other.entropy(k) - spectrum.entropy(k)) < 1e-5)
            if k > 0 { #expect(spectrum.entropy(k) >= spectrum.entropy(k - 1)) }
        }
    }

    @Test("budgets follow the heads")
    func heads() {
        let ranks = [3.0, 9, 1, 7, 7]
        let groups = UNComp.headGroups(ranks: ranks, groups: 2)
        #expect(groups == [[1, 3, 4], [0, 2]])
        #expect(UNComp.headBudgets(groups: groups, first: 10, step: 4) == [6, 10, 6, 10, 10])
        #expect(UNComp.headBudgets(groups: groups, first: 3, step: 4) == [0, 3, 0, 3, 3])
        #expect(UNComp.headGroups(ranks: [1], groups: 3) == [[0], [], []])
        #expect(UNComp.headGroups(ranks: [], groups: 2) == [[], []])
    }

    @Test("stage lengths fall, and short prompts are left alone")
    func stages() {
        let labels = [0, 0, 1, 2, 2]
        #expect(
            UNComp.stageLengths(labels: labels, promptLength: 4_000, rule: .paper)
                == [4_000, 4_000, 3_488, 2_976, 2_976])
        #expect(
            UNComp.stageLengths(labels: labels, promptLength: 1_700, rule: .paper)
                == [1_700, 1_700, 1_536, 1_536, 1_536])
        for rule in [UNComp.StageRule.paper, .fixed(maximum: 4_096, minimum: 1_536)] {
            #expect(
                UNComp.stageLengths(labels: labels, promptLength: 900, rule: rule)
                    == [900, 900, 900, 900, 900])
            #expect(UNComp.stageLengths(labels: [], promptLength: 9, rule: rule).isEmpty)
            #expect(UNComp.stageLengths(labels: [0], promptLength: 9, rule: rule) == [9])
        }
    }

    @Test("a budget is kept exactly, with the newest rows in it", arguments: 0..<60)
    func kept(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let count = Int.random(in: 0...40, using: &random)
        let budget = Int.random(in: 0...40, using: &random)
        let window = Int.random(in: 0...10, using: &random)
        let kept = UNComp.keptRows(
            scores: random.floats(count, in: 0...1), budget: budget, window: window, kernel: 7,
            pooling: UNComp.Pooling.allCases[Int(seed) % 2])
        #expect(kept.count == min(count, budget))
        #expect(zip(kept, kept.dropFirst()).allSatisfy { $0 < $1 })
        let tail = min(window, min(count, budget))
        #expect(Array(kept.suffix(tail)) == Array(count - tail..<count))
        let hidden = UNComp.hiddenRows(
            attention: random.floats(count, in: 0...1), keeping: budget, forcedTail: window)
        #expect(hidden.count == min(count, budget))
        #expect(Array(hidden.suffix(tail)) == Array(count - tail..<count))
    }

    @Test("a window of attention rows follows the cache through hundreds of steps")
    func decode() {
        var random = SplitMix64(seed: 1)
        var window = UNCompWindow(size: 4)
        var count = 0
        for _ in 0..<300 {
            count += 1
            let kept = window.update(
                random.floats(count, in: 0...1), budget: 9, kernel: 3, pooling: .max)
            count = kept.count
            #expect(count <= 9 && window.rows.allSatisfy { $0.count == count })
            #expect(window.rows.count <= 4)
        }
        #expect(count == 9)
    }
}
