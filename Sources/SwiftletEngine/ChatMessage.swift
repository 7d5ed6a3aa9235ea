public import SwiftletTemplate

/// One turn of a conversation.
public struct ChatMessage: Hashable, Sendable {
    /// Who speaks.
    public enum Role: String, Hashable, Sendable {
        /// Instructions for the whole conversation.
        case system
        /// The person.
        case user
        /// The model.
        case assistant
        /// A tool that the model has called.
        case tool
    }

    /// Who speaks.
    public var role: Role
    /// What is said.
    public var content: String
    /// What the model thought before it spoke, if its template keeps that apart.
    public var reasoning: String?
    /// The tools that the model calls.
    public var toolCalls: [ToolCall] = []
    /// For a tool: its name and the call it answers.
    public var toolName: String?
    /// See ``toolName``.
    public var toolCallID: String?

    /// Creates a turn.
    public init(_ role: Role, _ content: String) {
        self.role = role
        self.content = content
    }

    /// Creates the answer of a tool.
    public init(tool name: String, id: String? = nil, _ content: String) {
        self.init(.tool, content)
        toolName = name
        toolCallID = id
    }
}

/// A tool that a model calls.
public struct ToolCall: Hashable, Sendable {
    /// Connects the call with its answer; some models make one up.
    public var id: String?
    /// The tool's name.
    public var name: String
    /// The arguments as JSON.
    public var arguments: String

    /// Creates a call.
    public init(id: String? = nil, name: String, arguments: String) {
        self.id = id
        self.name = name
        self.arguments = arguments
    }

    /// What a template sees; arguments that are no JSON stay a string.
    var templateValue: TemplateValue {
        let parsed = (try? TemplateValue(json: arguments)) ?? .string(arguments)
        var call: TemplateObject = [
            "type": "function", "function": ["name": .string(name), "arguments": parsed],
        ]
        if let id { call["id"] = .string(id) }
        return .object(call)
    }
}

extension ChatMessage {
    /// What a template sees.
    public var templateValue: TemplateValue {
        var message: TemplateObject = ["role": .string(role.rawValue), "content": .string(content)]
        if let reasoning { message["reasoning_content"] = .string(reasoning) }
        if !toolCalls.isEmpty { message["tool_calls"] = .array(toolCalls.map(\.templateValue)) }
        if let toolName { message["name"] = .string(toolName) }
        if let toolCallID { message["tool_call_id"] = .string(toolCallID) }
        return .object(message)
    }
}

extension [ChatMessage] {
    /// Moves instructions into the question that follows.
    func foldingSystem(_ wrap: (String) -> String) -> [ChatMessage] {
        var instructions = ""
        var folded: [ChatMessage] = []
        for message in self {
            switch message.role {
            case .system: instructions += wrap(message.content)
            case .assistant, .tool: folded.append(message)
            case .user:
                folded.append(ChatMessage(.user, instructions + message.content))
                instructions = ""
            }
        }
        return folded
    }
}
