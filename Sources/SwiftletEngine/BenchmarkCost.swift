import SwiftletCache
import SwiftletModels
import SwiftletTensor

/// The least that a machine must do for some tokens: bytes read and operations done.
///
/// A batch reads every matrix once and, of the cache, every row that one of its tokens sees once. Operations
/// are multiplications and additions of matrix products and of attention; the rest is small beside them. What a
/// policy records and ranks is not counted, so that it shows in the time.
struct BenchmarkCost: Sendable {
    /// Bytes of weights and cache read.
    private(set) var bytesRead = 0.0
    /// Bytes of cache among them.
    private(set) var cacheBytesRead = 0.0
    /// Multiplications and additions.
    private(set) var operations = 0.0

    /// What one layer reads.
    private struct Layer {
        let shape: KVLayerShape
        var rowBytes = 0.0  // of one cached token
        var bytes = 0.0  // of weights
        var numbers = 0.0  // in matrices
    }

    private var layers: [Layer]
    private var finalBytes = 0.0  // of the last norm
    private let outputBytes: Double
    private let outputNumbers: Double
    private let embeddingRowBytes: Double
    private let owners: [Int]

    /// - Parameters:
    ///   - format: how keys and values are cached.
    ///   - owners: the layer whose cache each layer reads; `nil` is its own.
    init(_ model: any LanguageModel, _ format: KVFormat, owners: [Int]? = nil) {
        let c = model.configuration
        self.owners = owners ?? Array(model.cacheLayers.indices)
        layers = model.cacheLayers.map { Layer(shape: $0, rowBytes: Double(format.rowBytes($0) ?? 0)) }
        var (embedding, output) = (0, 0)
        for weight in model.weights {
            switch weight.name {
            case "token_embd.weight": embedding = weight.tensor.bytes.count
            case "output.weight": output = weight.tensor.bytes.count
            default: continue
            }
        }
        outputBytes = Double(c.tiesEmbeddings || output == 0 ? embedding : output)
        outputNumbers = Double(c.vocabularySize) * Double(c.hiddenSize)
        embeddingRowBytes = Double(embedding) / Double(max(c.vocabularySize, 1))
        for weight in model.weights { add(weight) }
    }

    /// Adds a tensor to its layer; a layer that borrows its cache reads no weights of keys and values.
    private mutating func add(_ weight: NamedTensor) {
        let parts = weight.name.split(separator: ".")
        guard parts.count > 3, parts[0] == "blk", let layer = Int(parts[1]), layers.indices.contains(layer)
        else {
            let isCounted = ["token_embd.weight", "output.weight"].contains(weight.name)
            return finalBytes += isCounted ? 0 : Double(weight.tensor.bytes.count)
        }
        let makesRows = parts[2].hasPrefix("attn_k") || parts[2].hasPrefix("attn_v")
        guard !makesRows || owners[layer] == layer else { return }
        layers[layer].bytes += Double(weight.tensor.bytes.count)
        if weight.tensor.shape.count > 1 { layers[layer].numbers += Double(weight.tensor.elementCount) }
    }

    /// Bytes that one token adds to the cache.
    var cacheBytesPerToken: Double {
        layers.indices.reduce(0) { $0 + (owners[$1] == $1 ? layers[$1].rowBytes : 0) }
    }

    /// Adds another cost.
    mutating func add(_ other: BenchmarkCost) {
        bytesRead += other.bytesRead
        cacheBytesRead += other.cacheBytesRead
        operations += other.operations
    }

    /// Adds a prompt that is cut into batches and whose last token's logits are read.
    ///
    /// - Parameters:
    ///   - layerRows: how many of its tokens went through each layer.
    ///   - held: rows of each layer's cache before it.
    mutating func add(promptTokens: Int, layerRows: [Int], after held: [Int], batchSize: Int) {
        guard promptTokens > 0 else { return }
        for layer in layers.indices {
            var position = held[layer]
            let end = position + layerRows[layer]
            while position < end {
                let next = min(position + batchSize, end)
                add(layer: layer, tokens: position..<next)
                position = next
            }
        }
        let batches = (promptTokens + batchSize - 1) / batchSize
        addEnds(tokens: promptTokens, batches: batches)
    }

    /// Adds a generated token that reads so much of each layer's cache.
    mutating func addGenerated(reads: [KVRead]) {
        for (layer, read) in zip(layers, reads) {
            bytesRead += layer.bytes + Double(read.bytes)
            cacheBytesRead += Double(read.bytes)
            let pairs = Double(read.rows * layer.shape.group)
            operations += 2 * layer.numbers + 2 * Double(layer.shape.keySize + layer.shape.valueSize) * pairs
        }
        addEnds(tokens: 1, batches: 1)
    }

    /// What comes before and after the layers.
    private mutating func addEnds(tokens: Int, batches: Int) {
        bytesRead += Double(tokens) * embeddingRowBytes + Double(batches) * finalBytes + outputBytes
        operations += 2 * outputNumbers
    }

    private mutating func add(layer index: Int, tokens: Range<Int>) {
        let layer = layers[index]
        let (shape, end) = (layer.shape, tokens.upperBound)
        let window = shape.window ?? end
        let rows = layer.rowBytes * Double(min(end, window + tokens.count - 1))
        bytesRead += layer.bytes + rows
        cacheBytesRead += rows
        let pairs = Self.visiblePairs(from: tokens.lowerBound, to: end, window: window)
        operations += 2 * layer.numbers * Double(tokens.count)
        operations += 2 * Double(shape.headCount * (shape.keySize + shape.valueSize)) * pairs
    }

    /// Pairs of a token in `start..<end` and a row it sees: `Σ min(position + 1, window)`.
    static func visiblePairs(from start: Int, to end: Int, window: Int) -> Double {
        let full = max(start, min(end, window))  // first position whose window is full
        let growing = Double(full - start) * Double(start + 1 + full) / 2
        return growing + Double(end - full) * Double(window)
    }
}
