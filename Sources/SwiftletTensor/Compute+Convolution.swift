/// What short convolutions need beside matrix products.
extension Compute {
    /// A causal convolution along the rows, of every column by itself:
    /// `y[t] = bias + Σₖ taps[k] · x[t − n + 1 + k]` over `n` taps, in ascending order of `k`.
    ///
    /// - Parameters:
    ///   - x: `[rows, columns]`.
    ///   - earlier: the inputs before the first row, `[n − 1, columns]`, the oldest first.
    ///   - taps: `[n, columns]`.
    ///   - bias: `[columns]`; `nil` is 0.
    ///   - y: overwritten, `[rows, columns]`; must not overlap `x`.
    /// - Complexity: `n × rows × columns` multiply-adds.
    package func convolve(
        _ x: Activations, after earlier: Activations, taps: Vector, bias: Vector?, into y: Activations
    ) {
        let (count, columns) = (earlier.rows + 1, x.columns)
        precondition(
            taps.count == count * columns && y.rows == x.rows && y.columns == columns
                && bias.map { $0.count == columns } != false,
            "\(taps.count) taps for \(count) rows of \(columns)")
        forEachRow(of: y) { row in
            let target = y[row: row]
            if let bias {
                target.update(from: bias.data, count: columns)
            } else {
                target.update(repeating: 0, count: columns)
            }
            for tap in 0..<count {
                let place = row - earlier.rows + tap
                let source = place < 0 ? earlier[row: earlier.rows + place] : x[row: place]
                let weights = taps.data + tap * columns
                for column in 0..<columns { target[column] += weights[column] * source[column] }
            }
        }
    }

    /// The product of some columns of two inputs: `y[t][i] = x[t][first + i] · z[t][second + i]`; `y` may be one of them.
    package func multiply(
        _ x: Activations, from first: Int, with z: Activations, from second: Int, into y: Activations
    ) {
        precondition(
            x.rows == y.rows && z.rows == y.rows && first + y.columns <= x.columns
                && second + y.columns <= z.columns,
            "columns \(first) of \(x.columns) and \(second) of \(z.columns) into \(y.columns)")
        forEachRow(of: y) { row in
            let (a, b, target) = (x[row: row] + first, z[row: row] + second, y[row: row])
            for column in 0..<y.columns { target[column] = a[column] * b[column] }
        }
    }
}
