import SwiftletCache
import SwiftletEngine
import SwiftletFormats

/// Turns results into Markdown, JSON or CSV, one after the other.
struct BenchTable {
    /// What the machine can do, if it was measured; set before the first row.
    var ceiling: Ceiling?
    private let output: BenchOutput
    private let comparesPolicies: Bool
    private var hasBegun = false
    private var isFirst = true

    init(_ output: BenchOutput, comparesPolicies: Bool = false) {
        self.output = output
        self.comparesPolicies = comparesPolicies
    }

    private static let columns = [
        ("model", 18), ("size", 10), ("params", 8), ("threads", 7), ("batch", 5), ("cache", 9), ("test", 16),
        ("t/s", 17), ("median", 8), ("GB/s", 7), ("GFLOP/s", 8), ("cache size", 10), ("peak memory", 11),
    ]
    private static let shareColumns = [("of bandwidth", 12), ("of arithmetic", 13)]

    private static let policyColumns = [
        ("policy", 18), ("rows", 8), ("of full", 7), ("peak cache", 10), ("resident", 10), ("MB/token", 8),
        ("speedup", 7), ("bound", 6), ("of bound", 8),
    ]

    private var columns: [(String, Int)] {
        Self.columns + (ceiling == nil ? [] : Self.shareColumns)
            + (comparesPolicies ? Self.policyColumns : [])
    }

    /// What comes before the rows; nothing after the first time.
    mutating func begin() -> String {
        guard !hasBegun else { return "" }
        hasBegun = true
        switch output {
        case .md:
            return (ceiling.map(summary) ?? "") + line(columns.map(\.0))
                + "|" + columns.map { String(repeating: "-", count: $0.1 + 2) + "|" }.joined() + "\n"
        case .json:
            return "[" + (ceiling == nil ? "" : object(nil))
        case .csv:
            let header = BenchField.fields(nil, ceiling).map(\.name).joined(separator: ",") + "\n"
            return header + (ceiling == nil ? "" : record(nil))
        }
    }

    /// One result.
    mutating func row(_ result: BenchmarkResult) -> String {
        let start = begin()
        switch output {
        case .md: return start + line(cells(result))
        case .json: return start + object(result)
        case .csv: return start + record(result)
        }
    }

    /// What comes after the rows.
    mutating func end() -> String { begin() + (output == .json ? "\n]\n" : "") }

    private mutating func object(_ result: BenchmarkResult?) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            for field in BenchField.fields(result, ceiling) { field.write(to: &writer) }
        }
        defer { isFirst = false }
        return (isFirst ? "\n" : ",\n") + writer.text
    }

    private func record(_ result: BenchmarkResult?) -> String {
        BenchField.fields(result, ceiling).map(\.csv).joined(separator: ",") + "\n"
    }

    // MARK: Markdown

    private func line(_ cells: [String]) -> String {
        "|" + zip(cells, columns).map { " \(pad($0, $1.1)) |" }.joined() + "\n"
    }

    private func cells(_ result: BenchmarkResult) -> [String] {
        let cells = [
            result.modelDescription, formatBytes(result.weightBytes), count(result.parameterCount),
            "\(result.threadCount)", "\(result.batchSize)",
            "\(result.cacheFormat)",
            result.test.name + (result.test.depth > 0 && result.fill == .random ? " random" : ""),
            "\(formatNumber(result.meanRate, 2)) ± \(formatNumber(result.rateDeviation, 2))",
            formatNumber(result.medianRate, 2), formatNumber(result.bandwidth / 1e9, 2),
            formatNumber(result.operationRate / 1e9, 1), formatBytes(result.cache.bytes),
            formatBytes(result.peakResidentBytes),
        ]
        return cells + shares(result) + (comparesPolicies ? policy(result) : [])
    }

    private func shares(_ result: BenchmarkResult) -> [String] {
        guard let ceiling else { return [] }
        return [percent(result.bandwidthShare(of: ceiling)), percent(result.operationShare(of: ceiling))]
    }

    private func policy(_ result: BenchmarkResult) -> [String] {
        let (policy, cache, comparison) = (result.policy, result.cache, result.comparison)
        return [
            policy.specification + (policy.statedBudget.map { " \($0)" } ?? ""),
            formatNumber(cache.meanRows, 1), comparison.map { percent($0.heldShare) } ?? "",
            formatBytes(cache.peakBytes), cache.residentBytes.map(formatBytes) ?? "",
            formatNumber(result.bytesReadPerToken / 1e6, 1),
            comparison.map { formatNumber($0.speedup, 2) } ?? "",
            comparison?.bound.map { formatNumber($0, 2) } ?? "",
            comparison?.boundShare.map(percent) ?? "",
        ]
    }

    private func summary(_ ceiling: Ceiling) -> String {
        """
        | ceiling (\(ceiling.instructionSet)) | rate |
        |---|---|
        | memory read, 1 thread | \(formatNumber(ceiling.readBandwidthOfOneThread / 1e9, 1)) GB/s |
        | memory read, \(ceiling.threadCount) threads | \(formatNumber(ceiling.readBandwidth / 1e9, 1)) GB/s |
        | f32 product, \(ceiling.threadCount) threads | \(formatNumber(ceiling.floatProductRate / 1e9, 1)) GFLOP/s |
        | q8_0 product, \(ceiling.threadCount) threads | \(formatNumber(ceiling.blockProductRate / 1e9, 1)) Gop/s |


        """
    }

    private func percent(_ share: Double) -> String { formatNumber(100 * share, 1) + " %" }

    private func count(_ number: Int) -> String {
        number >= 1_000_000_000
            ? formatNumber(Double(number) / 1e9, 2) + " B" : formatNumber(Double(number) / 1e6, 1) + " M"
    }
}
