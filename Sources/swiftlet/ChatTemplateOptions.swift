import ArgumentParser
import SwiftletEngine
import SwiftletFormats
import SwiftletTemplate
import SwiftletTensor

/// Flags that say how a conversation is written for a model.
struct ChatTemplateOptions: ParsableArguments {
    @Option(
        name: .customLong("chat-template"), parsing: .unconditional,
        help: ArgumentHelp(
            "How a conversation is written: \(Self.names), or a Jinja template; default: the model's own.",
            valueName: "name|jinja"),
        completion: .list(ChatFormat.allCases.map(\.rawValue)))
    var template: String?

    @Option(
        name: .customLong("chat-template-file"),
        help: ArgumentHelp("A file with a Jinja template.", valueName: "file"), completion: .file())
    var file: String?

    @Option(
        name: .customLong("chat-template-kwargs"), parsing: .unconditional,
        help: ArgumentHelp(
            #"More values for the template, as in '{"enable_thinking": false}'."#, valueName: "json"))
    var values: String?

    @Flag(
        inversion: .prefixedNo, help: "Use the model's own template, not a common form recognised from it.")
    var jinja = true

    /// Whether a template was chosen instead of the model's own.
    var isGiven: Bool { template != nil || file != nil || !jinja }

    private static let names = ChatFormat.allCases.map(\.rawValue).joined(separator: ", ")

    func validate() throws {
        guard template == nil || file == nil else {
            throw ValidationError("--chat-template and --chat-template-file exclude each other; give one")
        }
        if let template, ChatFormat(rawValue: template) == nil, !Self.isJinja(template) {
            throw ValidationError(
                "--chat-template \(template) is not known; expected one of \(Self.names), or a Jinja template"
            )
        }
    }

    private static func isJinja(_ text: String) -> Bool { text.contains("{%") || text.contains("{{") }

    /// The template that was chosen, or the model's own.
    func template(of model: Model) throws(SwiftletError) -> ChatTemplate {
        if let file {
            let bytes = try MappedFile(path: file)
            let text = withExtendedLifetime(bytes) { String(decoding: bytes.bytes, as: UTF8.self) }
            return try ChatTemplate(text, name: file, tokenizer: model.tokenizer)
        }
        if let template {
            if let format = ChatFormat(rawValue: template) { return ChatTemplate(format) }
            return try ChatTemplate(template, name: "--chat-template", tokenizer: model.tokenizer)
        }
        guard jinja else { return ChatTemplate(model.chatFormat) }
        do {
            return try model.chatTemplate()
        } catch {
            throw SwiftletError(
                error.code, "\(error.message); --no-jinja or --chat-template chooses another form")
        }
    }

    /// What the template is given besides the messages.
    func settings() throws(SwiftletError) -> ChatSettings {
        var settings = ChatSettings()
        guard let values else { return settings }
        guard case .object(let object) = try TemplateValue(json: values, name: "--chat-template-kwargs")
        else {
            throw SwiftletError(
                .invalidArgument,
                "--chat-template-kwargs is no JSON object, expected one as in '{\"enable_thinking\": false}'")
        }
        settings.values = object
        return settings
    }
}
