import SwiftletEngine
import SwiftletFormats
import SwiftletTemplate

/// Reads a conversation in Anthropic's form.
///
/// Source: Anthropic, "Messages" and "Count message tokens" of its reference.
enum MessagesFields {
    private static let limit = 65_536

    static func read(_ fields: inout RequestFields, _ settings: ServerSettings) throws(APIError)
        -> ChatRequest
    {
        var chat = ChatRequest(settings)
        if fields.has("system") {
            chat.messages.append(ChatMessage(.system, try text(&fields, "system")))
        }
        guard let messages = try fields.array("messages", maximum: limit) else {
            throw fields.missing("messages")
        }
        guard !messages.isEmpty else { throw .field("messages", "is empty, expected a question") }
        for (index, json) in messages.enumerated() {
            chat.messages += try message(json, "messages[\(index)]")
        }
        try readTools(&fields, into: &chat)
        if var thinking = try fields.object("thinking") {
            let type = try thinking.choice("type", ["enabled", "disabled", "adaptive"]) ?? "enabled"
            _ = try thinking.int("budget_tokens", in: 0...(1 << 30))
            thinking.accept(["display"])
            try thinking.finish()
            chat.settings.values["enable_thinking"] = .bool(type != "disabled")
        }
        fields.accept(["anthropic_version", "anthropic_beta", "betas", "container"])
        try fields.refuse("mcp_servers", "this server calls no others")
        return chat
    }

    // MARK: Messages

    /// A text, or blocks of text.
    private static func text(_ fields: inout RequestFields, _ name: String) throws(APIError) -> String {
        guard let value = fields.value(name) else { return "" }
        if let text = value.string { return text }
        var texts: [String] = []
        for (index, json) in (try fields.array(name, maximum: limit) ?? []).enumerated() {
            var block = try RequestFields(json, named: "\(fields.path(name))[\(index)]")
            texts.append(try textBlock(&block))
        }
        return texts.joined(separator: "\n")
    }

    private static func textBlock(_ block: inout RequestFields) throws(APIError) -> String {
        guard let type = try block.string("type") else { throw block.missing("type") }
        guard type == "text" else { throw refusal(block, type) }
        guard let text = try block.string("text") else { throw block.missing("text") }
        block.accept(["cache_control", "citations"])
        try block.finish()
        return text
    }

    private static func refusal(_ block: RequestFields, _ type: String) -> APIError {
        let known = ["image", "document", "search_result", "server_tool_use", "redacted_thinking"]
        return known.contains(type)
            ? .refused(
                block.path("type"),
                "this model reads text only, image input is not supported and '\(type)' is no text")
            : .field(
                block.path("type"),
                "is '\(type.prefix(40))', expected text, tool_use, tool_result or thinking")
    }

    /// One message; results of tools become messages of their own.
    private static func message(_ json: JSON, _ name: String) throws(APIError) -> [ChatMessage] {
        var fields = try RequestFields(json, named: name)
        guard let role = try fields.choice("role", ["user", "assistant"]) else {
            throw fields.missing("role")
        }
        guard let content = fields.value("content") else { throw fields.missing("content") }
        var message = ChatMessage(role == "user" ? .user : .assistant, content.string ?? "")
        var results: [ChatMessage] = []
        if content.kind != .string {
            var texts: [String] = []
            for (index, json) in (try fields.array("content", maximum: limit) ?? []).enumerated() {
                var block = try RequestFields(json, named: "\(name).content[\(index)]")
                switch try block.string("type") {
                case "tool_use"? where role == "assistant": message.toolCalls.append(try call(&block))
                case "tool_result"? where role == "user": results.append(try result(&block))
                case "thinking"? where role == "assistant":
                    message.reasoning = (message.reasoning ?? "") + (try block.string("thinking") ?? "")
                    block.accept(["signature"])
                    try block.finish()
                default: texts.append(try textBlock(&block))
                }
            }
            message.content = texts.joined(separator: "\n")
        }
        try fields.finish()
        let isEmpty = message.content.isEmpty && message.toolCalls.isEmpty && !results.isEmpty
        return isEmpty ? results : results + [message]
    }

    private static func call(_ block: inout RequestFields) throws(APIError) -> ToolCall {
        guard let name = try block.string("name") else { throw block.missing("name") }
        guard let input = try block.object("input") else { throw block.missing("input") }
        var json = JSONWriter()
        json.value(input.json)
        let call = ToolCall(id: try block.string("id"), name: name, arguments: json.text)
        block.accept(["cache_control", "caller"])
        try block.finish()
        return call
    }

    private static func result(_ block: inout RequestFields) throws(APIError) -> ChatMessage {
        guard let id = try block.string("tool_use_id") else { throw block.missing("tool_use_id") }
        let text = try text(&block, "content")
        let isError = try block.bool("is_error") ?? false
        block.accept(["cache_control"])
        try block.finish()
        var message = ChatMessage(.tool, isError ? "Error: \(text)" : text)
        message.toolCallID = id
        return message
    }

    // MARK: Tools

    private static func readTools(
        _ fields: inout RequestFields, into chat: inout ChatRequest
    ) throws(APIError) {
        var tools: [ChatTool] = []
        for (index, json) in (try fields.array("tools", maximum: 1_024) ?? []).enumerated() {
            var tool = try RequestFields(json, named: "tools[\(index)]")
            let type = try tool.string("type") ?? "custom"
            guard type == "custom" else {
                throw .refused(tool.path("type"), "this server has no tools of its own")
            }
            guard let name = try tool.string("name"), !name.isEmpty else { throw tool.missing("name") }
            guard let schema = try tool.object("input_schema") else { throw tool.missing("input_schema") }
            var function: TemplateObject = ["name": .string(name)]
            if let text = try tool.string("description") { function["description"] = .string(text) }
            function["parameters"] = TemplateValue(schema.json)
            let isStrict = try tool.bool("strict") ?? false
            tool.accept(["cache_control", "input_examples"])
            try tool.finish()
            tools.append(
                ChatTool(
                    field: "tools[\(index)]", name: name,
                    value: ["type": "function", "function": .object(function)], schema: schema.json,
                    isStrict: isStrict))
        }
        try chat.take(tools, try toolChoice(&fields), field: "tool_choice")
    }

    private static func toolChoice(_ fields: inout RequestFields) throws(APIError) -> ToolChoice {
        guard var choice = try fields.object("tool_choice") else { return .auto }
        let kind = try choice.choice("type", ["auto", "any", "tool", "none"])
        let name = try choice.string("name")
        choice.accept(["disable_parallel_tool_use"])
        try choice.finish()
        switch kind {
        case nil: throw choice.missing("type")
        case "none": return .none
        case "any": return .required
        case "tool":
            guard let name else { throw choice.missing("name") }
            return .named(name)
        default: return .auto
        }
    }
}
