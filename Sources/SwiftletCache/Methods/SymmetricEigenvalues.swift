/// Eigenvalues of a symmetric matrix: reduction to three diagonals by Householder reflections, then implicit QL
/// steps with Wilkinson's shift.
///
/// Source: Golub and Van Loan, Matrix Computations, 4th edition, §8.3.1 and §8.3.3.
enum SymmetricEigenvalues {
    /// All eigenvalues, largest first; accurate to a few units in the last place of the largest.
    ///
    /// - Parameter matrix: `[size, size]`, symmetric and finite.
    /// - Complexity: about `4/3 size³` multiply-adds.
    static func of(_ matrix: [Double], size: Int) -> [Double] {
        precondition(matrix.count == size * size, "\(matrix.count) numbers for \(size)×\(size)")
        guard matrix.allSatisfy(\.isFinite) else { return Array(repeating: .nan, count: size) }
        var matrix = matrix
        var (diagonal, side) = tridiagonal(&matrix, size: size)
        for first in 0..<size { settle(first, &diagonal, &side) }
        return diagonal.sorted(by: >)
    }

    /// The diagonal, and the entries beside it followed by a 0, of a similar matrix of three diagonals.
    private static func tridiagonal(
        _ a: inout [Double], size: Int
    ) -> (diagonal: [Double], side: [Double]) {
        var side = [Double](repeating: 0, count: size)
        var reflector = [Double](repeating: 0, count: size)
        var product = [Double](repeating: 0, count: size)
        for column in 0..<max(size - 2, 0) {
            let rest = column + 1..<size
            // v = x ∓ ‖x‖ e₁ reflects the column below the diagonal onto its first entry.
            let scale = rest.reduce(0) { max($0, abs(a[$1 * size + column])) }
            guard scale > 0 else { continue }
            for i in rest { reflector[i] = a[i * size + column] / scale }
            let norm = rest.reduce(0) { $0 + reflector[$1] * reflector[$1] }.squareRoot()
            let signed = reflector[rest.lowerBound] < 0 ? norm : -norm
            side[column] = scale * signed
            reflector[rest.lowerBound] -= signed
            let half = rest.reduce(0) { $0 + reflector[$1] * reflector[$1] } / 2
            guard half > 0 else { continue }
            // A ← A − v wᵀ − w vᵀ with w = p − (pᵀv / 2h) v, p = A v / h.
            var overlap = 0.0
            for i in rest {
                var sum = 0.0
                for j in rest { sum += a[i * size + j] * reflector[j] }
                product[i] = sum / half
                overlap += product[i] * reflector[i]
            }
            for i in rest { product[i] -= overlap / (2 * half) * reflector[i] }
            for i in rest {
                for j in rest {
                    a[i * size + j] -= reflector[i] * product[j] + product[i] * reflector[j]
                }
            }
        }
        if size > 1 { side[size - 2] = a[(size - 1) * size + size - 2] }
        return ((0..<size).map { a[$0 * size + $0] }, side)
    }

    /// Most steps per eigenvalue; about two are usual.
    private static let stepLimit = 60

    /// Repeats steps on the block that begins at `first` until its first side entry is negligible.
    private static func settle(_ first: Int, _ diagonal: inout [Double], _ side: inout [Double]) {
        for _ in 0..<stepLimit {
            var last = first
            while last + 1 < diagonal.count, !isNegligible(side[last], beside: last, diagonal) { last += 1 }
            guard last > first else { return }
            step(first, last, &diagonal, &side)
        }
    }

    private static func isNegligible(_ entry: Double, beside index: Int, _ diagonal: [Double]) -> Bool {
        let size = abs(diagonal[index]) + abs(diagonal[index + 1])
        return abs(entry) <= Double.ulpOfOne * size || abs(entry) < .leastNormalMagnitude
    }

    /// One implicit QL step with shift on rows `first...last`: rotations chase a bulge upwards.
    private static func step(
        _ first: Int, _ last: Int, _ diagonal: inout [Double], _ side: inout [Double]
    ) {
        let half = (diagonal[first + 1] - diagonal[first]) / (2 * side[first])
        let root = (half * half + 1).squareRoot()
        var bulge =
            diagonal[last] - diagonal[first] + side[first] / (half + (half < 0 ? -root : root))
        var (sine, cosine, shift) = (1.0, 1.0, 0.0)
        for i in stride(from: last - 1, through: first, by: -1) {
            let f = sine * side[i]
            let b = cosine * side[i]
            let length = (f * f + bulge * bulge).squareRoot()
            side[i + 1] = length
            guard length > 0 else {  // the block falls apart here
                diagonal[i + 1] -= shift
                side[last] = 0
                return
            }
            sine = f / length
            cosine = bulge / length
            let difference = diagonal[i + 1] - shift
            let turned = (diagonal[i] - difference) * sine + 2 * cosine * b
            shift = sine * turned
            diagonal[i + 1] = difference + shift
            bulge = cosine * turned - b
        }
        diagonal[first] -= shift
        side[first] = bulge
        side[last] = 0
    }
}
