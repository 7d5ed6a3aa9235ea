package import SwiftletCache
package import SwiftletTensor

/// A decoder-only language model, as the engine drives it: embed, go through the layers, read logits.
///
/// The engine decides in which order rows and layers are visited; a model is the arithmetic of one layer on
/// some rows. It never names a type of cache.
package protocol LanguageModel: Sendable {
    /// Sizes and constants.
    var configuration: DecoderConfiguration { get }
    /// What every layer caches.
    var cacheLayers: [KVLayerShape] { get }
    /// Tensors by role, for reports.
    var weights: [NamedTensor] { get }
    /// `x[i] = embedding of ids[i] at positions[i]`, `[rows, hidden]`.
    ///
    /// - Throws: `.limit` for a position that the model has no embedding for.
    func embed(
        _ ids: [Int32], at positions: [Int32], into x: Activations, _ compute: Compute
    ) throws(SwiftletError)
    /// Advances the residual stream `x`, `[rows, hidden]`, through one layer.
    func forward(layer: Int, _ x: Activations, _ pass: ForwardPass) throws(SwiftletError)
    /// Final norm of `x`, in place.
    func normalize(_ x: Activations, _ compute: Compute)
    /// `logits[i] = scores of every token after the normalised row i`, `[rows, vocabulary]`.
    func logits(of normalized: Activations, into logits: Activations, _ compute: Compute)
}

extension LanguageModel {
    /// Refuses to calibrate a method that looks at the attention of every layer.
    ///
    /// - Throws: `.unsupported`, naming a layer that keeps states instead.
    func checkAttends(for method: String) throws(SwiftletError) {
        guard let layer = cacheLayers.firstIndex(where: { $0.content == .state }) else { return }
        throw SwiftletError(
            .unsupported,
            "\(method) looks at the attention of every layer, but layer \(layer) of this model has none; choose another "
                + "method")
    }
}

/// A tensor of a model with its role.
package struct NamedTensor: Sendable {
    /// The name in GGUF files.
    package let name: String
    package let tensor: Tensor
}
