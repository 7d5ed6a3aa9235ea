import SwiftletCache
import SwiftletFormats
import SwiftletModels
import SwiftletTensor

/// A tiny Llama whose weights stand in a case, computed by the product's own layers.
struct ToyLlama {
    let model: any LanguageModel
    let runner: Runner

    /// Reads `inputs.weights` (matrices `[out][in]`, output matrix tied to the embedding) and the sizes in `params`.
    init(_ oracle: OracleCase) throws(SwiftletError) {
        let (inputs, params) = (oracle.inputs, oracle.params)
        let headSize: Int = try params.read("head_dim")
        let configuration = DecoderConfiguration(
            architecture: "llama", vocabularySize: try params.read("vocab"),
            hiddenSize: try params.read("hidden"), innerSize: try params.read("intermediate"),
            layerCount: try params.read("layers"), headCount: try params.read("n_heads"),
            kvHeadCount: try params.read("n_kv_heads"), headSize: headSize, contextLength: 1 << 20,
            normEpsilon: try params.read("rms_eps"),
            rope: Rope(base: try params.read("rope_theta"), rotatedSize: headSize & ~1))
        var tied = configuration
        tied.tiesEmbeddings = true
        guard configuration.headCount > 0, configuration.kvHeadCount > 0,
            configuration.headCount % configuration.kvHeadCount == 0
        else { throw oracle.malformed("the heads of the toy model do not fit together") }
        model = try Decoder(tied, WeightLoader(ToyWeights(try inputs.read("weights")), .llama))
        let kernels = try Kernels.selected()
        runner = Runner(
            model: model, compute: Compute(kernels: kernels, threadCount: 1, activations: .exact))
    }

    /// Token ids of a case.
    ///
    /// - Throws: `.malformed` for an id without an embedding.
    func tokens(_ ids: [Int]) throws(SwiftletError) -> [Int32] {
        let known = 0..<model.configuration.vocabularySize
        guard ids.allSatisfy(known.contains) else {
            throw SwiftletError(.malformed, "a token is not among the \(known.count) of the toy model")
        }
        return ids.map(Int32.init)
    }

    /// An empty cache in single precision.
    ///
    /// - Parameters:
    ///   - owners: the layer whose cache each layer reads; `nil` shares nothing.
    ///   - policy: what to keep.
    func sequence(owners: [Int]? = nil, policy: KVPolicy = .full) throws(SwiftletError) -> KVSequence {
        let layers = model.cacheLayers
        return try KVSequence(
            layout: KVLayout(layers: layers, owners: owners ?? Array(layers.indices)), format: .f32,
            rope: model.configuration.rope, scale: model.configuration.attentionScale, policy: policy,
            pool: KVPagePool(), kernels: runner.compute.kernels)
    }

    /// The logits after the last token of a prompt, and the positions that left the last layer.
    func prefill(
        _ tokens: [Int32], _ sequence: KVSequence
    ) throws(SwiftletError) -> (logits: [Float], leaving: [Int]) {
        var last: [Float] = []
        var leaving: [Int] = []
        try runner.prefill(
            tokens, sequence, chunk: 512, phase: .prefill, wanted: .all,
            emit: { position, logits in
                last = Array(logits)
                leaving.append(Int(position))
            })
        return (last, leaving)
    }

    /// The logits after one more token.
    func decode(_ token: Int32, _ sequence: KVSequence) throws(SwiftletError) -> [Float] {
        var logits: [Float] = []
        try runner.decode([(sequence, token)]) { logits = Array($1) }
        return logits
    }
}

/// The weights of a case, under the names that models ask for.
private struct ToyWeights: TensorSource {
    let path = "the toy model"
    private let tensors: [String: Tensor]
    var tensorNames: [String] { tensors.keys.sorted() }

    private static let matrices = [
        "wq": "self_attn.q_proj", "wk": "self_attn.k_proj", "wv": "self_attn.v_proj",
        "wo": "self_attn.o_proj", "w_gate": "mlp.gate_proj", "w_up": "mlp.up_proj",
        "w_down": "mlp.down_proj",
    ]
    private static let vectors = ["ln1": "input_layernorm", "ln2": "post_attention_layernorm"]

    init(_ weights: OracleFields) throws(SwiftletError) {
        var tensors = [
            "model.embed_tokens.weight": try Self.matrix(weights, "embed"),
            "model.norm.weight": try Self.vector(weights, "norm"),
        ]
        let layers: [OracleFields] = try weights.read("layers")
        for (index, layer) in layers.enumerated() {
            for (name, role) in Self.matrices {
                tensors["model.layers.\(index).\(role).weight"] = try Self.matrix(layer, name)
            }
            for (name, role) in Self.vectors {
                tensors["model.layers.\(index).\(role).weight"] = try Self.vector(layer, name)
            }
        }
        self.tensors = tensors
    }

    func tensor(named name: String) -> Tensor? { tensors[name] }

    private static func matrix(_ fields: OracleFields, _ name: String) throws(SwiftletError) -> Tensor {
        let rows: [[Float]] = try fields.read(name)
        let columns = rows.first?.count ?? 0
        guard rows.allSatisfy({ $0.count == columns }) else {
            throw SwiftletError(.malformed, "the rows of '\(name)' differ in length")
        }
        return Tensor(shape: [rows.count, columns], floats: rows.flatMap { $0 })
    }

    private static func vector(_ fields: OracleFields, _ name: String) throws(SwiftletError) -> Tensor {
        let values: [Float] = try fields.read(name)
        return Tensor(shape: [values.count], floats: values)
    }
}
