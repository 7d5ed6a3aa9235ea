import SwiftletEngine
import SwiftletFormats
import SwiftletGrammar
import SwiftletTemplate
import SwiftletTensor

/// Fields that constrain what a model may write: `response_format`, `json_schema`, `grammar`, and tools that must be
/// called.
enum ConstraintFields {
    /// Most bytes of a grammar or a schema.
    private static let limit = 1 << 20

    static func read(
        _ fields: inout RequestFields, into options: inout GenerationOptions, _ engine: Engine
    ) throws(APIError) {
        try fields.refuse("grammar_triggers", "a grammar holds from the beginning")
        if try fields.bool("grammar_lazy") == true {
            throw .refused(fields.path("grammar_lazy"), "a grammar holds from the beginning")
        }
        var found: [(field: String, grammar: Grammar)] = []
        if let text = try fields.string("grammar"), !text.isEmpty {
            let name = fields.path("grammar")
            try check(text, name)
            found.append((name, try grammar(name) { () throws(SwiftletError) in try .cached(gbnf: text) }))
        }
        if let schema = fields.value("json_schema") {
            let name = fields.path("json_schema")
            found.append((name, try self.schema(schema, name)))
        }
        if let (name, format) = try responseFormat(&fields) { found.append((name, format)) }
        guard found.count < 2 else {
            throw .field(found[1].field, "and \(found[0].field) exclude each other; give one")
        }
        guard let (name, grammar) = found.first else { return }
        try bind(grammar, name, &options, engine)
    }

    /// Lets an answer be nothing but calls of some tools.
    ///
    /// - Parameter tools: names with the schemas of their arguments.
    static func require(
        _ tools: [(name: String, schema: JSON?)], into options: inout GenerationOptions, _ engine: Engine
    ) throws(APIError) {
        guard options.constraint == nil else {
            throw .field("tool_choice", "cannot demand a call beside response_format or a grammar")
        }
        guard let style = Wrapping(engine.callStyle) else {
            throw .refused(
                "tool_choice",
                "the model's template does not say how calls are written that could be demanded")
        }
        try bind(try calls(tools, style), "tools", &options, engine)
    }

    /// Lets calls that a model makes by itself satisfy the schemas of the tools that are strict; others may have any
    /// arguments.
    static func constrain(
        callsOf tools: [ChatTool], in options: inout GenerationOptions, _ engine: Engine
    ) throws(APIError) {
        let field = (tools.first(where: \.isStrict)?.field ?? "tools") + ".strict"
        guard options.constraint == nil else {
            throw .field(field, "cannot hold beside response_format or a grammar")
        }
        guard let style = Wrapping(engine.callStyle), let mark = style.mark else {
            throw .refused(
                field,
                "the model's template writes calls without a mark, so arguments are constrained only if tool_choice "
                    + "demands a call; leave it out or demand one")
        }
        let grammar = try calls(tools.map { ($0.name, $0.isStrict ? $0.schema : nil) }, style, behind: mark)
        do {
            options.constraint = try engine.model.constraint(grammar, behind: mark)
        } catch {
            throw APIError(error, parameter: field)
        }
    }

    /// A call of one of some tools.
    ///
    /// - Parameter mark: what stands at its beginning already.
    private static func calls(
        _ tools: [(name: String, schema: JSON?)], _ style: Wrapping, behind mark: String = ""
    ) throws(APIError) -> Grammar {
        try grammar("tools") { () throws(SwiftletError) in
            let any = try JSON.parse(Array(#"{"type": "object"}"#.utf8), source: "a schema")
            return try Grammar(
                oneOf: tools.map { tool in
                    var choice = style.wrap(tool.name, tool.schema ?? any)
                    choice.before.removeFirst(mark.count)
                    return choice
                })
        }
    }

    /// Constrains an answer as the responses interface says.
    static func apply(
        _ schema: (field: String, schema: JSON)?, isJSONObject: Bool, to options: inout GenerationOptions,
        _ engine: Engine
    ) throws(APIError) {
        guard schema != nil || isJSONObject else { return }
        guard options.constraint == nil else {
            throw .field("text.format", "and another field constrain the answer; give one")
        }
        let name = schema?.field ?? "text.format"
        let grammar =
            if let schema { try self.schema(schema.schema, name) } else {
                try grammar(name, Grammar.jsonObject)
            }
        try bind(grammar, name, &options, engine)
    }

    private static func bind(
        _ grammar: Grammar, _ name: String, _ options: inout GenerationOptions, _ engine: Engine
    ) throws(APIError) {
        do {
            options.constraint = try engine.model.constraint(grammar)
        } catch {
            throw APIError(error, parameter: name)
        }
    }

    // MARK: Schemas

    private static func responseFormat(
        _ fields: inout RequestFields
    ) throws(APIError) -> (name: String, grammar: Grammar)? {
        guard var format = try fields.object("response_format") else { return nil }
        let type = try format.choice("type", ["text", "json_object", "json_schema"])
        guard let type else { throw format.missing("type") }
        switch type {
        case "json_schema":
            if var inner = try format.object("json_schema") {
                guard let schema = inner.value("schema") else { throw inner.missing("schema") }
                let name = inner.path("schema")
                inner.accept(["name", "description", "strict"])
                try inner.finish()
                try format.finish()
                return (name, try self.schema(schema, name))
            }
            guard let schema = format.value("schema") else { throw format.missing("json_schema") }
            format.accept(["name", "description", "strict"])
            try format.finish()
            return (format.path("schema"), try self.schema(schema, format.path("schema")))
        case "json_object":
            let schema = format.value("schema")
            try format.finish()
            let name = format.path("type")
            guard let schema else { return (name, try grammar(name, Grammar.jsonObject)) }
            return (format.path("schema"), try self.schema(schema, format.path("schema")))
        default:
            try format.finish()
            return nil
        }
    }

    private static func schema(_ schema: JSON, _ name: String) throws(APIError) -> Grammar {
        guard schema.kind == .object || schema.kind == .bool else {
            throw .field(
                name, "is \(RequestFields.describe(schema)), expected a JSON schema", code: "invalid_type")
        }
        var json = JSONWriter()
        json.value(schema)
        let text = json.text
        try check(text, name)
        return try grammar(name) { () throws(SwiftletError) in try .cached(jsonSchema: text) }
    }

    private static func check(_ text: String, _ name: String) throws(APIError) {
        guard text.utf8.count <= limit else {
            throw .field(name, "has \(text.utf8.count) bytes, expected at most \(limit)")
        }
    }

    private static func grammar(
        _ name: String, _ make: () throws(SwiftletError) -> Grammar
    ) throws(APIError) -> Grammar {
        do { return try make() } catch { throw APIError(error, parameter: name) }
    }

    // MARK: Calls

    /// What stands around the arguments of a call.
    private struct Wrapping {
        private let style: CallStyle

        /// `nil` for styles whose arguments are no JSON of one piece.
        init?(_ style: CallStyle) {
            guard [.hermes, .llamaJSON, .mistral, .functionTag].contains(style) else { return nil }
            self.style = style
        }

        /// What begins a call wherever it stands; `nil` where calls look like other text.
        var mark: String? {
            switch style {
            case .hermes: "<tool_call>"
            case .mistral: "[TOOL_CALLS]"
            case .functionTag: "<function="
            default: nil
            }
        }

        func wrap(_ name: String, _ schema: JSON) -> Grammar.WrappedSchema {
            var json = JSONWriter()
            json.value(name)
            let (before, after) =
                switch style {
                case .hermes:
                    ("<tool_call>\n{\"name\": \(json.text), \"arguments\": ", "}\n</tool_call>")
                case .mistral: ("[TOOL_CALLS][{\"name\": \(json.text), \"arguments\": ", "}]")
                case .functionTag: ("<function=\(name)>", "</function>")
                default: ("{\"name\": \(json.text), \"parameters\": ", "}")
                }
            return Grammar.WrappedSchema(before: before, schema: schema, after: after)
        }
    }
}
