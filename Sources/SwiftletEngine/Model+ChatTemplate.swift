import SwiftletFormats
import SwiftletModels
public import SwiftletTensor
import SwiftletText

extension Model {
    /// The model's own way of writing conversations; without a template, the form ``ChatFormat/plain``.
    ///
    /// - Parameter name: one of several templates, such as `tool_use`; without a name, or if there is none of that
    ///   name, the model's default.
    /// - Throws: `.malformed` with the line if the template is none.
    public func chatTemplate(named name: String? = nil) throws(SwiftletError) -> ChatTemplate {
        if let name, let source = templates.first(where: { $0.name == name })?.template {
            return try ChatTemplate(
                source, name: "chat template \(name) of \(self.name)", tokenizer: tokenizer)
        }
        guard let source = tokenizer?.chatTemplate else { return ChatTemplate(chatFormat) }
        return try ChatTemplate(source, name: "chat template of \(self.name)", tokenizer: tokenizer)
    }

    /// The templates of a model that have names.
    static func namedTemplates(of source: ModelSource) -> [(name: String, template: String)] {
        switch source {
        case .directory(let directory):
            // A list that cannot be read is no reason not to load the model: the tokenizer has the default.
            return (try? directory.chatTemplates()) ?? []
        case .gguf(let file):
            let names = file["tokenizer.chat_templates"]?.strings() ?? []
            return names.compactMap { bytes in
                let name = String(decoding: bytes, as: UTF8.self)
                return file["tokenizer.chat_template.\(name)"]?.string.map { (name, $0) }
            }
        }
    }
}
