import SwiftletEngine
import SwiftletFormats
import SwiftletTemplate

/// Reads a conversation in the form of OpenAI's responses interface.
///
/// Source: OpenAI, "Create a model response" of its reference.
enum ResponsesFields {
    private static let limit = 65_536

    static func read(_ fields: inout RequestFields, _ settings: ServerSettings) throws(APIError)
        -> ChatRequest
    {
        var chat = ChatRequest(settings)
        if let text = try fields.string("instructions") { chat.messages.append(ChatMessage(.system, text)) }
        guard let input = fields.value("input") else { throw fields.missing("input") }
        if let text = input.string {
            chat.messages.append(ChatMessage(.user, text))
        } else {
            let items = try fields.array("input", maximum: limit) ?? []
            guard !items.isEmpty else { throw .field("input", "is empty, expected a question") }
            for (index, json) in items.enumerated() { try add(json, "input[\(index)]", to: &chat) }
        }
        try readTools(&fields, into: &chat)
        try readOthers(&fields, into: &chat)
        return chat
    }

    // MARK: Items

    private static func add(_ json: JSON, _ name: String, to chat: inout ChatRequest) throws(APIError) {
        var item = try RequestFields(json, named: name)
        switch try item.string("type") ?? "message" {
        case "message": try addMessage(&item, to: &chat)
        case "function_call":
            guard let function = try item.string("name") else { throw item.missing("name") }
            let call = ToolCall(
                id: try item.string("call_id"), name: function,
                arguments: try item.string("arguments") ?? "{}")
            if chat.messages.last?.role != .assistant { chat.messages.append(ChatMessage(.assistant, "")) }
            chat.messages[chat.messages.count - 1].toolCalls.append(call)
        case "function_call_output":
            guard let id = try item.string("call_id") else { throw item.missing("call_id") }
            var message = ChatMessage(.tool, try ChatFields.content(&item, "output"))
            message.toolCallID = id
            chat.messages.append(message)
        case "reasoning": item.accept(["summary", "content", "encrypted_content"])
        case let type:
            throw .refused(item.path("type"), "items of the type '\(type.prefix(40))' are not known")
        }
        item.accept(["id", "status"])
        try item.finish()
    }

    private static func addMessage(
        _ item: inout RequestFields, to chat: inout ChatRequest
    ) throws(APIError) {
        let roles = ["user", "assistant", "system", "developer"]
        guard let role = try item.choice("role", roles) else { throw item.missing("role") }
        guard item.has("content") else { throw item.missing("content") }
        let content = try ChatFields.content(&item, "content")
        item.accept(["phase"])
        chat.messages.append(ChatMessage(ChatMessage.Role(rawValue: role) ?? .system, content))
    }

    // MARK: Others

    private static func readTools(
        _ fields: inout RequestFields, into chat: inout ChatRequest
    ) throws(APIError) {
        var tools: [ChatTool] = []
        for (index, json) in (try fields.array("tools", maximum: 1_024) ?? []).enumerated() {
            var tool = try RequestFields(json, named: "tools[\(index)]")
            guard try tool.string("type") == "function" else {
                throw .refused(tool.path("type"), "this server has no tools of its own")
            }
            tools.append(try ChatFields.function(&tool, nil))
        }
        try chat.take(tools, try ChatFields.toolChoice(&fields), field: "tool_choice")
    }

    /// The form of the answer.
    private static func readFormat(
        _ format: inout RequestFields, into chat: inout ChatRequest
    ) throws(APIError) {
        let type = try format.choice("type", ["text", "json_object", "json_schema"])
        if type == "json_schema" {
            guard let schema = format.value("schema") else { throw format.missing("schema") }
            chat.answerSchema = (format.path("schema"), schema)
        }
        format.accept(["name", "description", "strict"])
        try format.finish()
        chat.isJSONObject = type == "json_object"
    }

    private static func readOthers(
        _ fields: inout RequestFields, into chat: inout ChatRequest
    ) throws(APIError) {
        if var text = try fields.object("text") {
            if var format = try text.object("format") { try readFormat(&format, into: &chat) }
            text.accept(["verbosity"])
            try text.finish()
        }
        if var reasoning = try fields.object("reasoning") {
            if let effort = try reasoning.string("effort") {
                chat.settings.values["reasoning_effort"] = .string(effort)
                if effort == "none" { chat.settings.values["enable_thinking"] = .bool(false) }
            }
            reasoning.accept(["summary", "generate_summary"])
            try reasoning.finish()
        }
        for name in ["previous_response_id", "conversation"] {
            try fields.refuse(name, "answers are not kept; send the whole conversation as input")
        }
        try fields.refuse("prompt", "there are no stored prompts; use input")
        if try fields.bool("background") == true {
            throw .refused("background", "answers are not kept; use stream")
        }
        if try fields.choice("truncation", ["auto", "disabled"]) == "auto" {
            throw .refused("truncation", "prompts that are too long are refused")
        }
        _ = try fields.strings("include", maximum: 32)
        try fields.refuse("max_tool_calls", "this server calls no tools")
    }
}
