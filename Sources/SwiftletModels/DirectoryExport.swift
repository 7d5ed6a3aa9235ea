package import SwiftletFormats
package import SwiftletTensor

/// Converts a GGUF file to a Hugging Face directory: `config.json`, `model.safetensors`, and the files of a tokenizer
/// that somebody else has written.
///
/// Names of tensors come from the architecture's own ``TensorMap``, the one that its checkpoints are read by. What was
/// written is read back before it gets its name: a directory appears only if it holds the same model.
package struct DirectoryExport {
    /// The format of all matrices; vectors are f32.
    package let format: NumberFormat
    let configuration: DecoderConfiguration
    let family: HubFamily
    private let file: GGUFFile
    private let architecture: any Architecture.Type
    private(set) var items: [HubTensor] = []

    /// Ids and numbers for `config.json` that the tokenizer knows.
    package struct Tokens {
        package var bos: Int?, eos: Int?, padding: Int?
        /// All tokens that end a text.
        package var ends: [Int] = []

        package init(bos: Int?, eos: Int?, padding: Int?, ends: [Int]) {
            (self.bos, self.eos, self.padding, self.ends) = (bos, eos, padding, ends)
        }
    }

    /// Plans the directory.
    ///
    /// - Parameter format: f32, f16 or bf16; `nil` is what most weights are, f16 for blocks.
    /// - Throws: what loading the model throws; `.unsupported` if its configuration cannot be written.
    package init(_ file: GGUFFile, format: NumberFormat? = nil) throws(SwiftletError) {
        self.file = file
        architecture = try ModelRegistry.architecture(of: .gguf(file))
        let model = try architecture.load(.gguf(file))
        configuration = model.configuration
        guard let family = HubFamily.of(configuration) else {
            throw SwiftletError(
                .unsupported,
                "\(file.path): models of '\(configuration.architecture)' cannot be written as Hugging Face directories yet; "
                    + "expected one of \(HubFamily.names)")
        }
        self.family = family
        self.format = format ?? Self.usualFormat(of: model.weights)
        // Files of Mixtral go by another architecture than its directories.
        let writer = ModelRegistry.architecture(named: family.modelType) ?? architecture
        items =
            try HubTensors(
                model.weights, writer.tensors(family.expected(configuration)), family, configuration,
                source: file.path
            ).tensors
    }

    /// The format of a tensor of the directory.
    private func format(of item: HubTensor) -> NumberFormat { item.isVector ? .f32 : format }

    private static func usualFormat(of weights: [NamedTensor]) -> NumberFormat {
        var counts: [NumberFormat: Int] = [:]
        for weight in weights where weight.tensor.shape.count > 1 {
            counts[weight.tensor.format, default: 0] += weight.tensor.elementCount
        }
        let most = counts.max { ($0.value, $1.key.rawValue) < ($1.value, $0.key.rawValue) }?.key ?? .f16
        return [.f32, .bf16].contains(most) ? most : .f16
    }

    /// Bytes of all tensors in the new directory.
    package var byteCount: Int {
        items.reduce(0) { $0 + (Tensor.byteCount(shape: $1.shape, format: format(of: $1)) ?? 0) }
    }

    /// Bytes of the same tensors in the file.
    package var oldByteCount: Int {
        items.reduce(0) { $0 + $1.pieces.reduce(0) { $0 + $1.tensor.bytes.count } }
    }

    /// Tensors of the new directory.
    package var tensorCount: Int { items.count }

    /// Positions that the model was made for.
    package var contextLength: Int { configuration.contextLength }

    /// Numbers in all tensors.
    package var elementCount: Int { items.reduce(0) { $0 + $1.elementCount } }

    /// Writes the directory, which appears under its name when it is complete and was read back.
    ///
    /// - Parameters:
    ///   - files: further files by name, such as those of the tokenizer.
    ///   - progress: called with the numbers converted so far and their total; answers whether to go on.
    /// - Returns: `false` if `progress` ended it; then there is no new directory.
    /// - Throws: `.unwritable`; `.unsupported` if a number is too large for its new format, or the configuration reads
    ///   back as that of another model.
    package func write(
        to path: String, tokens: Tokens? = nil, files: [(name: String, bytes: [UInt8])] = [],
        pool: ThreadPool = ThreadPool(threadCount: 1),
        progress: (_ done: Int, _ total: Int) -> Bool = { _, _ in true }
    ) throws(SwiftletError) -> Bool {
        let folder = try TemporaryFolder(beside: path)
        let context = HubFamily.Context(
            file: file, configuration: configuration, format: format, tokens: tokens)
        try AtomicFile.write(try family.config(context), to: "\(folder.path)/config.json")
        try checkReadsBack(folder.path)
        if let tokens {
            try AtomicFile.write(generation(tokens), to: "\(folder.path)/generation_config.json")
        }
        for file in files { try AtomicFile.write(file.bytes, to: "\(folder.path)/\(file.name)") }
        guard try writeTensors("\(folder.path)/model.safetensors", pool, progress) else { return false }
        try folder.rename(to: path)
        return true
    }

    private func writeTensors(
        _ path: String, _ pool: ThreadPool, _ progress: (Int, Int) -> Bool
    ) throws(SwiftletError) -> Bool {
        let total = elementCount
        guard progress(0, total) else { return false }
        var writer = try SafetensorsWriter(
            path: path, metadata: ["format": "pt"],
            tensors: items.map { TensorDeclaration(name: $0.name, shape: $0.shape, format: format(of: $0)) })
        var done = 0
        for item in items {
            for piece in try item.rows() {
                let converter = TensorConverter(
                    piece.tensor, to: format(of: item), order: piece.order, name: item.name, pool: pool)
                let finished = try converter.forEachPiece { (bytes, count) throws(SwiftletError) in
                    try writer.write(bytes)
                    done += count
                    return progress(done, total)
                }
                guard finished else { return false }
            }
        }
        try writer.finish()
        return true
    }

    /// Compares what the new configuration says with the model.
    private func checkReadsBack(_ folder: String) throws(SwiftletError) {
        let source = ModelSource.directory(try HuggingFaceDirectory(path: folder))
        let found = try ModelRegistry.architecture(of: source).configuration(of: source)
        if let difference = family.difference(found, family.expected(configuration)) {
            throw SwiftletError(
                .unsupported,
                "\(file.path): \(difference), which a config.json of '\(family.modelType)' cannot say")
        }
    }

    private func generation(_ tokens: Tokens) -> [UInt8] {
        var json = JSONWriter(indent: 2)
        json.object { json in
            if let bos = tokens.bos { json.member("bos_token_id", bos) }
            json.key("eos_token_id")
            HubFamily.write(tokens.ends.isEmpty ? [tokens.eos].compactMap(\.self) : tokens.ends, to: &json)
            if let padding = tokens.padding { json.member("pad_token_id", padding) }
        }
        return json.bytes
    }
}
