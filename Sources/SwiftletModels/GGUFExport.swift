package import SwiftletFormats
package import SwiftletTensor

/// Converts an opened model to one GGUF file in chosen number formats.
///
/// What is written is decided when the value is made, so that it can be shown first; ``write(to:progress:)``
/// then goes through the weights piece by piece and never holds more than a piece.
///
/// A Hugging Face directory gets the keys, names and row order of llama.cpp's converter; a GGUF file of any
/// architecture keeps all its keys and the order of its tensors.
package struct GGUFExport {
    /// A weight whose format can be chosen: a matrix, or a stack of them.
    package struct Weight: Sendable {
        /// The name in the GGUF file, such as `blk.0.attn_q.weight`.
        package let name: String
        /// Dimensions, outermost first.
        package let shape: [Int]
        /// How it is stored now.
        package let format: NumberFormat
    }

    /// One tensor of the new file.
    package struct Item: Sendable {
        /// The tensor as it is now; ``Weight/format`` is its present format.
        package let weight: Weight
        /// How it will be stored.
        package let format: NumberFormat
        /// Why the format is another than was asked for.
        package let note: String?
        /// The numbers: of one tensor, or of several whose rows follow each other.
        let parts: [Part]

        /// Numbers in all parts.
        var elementCount: Int { parts.reduce(0) { $0 + $1.tensor.elementCount } }
    }

    /// A tensor, and in which order its rows are written.
    struct Part {
        let tensor: Tensor
        var order = TensorConverter.RowOrder.asStored
        /// Whether the matrix is written with rows and columns exchanged.
        var isTransposed = false

        /// The numbers as they are written.
        func rows() throws(SwiftletError) -> Tensor { isTransposed ? try tensor.transposed() : tensor }
    }

    /// Keys and values in the order of the file.
    package private(set) var metadata: [(key: String, value: GGUFValue)] = []
    /// All tensors in the order of the file.
    package private(set) var items: [Item] = []
    /// What adapters add to weights while they are written.
    package private(set) var changes: WeightChanges?

    /// Plans the new file.
    ///
    /// - Parameters:
    ///   - source: a Hugging Face directory of an architecture that Swiftlet runs, or any GGUF file.
    ///   - tokenizer: keys that start with `tokenizer.`; a GGUF file keeps its own.
    ///   - format: the format for a weight, `nil` to keep its present one. Vectors, such as norms and biases,
    ///     are not asked about: they become f32. A weight whose rows do not fill the blocks of the format
    ///     gets the next larger that fits; see ``NumberFormat/fitting(columns:)`` and ``Item/note``.
    /// - Throws: what opening the model throws; `.unsupported` if a format cannot be written or the model has
    ///   something that GGUF keys cannot say.
    package init(
        _ source: ModelSource, tokenizer: [(key: String, value: GGUFValue)],
        format: (Weight) throws(SwiftletError) -> NumberFormat?
    ) throws(SwiftletError) {
        switch source {
        case .directory(let directory):
            let model = try ModelRegistry.architecture(of: source).load(source)
            try plan(model, directory, tokenizer: tokenizer, format: format)
        case .gguf(let file):
            for name in file.tensorNames { try plan(name, in: file, format: format) }
            metadata = carriedMetadata(of: file)
        }
    }

    /// The format that holds most numbers of the weights; f32 if there are none.
    package var mainFormat: NumberFormat {
        var counts: [NumberFormat: Int] = [:]
        for item in items where item.weight.shape.count > 1 {
            counts[item.format, default: 0] += item.elementCount
        }
        return counts.max { ($0.value, $1.key.rawValue) < ($1.value, $0.key.rawValue) }?.key ?? .f32
    }

    /// Sets the number that `general.file_type` gives; before that, it is that of ``mainFormat``.
    package mutating func declare(fileType: UInt32) {
        let entry = (key: "general.file_type", value: GGUFValue(fileType))
        if let index = metadata.firstIndex(where: { $0.key == entry.key }) {
            metadata[index] = entry
        } else {
            metadata.append(entry)
        }
    }

    /// Merges adapters into the weights while they are written.
    ///
    /// - Throws: `.unsupported` for a layer that the new file stores as a part of another tensor.
    package mutating func merge(_ changes: WeightChanges) throws(SwiftletError) {
        let names = Set(items.filter { $0.weight.shape.count == 2 && $0.parts.count == 1 }.map(\.weight.name))
        if let name = changes.updates.keys.sorted().first(where: { !names.contains("\($0).weight") }) {
            throw SwiftletError(
                .unsupported,
                "the adapter changes '\(name)', which the file keeps as a part of another tensor; give the adapter "
                    + "with --lora where the model is run")
        }
        self.changes = changes
    }

    /// Bytes of all tensors in the new file.
    package var byteCount: Int {
        items.reduce(0) { $0 + (Tensor.byteCount(shape: $1.weight.shape, format: $1.format) ?? 0) }
    }

    /// Writes the file, which appears under its name when it is complete.
    ///
    /// - Parameters:
    ///   - path: may be the path of the source, which is replaced at the end.
    ///   - pool: threads that share the rows of a piece.
    ///   - progress: called with the numbers converted so far and their total; answers whether to go on.
    ///   - report: called with every tensor and its rounding, in order; costs reading back what is written.
    /// - Returns: `false` if `progress` ended it; then there is no new file.
    /// - Throws: `.unwritable`, or `.unsupported` if a number is too large for its new format.
    @discardableResult
    package func write(
        to path: String, pool: ThreadPool = ThreadPool(threadCount: 1),
        progress: (_ done: Int, _ total: Int) -> Bool = { _, _ in true },
        report: ((Item, ConversionError) -> Void)? = nil
    ) throws(SwiftletError) -> Bool {
        let total = items.reduce(0) { $0 + $1.elementCount }
        guard progress(0, total) else { return false }
        var writer = try GGUFWriter(
            path: path, metadata: metadata,
            tensors: items.map { .init(name: $0.weight.name, shape: $0.weight.shape, format: $0.format) })
        var done = 0
        for item in items {
            var error = report == nil ? nil : ConversionError()
            for part in item.parts {
                let rows = try part.rows()
                let converter = TensorConverter(
                    try changes?.merged(rows, item.weight.name, pool) ?? rows, to: item.format,
                    order: part.order, name: item.weight.name, pool: pool)
                let finished = try converter.forEachPiece(measuring: &error) {
                    (bytes, count) throws(SwiftletError) in
                    try writer.write(bytes)
                    done += count
                    return progress(done, total)
                }
                guard finished else { return false }
            }
            if let error { report?(item, error) }
        }
        try writer.finish()
        return true
    }

    // MARK: Planning

    private mutating func plan(
        _ model: any LanguageModel, _ directory: HuggingFaceDirectory,
        tokenizer: [(key: String, value: GGUFValue)],
        format: (Weight) throws(SwiftletError) -> NumberFormat?
    ) throws(SwiftletError) {
        let c = model.configuration
        let family = GGUFFamily.of(c)
        let keyReader = try ConfigurationReader(directory, aliases: family?.aliases ?? [:])
        let rope = try (try keyReader.object("text_config") ?? keyReader).ropeParameters(
            headSize: c.form.latent?.rotatedSize ?? c.headSize, contextLength: c.contextLength,
            defaultBase: family?.ropeBase ?? 10_000,
            defaultShare: family?.rotaryShare ?? 1, layerType: "full_attention")
        var keys = GGUFModelKeys(c, rope: rope, name: directory.modelName, format: .f32)
        let sampling = try GGUFSamplingKeys.entries(of: directory)
        // What cannot be said is refused before formats are asked for.
        _ = try keys.entries(tokenizer: [], source: directory.path)
        for (name, numbers) in keys.ropeTables {
            let tensor = Tensor(shape: [numbers.count], floats: numbers)
            try append(
                name, [Part(tensor: tensor)], shape: tensor.shape, isVector: true, source: directory.path,
                format: format)
        }
        for group in GGUFGrouping(model.weights, merged: family?.merged ?? []).groups {
            let name = family?.fileName(of: group.name) ?? group.name
            if let latent = c.form.latent, name.hasSuffix(".attn_kv_b.weight"), let both = group.members.first
            {
                try append(name, both.tensor, latent, c, source: directory.path, format: format)
                continue
            }
            try append(
                group, as: name, c, keys, skippedRows: family?.skippedRows[name] ?? 0, source: directory.path,
                format: format)
        }
        keys.format = mainFormat
        metadata = try keys.entries(sampling: sampling, tokenizer: tokenizer, source: directory.path)
    }

    private mutating func append(
        _ group: GGUFGrouping.Group, as name: String, _ c: DecoderConfiguration, _ keys: GGUFModelKeys,
        skippedRows: Int, source: String, format: (Weight) throws(SwiftletError) -> NumberFormat?
    ) throws(SwiftletError) {
        var parts: [Part] = []
        for weight in group.members {
            var tensor = try weight.tensor.withKernelFormat()
            if skippedRows > 0 { tensor = tensor.slice(skippedRows..<tensor.shape[0]) }
            if c.form.normOffset != 0, weight.name.hasSuffix("norm.weight") {
                tensor = Tensor(
                    shape: tensor.shape, floats: try tensor.floats().map { $0 + c.form.normOffset })
            }
            parts.append(
                Part(tensor: tensor, order: keys.interleavesHeads ? .heads(of: weight.name, c) : .asStored))
        }
        // Parts have one format while they are one tensor.
        let formats = Set(parts.map(\.tensor.format))
        if formats.count > 1 {
            parts = try parts.map { part throws(SwiftletError) in
                Part(
                    tensor: Tensor(shape: part.tensor.shape, floats: try part.tensor.floats()),
                    order: part.order)
            }
        }
        let isVector = group.shape.count < 2 || Self.isKept(name)
        var shape = group.shape
        shape[0] -= skippedRows
        try append(name, parts, shape: shape, isVector: isVector, source: source, format: format)
    }

    /// Plans the matrices that make keys and values of latent vectors, of which files hold those of the keys
    /// transposed.
    private mutating func append(
        _ name: String, _ both: Tensor, _ latent: LatentForm, _ c: DecoderConfiguration, source: String,
        format: (Weight) throws(SwiftletError) -> NumberFormat?
    ) throws(SwiftletError) {
        let (keySize, size) = (latent.plainSize, latent.plainSize + latent.valueSize)
        let heads = both.reshaped([c.headCount, size, latent.rank])
        func parts(_ rows: Range<Int>, isTransposed: Bool) -> [Part] {
            (0..<c.headCount).map { head in
                let matrix = heads.slice(head..<head + 1, shape: [size, latent.rank])
                return Part(tensor: matrix.slice(rows), isTransposed: isTransposed)
            }
        }
        try append(
            name.replacing("attn_kv_b", with: "attn_k_b"), parts(0..<keySize, isTransposed: true),
            shape: [c.headCount, latent.rank, keySize], isVector: false, source: source, format: format)
        try append(
            name.replacing("attn_kv_b", with: "attn_v_b"), parts(keySize..<size, isTransposed: false),
            shape: [c.headCount, latent.valueSize, latent.rank], isVector: false, source: source,
            format: format)
    }

    private mutating func plan(
        _ name: String, in file: GGUFFile, format: (Weight) throws(SwiftletError) -> NumberFormat?
    ) throws(SwiftletError) {
        guard let tensor = try file.tensor(named: name) else { return }
        guard Self.isQuantizable(name, tensor) else {
            let weight = Weight(name: name, shape: tensor.shape, format: tensor.format)
            items.append(
                Item(weight: weight, format: tensor.format, note: nil, parts: [Part(tensor: tensor)]))
            return
        }
        try append(
            name, [Part(tensor: tensor)], shape: tensor.shape, isVector: false, source: file.path,
            format: format)
    }

    /// Whether a tensor of a GGUF file is a weight matrix, not a table of positions, a router or a filter.
    private static func isQuantizable(_ name: String, _ tensor: Tensor) -> Bool {
        tensor.shape.count >= 2 && tensor.format.kernel != nil && name.hasSuffix(".weight") && !isKept(name)
    }

    /// Whether a tensor is small and matters much: a norm, a table of positions, a router, a filter.
    private static func isKept(_ name: String) -> Bool {
        [
            "_norm.weight", "ffn_gate_inp", "position_embd.weight", "token_types.weight", "conv1d",
            "shortconv.conv.weight", "attn_rel_b.weight", "altup", "laurel", "per_layer_model_proj",
        ].contains { name.contains($0) }
    }

    private mutating func append(
        _ name: String, _ parts: [Part], shape: [Int], isVector: Bool, source: String,
        format: (Weight) throws(SwiftletError) -> NumberFormat?
    ) throws(SwiftletError) {
        guard let present = parts.first?.tensor.format else { return }
        let weight = Weight(name: name, shape: shape, format: present)
        let wanted = isVector ? .f32 : try format(weight) ?? present
        let columns = shape.last ?? 1
        let chosen = wanted.fitting(columns: columns)
        guard chosen == present || chosen.isWritable else {
            throw SwiftletError(
                .unsupported,
                "\(source): tensor '\(name)' cannot be written as \(chosen); expected one of "
                    + NumberFormat.allCases.filter(\.isWritable).map(\.rawValue).joined(separator: ", ") + "."
            )
        }
        let note =
            chosen == wanted
            ? nil : "rows of \(columns) numbers do not fill blocks of \(wanted.blockElements) (\(wanted))"
        items.append(Item(weight: weight, format: chosen, note: note, parts: parts))
    }

    /// All keys of a file; only the one that names its format changes.
    private func carriedMetadata(of file: GGUFFile) -> [(key: String, value: GGUFValue)] {
        var entries: [(key: String, value: GGUFValue)] = []
        for key in file.metadataKeys {
            guard let value = file[key] else { continue }
            let isFileType = key == "general.file_type"
            entries.append((key, isFileType ? GGUFValue(mainFormat.ggufFileType) : value))
        }
        if file["general.quantization_version"] == nil {
            entries.append(("general.quantization_version", GGUFValue(UInt32(2))))
        }
        return entries
    }
}

extension TensorConverter.RowOrder {
    /// The order for a Hugging Face tensor of a model whose heads rotate adjacent dimensions in GGUF files.
    fileprivate static func heads(of name: String, _ c: DecoderConfiguration) -> Self {
        if name.contains(".attn_q.") { return .interleaved(heads: c.headCount) }
        if name.contains(".attn_k.") { return .interleaved(heads: c.kvHeadCount) }
        return .asStored
    }
}

extension Tensor {
    /// This tensor, or a copy as f32 if it is stored in a format that kernels do not read, as vectors may be.
    fileprivate func withKernelFormat() throws(SwiftletError) -> Tensor {
        format.kernel == nil ? Tensor(shape: shape, floats: try floats()) : self
    }
}

extension HuggingFaceDirectory {
    /// The last part of the path, which people name models by.
    fileprivate var modelName: String { path.split(separator: "/").last.map(String.init) ?? "model" }
}
