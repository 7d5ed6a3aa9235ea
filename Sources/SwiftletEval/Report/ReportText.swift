import Foundation

/// Numbers as people read them.
public enum ReportText {
    /// Bytes: `17.3 MiB`.
    public static func bytes(_ bytes: Int) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var value = Double(bytes)
        var unit = 0
        while value >= 1_024, unit < units.count - 1 {
            value /= 1_024
            unit += 1
        }
        return unit == 0 ? "\(bytes) B" : "\(number(value, 1)) \(units[unit])"
    }

    /// Bytes beside an axis: `256 KiB`.
    static func tick(bytes count: Double) -> String { bytes(Int(count)).replacing(".0 ", with: " ") }

    /// A number with a fixed count of decimals.
    public static func number(_ value: Double, _ decimals: Int) -> String {
        String(format: "%.\(decimals)f", value)
    }

    /// A share: `83.3`.
    static func percent(_ share: Double) -> String { number(100 * share, 1) }

    /// A difference of shares with its sign: `−3.4`.
    static func difference(_ share: Double) -> String {
        let text = number(100 * abs(share), 1)
        return text == "0.0" ? text : (share < 0 ? "−" : "+") + text
    }
}
