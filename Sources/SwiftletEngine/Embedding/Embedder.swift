import SwiftletCache
import SwiftletModels
public import SwiftletTensor
public import SwiftletText

/// A text as a vector.
public struct Embedding: Hashable, Sendable {
    /// As many numbers as the model's residual stream is wide; under ``Pooling/perToken`` so many for every token, one
    /// token after the other.
    public let vector: [Float]
    /// Tokens of the text, those that the tokenizer adds included.
    public let tokenCount: Int
}

/// Turns texts into vectors whose products say how close their meanings are.
///
/// Encoders such as BERT are made for that; a decoder's last token serves, too. Not safe for concurrent use.
public final class Embedder {
    /// How to embed.
    public struct Options: Sendable {
        /// How tokens become a vector; `nil` is what the model's files say, else the mean for encoders and the last
        /// token for decoders.
        public var pooling: Pooling?
        /// Whether vectors get length 1; those of single tokens (``Pooling/perToken``) keep theirs.
        public var normalizes = true
        /// Threads; `nil` is one per core.
        public var threadCount: Int?
        /// How matrix products treat their input where weights are stored in blocks.
        public var activations = ActivationPrecision.quantized

        /// What the model's files say.
        public init() {}
    }

    /// The model.
    public let model: Model
    /// How tokens become a vector.
    public let pooling: Pooling
    /// Whether vectors get length 1.
    public let normalizes: Bool
    private let runner: Runner
    private let kernels: Kernels

    /// - Throws: `.unsupported` for a pooling in the model's files that is not known, `.invalidArgument` for options
    ///   out of range.
    public init(_ model: Model, _ options: Options = Options()) throws(SwiftletError) {
        if let threads = options.threadCount, !(1...1_024).contains(threads) {
            throw SwiftletError(.invalidArgument, "\(threads) threads; give a number from 1 to 1024")
        }
        self.model = model
        kernels = try Kernels.selected()
        pooling = options.pooling ?? model.embeddingDefaults.pooling ?? (model.isEncoder ? .mean : .last)
        normalizes = options.normalizes && pooling != .perToken
        runner = Runner(
            model: model.network,
            compute: Compute(
                kernels: kernels, threadCount: options.threadCount ?? ThreadPool.defaultThreadCount,
                activations: options.activations))
    }

    /// Numbers per vector.
    public var dimension: Int { model.configuration.hiddenSize }

    /// Embeds a text, with the tokens that the tokenizer adds.
    ///
    /// - Throws: `.missing` without a tokenizer, `.limit` if the text does not fit the model's context.
    public func embed(_ text: String) throws(SwiftletError) -> Embedding {
        guard let tokenizer = model.tokenizer else {
            throw SwiftletError(.missing, "\(model.name) has no tokenizer; embed token ids instead")
        }
        return try embed(tokenizer.encode(text))
    }

    /// Embeds tokens as they are.
    ///
    /// - Throws: `.invalidArgument` for no tokens or unknown ones, `.limit` for too many.
    /// - Complexity: one pass through the model; attention grows with the square of the tokens.
    public func embed(_ tokens: [TokenID]) throws(SwiftletError) -> Embedding {
        guard !tokens.isEmpty else {
            throw SwiftletError(.invalidArgument, "there is nothing to embed; give a text")
        }
        try model.check(tokens)
        guard tokens.count <= model.configuration.contextLength else {
            throw SwiftletError(
                .limit,
                "the text has \(tokens.count) tokens, \(model.name) takes \(model.configuration.contextLength); "
                    + "shorten it or cut it into parts")
        }
        let sequence = try KVSequence(
            layout: KVLayout(layers: model.network.cacheLayers), format: .f32,
            rope: model.configuration.rope, scale: model.configuration.attentionScale, pool: KVPagePool(),
            kernels: kernels)
        var vector = try runner.withStates(of: tokens, sequence, pool)
        if normalizes {
            let length = vector.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
            if length > 0 {
                for index in vector.indices { vector[index] = Float(Double(vector[index]) / length) }
            }
        }
        return Embedding(vector: vector, tokenCount: tokens.count)
    }

    private func pool(_ states: Activations) -> [Float] {
        func row(_ index: Int) -> UnsafeBufferPointer<Float> {
            UnsafeBufferPointer(start: states[row: index], count: states.columns)
        }
        switch pooling {
        case .perToken: return (0..<states.rows).flatMap { row($0) }
        case .cls: return Array(row(0))
        case .last: return Array(row(states.rows - 1))
        case .mean:
            var sums = [Double](repeating: 0, count: states.columns)
            for index in 0..<states.rows {
                for (column, number) in row(index).enumerated() { sums[column] += Double(number) }
            }
            return sums.map { Float($0 / Double(states.rows)) }
        }
    }
}

extension Model {
    /// Whether it turns texts into vectors and writes none.
    public var isEncoder: Bool { configuration.form.isBidirectional }
}
