extension Reference {
    /// Activations as products of block formats use them: codes of 8 bits and a scale per 32 numbers.
    package struct QuantizedActivations {
        /// −127…127, shape `[count]`.
        package var codes: [Int] = []
        /// Largest magnitude of the block divided by 127, shape `[count / 32]`.
        package var scales: [Float] = []

        /// What number `i` stands for.
        package subscript(i: Int) -> Double { Double(codes[i]) * Double(scales[i / 32]) }
    }

    /// Rounds `x` to multiples of its blocks' scales, ties to even.
    ///
    /// The scale and the factor `127 / largest` are binary32 quotients, so that every machine finds the same
    /// codes. Blocks below 2⁻¹⁰⁰ are 0; a block with a NaN or an infinity has the scale NaN.
    package static func quantizeActivations(_ x: [Float]) -> QuantizedActivations {
        precondition(x.count % 32 == 0, "\(x.count) numbers in blocks of 32")
        var result = QuantizedActivations()
        for start in stride(from: 0, to: x.count, by: 32) {
            let block = x[start..<start + 32]
            let most = block.map(abs).max() ?? 0
            let isUsable = block.allSatisfy(\.isFinite) && most >= 0x1p-100
            let inverse = isUsable ? 127 / most : 0
            result.scales.append(isUsable ? most / 127 : block.allSatisfy(\.isFinite) ? 0 : .nan)
            result.codes += block.map {
                isUsable ? Int(($0 * inverse).rounded(.toNearestOrEven)) : 0
            }
        }
        return result
    }

    /// `W·x` for stored rows and quantised activations.
    package static func matvec(_ w: [Float], rows: Int, _ x: QuantizedActivations) -> [Double] {
        let columns = x.codes.count
        return (0..<rows).map { row in
            (0..<columns).reduce(0) { $0 + Double(w[row * columns + $1]) * x[$1] }
        }
    }
}
