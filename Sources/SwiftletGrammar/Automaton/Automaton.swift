/// A compiled grammar: tables over bytes, with calls for what is recursive or used in many places.
///
/// Every state lies on a path to the end of its part. A part is entered by a call that remembers where to go on; see
/// ``StackGraph`` for how this runs.
final class Automaton: Sendable {
    /// A call of another part.
    struct Call: Sendable, Hashable {
        /// Where the part begins.
        var callee: Int32
        /// Where to go on behind it.
        var next: Int32
    }

    /// A counted repetition at one place.
    struct Site: Sendable {
        /// Where what is repeated begins.
        var body: Int32
        /// The least and the largest count; the least is 1 or more.
        var low: Int32
        var high: Int32?
        /// Where to go on behind it.
        var next: Int32
    }

    /// An edge that takes a token.
    struct TokenEdge: Sendable {
        /// Index in ``conditions``.
        var condition: Int32
        var next: Int32
    }

    /// The tables while they are built.
    struct Tables: Sendable {
        /// Bytes of one class are never told apart.
        var classes = [UInt8](repeating: 0, count: 256)
        var classCount = 1
        /// `[states × classes]`: a state, -1 for none, or -2 minus an index of ``several``.
        var next: [Int32] = []
        /// Where there are several ways on.
        var several: Rows<Int32> = Rows()
        var isFinal: [Bool] = []
        var calls: Rows<Call> = Rows()
        /// Indices of ``sites``.
        var loops: Rows<Int32> = Rows()
        var tokens: Rows<TokenEdge> = Rows()
        var sites: [Site] = []
        var conditions: [TokenCondition] = []
        var start: Int32 = 0

        var stateCount: Int { isFinal.count }
    }

    let tables: Tables
    /// Whether a state takes bytes or tokens by itself.
    let consumes: [Bool]
    /// Whether a state is the end of its part and nothing else.
    let isPlainEnd: [Bool]

    init(_ tables: Tables) {
        self.tables = tables
        let classCount = tables.classCount
        let takesBytes = (0..<tables.stateCount).map { state in
            tables.next[state * classCount..<(state + 1) * classCount].contains { $0 != -1 }
        }
        consumes = takesBytes.indices.map { takesBytes[$0] || !tables.tokens[$0].isEmpty }
        let consumes = consumes
        isPlainEnd = consumes.indices.map {
            tables.isFinal[$0] && !consumes[$0] && tables.calls[$0].isEmpty && tables.loops[$0].isEmpty
        }
    }
}

extension Automaton {
    /// Roughly how many bytes the tables take.
    var byteCount: Int {
        tables.next.count * 4 + tables.several.elements.count * 4 + tables.stateCount * 24 + tables.calls
            .elements.count * 8
    }
}
