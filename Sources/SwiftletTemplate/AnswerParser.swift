/// How a model writes calls of tools into its answers.
public enum CallStyle: String, CaseIterable, Sendable {
    /// No calls; everything is content.
    case none
    /// `<tool_call>{"name": …, "arguments": …}</tool_call>`: Hermes, Qwen.
    case hermes
    /// The whole answer is `{"name": …, "parameters": …}`, several joined by `;`: Llama 3.
    case llamaJSON = "llama-json"
    /// The whole answer is `[name(key=value, …), …]`: Llama 3.2 and 4.
    case pythonic
    /// `[TOOL_CALLS][{"name": …, "arguments": …}, …]`: Mistral.
    case mistral
    /// `<function=name>{…}</function>`: Functionary 3.1.
    case functionTag = "function-tag"
    /// `>>>name` and a line with `{…}`, or `>>>all` and content: Functionary 3.2.
    case recipient

    /// The style that a model's template teaches, by marks in its source.
    public init(template: String) {
        let marks: [(String, CallStyle)] = [
            ("<tool_call>", .hermes), ("[TOOL_CALLS]", .mistral), (">>>all", .recipient),
            ("<function=", .functionTag),
            ("\"parameters\": ", .llamaJSON), ("<|python_start|>", .pythonic),
        ]
        self = marks.first { template.firstIndex(ofBytes: $0.0) != nil }?.1 ?? .none
    }
}

/// A piece of an answer, as it becomes known.
public enum AnswerDelta: Hashable, Sendable {
    /// Text for the person.
    case content(String)
    /// What the model thinks before it answers.
    case reasoning(String)
    /// A call of a tool begins; calls count from 0.
    case call(index: Int, name: String, id: String?)
    /// More of the arguments of a call, as JSON text.
    case arguments(index: Int, String)
}

/// Splits an answer, while it is written, into thoughts, content and calls of tools.
///
/// What looks like a call but turns out to be none before its name is known is content. Text is held back only while it
/// may be the beginning of a mark.
///
/// ```swift
/// var parser = AnswerParser(style: .hermes)
/// for piece in pieces { deltas += parser.read(piece) }
/// deltas += parser.finish()
/// ```
public struct AnswerParser: Sendable {
    private var thoughts: ThoughtSplitter
    private var calls: CallParser

    /// - Parameters:
    ///   - style: how the model writes calls.
    ///   - isThinking: whether the prompt ended inside `<think>` already.
    public init(style: CallStyle, isThinking: Bool = false) {
        thoughts = ThoughtSplitter(isThinking: isThinking)
        calls = CallParser(style)
    }

    /// - Parameters:
    ///   - style: how the model writes calls.
    ///   - prompt: what the answer follows, which may end in `<think>`.
    public init(style: CallStyle, prompt: String) {
        self.init(style: style, isThinking: Self.isThinking(after: prompt))
    }

    /// Whether a prompt ends in `<think>`, but for blanks.
    public static func isThinking(after prompt: String) -> Bool {
        prompt.utf8.reversed().drop { Marks.isBlank($0) }.starts(with: Marks.think.reversed())
    }

    /// Takes more of the answer.
    public mutating func read(_ text: String) -> [AnswerDelta] { pass(thoughts.read(Array(text.utf8))) }

    /// Takes the end of the answer.
    public mutating func finish() -> [AnswerDelta] { pass(thoughts.finish()) + Self.joined(calls.finish()) }

    private mutating func pass(_ parts: [ThoughtSplitter.Part]) -> [AnswerDelta] {
        var deltas: [AnswerDelta] = []
        for part in parts {
            if part.isThought {
                deltas.append(.reasoning(String(decoding: part.bytes, as: UTF8.self)))
            } else {
                deltas += calls.read(part.bytes)
            }
        }
        return Self.joined(deltas)
    }

    /// Neighbouring pieces of one kind as one.
    private static func joined(_ deltas: [AnswerDelta]) -> [AnswerDelta] {
        var result: [AnswerDelta] = []
        for delta in deltas {
            switch (result.last, delta) {
            case (.content(let a)?, .content(let b)): result[result.count - 1] = .content(a + b)
            case (.reasoning(let a)?, .reasoning(let b)): result[result.count - 1] = .reasoning(a + b)
            case (.arguments(let i, let a)?, .arguments(let j, let b)) where i == j:
                result[result.count - 1] = .arguments(index: i, a + b)
            default: result.append(delta)
            }
        }
        return result
    }
}

/// Takes `<think>…</think>` out of the beginning of an answer.
struct ThoughtSplitter: Sendable {
    struct Part {
        let isThought: Bool
        let bytes: [UInt8]
    }

    private enum State {
        case before, inside, after
    }

    private var state: State
    private var held: [UInt8] = []
    /// Whether blanks are dropped until something else comes.
    private var trims = true

    init(isThinking: Bool) { state = isThinking ? .inside : .before }

    mutating func read(_ bytes: [UInt8]) -> [Part] {
        held += bytes
        var parts: [Part] = []
        if state == .before {
            let text = held.drop { Marks.isBlank($0) }
            if text.starts(with: Marks.think) {
                held = Array(text.dropFirst(Marks.think.count))
                state = .inside
            } else if !Marks.think.starts(with: text) {
                state = .after
                trims = false
            } else {
                return []
            }
        }
        if state == .inside {
            if let end = Marks.find(Marks.thinkEnd, in: held) {
                take(end, isThought: true, &parts)
                held.removeFirst(Marks.thinkEnd.count)
                state = .after
                trims = true
            } else {
                // Blanks at the end may be the last of the thought.
                let safe = Marks.safeCount(held, before: [Marks.thinkEnd])
                let blanks = held[..<safe].reversed().prefix { Marks.isBlank($0) }.count
                take(safe - blanks, isThought: true, &parts)
                return parts
            }
        }
        take(held.count, isThought: false, &parts)
        return parts
    }

    mutating func finish() -> [Part] {
        var parts: [Part] = []
        take(held.count, isThought: state == .inside, &parts)
        return parts
    }

    private mutating func take(_ count: Int, isThought: Bool, _ parts: inout [Part]) {
        var bytes = held.prefix(count)
        held.removeFirst(count)
        if trims { bytes = bytes.drop { Marks.isBlank($0) } }
        if isThought, state == .inside, held.starts(with: Marks.thinkEnd) {
            while let last = bytes.last, Marks.isBlank(last) { bytes.removeLast() }
        }
        guard !bytes.isEmpty else { return }
        trims = false
        parts.append(Part(isThought: isThought, bytes: Array(bytes)))
    }
}

/// Byte searches for marks.
enum Marks {
    static let think = Array("<think>".utf8)
    static let thinkEnd = Array("</think>".utf8)

    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || 0x09...0x0D ~= byte }

    static func find(_ mark: [UInt8], in bytes: [UInt8]) -> Int? {
        guard bytes.count >= mark.count else { return nil }
        return (0...bytes.count - mark.count).first { bytes[$0...].starts(with: mark) }
    }

    /// How many bytes cannot be the beginning of one of the marks.
    static func safeCount(_ bytes: [UInt8], before marks: [[UInt8]]) -> Int {
        let longest = marks.map(\.count).max() ?? 0
        let start = max(0, bytes.count - longest + 1)
        for place in start..<max(start, bytes.count) {
            let tail = bytes[place...]
            if marks.contains(where: { $0.starts(with: tail) }) { return place }
        }
        return bytes.count
    }
}
