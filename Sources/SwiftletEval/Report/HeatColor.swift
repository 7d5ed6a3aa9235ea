import Foundation

/// Colours for shares from 0 to 1: red, yellow, blue, which stay apart for nearly everybody.
public enum HeatColor {
    private static let stops: [(share: Double, red: Double, green: Double, blue: Double)] = [
        (0, 215, 48, 39), (0.25, 252, 141, 89), (0.5, 254, 224, 144), (0.75, 145, 191, 219),
        (1, 69, 117, 180),
    ]

    /// Red, green and blue, each from 0 to 255.
    public static func components(of share: Double) -> (red: Int, green: Int, blue: Int) {
        let share = share.isNaN ? 0 : min(max(share, 0), 1)
        let upper = stops.firstIndex { $0.share >= share } ?? stops.count - 1
        let (a, b) = (stops[max(upper - 1, 0)], stops[upper])
        let weight = b.share > a.share ? (share - a.share) / (b.share - a.share) : 0
        func mix(_ from: Double, _ to: Double) -> Int { Int((from + weight * (to - from)).rounded()) }
        return (mix(a.red, b.red), mix(a.green, b.green), mix(a.blue, b.blue))
    }

    /// As `#rrggbb`.
    static func hexadecimal(of share: Double) -> String {
        let c = components(of: share)
        return String(format: "#%02x%02x%02x", c.red, c.green, c.blue)
    }

    /// Whether white can be read on the colour better than black.
    public static func isDark(_ share: Double) -> Bool {
        let c = components(of: share)
        return 0.299 * Double(c.red) + 0.587 * Double(c.green) + 0.114 * Double(c.blue) < 140
    }
}
