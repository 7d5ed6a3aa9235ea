import SwiftletTensor

/// A normalisation with its weights: of rows of the residual stream, or of the heads of queries and keys.
struct Norm: Sendable {
    let kind: Compute.NormKind
    let weight: Vector?  // [rows, size]
    let bias: Vector?  // [rows, size]
    let rows: Int
    let size: Int
    let epsilon: Float

    /// A norm of the residual stream or of a latent vector.
    init(
        _ name: String, _ c: DecoderConfiguration, size: Int? = nil, epsilon: Float? = nil,
        _ loader: inout WeightLoader
    ) throws(SwiftletError) {
        let form = c.form
        kind = form.norm == .rms ? .rms : .layer
        rows = 1
        self.size = size ?? c.hiddenSize
        self.epsilon = epsilon ?? c.normEpsilon
        weight =
            form.normsHaveWeights
            ? try loader.vector("\(name).weight", self.size, offset: form.normOffset) : nil
        bias = form.normsHaveBiases ? try loader.vector("\(name).bias", self.size) : nil
    }

    /// A norm of `heads` queries or keys; `nil` if they are not normalised.
    init?(
        _ name: String, heads: Int, _ c: DecoderConfiguration, _ loader: inout WeightLoader
    ) throws(SwiftletError) {
        let form = c.form
        kind = form.headNormKind == .rms ? .rms : .layer
        epsilon = c.normEpsilon
        switch form.headNorm {
        case .none: return nil
        case .perHead:
            (rows, size) = (1, c.headSize)
            weight = try loader.vector("\(name).weight", size, offset: form.normOffset)
        case .whole:
            (rows, size) = (1, heads * c.headSize)
            weight = try loader.vector("\(name).weight", size, offset: form.normOffset)
        case .eachHead:
            (rows, size) = (heads, c.headSize)
            weight = try loader.rows("\(name).weight", heads, c.headSize)
        }
        bias = form.headNormsHaveBiases ? try loader.vector("\(name).bias", size) : nil
    }

    /// Overwrites `y`; may be `x`.
    func callAsFunction(_ x: Activations, into y: Activations, _ compute: Compute) {
        let from = Activations(data: x.data, rows: x.count / size, columns: size)
        let to = Activations(data: y.data, rows: from.rows, columns: size)
        compute.normalize(
            from, kind, weight: weight, bias: bias, weightRows: rows, epsilon: epsilon, into: to)
    }
}
