import SwiftletTensor

/// Computes the answers of one case with the code of the product; the answers carry the names of `expected`.
typealias OracleHandler = @Sendable (OracleCase) throws(SwiftletError) -> [String: any OracleResult]

/// How the cases of one method are run.
struct OracleMethod: Sendable {
    /// A handler per kind.
    let handlers: [String: OracleHandler]
    /// Whether a tolerance is a share of expected values larger than 1.
    var isMixed = false
    /// Fields of `expected` that the method's sheet gives for information: variants that it advises against.
    var information: Set<String> = []
}

/// Runs cases by the table (method, kind) → handler.
enum OracleRunner {
    /// The methods by the lowercase names of their files.
    static let methods: [String: OracleMethod] = [
        "baselines": .baselines,
        "d2o": .d2o,
        "full-ece": .fullECE,
        "kvsharer": .kvsharer,
        "pqcache": .pqcache,
        "pyramidinfer": .pyramidInfer,
        "uncomp": .uncomp,
        "zigzagkv": .zigzagkv,
    ]

    /// Differences printed per case; the others are counted.
    private static let printedDifferences = 8

    /// Runs every case of a file.
    static func run(_ file: OracleFile) -> OracleReport {
        var report = OracleReport()
        for oracle in file.cases {
            let differences = differences(of: oracle, method: file.method)
            if differences.isEmpty {
                report.passedCount += 1
            } else {
                report.failedCount += 1
                report.failures += lines(differences, of: oracle)
            }
        }
        return report
    }

    /// What is wrong with the answers to a case; empty if it passes.
    private static func differences(of oracle: OracleCase, method name: String) -> [String] {
        guard let method = methods[name] else {
            return [
                "no handler for method '\(name)'; there are \(methods.keys.sorted().joined(separator: ", "))"
            ]
        }
        guard let handler = method.handlers[oracle.kind] else {
            return ["no handler for kind '\(oracle.kind)' of method '\(name)'"]
        }
        let scale: OracleTolerance.Scale =
            method.isMixed ? .mixed : oracle.isRelative ? .relative : .absolute
        var comparison = OracleComparison(
            tolerance: OracleTolerance(bound: oracle.tolerance, scale: scale),
            information: method.information)
        do {
            comparison.compare(try handler(oracle).mapValues(\.oracleValue), with: oracle.expected)
        } catch {
            return [error.message]
        }
        if comparison.comparedCount == 0, comparison.differences.isEmpty {
            return ["nothing to compare: 'expected' has no field that is a result"]
        }
        return comparison.differences
    }

    private static func lines(_ differences: [String], of oracle: OracleCase) -> [String] {
        var lines = differences.prefix(printedDifferences).map { "'\(oracle.name)' (\(oracle.kind)): \($0)" }
        if differences.count > lines.count {
            lines.append(
                "'\(oracle.name)' (\(oracle.kind)): \(differences.count - lines.count) more differences")
        }
        return lines
    }
}

/// What came out of some cases.
struct OracleReport {
    var passedCount = 0
    var failedCount = 0
    /// One line per difference.
    var failures: [String] = []

    /// The closing line.
    var summary: String { "\(passedCount) passed, \(failedCount) failed" }

    /// Counts the cases of another file.
    mutating func add(_ other: OracleReport) {
        passedCount += other.passedCount
        failedCount += other.failedCount
        failures += other.failures
    }
}
