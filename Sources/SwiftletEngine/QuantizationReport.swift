import SwiftletFormats
import SwiftletModels
public import SwiftletTensor

/// What became of every tensor of a quantised model.
public struct QuantizationReport: Sendable {
    /// One tensor.
    public struct Row: Hashable, Sendable {
        /// Its name in the new file.
        public let name: String
        /// Outermost dimension first.
        public let shape: [Int]
        /// How it was stored.
        public let oldFormat: NumberFormat
        /// How it is stored now.
        public let newFormat: NumberFormat
        /// Bytes before.
        public let oldBytes: Int
        /// Bytes now.
        public let newBytes: Int
        /// Root mean square of the rounding errors over that of the numbers.
        public let relativeRMSError: Double
        /// Largest rounding error over the root mean square of the numbers.
        public let relativeMaxError: Double
        /// Why the format is another than was asked for.
        public let note: String?
    }

    /// The file or directory that was read.
    public let source: String
    /// The file that was written.
    public let path: String
    /// In the order of the file.
    public private(set) var rows: [Row] = []

    /// Bytes of all tensors before.
    public var oldBytes: Int { rows.reduce(0) { $0 + $1.oldBytes } }
    /// Bytes of all tensors now.
    public var newBytes: Int { rows.reduce(0) { $0 + $1.newBytes } }
    /// Numbers in all tensors.
    public var elementCount: Int { rows.reduce(0) { $0 + $1.shape.reduce(1, *) } }
    /// Average bits per number in the new file.
    public var bitsPerWeight: Double { elementCount > 0 ? 8 * Double(newBytes) / Double(elementCount) : 0 }
    /// Whether a tensor was rounded that had been rounded to a block format before.
    public var requantizes: Bool {
        rows.contains { $0.oldFormat.blockElements > 1 && $0.newFormat != $0.oldFormat }
    }

    fileprivate mutating func add(_ item: GGUFExport.Item, _ error: ConversionError) {
        let weight = item.weight
        rows.append(
            Row(
                name: weight.name, shape: weight.shape, oldFormat: weight.format, newFormat: item.format,
                oldBytes: Tensor.byteCount(shape: weight.shape, format: weight.format) ?? 0,
                newBytes: Tensor.byteCount(shape: weight.shape, format: item.format) ?? 0,
                relativeRMSError: error.relativeRMS, relativeMaxError: error.relativeMaximum, note: item.note)
        )
    }

    /// One JSON object; see `docs/commands/quantize.md`.
    public var json: String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("input", source)
            writer.member("output", path)
            writer.member("input_bytes", oldBytes)
            writer.member("output_bytes", newBytes)
            writer.member("parameters", elementCount)
            writer.member("bits_per_weight", bitsPerWeight)
            writer.key("tensors")
            writer.array { writer in
                for row in rows { Self.write(row, to: &writer) }
            }
        }
        return writer.text
    }

    private static func write(_ row: Row, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("name", row.name)
            writer.key("shape")
            writer.array { writer in for dimension in row.shape { writer.value(dimension) } }
            writer.member("old_format", row.oldFormat.rawValue)
            writer.member("new_format", row.newFormat.rawValue)
            writer.member("old_bytes", row.oldBytes)
            writer.member("new_bytes", row.newBytes)
            writer.member("rms_error", row.relativeRMSError)
            writer.member("max_error", row.relativeMaxError)
            if let note = row.note { writer.member("note", note) }
        }
    }

    fileprivate init(source: String, path: String) {
        self.source = source
        self.path = path
    }
}

extension Quantization {
    /// Writes a model as a GGUF file, which appears under its name when it is complete.
    ///
    /// - Parameters:
    ///   - model: a GGUF file, a Hugging Face directory or a hub name; `nil` is the built-in model.
    ///   - path: the new file; one that is there is replaced.
    ///   - threadCount: threads that share the work; `nil` is one per physical core.
    ///   - adapters: paths of adapters as in ``Model/adapter(at:)``, which are merged into the weights first, and their
    ///     scales.
    ///   - progress: called with the numbers converted so far and their total; answers whether to go on.
    /// - Returns: `nil` if `progress` ended it; then there is no new file.
    /// - Throws: what opening and writing throw; `.invalidArgument` for a number of threads below 1 or above 1024.
    public func convert(
        _ model: String?, to path: String, threadCount: Int? = nil,
        merging adapters: [(path: String, scale: Float)] = [],
        progress: (_ done: Int, _ total: Int) -> Bool = { _, _ in true }
    ) throws(SwiftletError) -> QuantizationReport? {
        if let threadCount, !(1...1_024).contains(threadCount) {
            throw SwiftletError(
                .invalidArgument, "the number of threads (-t) is \(threadCount); expected 1 to 1024")
        }
        let source = try ModelSource.named(model)
        var plan = try plan(source)
        if !adapters.isEmpty, let changes = try Self.changes(adapters, of: source) { try plan.merge(changes) }
        var report = QuantizationReport(source: source.path, path: path)
        let pool = ThreadPool(threadCount: threadCount ?? ThreadPool.defaultThreadCount)
        let finished = try plan.write(to: path, pool: pool, progress: progress) { report.add($0, $1) }
        return finished ? report : nil
    }

    private static func changes(
        _ adapters: [(path: String, scale: Float)], of source: ModelSource
    ) throws(SwiftletError) -> WeightChanges? {
        let model = try ModelRegistry.architecture(of: source).load(source)
        let target = try AdapterTarget(source, model)
        var parts: [(updates: [String: LowRankUpdate], scale: Float)] = []
        for (path, scale) in adapters where scale != 0 {
            parts.append((try LoRAAdapter(path: path, for: target).updates, scale))
        }
        return parts.isEmpty ? nil : WeightChanges(parts, identity: "merged")
    }
}
