import Foundation

/// Bytes for a person: `17.3 MiB`.
func formatBytes(_ bytes: Int) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"]
    var value = Double(bytes)
    var unit = 0
    while value >= 1_024, unit < units.count - 1 {
        value /= 1_024
        unit += 1
    }
    return unit == 0 ? "\(bytes) B" : "\(formatNumber(value, 1)) \(units[unit])"
}

/// A span of time for a person: `45 s`, `12 min`, `3 h 5 min`.
func formatDuration(seconds: Int) -> String {
    switch seconds {
    case ..<90: "\(seconds) s"
    case ..<5_400: "\((seconds + 30) / 60) min"
    default: "\(seconds / 3_600) h \(seconds / 60 % 60) min"
    }
}

/// A number with a fixed count of decimals.
func formatNumber(_ value: Double, _ decimals: Int) -> String { String(format: "%.\(decimals)f", value) }

/// Text with spaces after it up to a width.
func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(width - text.count, 0))
}
