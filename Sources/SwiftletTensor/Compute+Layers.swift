import CSwiftletKernels

/// The steps of a transformer layer, shared over the threads.
extension Compute {
    /// Rows of a weight matrix per task: small enough to balance, large enough to stream.
    private static let rowsPerTask = 64
    /// The same for integer products of several tokens: one block of unpacked rows.
    private static let rowsPerTile = 32

    /// `y = W·x` for every row of `x`.
    ///
    /// - Parameters:
    ///   - matrix: `[rows, columns]`.
    ///   - x: `[tokens, columns]`.
    ///   - y: overwritten, `[tokens, rows]`.
    /// - Complexity: `tokens × rows × columns` multiply-adds; every weight is read once.
    package func linear(_ matrix: Matrix, _ x: Activations, into y: Activations) {
        linear([(matrix, y)], x)
    }

    /// `y = W·x` for several matrices of the same input, as one piece of work.
    ///
    /// - Parameters:
    ///   - products: matrices `[rows, columns]` and what they overwrite, `[tokens, rows]`.
    ///   - x: `[tokens, columns]`.
    package func linear(_ products: [(matrix: Matrix, y: Activations)], _ x: Activations) {
        for (matrix, y) in products {
            precondition(
                x.columns == matrix.columns && y.columns == matrix.rows && x.rows == y.rows,
                "\(matrix.rows)×\(matrix.columns) times \(x.rows)×\(x.columns) into \(y.rows)×\(y.columns)")
        }
        guard x.rows > 0 else { return }
        let usesIntegers =
            activations == .quantized && products.contains { $0.matrix.tensor.format.isBlocked }
        let blocks = usesIntegers ? quantize(x) : nil
        let step = x.rows > 1 ? Self.rowsPerTile : Self.rowsPerTask
        let tasks = products.reduce(0) { $0 + ($1.matrix.rows + step - 1) / step }
        withExtendedLifetime(products) {
            products.compactMap { Product($0.matrix, $0.y) }.withUnsafeBufferPointer { products in
                run(tasks) { task, scratch in
                    var first = task * step
                    for product in products {
                        if first < product.rows {
                            multiply(product, first..<min(first + step, product.rows), x, blocks, scratch)
                            return
                        }
                        first -= (product.rows + step - 1) / step * step
                    }
                }
            }
        }
    }

    /// One of several products, as numbers and pointers: whatever counts its users makes threads wait for each other.
    private struct Product {
        let format: sl_format
        let isBlocked: Bool
        let weights: UnsafeRawPointer
        let rowBytes: Int
        let rows: Int
        let columns: Int
        let y: UnsafeMutablePointer<Float>

        init?(_ matrix: Matrix, _ y: Activations) {
            guard let format = matrix.tensor.format.kernel, matrix.rows > 0 else { return nil }
            self.format = format
            isBlocked = matrix.tensor.format.isBlocked
            weights = matrix.row(0)
            rowBytes = matrix.rowBytes
            rows = matrix.rows
            columns = matrix.columns
            self.y = y.data
        }
    }

    /// Some rows of one product.
    private func multiply(
        _ product: Product, _ rows: Range<Int>, _ x: Activations, _ blocks: UnsafePointer<sl_q8_block>?,
        _ scratch: UnsafeMutablePointer<Float>
    ) {
        let weights = product.weights + rows.lowerBound * product.rowBytes
        let target = product.y + rows.lowerBound
        if let blocks, product.isBlocked {
            kernels.matmul(
                product.format, weights, rows: rows.count, columns: product.columns, quantized: blocks,
                tokens: x.rows, into: target, stride: product.rows, scratch: scratch)
        } else if x.rows == 1 {
            kernels.matvec(
                product.format, weights, rows: rows.count, columns: product.columns, x.data, into: target)
        } else {
            kernels.matmul(
                product.format, weights, rows: rows.count, columns: product.columns, x.data,
                stride: x.columns, tokens: x.rows, into: target, stride: product.rows, scratch: scratch)
        }
    }

    /// Quantised copies of the rows of `x`, valid until the next product.
    private func quantize(_ x: Activations) -> UnsafePointer<sl_q8_block> {
        let perRow = x.columns / Kernels.activationBlock
        let blocks = quantizedBlocks(x.rows * perRow)
        forEachRow(of: x) { row in
            kernels.quantizeActivations(x[row: row], count: x.columns, into: blocks + row * perRow)
        }
        return UnsafePointer(blocks)
    }

    /// Adds `bias`, `[columns]`, to every row of `x`.
    package func addBias(_ bias: Vector, to x: Activations) {
        precondition(bias.count == x.columns, "bias of \(bias.count) for \(x.columns) columns")
        for row in 0..<x.rows { kernels.add(x[row: row], bias.data, count: x.columns) }
    }

    /// `x += y`.
    package func add(_ y: Activations, to x: Activations) {
        precondition(x.count == y.count, "\(x.count) ≠ \(y.count)")
        forEachRow(of: x) { row in kernels.add(x[row: row], y[row: row], count: x.columns) }
    }

    /// RMS normalisation of every row: `y = x / √(mean x² + ε) · weight`; `y` may be `x`.
    ///
    /// Source: Zhang and Sennrich, 2019, arXiv:1910.07467.
    package func rmsNorm(_ x: Activations, weight: Vector, epsilon: Float, into y: Activations) {
        precondition(weight.count == x.columns && x.count == y.count, "norm of \(weight.count)")
        forEachRow(of: x) { row in
            kernels.rmsNorm(
                x[row: row], weight: weight.data, epsilon: epsilon, into: y[row: row], count: x.columns)
        }
    }

    /// `gate = activation(gate) · up`, element by element.
    package func gate(_ gate: Activations, with up: Activations, _ activation: Activation) {
        precondition(gate.count == up.count, "\(gate.count) ≠ \(up.count)")
        forEachRow(of: gate) { row in
            self.gate(gate[row: row], with: up[row: row], activation, count: gate.columns)
        }
    }

    /// The same for one row of `count` numbers.
    func gate(
        _ g: UnsafeMutablePointer<Float>, with u: UnsafePointer<Float>, _ activation: Activation, count: Int
    ) {
        switch activation {
        case .silu: kernels.siluMultiply(g, u, into: g, count: count)
        case .gelu: kernels.geluMultiply(g, u, into: g, count: count)
        case .geluTanh: kernels.geluTanhMultiply(g, u, into: g, count: count)
        case .relu: for i in 0..<count { g[i] = max(g[i], 0) * u[i] }
        case .reluSquared:
            for i in 0..<count {
                let x = max(g[i], 0)
                g[i] = x * x * u[i]
            }
        case .quickGelu:  // x·σ(1.702·x) = silu(1.702·x) / 1.702
            kernels.scale(g, by: 1.702, count: count)
            kernels.siluMultiply(g, u, into: g, count: count)
            kernels.scale(g, by: 1 / 1.702, count: count)
        }
    }

    /// Rotates `heads` vectors of `headSize` in every row of `x` by that row's angles.
    ///
    /// - Parameters:
    ///   - cosine, sine: `[x.rows, rope.pairs]`.
    package func rotate(
        _ x: Activations, heads: Int, headSize: Int, by rope: Rope, cosine: UnsafePointer<Float>,
        sine: UnsafePointer<Float>
    ) {
        precondition(x.columns == heads * headSize && rope.pairs * 2 <= headSize, "\(x.columns) columns")
        guard rope.pairs > 0 else { return }
        let pairing = rope.pairing == .halves ? SL_ROPE_HALVES : SL_ROPE_ADJACENT
        forEachRow(of: x) { row in
            kernels.rope(
                x[row: row], heads: heads, headSize: headSize, pairs: rope.pairs,
                cosine: cosine + row * rope.pairs, sine: sine + row * rope.pairs, pairing: pairing)
        }
    }

    /// Looks up rows of an embedding matrix: `x[i] = table[ids[i]]`.
    package func embed(_ ids: some Collection<Int32>, from table: Matrix, into x: Activations) {
        precondition(x.columns == table.columns && x.rows == ids.count, "\(ids.count) ids, \(x.rows) rows")
        guard let format = table.tensor.format.kernel else { return }
        for (row, id) in ids.enumerated() {
            precondition(id >= 0 && id < table.rows, "token \(id) of \(table.rows)")
            kernels.dequantize(format, table.row(Int(id)), into: x[row: row], count: x.columns)
        }
    }

    /// Whether steps that go row by row leave these rows to the thread that asks, which may then be any.
    package func leavesAlone(_ x: Activations) -> Bool { x.count < 1 << 14 }

    /// Runs `body` for every row, on all threads when there is enough work.
    func forEachRow(of x: Activations, _ body: (Int) -> Void) {
        if leavesAlone(x) {
            for row in 0..<x.rows { body(row) }
        } else {
            run(x.rows) { row, _ in body(row) }
        }
    }
}

/// The nonlinearity of a feed-forward block.
public enum Activation: Hashable, Sendable {
    /// `x · σ(x)`.
    case silu
    /// `x · Φ(x)`, by the error function.
    case gelu
    /// The tanh approximation of GELU.
    case geluTanh
    /// `max(x, 0)`.
    case relu
    /// `max(x, 0)²`.
    case reluSquared
    /// `x · σ(1.702·x)`.
    case quickGelu
}
