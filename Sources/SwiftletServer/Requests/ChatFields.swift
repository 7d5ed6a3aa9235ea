import SwiftletEngine
import SwiftletFormats
import SwiftletTemplate

/// Reads a conversation in OpenAI's form: `messages`, `tools` and what belongs to them.
enum ChatFields {
    /// Most messages of a conversation, and most tools.
    private static let (messageLimit, toolLimit) = (65_536, 1_024)

    static func read(_ fields: inout RequestFields, _ settings: ServerSettings) throws(APIError)
        -> ChatRequest
    {
        var chat = ChatRequest(settings)
        guard let messages = try fields.array("messages", maximum: messageLimit) else {
            throw fields.missing("messages")
        }
        guard !messages.isEmpty else {
            throw .field(fields.path("messages"), "is empty, expected a question")
        }
        for (index, message) in messages.enumerated() {
            chat.messages.append(try self.message(message, "\(fields.path("messages"))[\(index)]"))
        }
        try readTools(&fields, into: &chat)
        try readTemplate(&fields, into: &chat)
        for name in ["functions", "function_call"] {
            try fields.refuse(name, "it was replaced by tools and tool_choice")
        }
        return chat
    }

    // MARK: Messages

    private static func message(_ json: JSON, _ name: String) throws(APIError) -> ChatMessage {
        var fields = try RequestFields(json, named: name)
        guard let role = try fields.string("role") else { throw fields.missing("role") }
        guard let kind = Self.role(role) else {
            throw .field(
                "\(name).role",
                "is '\(role.prefix(40))', expected system, developer, user, assistant or tool")
        }
        var message = ChatMessage(kind, "")
        message.toolCalls = try calls(&fields)
        if fields.has("content") {
            message.content = try content(&fields, "content")
        } else if kind != .assistant || (message.toolCalls.isEmpty && !fields.has("reasoning_content")) {
            throw fields.missing("content")
        }
        fields.accept(["content", "refusal", "annotations", "audio"])
        for field in ["reasoning", "reasoning_content"] {
            if let text = try fields.string(field) { message.reasoning = text }
        }
        message.toolName = try fields.string("name")
        message.toolCallID = try fields.string("tool_call_id")
        if kind != .tool { (message.toolName, message.toolCallID) = (nil, nil) }
        try fields.finish()
        return message
    }

    private static func role(_ name: String) -> ChatMessage.Role? {
        switch name {
        case "developer": .system
        case "function": .tool
        default: ChatMessage.Role(rawValue: name)
        }
    }

    /// A text, or texts in parts, which are joined by line ends.
    static func content(_ fields: inout RequestFields, _ name: String) throws(APIError) -> String {
        guard let value = fields.value(name) else { return "" }
        if let text = value.string { return text }
        guard let parts = try fields.array(name, maximum: messageLimit) else { return "" }
        var texts: [String] = []
        for (index, part) in parts.enumerated() {
            texts.append(try self.part(part, "\(fields.path(name))[\(index)]"))
        }
        return texts.joined(separator: "\n")
    }

    private static func part(_ json: JSON, _ name: String) throws(APIError) -> String {
        var fields = try RequestFields(json, named: name)
        guard let type = try fields.string("type") else { throw fields.missing("type") }
        let texts = ["text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"]
        guard let field = texts[type] else {
            let known = [
                "image_url", "input_image", "image", "input_audio", "file", "input_file", "video_url",
            ]
            guard known.contains(type) else {
                throw .field("\(name).type", "is '\(type.prefix(40))', expected text")
            }
            throw .refused(
                "\(name).type",
                "this model reads text only, image input is not supported and '\(type)' is no text")
        }
        guard let text = try fields.string(field) else { throw fields.missing(field) }
        fields.accept(["annotations", "logprobs", "cache_control"])
        try fields.finish()
        return text
    }

    // MARK: Tools

    private static func calls(_ fields: inout RequestFields) throws(APIError) -> [ToolCall] {
        var calls: [ToolCall] = []
        let elements = try fields.array("tool_calls", maximum: toolLimit) ?? []
        for (index, json) in elements.enumerated() {
            var call = try RequestFields(json, named: "\(fields.path("tool_calls"))[\(index)]")
            _ = try call.choice("type", ["function"])
            guard var function = try call.object("function") else { throw call.missing("function") }
            guard let name = try function.string("name") else { throw function.missing("name") }
            let arguments = try arguments(&function)
            calls.append(ToolCall(id: try call.string("id"), name: name, arguments: arguments))
            call.accept(["index"])
            try function.finish()
            try call.finish()
        }
        return calls
    }

    /// Arguments as JSON text, or as the object itself.
    private static func arguments(_ function: inout RequestFields) throws(APIError) -> String {
        guard let value = function.value("arguments") else { return "{}" }
        if let text = value.string { return text }
        guard value.kind == .object else {
            throw function.wrong("arguments", value, "JSON text or an object")
        }
        var json = JSONWriter()
        json.value(value)
        return json.text
    }

    private static func readTools(
        _ fields: inout RequestFields, into chat: inout ChatRequest
    ) throws(APIError) {
        var tools: [ChatTool] = []
        for (index, json) in (try fields.array("tools", maximum: toolLimit) ?? []).enumerated() {
            let name = "\(fields.path("tools"))[\(index)]"
            var tool = try RequestFields(json, named: name)
            guard try tool.choice("type", ["function"]) != nil else { throw tool.missing("type") }
            guard var function = try tool.object("function") else { throw tool.missing("function") }
            tools.append(try self.function(&function, TemplateValue(json)))
            try tool.finish()
        }
        let field = fields.path("tool_choice")
        try chat.take(tools, try toolChoice(&fields), field: field)
        _ = try fields.bool("parse_tool_calls")
    }

    /// Name, description and schema of a tool.
    static func function(
        _ fields: inout RequestFields, _ value: TemplateValue?, ignoring others: [String] = []
    ) throws(APIError) -> ChatTool {
        guard let name = try fields.string("name"), !name.isEmpty else { throw fields.missing("name") }
        let description = try fields.string("description")
        let schema = try fields.object("parameters")?.json
        let isStrict = try fields.bool("strict") ?? false
        fields.accept(others)
        try fields.finish()
        var function: TemplateObject = ["name": .string(name)]
        if let description { function["description"] = .string(description) }
        if let schema { function["parameters"] = TemplateValue(schema) }
        let made: TemplateValue = ["type": "function", "function": .object(function)]
        return ChatTool(
            field: String(fields.path("").dropLast()), name: name, value: value ?? made, schema: schema,
            isStrict: isStrict)
    }

    /// `tool_choice` as a word or as the name of a tool.
    static func toolChoice(_ fields: inout RequestFields) throws(APIError) -> ToolChoice {
        guard let value = fields.value("tool_choice") else { return .auto }
        if value.kind == .object {
            var choice = try RequestFields(value, named: fields.path("tool_choice"))
            guard try choice.choice("type", ["function"]) != nil else { throw choice.missing("type") }
            var name = try choice.string("name")
            if var function = try choice.object("function") {
                name = try function.string("name")
                try function.finish()
            }
            try choice.finish()
            guard let name else { throw choice.missing("function") }
            return .named(name)
        }
        switch try fields.choice("tool_choice", ["auto", "none", "required"]) {
        case "none": return .none
        case "required": return .required
        default: return .auto
        }
    }

    // MARK: Template

    private static func readTemplate(
        _ fields: inout RequestFields, into chat: inout ChatRequest
    ) throws(APIError) {
        if let values = try fields.object("chat_template_kwargs"),
            case .object(let object) = TemplateValue(values.json)
        {
            for (key, value) in zip(object.keys, object.values) { chat.settings.values[key] = value }
        }
        if let effort = try fields.string("reasoning_effort") {
            chat.settings.values["reasoning_effort"] = .string(effort)
            if effort == "none" { chat.settings.values["enable_thinking"] = .bool(false) }
        }
        if let format = try fields.choice(
            "reasoning_format", ["none", "auto", "deepseek", "deepseek-legacy"])
        {
            chat.splitsReasoning = format != "none"
        }
        if let documents = try fields.array("documents", maximum: messageLimit) {
            chat.settings.documents = documents.map(TemplateValue.init)
        }
        let opens = try fields.bool("add_generation_prompt")
        let continues = try fields.bool("continue_final_message") ?? false
        guard !(opens == true && continues) else {
            throw .field(
                fields.path("continue_final_message"), "and add_generation_prompt exclude each other")
        }
        if continues, chat.messages.last?.role != .assistant {
            throw .field(
                fields.path("continue_final_message"), "is set, but the last message is no answer")
        }
        chat.settings.addsGenerationPrompt = continues || (opens ?? true)
    }
}
