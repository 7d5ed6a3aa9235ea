import SwiftletFormats
package import SwiftletTensor

/// What a LoRA adapter has to know about the model that it changes: layers, their shapes, and what files call them.
package struct AdapterTarget: Sendable {
    /// The model's file or directory, for errors.
    let path: String
    /// The name in GGUF files, for a model from such a file.
    let ggufArchitecture: String?
    /// `[rows, columns]` of every layer that can be changed, by names such as `blk.0.attn_q`.
    let shapes: [String: [Int]]
    let checkpointNames: TensorMap
    let ggufNames: TensorMap
    /// Heads of the rows of `attn_q` and of `attn_k`.
    let headCounts: (query: Int, key: Int)

    /// Layers of attention and feed-forward blocks that every token goes through.
    private static let roles: Set<String> = [
        "attn_q", "attn_k", "attn_v", "attn_output", "attn_q_a", "attn_q_b", "attn_kv_a_mqa", "ffn_gate",
        "ffn_up",
        "ffn_down", "ffn_gate_shexp", "ffn_up_shexp", "ffn_down_shexp",
    ]

    /// - Parameters:
    ///   - source: what the model was loaded from.
    ///   - model: the model.
    package init(_ source: ModelSource, _ model: any LanguageModel) throws(SwiftletError) {
        let architecture = try ModelRegistry.architecture(of: source)
        let c = model.configuration
        path = source.path
        if case .gguf(let file) = source {
            ggufArchitecture = file["general.architecture"]?.string
        } else {
            ggufArchitecture = nil
        }
        checkpointNames = architecture.tensors(c)
        ggufNames = architecture.ggufTensors(c)
        headCounts = (c.headCount, c.kvHeadCount)
        var shapes: [String: [Int]] = [:]
        for weight in model.weights where weight.name.hasSuffix(".weight") && weight.tensor.shape.count == 2 {
            let stem = weight.name.dropLast(7), parts = stem.split(separator: ".")
            if parts.count == 3, parts[0] == "blk", Self.roles.contains(String(parts[2])) {
                shapes[String(stem)] = weight.tensor.shape
            }
        }
        self.shapes = shapes
    }

    /// Heads whose rows GGUF files of Llama interleave, or `nil` for a layer whose rows they keep.
    func heads(of name: String) -> Int? {
        if name.hasSuffix(".attn_q") { return headCounts.query }
        return name.hasSuffix(".attn_k") ? headCounts.key : nil
    }
}
