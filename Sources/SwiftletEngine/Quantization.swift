package import SwiftletModels
public import SwiftletTensor

/// Which number format every weight of a model gets, in the way of llama-quantize: the mix of a file type, and
/// exceptions to it.
public struct Quantization: Sendable {
    /// A pattern and the format of the tensors it finds.
    public struct Override: Sendable {
        /// A regular expression that is searched for in names such as `blk.0.attn_q.weight`.
        public let pattern: String
        /// The format of these tensors.
        public let format: NumberFormat

        /// - Throws: `.invalidArgument` if the pattern is no regular expression.
        public init(pattern: String, format: NumberFormat) throws(SwiftletError) {
            self.pattern = pattern
            self.format = format
            _ = try search()
        }

        /// Answers whether a name is meant.
        fileprivate func search() throws(SwiftletError) -> (String) -> Bool {
            guard !pattern.isEmpty, let regex = try? Regex(pattern) else {
                throw SwiftletError(
                    .invalidArgument,
                    "the tensor pattern '\(pattern)' is not a regular expression; expected one such as ffn_down"
                )
            }
            return { $0.contains(regex) }
        }
    }

    /// The kind of file, whose mix decides what nothing else does.
    public var type: QuantizationType
    /// The format of the token embedding; `nil` follows the mix.
    public var embeddingFormat: NumberFormat?
    /// The format of the output matrix, and of an embedding that is the output matrix, too, unless
    /// ``embeddingFormat`` says otherwise; `nil` follows the mix.
    public var outputFormat: NumberFormat?
    /// Whether all matrices get the format of ``type``, without a mix.
    public var isPure = false
    /// Exceptions that go before everything else; of several that fit, the first one counts.
    public var overrides: [Override] = []

    /// A kind of file, without exceptions.
    public init(_ type: QuantizationType) { self.type = type }

    /// Formats that one tensor can get, in the order of ``NumberFormat``.
    public static var formats: [NumberFormat] { NumberFormat.allCases.filter(\.isWritable) }

    /// The writable format of a name in any case, such as `Q8_0`.
    ///
    /// - Throws: `.unsupported` or `.invalidArgument`, naming what can be written.
    public static func format(named name: String) throws(SwiftletError) -> NumberFormat {
        let known = formats.map(\.rawValue).joined(separator: ", ")
        guard
            let found = NumberFormat.allCases.first(where: { $0.rawValue.lowercased() == name.lowercased() })
        else {
            throw SwiftletError(
                .invalidArgument, "'\(name)' is not a number format; expected one of \(known)")
        }
        guard found.isWritable else {
            throw SwiftletError(
                .unsupported, "\(found) can be read but not written; expected one of \(known)")
        }
        return found
    }

    /// Plans the new file.
    ///
    /// - Throws: what opening the model throws; `.invalidArgument` for a pattern that finds no tensor.
    package func plan(_ source: ModelSource) throws(SwiftletError) -> GGUFExport {
        var columns: [String: Int] = [:]
        let unchanged = try GGUFExport(source, tokenizer: []) { weight in
            columns[weight.name] = weight.shape.last ?? 1
            return nil
        }
        let searches = try searches(in: columns.keys, of: source)
        let isTied = columns["output.weight"] == nil
        let mix =
            isPure || type.format.blockElements == 1
            ? nil : QuantizationMix(type, .init(unchanged.metadata), columns: columns, isTied: isTied)
        var export = try GGUFExport(source) { weight in
            searches.first { $0.0(weight.name) }?.1 ?? asked(weight.name, isTied: isTied)
                ?? mix?.formats[weight.name] ?? type.format
        }
        export.declare(fileType: type.fileType)
        return export
    }

    /// What ``overrides`` look for, each of which must find a matrix.
    private func searches(
        in names: some Collection<String>, of source: ModelSource
    ) throws(SwiftletError) -> [((String) -> Bool, NumberFormat)] {
        var searches: [((String) -> Bool, NumberFormat)] = []
        for override in overrides {
            let matches = try override.search()
            guard names.contains(where: matches) else {
                throw SwiftletError(
                    .invalidArgument,
                    "the tensor pattern '\(override.pattern)' finds none of the \(names.count) matrices in "
                        + "\(source.path); expected part of a name such as \(names.min() ?? "output.weight")")
            }
            searches.append((matches, override.format))
        }
        return searches
    }

    /// The format that ``embeddingFormat`` and ``outputFormat`` ask for.
    private func asked(_ name: String, isTied: Bool) -> NumberFormat? {
        switch name {
        case "token_embd.weight": embeddingFormat ?? (isTied ? outputFormat : nil)
        case "output.weight": outputFormat
        default: nil
        }
    }
}
