import Foundation
import SwiftletEngine
import SwiftletTestSupport
import SwiftletText
import Testing

@testable import SwiftletEval

@Suite struct CalibrationTests {
    /// Random rows of probabilities with labels.
    private struct Sample {
        var rows: [[Float]] = []
        var labels: [TokenID] = []

        /// - Parameter sharpness: logits are multiplied by it after labels were drawn.
        init(seed: UInt64, positions: Int, classes: Int, sharpness: Double = 1) {
            var random = Xoshiro256(seed: seed)
            for _ in 0..<positions {
                let logits = (0..<classes).map { _ in log(-log(max(random.nextUnit(), 1e-12))) * 1.5 }
                let weights = logits.map { exp($0) }
                var rest = random.nextUnit() * weights.reduce(0, +)
                let label = weights.firstIndex { weight in
                    rest -= weight
                    return rest < 0
                }
                labels.append(TokenID(label ?? classes - 1))
                let sharp = logits.map { exp($0 * sharpness) }
                let sum = sharp.reduce(0, +)
                rows.append(sharp.map { Float($0 / sum) })
            }
        }

        func calibration(bins: Int, _ range: Range<Int>? = nil) -> Calibration {
            var calibration = Calibration(bins: bins, keepsClasses: true)
            for index in range ?? rows.indices {
                calibration.add(probabilities: rows[index], target: labels[index])
            }
            return calibration
        }
    }

    @Test("bins are closed on the right, after widening", arguments: 1...64)
    func edges(bins: Int) {
        for numerator in 0...bins {
            let p = Double(numerator) / Double(bins)
            let expected = min(max(Int((p * Double(bins)).rounded(.up)) - 1, 0), bins - 1)
            #expect(CalibrationBins.index(of: p, bins: bins) == expected)
        }
        #expect(CalibrationBins.index(of: .nan, bins: bins) == 0)
        #expect(CalibrationBins.index(of: .infinity, bins: bins) == bins - 1)
        #expect(
            CalibrationBins.index(of: -1, bins: bins) == 0
                && CalibrationBins.index(of: 2, bins: bins) == bins - 1)
    }

    @Test func widenedProbabilities() {
        #expect(CalibrationBins.index(of: Double(Float(0.1)), bins: 10) == 1)
        #expect(CalibrationBins.index(of: 0.1, bins: 10) == 0)
    }

    @Test("errors are those of the definition", arguments: 0..<12 as Range<UInt64>)
    func definition(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let (count, classes) = (
            Int.random(in: 1...60, using: &random), Int.random(in: 1...20, using: &random)
        )
        let bins = Int.random(in: 1...25, using: &random)
        let sample = Sample(seed: seed, positions: count, classes: classes)
        let found = sample.calibration(bins: bins)

        /// Σ over bins of |B|/N · |accuracy − confidence| of some (probability, hit) pairs.
        func error(_ pairs: [(Double, Bool)]) -> Double {
            (0..<bins).reduce(0) { sum, bin in
                let inside = pairs.filter {
                    min(max(Int(($0.0 * Double(bins)).rounded(.up)) - 1, 0), bins - 1) == bin
                }
                if inside.isEmpty { return sum }
                let size = Double(inside.count)
                let accuracy = Double(inside.filter(\.1).count) / size
                let confidence = inside.reduce(0) { $0 + $1.0 } / size
                return sum + size / Double(count) * abs(accuracy - confidence)
            }
        }
        func pairs(_ class: Int) -> [(Double, Bool)] {
            zip(sample.rows, sample.labels).map { (Double($0[`class`]), Int($1) == `class`) }
        }
        let all = (0..<classes).flatMap(pairs)
        #expect(abs(found.fullError - error(all)) < 1e-12)
        #expect(abs(found.fullErrorPerPair - error(all) / Double(classes)) < 1e-12)
        let top = zip(sample.rows, sample.labels).map { row, label in
            let best = row.indices.max { row[$0] < row[$1] || (row[$0] == row[$1] && $0 > $1) } ?? 0
            return (Double(row[best]), Int(label) == best)
        }
        #expect(abs(found.topError - error(top)) < 1e-12)
        let classwise = (0..<classes).reduce(0) { $0 + error(pairs($1)) } / Double(classes)
        #expect(abs((found.classwiseError ?? -1) - classwise) < 1e-12)
        #expect(found.all.count.reduce(0, +) == count * classes && found.all.hits.reduce(0, +) == count)
        #expect(abs(found.all.confidence.reduce(0, +) - Double(count)) < 1e-6 * Double(count))
    }

    @Test("one bin says nothing; predictions of certainty say all")
    func extremes() {
        #expect(abs(Sample(seed: 1, positions: 30, classes: 9).calibration(bins: 1).fullError) < 1e-6)
        var (right, wrong) = (Calibration(), Calibration())
        for _ in 0..<5 {
            right.add(probabilities: [0, 1, 0], target: 1)
            wrong.add(probabilities: [0, 1, 0], target: 2)
        }
        #expect(right.fullError == 0 && right.topError == 0 && right.accuracy == 1 && right.brier.value == 0)
        #expect(wrong.fullError == 2 && wrong.topError == 1 && wrong.accuracy == 0 && wrong.brier.value == 2)
        #expect(wrong.classwiseError == nil && wrong.loss.value == .infinity)
        #expect(Calibration().fullError == 0 && Calibration().accuracy == 0)
    }

    @Test("neither cuts nor order matter; pairs of bins hide what they cancel")
    func invariants() {
        let sample = Sample(seed: 3, positions: 50, classes: 12, sharpness: 1.6)
        let whole = sample.calibration(bins: 20)
        for cut in [0, 1, 23, 50] {
            var left = sample.calibration(bins: 20, 0..<cut)
            left.merge(sample.calibration(bins: 20, cut..<50))
            #expect(left.all.count == whole.all.count && left.all.hits == whole.all.hits)
            #expect(abs(left.fullError - whole.fullError) < 1e-12)
            #expect(abs((left.classwiseError ?? 0) - (whole.classwiseError ?? 1)) < 1e-12)
            #expect(abs(left.loss.standardError - whole.loss.standardError) < 1e-12)
        }
        #expect(sample.calibration(bins: 10).fullError <= whole.fullError + 1e-12)
    }

    @Test("labels drawn from the predictions are calibrated, sharpened predictions are not")
    func statistics() {
        let calibrated = Sample(seed: 5, positions: 4_000, classes: 32).calibration(bins: 10)
        let sharpened = Sample(seed: 5, positions: 4_000, classes: 32, sharpness: 1.5).calibration(bins: 10)
        #expect(calibrated.fullError < 0.05 && sharpened.fullError > 2 * calibrated.fullError)
        #expect(sharpened.topError > 2 * calibrated.topError && sharpened.loss.value > calibrated.loss.value)
    }

    @Test("logits give what their probabilities give, at a temperature too", arguments: [0.5, 1, 2])
    func logits(temperature: Double) {
        var random = SplitMix64(seed: 8)
        var fromLogits = Calibration(bins: 7, temperature: temperature, keepsClasses: true)
        var losses = Mean()
        for position in 0..<30 {
            let row = (0..<11).map { _ in Float.random(in: -4...4, using: &random) }
            let weights = row.map { exp(Double($0) / temperature) }
            losses.add(-log(weights[position % 11] / weights.reduce(0, +)))
            row.withUnsafeBufferPointer { fromLogits.add($0, target: TokenID(position % 11)) }
        }
        #expect(abs(fromLogits.loss.value - losses.value) < 1e-12)
        #expect(abs(fromLogits.all.confidence.reduce(0, +) - 30) < 1e-12)
        let broken: [Float] = [.nan, .infinity, 0]
        broken.withUnsafeBufferPointer { row in
            var calibration = Calibration()
            calibration.add(row, target: 2)
            #expect(calibration.all.count.reduce(0, +) == 3)
        }
    }

    @Test func classMemory() {
        #expect(Calibration.classBytes(vocabulary: 128_000, bins: 10) == 10_240_000)
        #expect(Calibration.classBytes(vocabulary: .max, bins: 10) == .max)
    }
}
