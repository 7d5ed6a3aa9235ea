extension Reference {
    /// The orthonormal Walsh–Hadamard transform of every block: `y[i] = Σ (−1)^popcount(i & j) · x[j] / √block`.
    package static func hadamard(_ x: [Float], block: Int) -> [Double] {
        x.indices.map { index in
            let (first, row) = (index - index % block, index % block)
            let sum = (0..<block).reduce(0.0) { sum, column in
                let isNegative = (row & column).nonzeroBitCount % 2 == 1
                return sum + (isNegative ? -1 : 1) * Double(x[first + column])
            }
            return sum / Double(block).squareRoot()
        }
    }
}
