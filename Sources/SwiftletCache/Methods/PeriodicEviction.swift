/// When rows leave during generation if the cache may swing above its size: every so many tokens, back to the size.
///
/// Source: `DecodingPress` of kvpress. ``KVDecodeRule/periodic(interval:)`` keeps below the budget instead.
package struct PeriodicEviction: Hashable, Sendable {
    /// Tokens between two evictions.
    package var interval: Int
    /// Rows that stay.
    package var target: Int
    private var pending = 0

    /// Starts counting at the end of the prompt.
    package init(interval: Int, target: Int) {
        self.interval = interval
        self.target = target
    }

    /// Counts tokens that entered; whether rows have to leave now. A block as large as the target does not wait.
    ///
    /// - Parameter rows: rows held, the new ones included.
    package mutating func isDue(entering count: Int, rows: Int) -> Bool {
        pending += count
        guard pending >= interval || count >= target else { return false }
        pending = 0
        return rows > target
    }
}
