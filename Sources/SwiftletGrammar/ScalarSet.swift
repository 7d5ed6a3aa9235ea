/// A set of Unicode scalar values as ascending, disjoint ranges.
///
/// Surrogates (U+D800…U+DFFF) are no scalars and never members.
struct ScalarSet: Sendable, Hashable {
    /// The ranges; no two touch.
    let ranges: [ClosedRange<UInt32>]

    /// The union of `ranges`, which may overlap and come in any order.
    init(_ ranges: some Sequence<ClosedRange<UInt32>>) {
        var merged: [ClosedRange<UInt32>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            for part in Self.withoutSurrogates(range) {
                if let last = merged.last, part.lowerBound <= last.upperBound + 1 {
                    merged[merged.count - 1] = last.lowerBound...max(last.upperBound, part.upperBound)
                } else {
                    merged.append(part)
                }
            }
        }
        self.ranges = merged
    }

    /// The set of some ASCII characters.
    init(ascii: StaticString) {
        let bytes = UnsafeBufferPointer(start: ascii.utf8Start, count: ascii.utf8CodeUnitCount)
        self.init(bytes.map { UInt32($0)...UInt32($0) })
    }

    /// Every scalar.
    static let all = ScalarSet([0...0x10FFFF])

    /// Whether there are no members.
    var isEmpty: Bool { ranges.isEmpty }

    /// Whether a scalar is a member. Complexity: linear in the number of ranges.
    func contains(_ scalar: UInt32) -> Bool { ranges.contains { $0.contains(scalar) } }

    /// Every scalar that is not a member.
    var complement: ScalarSet {
        var gaps: [ClosedRange<UInt32>] = []
        var next: UInt32 = 0
        for range in ranges {
            if range.lowerBound > next { gaps.append(next...range.lowerBound - 1) }
            next = range.upperBound + 1
        }
        if next <= 0x10FFFF { gaps.append(next...0x10FFFF) }
        return ScalarSet(gaps)
    }

    /// What is in either set.
    func union(_ other: ScalarSet) -> ScalarSet { ScalarSet(ranges + other.ranges) }

    /// What is in both sets.
    func intersection(_ other: ScalarSet) -> ScalarSet {
        var common: [ClosedRange<UInt32>] = []
        var (i, j) = (0, 0)
        while i < ranges.count, j < other.ranges.count {
            let (a, b) = (ranges[i], other.ranges[j])
            let low = max(a.lowerBound, b.lowerBound)
            let high = min(a.upperBound, b.upperBound)
            if low <= high { common.append(low...high) }
            if a.upperBound < b.upperBound { i += 1 } else { j += 1 }
        }
        return ScalarSet(common)
    }

    /// What is in this set and not in the other.
    func subtracting(_ other: ScalarSet) -> ScalarSet { intersection(other.complement) }

    private static func withoutSurrogates(_ range: ClosedRange<UInt32>) -> [ClosedRange<UInt32>] {
        let high = min(range.upperBound, 0x10FFFF)
        guard range.lowerBound <= high else { return [] }
        var parts: [ClosedRange<UInt32>] = []
        if range.lowerBound < 0xD800 { parts.append(range.lowerBound...min(high, 0xD7FF)) }
        if high > 0xDFFF { parts.append(max(range.lowerBound, 0xE000)...high) }
        return parts
    }
}
