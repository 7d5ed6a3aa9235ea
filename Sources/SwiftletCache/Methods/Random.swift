/// Keeps random rows: the control that every method has to beat.
///
/// The score of a row is a hash of seed, layer, head and position, so that a run can be repeated and rows that stay
/// keep their rank.
public struct RandomSelector: KVSelector {
    /// Equal seeds keep equal rows.
    public var seed: UInt64

    /// Keeps rows by chance.
    public init(seed: UInt64 = 0) { self.seed = seed }

    /// Published for prompts: generated tokens add to the rows.
    public var decodeRule: KVDecodeRule { .append }

    /// Ranks follow positions.
    public var allowsRenumbering: Bool { false }

    /// A hash per row.
    public var ranking: KVRowRanking {
        .fixed { [self] rows, head, layer in scores(of: rows, head: head, in: layer) }
    }

    /// Nothing is recorded.
    public func needs(promptLength: Int) -> KVEvidence { KVEvidence() }

    /// Uniform numbers in [0, 1).
    public func scores(of layer: KVLayerView) -> [[Float]] {
        (0..<layer.shape.kvHeadCount).map { head in
            scores(of: 0..<layer.rowCount(ofHead: head), head: head, in: layer)
        }
    }

    private func scores(of rows: Range<Int>, head: Int, in layer: KVLayerView) -> [Float] {
        let stream = Self.mixed(Self.mixed(seed, UInt64(layer.layer)), UInt64(head))
        return layer.positions(ofHead: head)[rows].map {
            Float(Self.mixed(stream, UInt64(UInt32(bitPattern: $0))) >> 40) * 0x1p-24
        }
    }

    /// The next number of SplitMix64 after a state that depends on both arguments.
    private static func mixed(_ state: UInt64, _ value: UInt64) -> UInt64 {
        var z = state &+ (value &+ 1) &* 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
