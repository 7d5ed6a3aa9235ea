public import SwiftletTensor

/// A model directory as Hugging Face's libraries write it; each file is read when asked for.
///
/// ```swift
/// let directory = try HuggingFaceDirectory(path: "SmolLM2-135M-Instruct")
/// let layers = try directory.config()["num_hidden_layers"]?.int
/// let weights = try directory.checkpoint()
/// ```
public struct HuggingFaceDirectory: Sendable {
    /// The path as given, without a slash at its end.
    public let path: String

    /// Names a directory, which must exist.
    public init(path: String) throws(SwiftletError) {
        guard System.kind(of: path) == .directory else {
            throw SwiftletError(.unreadable, "\(path) is not a directory, expected one with a model")
        }
        var path = path[...]
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        self.path = String(path)
    }

    /// `config.json`: the architecture and its sizes.
    ///
    /// - Throws: ``SwiftletError/Code/missing`` if it is not there.
    public func config() throws(SwiftletError) -> JSON {
        guard let config = try object("config.json") else {
            throw SwiftletError(
                .missing,
                "\(path): has no config.json, which says how the model is built; download the model again")
        }
        return config
    }

    /// `generation_config.json`: the author's choice of sampling and of tokens that end a text.
    public func generationConfig() throws(SwiftletError) -> JSON? { try object("generation_config.json") }

    /// `tokenizer_config.json`: special tokens and chat templates.
    public func tokenizerConfig() throws(SwiftletError) -> JSON? { try object("tokenizer_config.json") }

    /// The path of `tokenizer.json`, if there is one.
    public var tokenizerPath: String? { existing("tokenizer.json") }

    /// The path of `tokenizer.model`, a sentencepiece model, if there is one.
    public var sentencePiecePath: String? { existing("tokenizer.model") }

    /// The tensors.
    ///
    /// - Throws: as ``SafetensorsCheckpoint/init(directory:)``.
    public func checkpoint() throws(SwiftletError) -> SafetensorsCheckpoint {
        try SafetensorsCheckpoint(directory: path)
    }

    /// How the weights are packed, or `nil` if they are stored plainly.
    ///
    /// - Throws: `.unsupported` for a way that is not read, naming it.
    public func quantizationLayout() throws(SwiftletError) -> QuantizationLayout? {
        try QuantizationLayout(try config(), path: "\(path)/config.json")
    }

    /// The tensors, with packed weights as tensors in a format of the engine.
    package func weights() throws(SwiftletError) -> any TensorSource {
        guard let layout = try quantizationLayout() else { return try checkpoint() }
        return PackedCheckpoint(try checkpoint(), layout)
    }

    /// The chat template of a name, or `nil` if there is none; without a name, the one called `default`.
    public func chatTemplate(named name: String = "default") throws(SwiftletError) -> String? {
        try chatTemplates().first { $0.name == name }?.template
    }

    /// All chat templates, each name once.
    ///
    /// `chat_template.jinja` is `default`, files in `additional_chat_templates` have their own names, and
    /// both win over `chat_template` in `tokenizer_config.json`, which is a string or a list of
    /// `{"name": …, "template": …}`.
    public func chatTemplates() throws(SwiftletError) -> [(name: String, template: String)] {
        var templates: [(name: String, template: String)] = []
        if let file = existing("chat_template.jinja") { templates.append(("default", try text(of: file))) }
        if let directory = existing("additional_chat_templates", .directory) {
            for file in try System.names(in: directory) where file.hasSuffix(".jinja") {
                templates.append((String(file.dropLast(6)), try text(of: "\(directory)/\(file)")))
            }
        }
        for listed in try listedTemplates() where !templates.contains(where: { $0.name == listed.name }) {
            templates.append(listed)
        }
        return templates
    }

    private func listedTemplates() throws(SwiftletError) -> [(name: String, template: String)] {
        guard let value = try tokenizerConfig()?["chat_template"], !value.isNull else { return [] }
        if let template = value.string { return [("default", template)] }
        var templates: [(name: String, template: String)] = []
        for entry in value.elements {
            guard let name = entry["name"]?.string, let template = entry["template"]?.string else {
                throw unexpectedTemplate
            }
            templates.append((name, template))
        }
        guard value.kind == .array else { throw unexpectedTemplate }
        return templates
    }

    private var unexpectedTemplate: SwiftletError {
        SwiftletError(
            .malformed,
            "\(path)/tokenizer_config.json: chat_template is neither a string nor a list of names and "
                + "templates"
        )
    }

    private func object(_ name: String) throws(SwiftletError) -> JSON? {
        guard let file = existing(name) else { return nil }
        let json = try JSON.parse(contentsOf: file)
        guard json.kind == .object else {
            throw SwiftletError(.malformed, "\(file): holds one \(json.kind), expected an object")
        }
        return json
    }

    private func text(of file: String) throws(SwiftletError) -> String {
        let file = try MappedFile(path: file)
        return withExtendedLifetime(file) { String(decoding: file.bytes, as: UTF8.self) }
    }

    private func existing(_ name: String, _ kind: System.FileKind = .file) -> String? {
        let file = "\(path)/\(name)"
        return System.kind(of: file) == kind ? file : nil
    }
}
