/// How a conversation is written as text for a model.
///
/// Models without a template of their own are written to in one of these forms; a ``ChatTemplate`` says which.
public enum ChatFormat: String, CaseIterable, Hashable, Sendable {
    /// `<|user|>question<|end|><|assistant|>answer<|end|>`, the built-in model's form.
    case bars
    /// `<|im_start|>role\n…<|im_end|>`, used by Qwen and SmolLM2.
    case chatML = "chatml"
    /// `<|start_header_id|>role<|end_header_id|>\n\n…<|eot_id|>`.
    case llama3
    /// `[INST] question [/INST] answer </s><s>`.
    case llama2
    /// `[INST] question [/INST] answer</s>`, without a block for instructions.
    case mistral
    /// `<|system|>\n…</s>`, used by Zephyr and TinyLlama.
    case zephyr
    /// `User: …\nAssistant: …`, for models without a template.
    case plain

    /// Recognises a template by its marks; without a template, ``plain``.
    public init(template: String?) {
        let marks: [(String, ChatFormat)] = [
            ("<|im_start|>", .chatML), ("<|start_header_id|>", .llama3), ("<<SYS>>", .llama2),
            ("[INST]", .mistral), ("<|assistant|>", .bars),
        ]
        guard let template, let found = marks.first(where: { template.contains($0.0) }) else {
            self = .plain
            return
        }
        self = found.1 == .bars && !template.contains("<|end|>") ? .zephyr : found.1
    }

    /// The text of a whole conversation, ending where the model's next answer begins.
    ///
    /// The tokenizer adds its own start token.
    public func prompt(_ messages: [ChatMessage]) -> String {
        foldingSystem(into: messages).map(turn).joined() + opening
    }

    /// What ends an answer, in case the model writes it as ordinary text.
    public var stopStrings: [String] {
        switch self {
        case .bars: ["<|end|>", "<|user|>"]
        case .chatML: ["<|im_end|>"]
        case .llama3: ["<|eot_id|>"]
        case .llama2, .mistral: ["</s>", "[INST]"]
        case .zephyr: ["</s>", "<|user|>"]
        case .plain: ["\nUser:"]
        }
    }

    /// Where an answer begins.
    private var opening: String {
        switch self {
        case .bars: "<|assistant|>"
        case .chatML: "<|im_start|>assistant\n"
        case .llama3: "<|start_header_id|>assistant<|end_header_id|>\n\n"
        case .llama2, .mistral: ""
        case .zephyr: "<|assistant|>\n"
        case .plain: "Assistant:"
        }
    }

    private func turn(_ message: ChatMessage) -> String {
        let (role, content) = (message.role, message.content)
        switch self {
        case .bars: return "<|\(role)|>\(content)<|end|>"
        case .chatML: return "<|im_start|>\(role)\n\(content)<|im_end|>\n"
        case .llama3: return "<|start_header_id|>\(role)<|end_header_id|>\n\n\(content)<|eot_id|>"
        case .zephyr: return "<|\(role)|>\n\(content)</s>\n"
        case .llama2, .mistral:
            let end = self == .llama2 ? " </s><s>" : "</s>"
            return role == .user ? "[INST] \(content) [/INST]" : " \(Self.trimmed(content))\(end)"
        case .plain:
            switch role {
            case .system: return "\(content)\n"
            case .user: return "User: \(content)\n"
            case .assistant: return "Assistant: \(Self.trimmed(content))\n"
            case .tool: return "Tool: \(content)\n"
            }
        }
    }

    /// Answers usually begin with the space that these formats write themselves.
    private static func trimmed(_ answer: String) -> Substring {
        guard let last = answer.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return answer[...last].drop(while: \.isWhitespace)
    }

    /// Where a format has no turn for instructions, they move into the question that follows.
    private func foldingSystem(into messages: [ChatMessage]) -> [ChatMessage] {
        switch self {
        case .chatML, .llama3, .zephyr, .plain: messages
        case .bars, .mistral, .llama2: messages.foldingSystem(wrapSystem)
        }
    }

    /// Instructions in front of a question.
    func wrapSystem(_ text: String) -> String {
        switch self {
        case .bars: "\(text) "
        case .llama2: "<<SYS>>\n\(text)\n<</SYS>>\n\n"
        default: "\(text)\n\n"
        }
    }
}
