/// KIVI: asymmetric codes of 2, 4 or 8 bits for cached rows, keys per channel and values per token.
///
/// Keys have channels that are large in every token, so that a group is one channel of adjacent tokens; values do
/// not, so that a group is adjacent channels of one token. The newest rows stay exact.
///
/// Source: Liu et al., 2024, arXiv:2402.02750, §3 and algorithm 1.
package struct KIVICodec: Hashable, Sendable {
    /// Bits per code, 1 to 8.
    package var bits: Int
    /// Numbers that share a scale and a zero.
    package var group: Int
    /// Exact rows: keys wait until so many have come, the newest so many values stay exact.
    package var residual: Int

    /// Numbers per group in the pages of a cache, which kernels know.
    package static let blockSize = 32

    /// Describes a codec.
    package init(bits: Int, group: Int = 32, residual: Int = 128) {
        precondition(
            (1...8).contains(bits) && group > 0 && residual > 0, "\(bits) bits in groups of \(group)")
        self.bits = bits
        self.group = group
        self.residual = residual
    }

    /// The codes of some numbers with what turns them back: `x ≈ code × scale + zero`.
    package struct Group: Hashable, Sendable {
        package var codes: [UInt8]
        package var scale: Float
        package var zero: Float

        /// The numbers again.
        package var values: [Float] { codes.map { Float(Double($0) * Double(scale) + Double(zero)) } }
    }

    /// Codes numbers between their smallest and largest, ties to even; equal numbers have code 0 and scale 0.
    package func quantize(_ values: [Float]) -> Group {
        let low = values.min() ?? 0
        let steps = Double(1 << bits - 1)
        let scale = (Double(values.max() ?? 0) - Double(low)) / steps
        let codes = values.map { value in
            guard scale > 0 else { return UInt8(0) }
            let code = ((Double(value) - Double(low)) / scale).rounded(.toNearestOrEven)
            return UInt8(min(max(code, 0), steps))
        }
        return Group(codes: codes, scale: Float(scale), zero: low)
    }

    /// Codes whole groups of adjacent tokens, channel by channel: `[tokens][size]` → `[tokens / group][size]`.
    ///
    /// Tokens behind the last whole group are not coded.
    package func quantizeKeys(_ keys: [[Float]]) -> [[Group]] {
        stride(from: 0, to: keys.count - keys.count % group, by: group).map { first in
            (keys.first ?? []).indices.map { channel in
                quantize((first..<first + group).map { keys[$0][channel] })
            }
        }
    }

    /// Codes groups of adjacent channels, token by token: `[tokens][size]` → `[tokens][⌈size / group⌉]`.
    package func quantizeValues(_ values: [[Float]]) -> [[Group]] {
        values.map { row in
            stride(from: 0, to: row.count, by: group).map { first in
                quantize(Array(row[first..<min(first + group, row.count)]))
            }
        }
    }

    /// What ``quantizeKeys(_:)`` coded, `[tokens][size]`.
    package static func keys(_ blocks: [[Group]]) -> [[Float]] {
        blocks.flatMap { block in
            let channels = block.map(\.values)
            return (channels.first ?? []).indices.map { token in channels.map { $0[token] } }
        }
    }

    /// What ``quantizeValues(_:)`` coded, `[tokens][size]`.
    package static func values(_ rows: [[Group]]) -> [[Float]] { rows.map { $0.flatMap(\.values) } }

    /// How many rows of a cache are coded.
    package struct Split: Hashable, Sendable {
        /// Rows whose keys are coded; the later ones are exact.
        package var keys: Int
        /// Rows whose values are coded.
        package var values: Int
    }

    /// Rows that are coded in a cache of `count`: keys by whole residuals, values all but the newest residual.
    ///
    /// The same after a prompt and after every token: a token attends first, then rows are coded.
    package func coded(of count: Int) -> Split {
        Split(keys: count / residual * residual, values: max(count - residual, 0))
    }
}
