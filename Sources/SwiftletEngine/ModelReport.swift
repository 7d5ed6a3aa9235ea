import SwiftletCache
import SwiftletFormats
public import SwiftletModels
public import SwiftletTensor
import SwiftletText

/// What a model file holds and what running it needs; works for files that cannot be run, too.
public struct ModelReport {
    /// A tensor as stored.
    public struct StoredTensor: Hashable, Sendable {
        /// Its name in the file.
        public let name: String
        /// Outermost dimension first.
        public let shape: [Int]
        /// The name of its number format.
        public let format: String
        /// Bytes in the file; 0 for a format that Swiftlet does not know.
        public let bytes: Int
    }

    /// A group of tensors.
    public struct Part: Hashable, Sendable {
        /// `embedding`, `attention`, `feed-forward`, `norms`, `output` or `other`.
        public let name: String
        /// Bytes of its tensors.
        public let bytes: Int
        /// Their number formats.
        public let formats: [String]
    }

    /// The name it was asked for by.
    public let name: String
    /// The file or directory.
    public let path: String
    /// `gguf v3`, `safetensors`, `safetensors, GPTQ, 4 bits`.
    public let fileFormat: String
    /// Sizes and constants, if the architecture is supported.
    public let configuration: DecoderConfiguration?
    /// Why it cannot be run, if so.
    public let problem: String?
    /// All tensors, in the order of the file.
    public let tensors: [StoredTensor]
    private let vocabularySize: Int?
    private let chatFormat: ChatFormat?

    /// Reads a model's headers.
    ///
    /// - Parameter argument: as in ``Model/load(_:needsTokenizer:)``.
    public init(_ argument: String?) throws(SwiftletError) {
        let source = try ModelSource.named(argument)
        name = argument ?? "built-in"
        path = source.path
        switch source {
        case .gguf(let file):
            fileFormat = "gguf v\(file.version)"
            tensors = file.tensors.map { tensor in
                StoredTensor(
                    name: tensor.name, shape: tensor.shape,
                    format: tensor.format?.rawValue ?? tensor.formatName,
                    bytes: tensor.format?.byteCount(of: Self.count(tensor.shape)) ?? 0)
            }
        case .directory(let directory):
            let hasTokenizer = directory.tokenizerPath != nil || directory.sentencePiecePath != nil
            do {
                tensors = try Self.tensors(of: try directory.checkpoint())
                let layout = try? directory.quantizationLayout()
                fileFormat = layout.map { "safetensors, \($0.summary)" } ?? "safetensors"
            } catch {
                guard hasTokenizer, error.code == .missing else { throw error }
                tensors = []
                fileFormat = "tokenizer only"
            }
        }
        do {
            configuration = try ModelRegistry.architecture(of: source).load(source).configuration
            problem = nil
        } catch {
            configuration = nil
            problem = error.message
        }
        let tokenizer = try? Model.tokenizer(of: source, isNeeded: false)
        vocabularySize = tokenizer?.vocabularySize
        chatFormat = tokenizer.map { ChatFormat(template: $0.chatTemplate) }
    }

    private static func tensors(of checkpoint: SafetensorsCheckpoint) throws(SwiftletError) -> [StoredTensor]
    {
        var found: [StoredTensor] = []
        for name in checkpoint.tensorNames {
            guard let tensor = try checkpoint.tensor(named: name) else { continue }
            found.append(
                StoredTensor(
                    name: name, shape: tensor.shape, format: tensor.format.rawValue, bytes: tensor.bytes.count
                ))
        }
        return found
    }

    /// Positions that the model was made for; 0 if unknown.
    public var contextLength: Int { configuration?.contextLength ?? 0 }

    /// Number formats of the cache that a report shows.
    public static let cacheFormats: [NumberFormat] = [.f16, .q8_0, .q4_0]

    /// Bytes that one more token adds to a cache, or `nil` if heads do not fill whole blocks of the format.
    public func cacheBytesPerToken(_ format: NumberFormat) -> Int? {
        guard let c = configuration, let format = try? KVFormat(key: format, value: format) else {
            return nil
        }
        var sum = 0
        for shape in c.cacheLayers where shape.content != .state {
            guard let bytes = format.rowBytes(shape) else { return nil }
            sum += bytes
        }
        return sum
    }

    /// Bytes of all tensors.
    public var weightBytes: Int { tensors.reduce(0) { $0 + $1.bytes } }

    /// Numbers in all tensors.
    ///
    /// Shapes of formats that Swiftlet does not know are not checked, so the sum stops at `Int.max`.
    public var parameterCount: Int {
        tensors.reduce(0) { sum, tensor in
            let (total, overflow) = sum.addingReportingOverflow(Self.count(tensor.shape))
            return overflow ? .max : total
        }
    }

    private static func count(_ shape: [Int]) -> Int {
        if shape.contains(0) { return 0 }
        return shape.reduce(1) { product, size in
            let (total, overflow) = product.multipliedReportingOverflow(by: size)
            return overflow ? .max : total
        }
    }

    /// Bytes by role, largest first.
    public var parts: [Part] {
        Dictionary(grouping: tensors) { Self.part(of: $0.name) }
            .map { name, tensors in
                Part(
                    name: name, bytes: tensors.reduce(0) { $0 + $1.bytes },
                    formats: Set(tensors.map(\.format)).sorted())
            }
            .sorted { $0.bytes != $1.bytes ? $0.bytes > $1.bytes : $0.name < $1.name }
    }

    /// Names and values for a person.
    public var summary: [(name: String, value: String)] {
        var lines = [("model", name), ("file", "\(path) (\(fileFormat))")]
        if let problem { lines.append(("cannot run", problem)) }
        if let c = configuration {
            lines += [
                ("architecture", c.architecture),
                ("layers", "\(c.layerCount)"),
                ("hidden size", "\(c.hiddenSize), feed-forward \(c.innerSize)"),
                ("heads", "\(c.headCount) of size \(c.headSize), \(c.kvHeadCount) for keys and values"),
                ("context", "\(c.contextLength) tokens"),
                ("vocabulary", "\(c.vocabularySize) tokens\(c.tiesEmbeddings ? ", output tied" : "")"),
            ]
            let windows = Set(c.windows.compactMap { $0 }).sorted()
            if !windows.isEmpty {
                lines.append(("sliding window", windows.map(String.init).joined(separator: ", ")))
            }
        } else if let vocabularySize {
            lines.append(("vocabulary", "\(vocabularySize) tokens"))
        }
        if let chatFormat { lines.append(("chat format", chatFormat.rawValue)) }
        lines.append(("parameters", "\(parameterCount)"))
        return lines.map { (name: $0.0, value: $0.1) }
    }

    /// Everything, as one JSON object.
    public var json: String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("name", name)
            writer.member("path", path)
            writer.member("file_format", fileFormat)
            if let problem { writer.member("problem", problem) }
            writer.member("parameters", parameterCount)
            writer.member("weight_bytes", weightBytes)
            if let configuration { write(configuration, to: &writer) }
            for format in Self.cacheFormats {
                guard let bytes = cacheBytesPerToken(format) else { continue }
                writer.member("cache_bytes_per_token_\(format.rawValue)", bytes)
            }
            if let vocabularySize { writer.member("tokenizer_size", vocabularySize) }
            writer.key("parts")
            writer.array { writer in
                for part in parts {
                    writer.object { writer in
                        writer.member("name", part.name)
                        writer.member("bytes", part.bytes)
                        writer.key("formats")
                        writer.array { writer in for format in part.formats { writer.value(format) } }
                    }
                }
            }
            writer.key("tensors")
            writer.array { writer in
                for tensor in tensors {
                    writer.object { writer in
                        writer.member("name", tensor.name)
                        writer.key("shape")
                        writer.array { writer in for size in tensor.shape { writer.value(size) } }
                        writer.member("format", tensor.format)
                        writer.member("bytes", tensor.bytes)
                    }
                }
            }
        }
        return writer.text
    }

    private func write(_ c: DecoderConfiguration, to writer: inout JSONWriter) {
        writer.member("architecture", c.architecture)
        writer.member("layers", c.layerCount)
        writer.member("hidden_size", c.hiddenSize)
        writer.member("feed_forward_size", c.innerSize)
        writer.member("heads", c.headCount)
        writer.member("kv_heads", c.kvHeadCount)
        writer.member("head_size", c.headSize)
        writer.member("context_length", c.contextLength)
        writer.member("vocabulary_size", c.vocabularySize)
        writer.member("ties_embeddings", c.tiesEmbeddings)
        writer.key("windows")
        writer.array { writer in
            for window in c.windows {
                if let window { writer.value(window) } else { writer.null() }
            }
        }
    }

    /// The role of a tensor, by its name in either kind of file.
    private static func part(of name: String) -> String {
        let marks = [
            ("norm", "norms"), ("attn", "attention"), ("embed", "embedding"), ("embd", "embedding"),
            ("mlp", "feed-forward"), ("ffn", "feed-forward"), ("lm_head", "output"), ("output", "output"),
        ]
        return marks.first { name.contains($0.0) }?.1 ?? "other"
    }
}
