#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

extension Reference {
    /// The cached rows of one KV head, as numbers.
    package struct Rows {
        /// Shape `[rows][keySize]`.
        package var keys: [[Float]]
        /// Shape `[rows][valueSize]`.
        package var values: [[Float]]
        /// Shape `[rows]`, in any order.
        package var positions: [Int]

        /// Groups three arrays of equal length.
        package init(keys: [[Float]], values: [[Float]], positions: [Int]) {
            self.keys = keys
            self.values = values
            self.positions = positions
        }
    }

    /// What one query row gets from attention.
    package struct Attended {
        /// `softmax(scale·q·Kᵀ)·V`, shape `[valueSize]`; zeros if nothing is visible.
        package var output: [Double]
        /// `ln Σ exp(scale·q·k)` over the visible rows; −∞ if nothing is visible.
        package var logSumExp: Double
        /// The weight of each cached row, shape `[rows]`; 0 where masked.
        package var weights: [Double]
    }

    /// Whether a query sees a cached row: not ahead of it, and less than `window` behind if there is a
    /// window.
    package static func sees(query: Int, row: Int, window: Int) -> Bool {
        row <= query && (window == 0 || query - row < window)
    }

    /// Attends from one query row to cached rows.
    ///
    /// - Parameters:
    ///   - query: shape `[keySize]`.
    ///   - position: the query's.
    ///   - rows: the cached rows of its KV head.
    ///   - scale: multiplies `q·k`.
    ///   - window: 0 for none.
    ///   - cap: bends scores to `cap·tanh(score / cap)`; 0 for none.
    ///   - slope: what a position of distance costs.
    /// - Source: Vaswani et al., 2017, arXiv:1706.03762, eq. 1.
    package static func attend(
        _ query: [Float], at position: Int, to rows: Rows, scale: Float, window: Int,
        cap: Float = 0, slope: Float = 0
    ) -> Attended {
        let valueSize = rows.values.first?.count ?? 0
        let scores = rows.keys.indices.map { row in
            guard sees(query: position, row: rows.positions[row], window: window) else {
                return -Double.infinity
            }
            let score = Double(scale) * dot(query, rows.keys[row])
            let capped = cap > 0 ? Double(cap) * tanh(score / Double(cap)) : score
            return capped - Double(slope) * Double(position - rows.positions[row])
        }
        let most = scores.max() ?? -.infinity
        if most == -.infinity {
            return Attended(
                output: .init(repeating: 0, count: valueSize), logSumExp: -.infinity,
                weights: scores.map { _ in 0 })
        }
        let logSumExp = most + log(scores.reduce(0) { $0 + exp($1 - most) })
        let weights = scores.map { exp($0 - logSumExp) }
        let output = (0..<valueSize).map { d in
            rows.values.indices.reduce(0.0) { sum, row in
                weights[row] == 0 ? sum : sum + weights[row] * Double(rows.values[row][d])
            }
        }
        return Attended(output: output, logSumExp: logSumExp, weights: weights)
    }

    /// The attention that each cached row received: `Σ factor[query]·weights[query][row]`.
    package static func columnSums(_ attended: [Attended], factors: [Float]) -> [Double] {
        let rowCount = attended.first?.weights.count ?? 0
        return (0..<rowCount).map { row in
            zip(attended, factors).reduce(0) { $0 + Double($1.1) * $1.0.weights[row] }
        }
    }
}
