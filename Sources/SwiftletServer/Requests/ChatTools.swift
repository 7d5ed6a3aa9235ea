import SwiftletEngine
import SwiftletFormats
import SwiftletTemplate

/// A tool that a client offers.
struct ChatTool {
    /// The field that it stands in.
    var field: String
    var name: String
    /// What a template sees.
    var value: TemplateValue
    /// What its arguments satisfy; `nil` is any object.
    var schema: JSON?
    /// Whether they must.
    var isStrict = false
}

/// Whether a model may or must call tools.
enum ToolChoice {
    case auto, none, required
    case named(String)
}

extension ChatRequest {
    /// Takes tools as far as the choice allows them.
    ///
    /// - Parameter field: names the choice in errors.
    mutating func take(_ tools: [ChatTool], _ choice: ToolChoice, field: String) throws(APIError) {
        switch choice {
        case .none: return
        case .auto: if tools.contains(where: \.isStrict) { strict = tools }
        case .required:
            guard !tools.isEmpty else { throw .field(field, "demands a call, but there are no tools") }
            demanded = tools
        case .named(let name):
            guard let tool = tools.first(where: { $0.name == name }) else {
                throw .field(field, "names '\(name.prefix(60))', which is none of the tools")
            }
            demanded = [tool]
        }
        if !tools.isEmpty { settings.tools = tools.map(\.value) }
    }

    /// Constrains an answer to the calls that are demanded, or calls to their schemas. An answer that is constrained from
    /// its beginning has no thoughts, unless the client wants them.
    mutating func constrain(_ options: inout GenerationOptions, _ engine: Engine) throws(APIError) {
        if let demanded {
            try ConstraintFields.require(demanded.map { ($0.name, $0.schema) }, into: &options, engine)
        }
        try ConstraintFields.apply(answerSchema, isJSONObject: isJSONObject, to: &options, engine)
        if let strict { return try ConstraintFields.constrain(callsOf: strict, in: &options, engine) }
        guard options.constraint != nil else { return }
        splitsReasoning = false
        if settings.values["enable_thinking"] == nil { settings.values["enable_thinking"] = .bool(false) }
    }
}
