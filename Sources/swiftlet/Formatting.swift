import SwiftletEval

/// Bytes for a person: `17.3 MiB`.
func formatBytes(_ bytes: Int) -> String { ReportText.bytes(bytes) }

/// A span of time for a person: `45 s`, `12 min`, `3 h 5 min`.
func formatDuration(seconds: Int) -> String {
    switch seconds {
    case ..<90: "\(seconds) s"
    case ..<5_400: "\((seconds + 30) / 60) min"
    default: "\(seconds / 3_600) h \(seconds / 60 % 60) min"
    }
}

/// A number with a fixed count of decimals.
func formatNumber(_ value: Double, _ decimals: Int) -> String { ReportText.number(value, decimals) }

/// Text with spaces after it up to a width.
func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(width - text.count, 0))
}
