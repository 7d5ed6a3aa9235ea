/// A parsed pattern.
indirect enum PatternNode: Sendable, Hashable {
    /// How a repetition gives back.
    enum Mode: Sendable, Hashable {
        case greedy, lazy, possessive
    }

    /// A place that has to have a property; nothing is consumed.
    enum Place: Sendable, Hashable {
        case lineStart, lineEnd, textStart, textEnd, textEndOrLastLine, wordBoundary, noWordBoundary
    }

    case empty
    case set(CharacterSet)
    /// What a reader sees as one character: an extended grapheme cluster.
    case cluster
    case sequence([PatternNode])
    case alternation([PatternNode])
    /// `max == nil` means without bound.
    case repetition(PatternNode, min: Int, max: Int?, mode: Mode)
    case atomic(PatternNode)
    case lookahead(PatternNode, negative: Bool)
    case lookbehind(PatternNode, negative: Bool)
    case place(Place)

    /// Lengths in characters, if there is only a finite choice; `nil` otherwise.
    var lengths: Set<Int>? {
        switch self {
        case .cluster: return nil
        case .empty, .lookahead, .lookbehind, .place: return [0]
        case .set: return [1]
        case .atomic(let node): return node.lengths
        case .sequence(let nodes):
            return nodes.reduce(Set([0])) { sums, node in
                guard let sums, let own = node.lengths, sums.count * own.count <= 256 else { return nil }
                return Set(sums.flatMap { sum in own.map { sum + $0 } })
            }
        case .alternation(let nodes):
            return nodes.reduce(Set<Int>()) { all, node in
                guard let all, let own = node.lengths else { return nil }
                return all.union(own)
            }
        case .repetition(let node, let min, let max, _):
            guard let max, max <= 256, let own = node.lengths, own.count == 1, let length = own.first else {
                return nil
            }
            return Set((min...max).map { $0 * length })
        }
    }

    /// Whether the node can match without consuming anything.
    var isNullable: Bool {
        switch self {
        case .empty, .lookahead, .lookbehind, .place: true
        case .set, .cluster: false
        case .atomic(let node): node.isNullable
        case .sequence(let nodes): nodes.allSatisfy(\.isNullable)
        case .alternation(let nodes): nodes.contains(where: \.isNullable)
        case .repetition(let node, let min, _, _): min == 0 || node.isNullable
        }
    }

    /// Bytes that a match which consumes something can begin with; a superset.
    var firstBytes: ByteSet {
        switch self {
        case .empty, .lookahead, .lookbehind, .place: return ByteSet()
        case .set(let set): return set.firstBytes
        case .cluster: return CharacterSet.all.firstBytes
        case .atomic(let node), .repetition(let node, _, _, _): return node.firstBytes
        case .alternation(let nodes): return nodes.reduce(into: ByteSet()) { $0.formUnion($1.firstBytes) }
        case .sequence(let nodes):
            var bytes = ByteSet()
            for node in nodes {
                bytes.formUnion(node.firstBytes)
                if !node.isNullable { break }
            }
            return bytes
        }
    }
}
