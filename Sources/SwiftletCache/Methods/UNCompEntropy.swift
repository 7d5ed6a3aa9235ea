#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The truncated matrix entropy: how many directions a set of token vectors really uses.
///
/// `A = Zᵀ Z / N` is the second moment of the centred vectors scaled to length 1, with trace 1; its eigenvalues
/// `σ₁ ≥ σ₂ ≥ …` give `H_k = −Σ_{i≤k} σᵢ ln σᵢ` (not renormalised after the cut) and the effective rank
/// `exp(H_k)`. Everything is in double precision.
///
/// Source: Xiong et al., 2024, arXiv:2410.03090, and its code. Where we differ: a vector that is (nearly) the mean
/// counts as zero, where the code divides by zero.
package struct UNCompSpectrum: Hashable, Sendable {
    /// Eigenvalues, largest first.
    package let eigenvalues: [Double]

    /// Takes eigenvalues as they are.
    package init(eigenvalues: [Double]) { self.eigenvalues = eigenvalues }

    /// The spectrum of a token matrix.
    ///
    /// - Parameters:
    ///   - rows: `[tokens, size]`.
    ///   - size: elements per token.
    ///   - epsilon: added to the diagonal of the matrix.
    ///   - zeroRow: a centred vector counts as zero up to this share of the largest vector's length.
    /// - Complexity: `tokens × size²/2` multiply-adds, and about `2 size³` for the eigenvalues.
    package init(rows: [Float], size: Int, epsilon: Double = 1e-10, zeroRow: Double = 1e-6) {
        precondition(size > 0 && rows.count % size == 0, "\(rows.count) numbers in vectors of \(size)")
        let count = rows.count / size
        var mean = [Double](repeating: 0, count: size)
        var longest = 0.0
        for token in 0..<count {
            var squares = 0.0
            for i in 0..<size {
                let x = Double(rows[token * size + i])
                mean[i] += x
                squares += x * x
            }
            longest = max(longest, squares.squareRoot())
        }
        for i in mean.indices { mean[i] /= Double(max(count, 1)) }
        var matrix = [Double](repeating: 0, count: size * size)  // the lower triangle of Zᵀ Z
        var unit = [Double](repeating: 0, count: size)
        for token in 0..<count {
            var squares = 0.0
            for i in 0..<size {
                unit[i] = Double(rows[token * size + i]) - mean[i]
                squares += unit[i] * unit[i]
            }
            let length = squares.squareRoot()
            guard length > zeroRow * longest else { continue }
            for i in 0..<size { unit[i] /= length }
            Self.addOuterProduct(unit, to: &matrix)
        }
        let trace = (0..<size).reduce(0) { $0 + matrix[$1 * size + $1] }
        if trace > 0 { for i in matrix.indices { matrix[i] /= trace } }
        for i in 0..<size {
            matrix[i * size + i] += epsilon
            for j in 0..<i { matrix[j * size + i] = matrix[i * size + j] }
        }
        eigenvalues = SymmetricEigenvalues.of(matrix, size: size)
    }

    /// Adds `x xᵀ` to a lower triangle.
    private static func addOuterProduct(_ x: [Double], to matrix: inout [Double]) {
        let size = x.count
        matrix.withUnsafeMutableBufferPointer { matrix in
            x.withUnsafeBufferPointer { x in
                for i in 0..<size {
                    let factor = x[i]
                    for j in 0...i { matrix[i * size + j] += factor * x[j] }
                }
            }
        }
    }

    /// `H_k` over the `k` largest eigenvalues, in nats.
    package func entropy(_ k: Int) -> Double {
        eigenvalues.prefix(max(k, 0)).reduce(0) { $1 > 0 ? $0 - $1 * log($1) : $0 }
    }

    /// `H_k / ln(size)`, the form that the paper's code keeps; 0 for vectors of one element.
    package func relativeEntropy(_ k: Int) -> Double {
        eigenvalues.count > 1 ? entropy(k) / log(Double(eigenvalues.count)) : 0
    }

    /// `exp(H_k)`.
    package func effectiveRank(_ k: Int) -> Double { exp(entropy(k)) }

    /// Eigenvalues before the bend of the spectrum: the point that lies furthest below the chord between the first
    /// and the last; at least 1.
    package var elbow: Int {
        guard let first = eigenvalues.first, let last = eigenvalues.last, first > last else { return 1 }
        let distances = eigenvalues.enumerated().map { index, value in
            1 - Double(index) / Double(eigenvalues.count - 1) - (value - last) / (first - last)
        }
        guard let largest = distances.max(), let index = distances.firstIndex(of: largest) else { return 1 }
        return max(index, 1)
    }

    /// The number of eigenvalues that count for heads of `size` elements: a quarter, as in the paper's code.
    package static func defaultRank(headSize size: Int) -> Int { max(size / 4, 1) }
}
