package import SwiftletModels
public import SwiftletTensor

/// Which number format every weight of a model gets, in the way of llama-quantize.
///
/// The mix follows llama-quantize where it matters for the text: the output matrix, or the embedding where the
/// two are one, keeps more bits than the rest, since every token goes through it. llama-quantize stores it as
/// Q6_K; Swiftlet stores it as Q8_0, which is finer.
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

    /// The format of weight matrices.
    public var format: NumberFormat
    /// The format of the token embedding, where it is not the output matrix; `nil` follows the mix.
    public var embeddingFormat: NumberFormat?
    /// The format of the output matrix; `nil` follows the mix.
    public var outputFormat: NumberFormat?
    /// Whether all matrices get ``format``, without a mix.
    public var isPure = false
    /// Exceptions that go before everything else; of several that fit, the first one counts.
    public var overrides: [Override] = []

    /// Every matrix in one format, but for the mix.
    public init(_ format: NumberFormat) { self.format = format }

    /// Formats that can be written, in the order of ``NumberFormat``.
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
        var names: Set<String> = []
        _ = try GGUFExport(source, tokenizer: []) { weight in
            names.insert(weight.name)
            return nil
        }
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
        let output = names.contains("output.weight") ? "output.weight" : "token_embd.weight"
        return try GGUFExport(source) { weight in
            searches.first { $0.0(weight.name) }?.1 ?? format(of: weight.name, output: output)
        }
    }

    private func format(of name: String, output: String) -> NumberFormat {
        switch name {
        case output: outputFormat ?? sharedFormat(name) ?? mixedOutputFormat
        case "token_embd.weight": embeddingFormat ?? format
        default: format
        }
    }

    /// What was asked for an embedding that is the output matrix, too.
    private func sharedFormat(_ name: String) -> NumberFormat? {
        name == "token_embd.weight" ? embeddingFormat : nil
    }

    /// Never coarser than the rest.
    private var mixedOutputFormat: NumberFormat {
        guard !isPure else { return format }
        switch format {
        case .q4_0, .q4_1, .q5_0, .q5_1, .q2_K, .q3_K, .q4_K, .q5_K, .q6_K: return .q8_0
        case .f32, .f16, .bf16, .q8_0, .i8, .u8, .i16, .i32, .i64, .f64: return format
        }
    }
}
