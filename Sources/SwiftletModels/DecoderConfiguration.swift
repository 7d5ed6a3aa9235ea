public import SwiftletTensor

/// Sizes and constants of a decoder-only transformer.
///
/// Absent keys of a configuration file take the default of the reference implementation of that architecture.
public struct DecoderConfiguration: Hashable, Sendable {
    /// Registered name, such as `llama`.
    public var architecture: String
    /// Tokens that have an embedding and a logit.
    public var vocabularySize: Int
    /// Width of the residual stream.
    public var hiddenSize: Int
    /// Width of the feed-forward block.
    public var innerSize: Int
    /// Decoder layers.
    public var layerCount: Int
    /// Query heads.
    public var headCount: Int
    /// Key–value heads.
    public var kvHeadCount: Int
    /// Elements per head, of keys and of values.
    public var headSize: Int
    /// Positions the model was made for.
    public var contextLength: Int
    /// ε of the RMS norms.
    public var normEpsilon: Float
    /// Rotation of queries and keys.
    public var rope: Rope
    /// Nonlinearity of the feed-forward gate.
    public var activation: Activation = .silu
    /// Sliding window per layer; `nil` sees everything.
    public var windows: [Int?]
    /// Whether the output matrix is the embedding matrix.
    public var tiesEmbeddings = false
    /// Biases on the query, key and value projections.
    public var hasQueryKeyValueBias = false
    /// Bias on the attention's output projection.
    public var hasOutputBias = false
    /// Biases on the feed-forward projections.
    public var hasFeedForwardBias = false

    /// The rotation of each layer, where it is not ``rope``; empty if it always is.
    public var layerRopes: [Rope?] = []
    /// How the blocks are put together.
    public var form = DecoderForm()

    /// Factor of `q·k` before the softmax.
    public var attentionScale: Float { form.attentionScale ?? 1 / Float(headSize).squareRoot() }

    /// Checks that the sizes can belong to a model.
    ///
    /// - Throws: `.malformed`, naming `source` and the two values in conflict.
    func validated(source: String) throws(SwiftletError) -> Self {
        let sizes = [
            ("vocabulary size", vocabularySize), ("hidden size", hiddenSize),
            ("feed-forward size", innerSize),
            ("layer count", layerCount), ("head count", headCount), ("KV head count", kvHeadCount),
            ("head size", headSize), ("context length", contextLength),
        ]
        for (name, value) in sizes where !(1...(1 << 28)).contains(value) {
            throw SwiftletError(.malformed, "\(source): the \(name) is \(value); expected a positive number")
        }
        guard headCount % kvHeadCount == 0 else {
            throw SwiftletError(
                .malformed,
                "\(source): \(headCount) query heads cannot share \(kvHeadCount) KV heads; expected a multiple"
            )
        }
        guard layerCount <= 1 << 14, headCount <= 1 << 14, headSize <= 1 << 14 else {
            throw SwiftletError(
                .malformed,
                "\(source): \(layerCount) layers of \(headCount) heads of \(headSize) are not a model's; "
                    + "the file is damaged")
        }
        for rope in Set([rope] + layerRopes.compactMap(\.self)) {
            guard rope.pairs * 2 <= headSize else {
                throw SwiftletError(
                    .malformed,
                    "\(source): \(rope.pairs * 2) rotated dimensions do not fit a head of \(headSize)")
            }
            guard rope.frequencies.allSatisfy(\.isFinite), rope.attentionFactor.isFinite else {
                throw SwiftletError(
                    .malformed,
                    "\(source): the RoPE settings lead to frequencies \(rope.frequencies.prefix(4)) that are no "
                        + "finite numbers; compare them with the model's original file")
            }
        }
        guard layerRopes.isEmpty || layerRopes.count == layerCount else {
            throw SwiftletError(
                .malformed, "\(source): lists \(layerRopes.count) rotations for \(layerCount) layers")
        }
        guard windows.count == layerCount else {
            throw SwiftletError(
                .malformed, "\(source): lists \(windows.count) layer types for \(layerCount) layers")
        }
        for case let window? in windows where window < 1 {
            throw SwiftletError(
                .malformed, "\(source): the sliding window is \(window); expected a positive number")
        }
        guard normEpsilon.isFinite, normEpsilon >= 0 else {
            throw SwiftletError(.malformed, "\(source): the norm's epsilon is \(normEpsilon)")
        }
        try form.validate(self, source: source)
        return self
    }
}

extension DecoderConfiguration {
    /// The plain form of a decoder, without biases, windows and norms on heads.
    package init(
        architecture: String, vocabularySize: Int, hiddenSize: Int, innerSize: Int, layerCount: Int,
        headCount: Int, kvHeadCount: Int, headSize: Int, contextLength: Int, normEpsilon: Float, rope: Rope
    ) {
        self.architecture = architecture
        self.vocabularySize = vocabularySize
        self.hiddenSize = hiddenSize
        self.innerSize = innerSize
        self.layerCount = layerCount
        self.headCount = headCount
        self.kvHeadCount = kvHeadCount
        self.headSize = headSize
        self.contextLength = contextLength
        self.normEpsilon = normEpsilon
        self.rope = rope
        windows = Array(repeating: nil, count: layerCount)
    }
}
