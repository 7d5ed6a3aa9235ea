#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The truth that every kernel is compared with: plain Swift, one formula per method, sums in `Double`.
///
/// Nothing here is fast, and nothing outside tests and diagnostics should call it.
package enum Reference {
    /// `Σ a[i]·b[i]`.
    package static func dot(_ a: some Sequence<Float>, _ b: some Sequence<Float>) -> Double {
        zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }

    /// `W·x` for `W` of shape `[rows, x.count]`.
    package static func matvec(_ w: [Float], rows: Int, _ x: [Float]) -> [Double] {
        (0..<rows).map { row in dot(w[row * x.count..<(row + 1) * x.count], x) }
    }

    /// `x / √(mean(x²) + epsilon) · weight`.
    package static func rmsNorm(_ x: [Float], weight: [Float]?, epsilon: Float) -> [Double] {
        let factor = 1 / (dot(x, x) / Double(x.count) + Double(epsilon)).squareRoot()
        return x.indices.map { Double(x[$0]) * factor * Double(weight?[$0] ?? 1) }
    }

    /// `exp(x) / Σ exp(x)`; zeros if every entry is −∞.
    package static func softmax(_ x: [Float]) -> [Double] {
        if x.allSatisfy({ $0 == -.infinity }) { return x.map { _ in 0 } }
        let most = Double(x.max() ?? 0)
        let exponentials = x.map { exp(Double($0) - most) }
        let sum = exponentials.reduce(0, +)
        return exponentials.map { $0 / sum }
    }

    /// `x·sigmoid(x)`.
    package static func silu(_ x: Float) -> Double { Double(x) / (1 + exp(-Double(x))) }

    /// `x·Φ(x)` with the normal distribution's Φ.
    package static func gelu(_ x: Float) -> Double { 0.5 * Double(x) * erfc(-Double(x) / 2.0.squareRoot()) }

    /// `½x(1 + tanh(√(2/π)(x + 0.044715x³)))`.
    package static func geluTanh(_ x: Float) -> Double {
        let x = Double(x)
        return 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    }

    /// Rotates the first `2·cosine.count` dimensions of one head.
    ///
    /// - Parameters:
    ///   - x: shape `[headSize]`.
    ///   - cosine: of each angle, shape `[pairs]`.
    ///   - sine: likewise.
    ///   - adjacent: an angle rotates `(2i, 2i + 1)` if true, `(i, i + pairs)` if false.
    package static func rope(_ x: [Float], cosine: [Float], sine: [Float], adjacent: Bool) -> [Double] {
        var y = x.map(Double.init)
        for i in cosine.indices {
            let (first, second) = adjacent ? (2 * i, 2 * i + 1) : (i, i + cosine.count)
            let (p, q) = (Double(x[first]), Double(x[second]))
            y[first] = p * Double(cosine[i]) - q * Double(sine[i])
            y[second] = q * Double(cosine[i]) + p * Double(sine[i])
        }
        return y
    }
}
