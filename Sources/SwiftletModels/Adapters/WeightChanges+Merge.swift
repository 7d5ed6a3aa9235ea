package import SwiftletTensor

extension WeightChanges {
    /// `W + Σ factor · B·A` of one layer as f32, or `nil` if the layer stays as it is.
    ///
    /// - Parameters:
    ///   - weight: `[rows, columns]`.
    ///   - name: such as `blk.0.attn_q.weight`.
    ///   - pool: threads that share the rows.
    /// - Complexity: `rows × columns × rank` multiply-adds; allocates four bytes per number.
    package func merged(_ weight: Tensor, _ name: String, _ pool: ThreadPool) throws(SwiftletError) -> Tensor?
    {
        guard name.hasSuffix(".weight"), let updates = updates[String(name.dropLast(7))] else { return nil }
        var numbers = try weight.floats()
        let (rows, columns) = (weight.shape[0], weight.shape[1])
        for update in updates {
            let a = try update.down.tensor.floats(), b = try update.up.tensor.floats()
            let rank = update.down.rows
            precondition(
                update.up.rows == rows && update.down.columns == columns, "\(name) is \(weight.shape)")
            numbers.withUnsafeMutableBufferPointer { numbers in
                let numbers = numbers
                a.withUnsafeBufferPointer { a in
                    pool.run(rows) { row in
                        for k in 0..<rank {
                            let factor = update.factor * b[row * rank + k]
                            for i in 0..<columns { numbers[row * columns + i] += factor * a[k * columns + i] }
                        }
                    }
                }
            }
        }
        return Tensor(shape: [rows, columns], floats: numbers)
    }
}
