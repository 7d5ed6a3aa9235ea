import SwiftletFormats
import SwiftletModels
public import SwiftletTensor
import SwiftletText

/// Converts a model between a Hugging Face directory and one GGUF file.
public struct Conversion: Sendable {
    /// What was written.
    public struct Report: Hashable, Sendable {
        /// The file or directory that was read, and the one that was written.
        public let source: String, path: String
        /// The kind of file, such as `f16`.
        public let type: String
        /// Tensors, and the numbers in them.
        public let tensorCount: Int, elementCount: Int
        /// Bytes of the tensors before and now.
        public let oldBytes: Int, newBytes: Int
        /// Whether there is a tokenizer, too.
        public let hasTokenizer: Bool

        /// One JSON object; see `docs/commands/convert.md`.
        public var json: String {
            var writer = JSONWriter(indent: 2)
            writer.object { json in
                json.member("input", source)
                json.member("output", path)
                json.member("type", type)
                json.member("tensors", tensorCount)
                json.member("parameters", elementCount)
                json.member("input_bytes", oldBytes)
                json.member("output_bytes", newBytes)
                json.member("tokenizer", hasTokenizer)
            }
            return writer.text
        }
    }

    /// The kind of file; `nil` keeps 16-bit numbers as they are, and makes f32 bf16 and blocks f16.
    public let type: QuantizationType?

    /// A conversion to a kind of file by the names of llama.cpp's converter: `f32`, `f16`, `bf16`, `q8_0`, …, or `auto`.
    ///
    /// - Throws: `.invalidArgument` or `.unsupported` for other names.
    public init(type name: String) throws(SwiftletError) {
        type = name.lowercased() == "auto" ? nil : try QuantizationType(named: name)
    }

    /// Converts a directory to a GGUF file, or a GGUF file to a directory.
    ///
    /// - Parameters:
    ///   - input: a GGUF file, a directory or the name of a model in the hub cache.
    ///   - output: a path that ends in `.gguf` for a directory, a directory that is not there for a GGUF file.
    ///   - threadCount: `nil` is one per physical core.
    ///   - progress: called with the numbers converted so far and their total; answers whether to go on.
    /// - Returns: `nil` if `progress` ended it; then nothing was written.
    /// - Throws: what opening the model throws; `.invalidArgument` if the output's name does not fit the input;
    ///   `.unsupported` for an architecture or a tokenizer whose writing is not known.
    public func convert(
        _ input: String, to output: String, threadCount: Int? = nil,
        progress: (_ done: Int, _ total: Int) -> Bool = { _, _ in true }
    ) throws(SwiftletError) -> Report? {
        if let threadCount, !(1...1_024).contains(threadCount) {
            throw SwiftletError(
                .invalidArgument, "the number of threads (-t) is \(threadCount); expected 1 to 1024")
        }
        let source = try ModelSource.named(input)
        let isFile = output.lowercased().hasSuffix(".gguf")
        switch source {
        case .directory:
            guard isFile else {
                throw SwiftletError(
                    .invalidArgument,
                    "\(input) is a directory, so it becomes a GGUF file; expected an output such as model.gguf, not "
                        + "'\(output)'")
            }
            return try toFile(source, input, output, threadCount, progress)
        case .gguf(let file):
            guard !isFile else {
                throw SwiftletError(
                    .invalidArgument,
                    "\(input) is a GGUF file, so it becomes a directory, not '\(output)'; `swiftlet quantize` writes GGUF "
                        + "files in other formats")
            }
            return try toDirectory(file, input, output, threadCount, progress)
        }
    }

    private func toFile(
        _ source: ModelSource, _ input: String, _ output: String, _ threadCount: Int?,
        _ progress: (Int, Int) -> Bool
    ) throws(SwiftletError) -> Report? {
        let kind: QuantizationType
        if let type {
            kind = type
        } else {
            let unchanged = try GGUFExport(source, tokenizer: []) { _ in nil }
            kind = unchanged.mainFormat == .f16 ? .f16 : .bf16
        }
        let export = try Quantization(kind).plan(source)
        let pool = ThreadPool(threadCount: threadCount ?? ThreadPool.defaultThreadCount)
        guard try export.write(to: output, pool: pool, progress: progress) else { return nil }
        return Report(
            source: input, path: output, type: kind.rawValue, tensorCount: export.items.count,
            elementCount: export.items.reduce(0) { $0 + $1.weight.shape.reduce(1, *) },
            oldBytes: export.items.reduce(0) {
                $0 + (Tensor.byteCount(shape: $1.weight.shape, format: $1.weight.format) ?? 0)
            }, newBytes: export.byteCount,
            hasTokenizer: export.metadata.contains { $0.key == "tokenizer.ggml.model" })
    }

    private func toDirectory(
        _ file: GGUFFile, _ input: String, _ output: String, _ threadCount: Int?,
        _ progress: (Int, Int) -> Bool
    ) throws(SwiftletError) -> Report? {
        if let type, ![.f32, .f16, .bf16].contains(type) {
            throw SwiftletError(
                .unsupported,
                "safetensors files hold plain numbers, not \(type.rawValue); expected --outtype f32, f16, bf16 or auto"
            )
        }
        let export = try DirectoryExport(file, format: type?.format)
        let tokenizer = try TokenizerFiles(file, contextLength: export.contextLength)
        let tokens = tokenizer.map {
            DirectoryExport.Tokens(bos: $0.bos, eos: $0.eos, padding: $0.padding, ends: $0.ends)
        }
        let pool = ThreadPool(threadCount: threadCount ?? ThreadPool.defaultThreadCount)
        guard
            try export.write(
                to: output, tokens: tokens, files: tokenizer?.files ?? [], pool: pool, progress: progress)
        else { return nil }
        return Report(
            source: input, path: output, type: export.format.rawValue, tensorCount: export.tensorCount,
            elementCount: export.elementCount, oldBytes: export.oldByteCount, newBytes: export.byteCount,
            hasTokenizer: tokenizer != nil)
    }
}
