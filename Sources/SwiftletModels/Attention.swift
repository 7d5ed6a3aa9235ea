import SwiftletTensor

/// Grouped-query attention: `softmax(q·kᵀ·scale) v`, then the output projection.
///
/// Source: Vaswani et al., 2017, arXiv:1706.03762, §3.2; Ainslie et al., 2023, arXiv:2305.13245.
struct Attention: Sendable {
    let layer: Int
    let query, key, value, output: Projection  // [heads·d, hidden], [kvHeads·d, hidden] ×2, [hidden, heads·d]
    let queryNorm, keyNorm: Norm?
    let queryFactor: Float
    let limit: Float?

    init(
        _ c: DecoderConfiguration, _ layer: Int, prefix: String, _ loader: inout WeightLoader
    ) throws(SwiftletError) {
        let bias = c.hasQueryKeyValueBias
        let (width, kvWidth) = (c.headCount * c.headSize, c.kvHeadCount * c.headSize)
        self.layer = layer
        query = try Projection("\(prefix).attn_q", width, c.hiddenSize, bias: bias, &loader)
        key = try Projection("\(prefix).attn_k", kvWidth, c.hiddenSize, bias: bias, &loader)
        value = try Projection("\(prefix).attn_v", kvWidth, c.hiddenSize, bias: bias, &loader)
        output = try Projection("\(prefix).attn_output", c.hiddenSize, width, bias: c.hasOutputBias, &loader)
        queryNorm = try Norm("\(prefix).attn_q_norm", heads: c.headCount, c, &loader)
        keyNorm = try Norm("\(prefix).attn_k_norm", heads: c.kvHeadCount, c, &loader)
        queryFactor = c.form.dividesScoresByLayer ? 1 / Float(layer + 1) : 1
        limit = c.form.projectionLimit
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
            if let limit { for each in [k, v] { pass.compute.clamp(each, to: limit) } }
            keyNorm?(k, into: k, pass.compute)
            keysAndValues = (k, v)
        } else {
            query(x, pass, into: q)
        }
        if let limit { pass.compute.clamp(q, to: limit) }
        queryNorm?(q, into: q, pass.compute)
        pass.compute.scale(q, by: queryFactor)
        let mixed = pass.workspace.take(x.rows, q.columns)
        try pass.attend(layer: layer, queries: q, keysAndValues: keysAndValues, into: mixed)
        output(mixed, pass, into: update)
    }
}
