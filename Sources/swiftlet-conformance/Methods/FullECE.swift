import SwiftletEval
import SwiftletTensor

extension OracleMethod {
    /// The kinds of `full-ece.json`.
    static let fullECE = OracleMethod(handlers: [
        "probs": FullECE.probabilities,
        "logits": FullECE.temperatures,
        "merge": FullECE.merge,
    ])
}

/// Handlers of Full-ECE.
enum FullECE {
    static func probabilities(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let rows = try Rows(oracle, "probs")
        let bins = try bins(oracle)
        let found = rows.calibration(rows.values.indices, bins: bins)
        let all = found.all
        return [
            "n": found.positionCount, "count": all.count, "hits": all.hits, "conf_sum": all.confidence,
            "accuracy": all.count.indices.map(all.accuracy),
            "confidence": all.count.indices.map(all.meanConfidence),
            "full_ece": found.fullError, "full_ece_nk": found.fullErrorPerPair,
            "bin_index": rows.values.map { $0.map { CalibrationBins.index(of: Double($0), bins: bins) } },
            "ece_top1": found.topError, "cw_ece": found.classwiseError,
        ]
    }

    static func temperatures(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let rows = try Rows(oracle, "logits")
        let bins = try bins(oracle)
        let temperatures: [Double] = try oracle.params.read("temperatures")
        guard temperatures.allSatisfy({ $0 > 0 }) else {
            throw oracle.malformed("params.temperatures has one that is not above 0")
        }
        let found = temperatures.map { temperature in
            var calibration = Calibration(bins: bins, temperature: temperature, keepsClasses: true)
            for index in rows.counted(rows.values.indices) {
                rows.values[index].withUnsafeBufferPointer { calibration.add($0, target: rows.labels[index]) }
            }
            return calibration
        }
        return [
            "full_ece": found.map(\.fullError), "ece_top1": found.map(\.topError),
            "cw_ece": found.map(\.classwiseError), "nll": found.map(\.loss.value),
            "best_temperature_full_ece": best(found, \.fullError),
            "best_temperature_nll": best(found, \.loss.value),
        ]
    }

    static func merge(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let rows = try Rows(oracle, "probs")
        let bins = try bins(oracle)
        let split: Int = try oracle.params.read("split_at")
        guard (0...rows.values.count).contains(split) else {
            throw oracle.malformed("params.split_at is \(split) of \(rows.values.count) rows")
        }
        let first = rows.calibration(0..<split, bins: bins)
        let second = rows.calibration(split..<rows.values.count, bins: bins)
        var merged = first
        merged.merge(second)
        return [
            "full_ece_first": first.fullError, "full_ece_second": second.fullError,
            "full_ece_merged": merged.fullError,
        ]
    }

    private static func bins(_ oracle: OracleCase) throws(SwiftletError) -> Int {
        let bins: Int = try oracle.params.read("bins", default: 10)
        guard bins > 0 else { throw oracle.malformed("params.bins is \(bins), expected 1 or more") }
        return bins
    }

    /// The temperature of the smallest value, of equal ones the first.
    private static func best(_ found: [Calibration], _ value: KeyPath<Calibration, Double>) -> Double? {
        found.min { $0[keyPath: value] < $1[keyPath: value] }?.temperature
    }

    /// Positions with their labels, some of which may be masked.
    private struct Rows {
        let values: [[Float]]
        let labels: [Int32]
        private let mask: [Bool]

        init(_ oracle: OracleCase, _ name: String) throws(SwiftletError) {
            values = try oracle.inputs.read(name)
            let labels: [Int] = try oracle.inputs.read("labels")
            let mask: [Int] = try oracle.inputs.read("mask", default: values.map { _ in 1 })
            let width = values.first?.count ?? 0
            guard labels.count == values.count, mask.count == values.count,
                values.allSatisfy({ $0.count == width }),
                labels.indices.allSatisfy({ mask[$0] == 0 || (0..<width).contains(labels[$0]) })
            else {
                throw oracle.malformed(
                    "inputs are \(values.count) rows of \(width), \(labels.count) labels and \(mask.count) marks; "
                        + "expected as many of each, rows of one length, and labels inside them")
            }
            self.labels = labels.map { Int32(truncatingIfNeeded: $0) }
            self.mask = mask.map { $0 != 0 }
        }

        func counted(_ range: Range<Int>) -> [Int] { range.filter { mask[$0] } }

        func calibration(_ range: Range<Int>, bins: Int) -> Calibration {
            var calibration = Calibration(bins: bins, keepsClasses: true)
            for index in counted(range) {
                calibration.add(probabilities: values[index], target: labels[index])
            }
            return calibration
        }
    }
}
