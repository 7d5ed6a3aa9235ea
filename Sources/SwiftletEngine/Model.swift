import Foundation
import SwiftletFormats
public import SwiftletModels
public import SwiftletTensor
public import SwiftletText

/// A loaded model: its weights, mapped from the file, with the tokenizer and settings that belong to it.
public final class Model: Sendable {
    /// The path or hub name it was asked for by, or `built-in`.
    public let name: String
    /// The file or directory it was read from.
    public let path: String
    /// Sizes and constants.
    public let configuration: DecoderConfiguration
    /// Text to tokens and back; `nil` if the model comes without.
    public let tokenizer: Tokenizer?
    /// What the model's files say about sampling and stopping.
    public let generationDefaults: GenerationDefaults
    /// The common form that the model's chat template was recognised as; see ``chatTemplate(named:)``.
    public let chatFormat: ChatFormat
    package let network: any LanguageModel
    /// What adapters have to know about it.
    package let adapterTarget: AdapterTarget
    let embeddingDefaults: EmbeddingDefaults
    /// What was found out about the vocabulary for grammars.
    let constraints = GrammarConstraints()
    /// Templates with names, for tools and documents.
    let templates: [(name: String, template: String)]

    /// Loads a model.
    ///
    /// - Parameters:
    ///   - argument: a GGUF file, a Hugging Face directory, or a hub name such as `org/name` that is in the local
    ///     hub cache. `nil` is the built-in model.
    ///   - needsTokenizer: whether a model without a tokenizer is an error.
    /// - Throws: a sentence for the person who typed the name.
    public static func load(_ argument: String?, needsTokenizer: Bool = true) throws(SwiftletError) -> Model {
        try Model(
            try ModelSource.named(argument), name: argument ?? "built-in", needsTokenizer: needsTokenizer)
    }

    /// Loads the tokenizer alone, as from a file that holds nothing but a vocabulary.
    ///
    /// - Parameter argument: as in ``load(_:needsTokenizer:)``, or the path of a `tokenizer.json`.
    public static func loadTokenizer(_ argument: String?) throws(SwiftletError) -> Tokenizer {
        if let argument, argument == "tokenizer.json" || argument.hasSuffix("/tokenizer.json"),
            System.kind(of: argument) == .file
        {
            return try Tokenizer.load(directory: argument.dropLast("tokenizer.json".count) + ".")
        }
        let source = try ModelSource.named(argument)
        guard let tokenizer = try tokenizer(of: source, isNeeded: true) else {
            throw SwiftletError(.missing, "\(source.path) has no tokenizer")
        }
        return tokenizer
    }

    package init(_ source: ModelSource, name: String, needsTokenizer: Bool = true) throws(SwiftletError) {
        network = try ModelRegistry.architecture(of: source).load(source)
        adapterTarget = try AdapterTarget(source, network)
        configuration = network.configuration
        embeddingDefaults = try EmbeddingDefaults(of: source)
        self.name = name
        path = source.path
        tokenizer = try Self.tokenizer(of: source, isNeeded: needsTokenizer)
        generationDefaults = try Self.defaults(of: source)
        chatFormat = ChatFormat(template: tokenizer?.chatTemplate)
        templates = Self.namedTemplates(of: source)
    }

    /// The tokens that end a text.
    public var stopTokens: Set<TokenID> {
        generationDefaults.stopTokens.union(tokenizer?.endOfGeneration ?? [])
    }

    /// Bytes of all weights, as stored.
    public var weightBytes: Int {
        network.weights.reduce(0) { $0 + $1.tensor.bytes.count }
    }

    /// Checks token ids from outside.
    ///
    /// - Throws: `.invalidArgument` naming the first id out of range.
    public func check(_ ids: [TokenID]) throws(SwiftletError) {
        for id in ids where id < 0 || Int(id) >= configuration.vocabularySize {
            throw SwiftletError(
                .invalidArgument,
                "token id \(id) is out of range; \(name) knows 0 to \(configuration.vocabularySize - 1)")
        }
    }

    static func tokenizer(
        of source: ModelSource, isNeeded: Bool
    ) throws(SwiftletError) -> Tokenizer? {
        switch source {
        case .gguf(let file):
            if !isNeeded, file["tokenizer.ggml.model"] == nil { return nil }
            return try Tokenizer.load(gguf: file)
        case .directory(let directory):
            if !isNeeded, directory.tokenizerPath == nil, directory.sentencePiecePath == nil { return nil }
            return try Tokenizer.load(directory: directory.path)
        }
    }

    private static func defaults(of source: ModelSource) throws(SwiftletError) -> GenerationDefaults {
        switch source {
        case .gguf(let file): return try GenerationDefaults(gguf: file)
        case .directory(let directory):
            guard let json = try directory.generationConfig() else { return GenerationDefaults() }
            return try GenerationDefaults(
                generationConfig: json, source: "\(directory.path)/generation_config.json")
        }
    }
}

extension ModelSource {
    /// Opens the model that a person named; `nil` is the built-in one.
    ///
    /// - Parameter headerOnly: whether the data of tensors may be missing.
    static func named(
        _ argument: String?, headerOnly: Bool = false
    ) throws(SwiftletError) -> ModelSource {
        guard let argument else { return .gguf(try BuiltInModel.file()) }
        return try ModelSource(
            try ModelLocator.resolve(argument, environment: ProcessInfo.processInfo.environment),
            headerOnly: headerOnly)
    }
}
