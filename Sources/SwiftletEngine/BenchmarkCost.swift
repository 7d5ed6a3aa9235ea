import SwiftletCache
import SwiftletModels
import SwiftletTensor

/// The least that a machine must do for some tokens: bytes read and operations done.
///
/// A batch reads every matrix once and, of the cache, every row that one of its tokens sees once. Operations
/// are multiplications and additions of matrix products and of attention; the rest is small beside them.
struct BenchmarkCost: Sendable {
    /// Bytes of weights and cache read.
    private(set) var bytesRead = 0.0
    /// Multiplications and additions.
    private(set) var operations = 0.0

    private let layers: [KVLayerShape]
    private let headBytes: [Double]  // of one cached token, by layer
    private let innerBytes: Double  // all weights but the embedding and the output matrix
    private let innerNumbers: Double  // in matrices
    private let outputBytes: Double
    private let outputNumbers: Double
    private let embeddingRowBytes: Double

    /// - Parameter format: how keys and values are cached.
    init(_ model: any LanguageModel, _ format: KVFormat) {
        let c = model.configuration
        layers = model.cacheLayers
        headBytes = layers.map { Double(format.rowBytes($0) ?? 0) }
        var (bytes, numbers, embedding, output) = (0, 0, 0, 0)
        for weight in model.weights {
            switch weight.name {
            case "model.embed_tokens.weight": embedding = weight.tensor.bytes.count
            case "lm_head.weight": output = weight.tensor.bytes.count
            default:
                bytes += weight.tensor.bytes.count
                if weight.tensor.shape.count > 1 { numbers += weight.tensor.elementCount }
            }
        }
        innerBytes = Double(bytes)
        innerNumbers = Double(numbers)
        outputBytes = Double(c.tiesEmbeddings || output == 0 ? embedding : output)
        outputNumbers = Double(c.vocabularySize) * Double(c.hiddenSize)
        embeddingRowBytes = Double(embedding) / Double(max(c.vocabularySize, 1))
    }

    /// Bytes that one token adds to the cache.
    var cacheBytesPerToken: Double { headBytes.reduce(0, +) }

    /// Adds a test whose prompt is cut into batches.
    mutating func add(_ test: BenchmarkTest, batchSize: Int) {
        var position = test.depth
        var rest = test.promptTokens
        while rest > 0 {
            let count = min(rest, batchSize)
            rest -= count
            add(tokens: count, at: position, readsLogits: rest == 0)
            position += count
        }
        for _ in 0..<test.generatedTokens {
            add(tokens: 1, at: position, readsLogits: true)
            position += 1
        }
    }

    private mutating func add(tokens: Int, at start: Int, readsLogits: Bool) {
        bytesRead += innerBytes + Double(tokens) * embeddingRowBytes
        operations += 2 * innerNumbers * Double(tokens)
        if readsLogits {
            bytesRead += outputBytes
            operations += 2 * outputNumbers
        }
        for (shape, bytes) in zip(layers, headBytes) {
            let end = start + tokens
            let window = shape.window ?? end
            bytesRead += bytes * Double(min(end, window + tokens - 1))
            let pairs = Self.visiblePairs(from: start, to: end, window: window)
            operations += 2 * Double(shape.headCount * (shape.keySize + shape.valueSize)) * pairs
        }
    }

    /// Pairs of a token in `start..<end` and a row it sees: `Σ min(position + 1, window)`.
    static func visiblePairs(from start: Int, to end: Int, window: Int) -> Double {
        let full = max(start, min(end, window))  // first position whose window is full
        let growing = Double(full - start) * Double(start + 1 + full) / 2
        return growing + Double(end - full) * Double(window)
    }
}
