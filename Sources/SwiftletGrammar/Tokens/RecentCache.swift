/// A dictionary that forgets what was not used for long when its entries cost too much.
struct RecentCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private struct Entry: Sendable {
        let value: Value
        let cost: Int
        var used: Int
    }

    private let limit: Int
    private var entries: [Key: Entry] = [:]
    private var cost = 0
    private var clock = 0

    /// - Parameter limit: the most that entries may cost together.
    init(limit: Int) { self.limit = limit }

    /// The value of a key, which counts as a use.
    mutating func value(for key: Key) -> Value? {
        clock += 1
        guard let index = entries.index(forKey: key) else { return nil }
        entries.values[index].used = clock
        return entries.values[index].value
    }

    /// Adds a value; the older half of the entries goes if that is too much.
    mutating func insert(_ value: Value, cost: Int, for key: Key) {
        if self.cost + cost > limit, !entries.isEmpty {
            let uses = entries.values.map(\.used).sorted()
            let middle = uses[uses.count / 2]
            entries = entries.filter { $0.value.used > middle }
            self.cost = entries.values.reduce(0) { $0 + $1.cost }
        }
        clock += 1
        if let old = entries.updateValue(Entry(value: value, cost: cost, used: clock), forKey: key) {
            self.cost -= old.cost
        }
        self.cost += cost
    }

    /// Forgets everything.
    mutating func removeAll() {
        entries.removeAll()
        cost = 0
    }
}
