import SwiftletCache
import SwiftletTensor
import SwiftletText

/// Caches of requests that have ended, for others that begin alike.
///
/// Where a cache keeps every row of its tokens, any common beginning is of use, under every policy with the same layers
/// and formats that keeps all rows, too. What a compressed cache keeps depends on all of its prompt: it serves exactly
/// that prompt, with the logits after it.
struct PrefixCache {
    /// What two caches must have in common.
    struct Key: Hashable {
        let format: KVFormat
        let owners: [Int]
        /// Settings of a policy that drops rows; `nil` for all that do not.
        let settings: String?
        /// Adapters and their scales.
        let changes: String?

        init(_ sequence: KVSequence) {
            format = sequence.format
            owners = sequence.layout.owners
            changes = sequence.weightChanges?.identity
            settings = sequence.policy.prefixIsReusable ? nil : sequence.policy.settings
        }
    }

    /// A kept cache.
    final class Entry {
        let key: Key
        let session: Session
        /// Logits after the last token, where the cache serves exactly its tokens.
        let logits: [Float]?
        /// Bytes that it refers to.
        let byteCount: Int
        /// Bytes beside pages.
        let bytesBesidePages: Int
        fileprivate var lastUse: UInt64 = 0

        init(_ session: Session, logits: [Float]?) {
            key = Key(session.sequence)
            self.session = session
            self.logits = logits
            byteCount = session.cacheBytes
            bytesBesidePages = session.sequence.bytesBesidePages
        }

        var tokens: [TokenID] { session.tokens }
    }

    private(set) var entries: [Key: [Entry]] = [:]
    private var uses: UInt64 = 0
    /// Fewer tokens than these are read again at once.
    static let leastTokens = 8

    var count: Int { entries.values.reduce(0) { $0 + $1.count } }
    /// Bytes that all refer to; shared pages count several times.
    var byteCount: Int { entries.values.joined().reduce(0) { $0 + $1.byteCount } }
    /// Bytes beside pages.
    var bytesBesidePages: Int {
        entries.values.joined().reduce(0) { $0 + $1.bytesBesidePages }
    }

    /// The cache that holds most of a prompt, leaving at least one token to read.
    mutating func longest(_ key: Key, _ prompt: [TokenID]) -> (entry: Entry, count: Int)? {
        var best: (entry: Entry, count: Int)?
        for entry in entries[key] ?? [] {
            let count = min(Self.common(entry.tokens, prompt), prompt.count - 1)
            if count >= Self.leastTokens, count > best?.count ?? 0 { best = (entry, count) }
        }
        if let best { touch(best.entry) }
        return best
    }

    /// The cache of exactly this prompt.
    mutating func exact(_ key: Key, _ prompt: [TokenID]) -> Entry? {
        let found = entries[key]?.first { $0.tokens == prompt }
        if let found { touch(found) }
        return found
    }

    /// Keeps a cache; those that hold nothing else than a part of it leave.
    ///
    /// - Returns: what is kept: the cache, or one that holds all of it.
    mutating func insert(_ entry: Entry) -> Entry {
        var others = entries[entry.key] ?? []
        let isExact = entry.logits != nil
        if let same = others.first(where: {
            isExact ? $0.tokens == entry.tokens : $0.tokens.starts(with: entry.tokens)
        }) {
            touch(same)
            return same
        }
        if !isExact { others.removeAll { entry.tokens.starts(with: $0.tokens) } }
        entries[entry.key] = others + [entry]
        touch(entry)
        return entry
    }

    mutating func remove(_ entry: Entry) {
        entries[entry.key]?.removeAll { $0 === entry }
        if entries[entry.key]?.isEmpty == true { entries[entry.key] = nil }
    }

    /// Gives up the cache that was not used for longest.
    ///
    /// - Returns: false if there is none.
    mutating func removeOldest() -> Bool {
        guard let oldest = entries.values.joined().min(by: { $0.lastUse < $1.lastUse }) else { return false }
        remove(oldest)
        return true
    }

    func contains(_ entry: Entry) -> Bool { entries[entry.key]?.contains { $0 === entry } == true }

    static func common(_ one: [TokenID], _ other: [TokenID]) -> Int {
        var count = 0
        while count < min(one.count, other.count), one[count] == other[count] { count += 1 }
        return count
    }

    private mutating func touch(_ entry: Entry) {
        uses += 1
        entry.lastUse = uses
    }
}
