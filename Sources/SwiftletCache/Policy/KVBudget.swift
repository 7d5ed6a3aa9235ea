public import SwiftletTensor

/// How much a compressed cache may hold: one bound over all layers, sinks, recent rows and exempt layers included.
///
/// Layers with a sliding window keep what it shows in any case. A share and a number of rows are those of the other layers;
/// bytes include the windows.
public enum KVBudget: Hashable, Sendable, CustomStringConvertible {
    /// A share of the tokens seen at the end of the prompt, above 0 and at most 1.
    case share(Double)
    /// Rows per layer and KV head on average, at least 1.
    case rows(Int)
    /// Bytes of all pages, at least 1.
    case bytes(Int)

    /// Reads `20%`, `512` or `64MiB`.
    ///
    /// - Throws: `.invalidArgument` naming `flag`, what was found and the three forms.
    public init(parsing text: String, flag: String = "--kv-budget") throws(SwiftletError) {
        guard let budget = Self.parse(text) else {
            throw SwiftletError(
                .invalidArgument,
                "\(flag) is '\(text)'; expected a share of the prompt such as 20%, rows per layer and head such "
                    + "as 512, or bytes in all such as 64MiB")
        }
        self = budget
    }

    private static func parse(_ text: String) -> KVBudget? {
        if text.hasSuffix("%") {
            guard let percent = Double(text.dropLast()), percent > 0, percent <= 100 else { return nil }
            return .share(percent / 100)
        }
        if let rows = Int(text) { return rows > 0 ? .rows(rows) : nil }
        return byteCount(text).map { .bytes($0) }
    }

    /// Reads a number of bytes with its unit, such as `64MiB` or `1.5GB`; `nil` for anything else and below 1.
    package static func byteCount(_ text: String) -> Int? {
        for (suffix, size) in units where text.hasSuffix(suffix) {
            guard let count = Double(text.dropLast(suffix.count)), count > 0, count * size >= 1,
                count * size < 0x1p62
            else { return nil }
            return Int(count * size)
        }
        return nil
    }

    // Longer suffixes first: "MiB" also ends in "B".
    private static let units: [(String, Double)] = [
        ("KiB", 0x1p10), ("MiB", 0x1p20), ("GiB", 0x1p30), ("TiB", 0x1p40), ("kB", 1e3), ("KB", 1e3),
        ("MB", 1e6), ("GB", 1e9), ("TB", 1e12), ("B", 1),
    ]

    /// Whether the budget follows the length of the prompt.
    public var isShare: Bool {
        if case .share = self { true } else { false }
    }

    /// The form that ``init(parsing:flag:)`` reads.
    public var description: String {
        switch self {
        case .share(let share):
            let percent = share * 100
            return percent == percent.rounded() ? "\(Int(percent))%" : "\(percent)%"
        case .rows(let rows): return "\(rows)"
        case .bytes(let bytes): return "\(bytes)B"
        }
    }

    /// Rows that a share of `count` tokens leaves: rounded toward zero, but at least one.
    ///
    /// Source: the kept count of the scorer policies of kvpress, with the floor that the project adopted later.
    public static func rows(of count: Int, share: Double) -> Int {
        min(max(truncatedRows(of: count, share: share), 1), count)
    }

    /// The same without the floor.
    package static func truncatedRows(of count: Int, share: Double) -> Int { Int(Double(count) * share) }
}
