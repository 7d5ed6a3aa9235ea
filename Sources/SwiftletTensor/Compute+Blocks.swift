#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Steps that some architectures have beside those of Llama.
extension Compute {
    /// What a norm divides by.
    package enum NormKind: Hashable, Sendable {
        /// `x / √(mean x² + ε)`; Zhang and Sennrich, 2019, arXiv:1910.07467.
        case rms
        /// `(x − mean) / √(variance + ε)`; Ba et al., 2016, arXiv:1607.06450, eq. 4.
        case layer
    }

    /// Normalises every row: `y = norm(x) · weight + bias`; `y` may be `x`.
    ///
    /// A mean is summed in double precision, a variance as ``rmsNorm(_:weight:epsilon:into:)`` does.
    ///
    /// - Parameters:
    ///   - weight: `[weightRows, columns]`, of which row `i` of `x` takes row `i mod weightRows`; `nil` for ones.
    ///   - bias: likewise; `nil` for zeros.
    package func normalize(
        _ x: Activations, _ kind: NormKind, weight: Vector?, bias: Vector?, weightRows: Int = 1,
        epsilon: Float, into y: Activations
    ) {
        let size = weightRows * x.columns
        precondition(
            (weight?.count ?? size) == size && (bias?.count ?? size) == size && x.count == y.count,
            "norm of \(weight?.count ?? size) for rows of \(x.columns)")
        forEachRow(of: x) { row in
            let to = y[row: row]
            var from = UnsafePointer(x[row: row])
            let offset = row % weightRows * x.columns
            if kind == .layer {
                let mean = Self.mean(from, x.columns)
                for i in 0..<x.columns { to[i] = from[i] - mean }
                from = UnsafePointer(to)
            }
            kernels.rmsNorm(
                from, weight: weight.map { $0.data + offset }, epsilon: epsilon, into: to, count: x.columns)
            if let bias { kernels.add(to, bias.data + offset, count: x.columns) }
        }
    }

    private static func mean(_ x: UnsafePointer<Float>, _ count: Int) -> Float {
        var sums = SIMD8<Double>()
        var i = 0
        while i + 8 <= count {
            for lane in 0..<8 { sums[lane] += Double(x[i + lane]) }
            i += 8
        }
        var sum = sums.sum()
        while i < count {
            sum += Double(x[i])
            i += 1
        }
        return Float(sum / Double(max(count, 1)))
    }

    /// `x *= factor`.
    package func scale(_ x: Activations, by factor: Float) {
        guard factor != 1 else { return }
        forEachRow(of: x) { row in kernels.scale(x[row: row], by: factor, count: x.columns) }
    }

    /// Limits every number to `−limit…limit`.
    package func clamp(_ x: Activations, to limit: Float) {
        forEachRow(of: x) { row in
            let numbers = x[row: row]
            for i in 0..<x.columns { numbers[i] = min(max(numbers[i], -limit), limit) }
        }
    }

    /// Bends every number: `x = cap · tanh(x / cap)`.
    package func cap(_ x: Activations, at cap: Float) {
        forEachRow(of: x) { row in
            let numbers = x[row: row]
            for i in 0..<x.columns { numbers[i] = cap * tanh(numbers[i] / cap) }
        }
    }

    /// `x = activation(x)`.
    ///
    /// - Parameter ones: as many ones as `x` has columns.
    package func activate(_ x: Activations, _ activation: Activation, ones: Vector) {
        precondition(ones.count == x.columns, "\(ones.count) ones for \(x.columns) columns")
        forEachRow(of: x) { row in gate(x[row: row], with: ones.data, activation, count: x.columns) }
    }
}
