import SwiftletFormats
package import SwiftletModels
package import SwiftletTensor

/// A model of random weights, to measure speed and memory without a download.
///
/// Its file loads in Swiftlet and in llama.cpp. Weights are near normal with deviation `1/√columns`, so that
/// activations stay finite; norms are 1. Text goes in and comes out by the built-in model's tokenizer;
/// further tokens, up to the size of the vocabulary, are unused.
package struct SyntheticModel: Sendable {
    /// The architectures that can be made.
    package enum Architecture: String, CaseIterable, Sendable {
        case llama, mistral, qwen2, qwen3
    }

    package var architecture: Architecture
    package var shape: SyntheticShape
    /// Of matrices; a matrix whose rows do not fill blocks gets the next larger that fits.
    package var format: NumberFormat
    /// The same seed gives the same weights before rounding, whatever the format.
    package var seed: UInt64

    package init(
        _ architecture: Architecture, _ shape: SyntheticShape, format: NumberFormat, seed: UInt64 = 1
    ) {
        (self.architecture, self.shape, self.format, self.seed) = (architecture, shape, format, seed)
        if architecture == .mistral, shape.window == nil { self.shape.window = 4_096 }
    }

    /// Bytes of all tensors.
    package func byteCount() throws(SwiftletError) -> Int {
        try parts().reduce(0) { $0 + (Tensor.byteCount(shape: $1.shape, format: $1.format) ?? 0) }
    }

    /// Writes the file, piece by piece; it appears under its name when it is complete.
    ///
    /// - Parameter progress: called with the weights made so far and their total; answers whether to go on.
    /// - Returns: `false` if `progress` ended it; then there is no file.
    /// - Throws: `.invalidArgument` or `.malformed` for sizes that do not fit together, `.unsupported` for a
    ///   format that cannot be written, `.unwritable`.
    @discardableResult
    package func write(
        to path: String, progress: (_ done: Int, _ total: Int) -> Bool = { _, _ in true }
    ) throws(SwiftletError) -> Bool {
        let parts = try parts()
        let total = parts.reduce(0) { $0 + $1.elementCount }
        let metadata = try metadata()
        guard progress(0, total) else { return false }
        var writer = try GGUFWriter(path: path, metadata: metadata, tensors: parts.map(\.declaration))
        var done = 0
        for (index, part) in parts.enumerated() {
            var weights = RandomWeights(seed: seed, stream: UInt64(index))
            let finished = try part.forEachPiece(&weights) { (bytes, count) throws(SwiftletError) in
                try writer.write(bytes)
                done += count
                return progress(done, total)
            }
            guard finished else { return false }
        }
        try writer.finish()
        return true
    }

    /// Writes the header alone: what `plan` reads, and nothing else can.
    ///
    /// - Throws: as ``write(to:progress:)``.
    package func writeHeader(to path: String) throws(SwiftletError) {
        let header = try GGUFWriter.header(
            path: path, metadata: try metadata(), tensors: try parts().map(\.declaration))
        try AtomicFile.write(header, to: path)
    }

    private func metadata() throws(SwiftletError) -> [(key: String, value: GGUFValue)] {
        let keys = GGUFModelKeys(
            try shape.configuration(architecture.rawValue),
            rope: RopeParameters(base: Double(shape.ropeBase), rotatedSize: shape.headSize),
            name: "synthetic \(architecture.rawValue)", format: format)
        return try keys.entries(tokenizer: tokenizer(), source: "synthetic model")
    }

    /// The keys of the built-in tokenizer, with unused tokens up to the vocabulary's size.
    private func tokenizer() throws(SwiftletError) -> [(key: String, value: GGUFValue)] {
        let file = try BuiltInModel.file()
        let known = file["tokenizer.ggml.tokens"]?.count ?? 0
        guard shape.vocabularySize >= known else {
            throw SwiftletError(
                .invalidArgument,
                "synthetic model: a vocabulary of \(shape.vocabularySize) tokens; expected at least "
                    + "\(known), the built-in tokenizer's.")
        }
        return file.metadataKeys.filter { $0.hasPrefix("tokenizer.") }.compactMap { key in
            guard let value = file[key] else { return nil }
            switch key {
            case "tokenizer.ggml.tokens":
                let unused = (known..<shape.vocabularySize).map { Array("[UNUSED\($0)]".utf8) }
                return (key, GGUFValue(strings: (value.strings() ?? []) + unused))
            case "tokenizer.ggml.token_type":
                let unused = [Int32](repeating: 5, count: shape.vocabularySize - known)
                return (key, GGUFValue((value.ints() ?? []).map { Int32($0) } + unused))
            default: return (key, value)
            }
        }
    }

    // MARK: Tensors

    private func parts() throws(SwiftletError) -> [SyntheticTensor] {
        let c = try shape.configuration(architecture.rawValue)
        var parts = [try matrix("token_embd", c.vocabularySize, c.hiddenSize)]
        for layer in 0..<c.layerCount { parts += try block("blk.\(layer)", c) }
        parts.append(.norm("output_norm", c.hiddenSize))
        if !c.tiesEmbeddings { parts.append(try matrix("output", c.vocabularySize, c.hiddenSize)) }
        return parts
    }

    private func block(
        _ prefix: String, _ c: DecoderConfiguration
    ) throws(SwiftletError) -> [SyntheticTensor] {
        let (width, kvWidth) = (c.headCount * c.headSize, c.kvHeadCount * c.headSize)
        var parts: [SyntheticTensor] = [.norm("\(prefix).attn_norm", c.hiddenSize)]
        for (name, rows) in [("attn_q", width), ("attn_k", kvWidth), ("attn_v", kvWidth)] {
            parts.append(try matrix("\(prefix).\(name)", rows, c.hiddenSize))
            if c.hasQueryKeyValueBias { parts.append(.bias("\(prefix).\(name)", rows)) }
        }
        parts.append(try matrix("\(prefix).attn_output", c.hiddenSize, width))
        if c.form.headNorm == .perHead {
            parts += [.norm("\(prefix).attn_q_norm", c.headSize), .norm("\(prefix).attn_k_norm", c.headSize)]
        }
        parts.append(.norm("\(prefix).ffn_norm", c.hiddenSize))
        parts.append(try matrix("\(prefix).ffn_gate", c.innerSize, c.hiddenSize))
        parts.append(try matrix("\(prefix).ffn_up", c.innerSize, c.hiddenSize))
        parts.append(try matrix("\(prefix).ffn_down", c.hiddenSize, c.innerSize))
        return parts
    }

    private func matrix(_ name: String, _ rows: Int, _ columns: Int) throws(SwiftletError) -> SyntheticTensor
    {
        let chosen = format.fitting(columns: columns)
        guard chosen.isWritable else {
            throw SwiftletError(
                .unsupported,
                "synthetic model: weights cannot be written as \(chosen); expected one of "
                    + NumberFormat.allCases.filter(\.isWritable).map(\.rawValue).joined(separator: ", ") + "."
            )
        }
        guard Tensor.byteCount(shape: [rows, columns], format: .f32) != nil else {
            throw SwiftletError(.limit, "synthetic model: a matrix of \(rows) × \(columns) is too large.")
        }
        return SyntheticTensor(
            name: "\(name).weight", shape: [rows, columns], format: chosen,
            deviation: 1 / Float(columns).squareRoot())
    }
}
