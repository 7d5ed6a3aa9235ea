/// Which blocks of tokens are held in fast memory; the newest requests push out the least used.
///
/// Every block has a slot in `0..<capacity` or none. An entry is found among `capacity` by looking at each, since
/// there are some dozens.
///
/// Source: Zhang et al., 2024, arXiv:2407.12820; the rule for equals is that of its reference implementation.
package struct PQBlockCache: Hashable, Sendable {
    /// Which block gives way.
    package enum Policy: String, Hashable, Sendable {
        /// The one requested least often since it came in; of equals, the one that reached its count first.
        case lfu
        /// The one requested longest ago.
        case lru
    }

    private struct Entry: Hashable {
        let block: Int
        var uses = 1
        var time: Int  // of the newest request
    }

    /// The policy that decides which block gives way.
    package let policy: Policy
    private var entries: [Entry?]
    private var time = 0

    /// A cache of `capacity` blocks, empty.
    package init(capacity: Int, policy: Policy) {
        self.policy = policy
        entries = Array(repeating: nil, count: max(capacity, 0))
    }

    /// The slot that holds a block.
    package func slot(of block: Int) -> Int? { entries.firstIndex { $0?.block == block } }

    /// What a request changed.
    package enum Outcome: Hashable, Sendable {
        /// The block was held.
        case hit
        /// The block came in; the other one, if any, went.
        case admitted(evicting: Int?)
    }

    /// Counts a request for a block, and takes it in where it is not held; `nil` if the capacity is 0.
    @discardableResult
    package mutating func request(_ block: Int) -> Outcome? {
        guard !entries.isEmpty else { return nil }
        time += 1
        if let slot = slot(of: block) {
            entries[slot]?.uses += 1
            entries[slot]?.time = time
            return .hit
        }
        let slot = entries.firstIndex { $0 == nil } ?? leastUseful()
        let evicted = entries[slot]?.block
        entries[slot] = Entry(block: block, time: time)
        return .admitted(evicting: evicted)
    }

    /// Forgets the blocks from `block` on.
    package mutating func removeBlocks(from block: Int) {
        for slot in entries.indices where entries[slot].map({ $0.block >= block }) ?? false {
            entries[slot] = nil
        }
    }

    private func leastUseful() -> Int {
        func rank(_ slot: Int) -> (Int, Int) {
            let entry = entries[slot]
            return (policy == .lfu ? entry?.uses ?? 0 : 0, entry?.time ?? 0)
        }
        return entries.indices.min { rank($0) < rank($1) } ?? 0
    }
}

/// How the tokens that a step fetched spread over the complete blocks of the slow tier.
package struct PQBlockDemand: Hashable, Sendable {
    /// Fetched tokens per block, over all KV heads; a last block that is not full counts, too.
    package let tokensPerBlock: [Int]
    private let completeBlocks: Int

    /// - Parameters:
    ///   - selected: tokens of the slow tier that each KV head fetched.
    ///   - block: tokens per block.
    ///   - offloaded: tokens in the slow tier.
    package init(selected: [some Sequence<some BinaryInteger>], block: Int, offloaded: Int) {
        var counts = [Int](repeating: 0, count: (offloaded + block - 1) / block)
        for tokens in selected {
            for token in tokens { counts[Int(token) / block] += 1 }
        }
        tokensPerBlock = counts
        completeBlocks = offloaded / block
    }

    /// The `count` fullest complete blocks that were asked for, fullest first; of equals, the lower one.
    package func fullest(_ count: Int) -> [Int] {
        let asked = (0..<completeBlocks).filter { tokensPerBlock[$0] > 0 }
        return Array(
            asked.sorted { (tokensPerBlock[$1], $0) < (tokensPerBlock[$0], $1) }.prefix(max(count, 0)))
    }
}
