import SwiftletTensor

/// Multi-head latent attention, with keys and values left as they are cached: one latent vector and one rotated key per
/// token, which all heads read.
///
/// A head's key is a matrix times the latent vector; the matrix is applied to the query instead, and that of the values
/// to what attention mixed.
/// Source: DeepSeek-AI, 2024, arXiv:2405.04434, §2.1.2 and appendix C.
struct LatentAttention: Sendable {
    private let layer: Int
    private let form: LatentForm
    private let headCount: Int
    private let compressQuery: Projection?  // [queryRank, hidden]
    private let queryNorm: Norm?
    private let query: Projection  // [heads·(plain + rotated), queryRank or hidden]
    private let compress: Projection  // [rank + rotated, hidden]
    private let latentNorm: Norm
    private let keys, values: [Matrix]  // by head: [rank, plain], [value, rank]
    private let output: Projection  // [hidden, heads·value]

    init(
        _ form: LatentForm, _ c: DecoderConfiguration, _ layer: Int, prefix: String,
        _ loader: inout WeightLoader
    ) throws(SwiftletError) {
        self.layer = layer
        self.form = form
        headCount = c.headCount
        let (width, bias) = (c.headCount * (form.plainSize + form.rotatedSize), c.hasQueryKeyValueBias)
        if let rank = form.queryRank {
            compressQuery = try Projection("\(prefix).attn_q_a", rank, c.hiddenSize, bias: bias, &loader)
            queryNorm = try Norm(
                "\(prefix).attn_q_a_norm", c, size: rank, epsilon: Self.epsilon, &loader)
        } else {
            (compressQuery, queryNorm) = (nil, nil)
        }
        query = try Projection(
            form.queryRank == nil ? "\(prefix).attn_q" : "\(prefix).attn_q_b", width,
            form.queryRank ?? c.hiddenSize, bias: false, &loader)
        compress = try Projection(
            "\(prefix).attn_kv_a_mqa", form.rank + form.rotatedSize, c.hiddenSize, bias: bias, &loader)
        latentNorm = try Norm(
            "\(prefix).attn_kv_a_norm", c, size: form.rank, epsilon: Self.epsilon, &loader)
        output = try Projection(
            "\(prefix).attn_output", c.hiddenSize, c.headCount * form.valueSize, bias: c.hasOutputBias,
            &loader)
        if try loader.contains("\(prefix).attn_k_b.weight") {
            keys = try loader.matrices(
                "\(prefix).attn_k_b.weight", c.headCount, form.rank, form.plainSize)
            values = try loader.matrices(
                "\(prefix).attn_v_b.weight", c.headCount, form.valueSize, form.rank)
        } else {
            let both = try loader.matrices(
                "\(prefix).attn_kv_b.weight", c.headCount, form.plainSize + form.valueSize, form.rank)
            var keys: [Matrix] = []
            for matrix in both {
                keys.append(Matrix(try matrix.tensor.slice(0..<form.plainSize).transposed()))
            }
            self.keys = keys
            values = both.map {
                Matrix($0.tensor.slice(form.plainSize..<form.plainSize + form.valueSize))
            }
        }
    }

    /// ε of the norms of latent vectors, which no configuration changes.
    private static let epsilon: Float = 1e-6

    /// Writes the block's update of the residual stream, `[rows, hidden]`.
    func callAsFunction(_ x: Activations, _ pass: ForwardPass, into update: Activations) throws(SwiftletError)
    {
        let workspace = pass.workspace
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let queries = workspace.take(x.rows, headCount * (form.rotatedSize + form.rank))
        absorb(x, pass, into: queries)
        var keysAndValues: (keys: Activations, values: Activations)?
        if pass.storesRows(ofLayer: layer) { keysAndValues = latents(of: x, pass) }
        let mixed = workspace.take(x.rows, headCount * form.rank)
        try pass.attend(layer: layer, queries: queries, keysAndValues: keysAndValues, into: mixed)
        let read = workspace.take(x.rows, headCount * form.valueSize)
        pass.compute.run(headCount) { head, _ in
            for row in 0..<x.rows {
                multiply(
                    values[head], mixed[row: row] + head * form.rank,
                    into: read[row: row] + head * form.valueSize, pass.compute)
            }
        }
        output(read, pass, into: update)
    }

    /// Queries `[rows, heads, rotated + rank]`, not rotated: the part that rotates, and the other times the matrix of
    /// the keys.
    private func absorb(_ x: Activations, _ pass: ForwardPass, into queries: Activations) {
        let mark = pass.workspace.mark
        defer { pass.workspace.release(to: mark) }
        let size = form.plainSize + form.rotatedSize
        let plain = pass.workspace.take(x.rows, headCount * size)
        if let compressQuery, let queryNorm {
            let short = pass.workspace.take(x.rows, compressQuery.weight.rows)
            compressQuery(x, pass, into: short)
            queryNorm(short, into: short, pass.compute)
            query(short, pass, into: plain)
        } else {
            query(x, pass, into: plain)
        }
        let width = form.rotatedSize + form.rank
        pass.compute.run(headCount) { head, _ in
            for row in 0..<x.rows {
                let from = plain[row: row] + head * size
                let to = queries[row: row] + head * width
                to.update(from: from + form.plainSize, count: form.rotatedSize)
                multiply(keys[head], from, into: to + form.rotatedSize, pass.compute)
            }
        }
    }

    /// What is cached: `[rows, rotated + rank]`, not rotated, and the latent vectors alone, `[rows, rank]`.
    private func latents(of x: Activations, _ pass: ForwardPass) -> (keys: Activations, values: Activations) {
        let keys = pass.workspace.take(x.rows, form.rotatedSize + form.rank)
        let latents = pass.workspace.take(x.rows, form.rank)
        let mark = pass.workspace.mark
        defer { pass.workspace.release(to: mark) }
        let both = pass.workspace.take(x.rows, form.rank + form.rotatedSize)
        compress(x, pass, into: both)
        for row in 0..<x.rows {
            latents[row: row].update(from: both[row: row], count: form.rank)
            keys[row: row].update(from: both[row: row] + form.rank, count: form.rotatedSize)
        }
        latentNorm(latents, into: latents, pass.compute)
        for row in 0..<x.rows {
            (keys[row: row] + form.rotatedSize).update(from: latents[row: row], count: form.rank)
        }
        return (keys, latents)
    }

    private func multiply(
        _ matrix: Matrix, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, _ compute: Compute
    ) {
        guard let format = matrix.tensor.format.kernel else { return }
        compute.kernels.matvec(
            format, matrix.row(0), rows: matrix.rows, columns: matrix.columns, x, into: y)
    }
}
