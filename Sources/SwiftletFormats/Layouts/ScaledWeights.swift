import SwiftletTensor

/// Weights of 8 bits with scales beside them: FP8, and the integers of compressed-tensors.
extension PackedParts {
    /// Stored numbers times their scale: `weight_scale` or, in blocks, `weight_scale_inv`, which multiplies too.
    ///
    /// - Parameters:
    ///   - rows: of a block; 0 if `config.json` names none.
    ///   - columns: likewise.
    /// - Returns: `nil` for a weight that is stored plainly.
    func scaled(_ stem: String, rows: Int, columns: Int) throws(SwiftletError) -> Tensor? {
        guard let weight = try source.tensor(named: "\(stem).weight"),
            [.f8_e4m3, .f8_e5m2, .i8].contains(weight.format), weight.shape.count == 2
        else { return nil }
        guard let (name, scales) = try scales(of: stem) else {
            guard weight.format != .i8 else {
                throw problem("\(stem).weight", "holds integers without a weight_scale")
            }
            return Tensor.halves(of: weight, try weight.floats()) { _, _ in 1 }
        }
        let grid = try grid(name, scales.shape, of: weight.shape, block: (rows, columns))
        let factors = try scales.floats()
        if weight.format == .i8 {
            let groups = (0..<weight.shape[1]).map { $0 / grid.columns }
            return AffineWeights(signed: weight, groups: groups) { row, group in
                factors[row / grid.rows * grid.width + group]
            }.tensor()
        }
        return Tensor.halves(of: weight, try weight.floats()) { row, column in
            factors[row / grid.rows * grid.width + column / grid.columns]
        }
    }

    private func scales(of stem: String) throws(SwiftletError) -> (name: String, Tensor)? {
        for name in ["\(stem).weight_scale_inv", "\(stem).weight_scale"]
        where try source.tensor(named: name) != nil {
            return (name, try part(name, [.f32, .f16, .bf16], dimensions: 0...2))
        }
        return nil
    }

    /// Rows and columns that share a scale, and scales per row of blocks.
    private func grid(
        _ name: String, _ scales: [Int], of weight: [Int], block: (rows: Int, columns: Int)
    ) throws(SwiftletError) -> (rows: Int, columns: Int, width: Int) {
        let count = scales.reduce(1, *)
        if count == 1 { return (max(weight[0], 1), max(weight[1], 1), 1) }
        if scales.count == 2, block.rows > 0,
            scales[0] == (weight[0] + block.rows - 1) / block.rows,
            scales[1] == (weight[1] + block.columns - 1) / block.columns
        {
            return (block.rows, block.columns, scales[1])
        }
        if count == weight[0], scales[0] == weight[0] { return (1, max(weight[1], 1), 1) }
        if block.rows == 0, scales.count == 2, scales[0] == weight[0], scales[1] > 0,
            weight[1] % scales[1] == 0
        {
            return (1, weight[1] / scales[1], scales[1])
        }
        throw problem(
            name, "is \(scales) for a weight of \(weight), expected one scale, one per row, or per block")
    }
}

extension Tensor {
    /// Stored numbers times what `factor` says of their row and column, in the precision of ``halves(rows:columns:_:)``.
    static func halves(
        of weight: Tensor, _ numbers: [Float], _ factor: (_ row: Int, _ column: Int) -> Float
    ) -> Tensor {
        let columns = weight.shape[1]
        return halves(rows: weight.shape[0], columns: columns) { row, target in
            for column in 0..<columns {
                target[column] = numbers[row * columns + column] * factor(row, column)
            }
        }
    }
}

extension AffineWeights {
    /// Integers with a sign, `[rows, columns]`, as codes above it by 128.
    init(signed weight: Tensor, groups: [Int], _ scale: (_ row: Int, _ group: Int) -> Float) {
        rows = weight.shape[0]
        columns = weight.shape[1]
        codes = withExtendedLifetime(weight) { weight.bytes.map { $0 ^ 0x80 } }
        self.groups = groups
        let (count, rows) = ((groups.max() ?? 0) + 1, rows)
        zeros = Array(repeating: 128, count: count * rows)
        scales = (0..<count * rows).map { scale($0 % rows, $0 / rows) }
    }
}
