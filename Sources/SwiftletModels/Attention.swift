import SwiftletTensor

/// Grouped-query attention with rotary positions: `softmax(q·kᵀ/√d) v`, then the output projection.
///
/// Source: Vaswani et al., 2017, arXiv:1706.03762, §3.2; Ainslie et al., 2023, arXiv:2305.13245.
struct Attention: Sendable {
    let layer: Int
    let query, key, value, output: Projection  // [heads·d, hidden], [kvHeads·d, hidden] ×2, [hidden, heads·d]
    let queryNorm, keyNorm: Vector?  // [d], on every head
    let headSize: Int
    let epsilon: Float

    init(
        _ c: DecoderConfiguration, _ layer: Int, prefix: String, _ loader: inout WeightLoader
    ) throws(SwiftletError) {
        let bias = c.hasQueryKeyValueBias
        let (width, kvWidth) = (c.headCount * c.headSize, c.kvHeadCount * c.headSize)
        self.layer = layer
        query = try Projection("\(prefix).q_proj", width, c.hiddenSize, bias: bias, &loader)
        key = try Projection("\(prefix).k_proj", kvWidth, c.hiddenSize, bias: bias, &loader)
        value = try Projection("\(prefix).v_proj", kvWidth, c.hiddenSize, bias: bias, &loader)
        output = try Projection("\(prefix).o_proj", c.hiddenSize, width, bias: c.hasOutputBias, &loader)
        let normalizes = c.normalizesQueriesAndKeys
        queryNorm = normalizes ? try loader.vector("\(prefix).q_norm.weight", c.headSize) : nil
        keyNorm = normalizes ? try loader.vector("\(prefix).k_norm.weight", c.headSize) : nil
        headSize = c.headSize
        epsilon = c.normEpsilon
    }

    /// Writes the block's update of the residual stream, `[rows, hidden]`.
    func callAsFunction(_ x: Activations, _ pass: ForwardPass, into update: Activations) throws(SwiftletError)
    {
        let mark = pass.workspace.mark
        defer { pass.workspace.release(to: mark) }
        let q = pass.workspace.take(x.rows, query.weight.rows)  // [rows, heads·d]
        var keysAndValues: (keys: Activations, values: Activations)?
        if pass.storesRows(ofLayer: layer) {
            let k = pass.workspace.take(x.rows, key.weight.rows)  // [rows, kvHeads·d]
            let v = pass.workspace.take(x.rows, value.weight.rows)
            Projection.apply([(query, q), (key, k), (value, v)], x, pass)
            normalizeHeads(k, keyNorm, pass)
            keysAndValues = (k, v)
        } else {
            query(x, pass, into: q)
        }
        normalizeHeads(q, queryNorm, pass)
        let mixed = pass.workspace.take(x.rows, q.columns)
        try pass.attend(layer: layer, queries: q, keysAndValues: keysAndValues, into: mixed)
        output(mixed, pass, into: update)
    }

    private func normalizeHeads(_ x: Activations, _ weight: Vector?, _ pass: ForwardPass) {
        guard let weight else { return }
        let heads = Activations(data: x.data, rows: x.count / headSize, columns: headSize)
        pass.compute.rmsNorm(heads, weight: weight, epsilon: epsilon, into: heads)
    }
}
