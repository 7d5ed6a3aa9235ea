public import SwiftletEngine
public import SwiftletTensor
public import SwiftletText

/// A text cut into windows, each of which is read by a cache of its own: the first tokens of a window are its prompt,
/// the others are scored.
public struct TextWindows: Sendable {
    /// A piece of the text.
    public struct Window: Hashable, Sendable {
        /// What the model reads.
        public let tokens: [TokenID]
        /// Tokens that are not scored, at least 1.
        public let promptCount: Int
        /// Tokens that no window before has.
        public let newCount: Int

        /// What is read before scoring begins.
        public var prompt: [TokenID] { Array(tokens[..<promptCount]) }
        /// What is scored.
        public var scored: [TokenID] { Array(tokens[promptCount...]) }
    }

    /// The windows in order, at least one.
    public let windows: [Window]
    /// Most tokens of a window.
    public let size: Int

    /// Tokens that are scored, over all windows.
    public var scoredCount: Int { windows.reduce(0) { $0 + $1.tokens.count - $1.promptCount } }
    /// Tokens that are read, over all windows.
    public var tokenCount: Int { windows.reduce(0) { $0 + $1.tokens.count } }

    private init(_ windows: [Window], size: Int) {
        (self.windows, self.size) = (windows, size)
    }

    /// Windows side by side, as llama-perplexity cuts them: the first token of each gives way to the model's token for
    /// the beginning of a text, and the first half is the prompt. What does not fill a window is left out.
    ///
    /// Of a window of c tokens, llama-perplexity computes logits from position c/2 on, and those predict the tokens
    /// from c/2 + 1 on.
    ///
    /// - Parameters:
    ///   - size: tokens of a window, at least 2.
    ///   - prompt: tokens that are not scored, 1 to size − 1; `nil` is size/2 + 1.
    ///   - limit: most windows; `nil` is all.
    /// - Throws: `.invalidArgument` if the text is shorter than a window, or for a number out of range.
    public static func chunks(
        _ text: EvaluationText, size: Int, prompt: Int? = nil, limit: Int? = nil
    ) throws(SwiftletError) -> TextWindows {
        try check(size: size, limit: limit)
        let prompt = prompt ?? min(size / 2 + 1, size - 1)
        guard (1..<size).contains(prompt) else {
            throw SwiftletError(
                .invalidArgument,
                "the prompt of a window (--prefix) is \(prompt) tokens; expected 1 to \(size - 1), so that some of "
                    + "the window's \(size) (-c) are left to score")
        }
        let count = min(text.tokens.count / size, limit ?? .max)
        guard count > 0 else {
            throw SwiftletError(
                .invalidArgument,
                "\(text.name) has \(text.tokens.count) tokens, a window has \(size); give a longer text or lower -c"
            )
        }
        return TextWindows(
            (0..<count).map { index in
                var tokens = Array(text.tokens[(index * size)..<((index + 1) * size)])
                if let start = text.start { tokens[0] = start }
                return Window(tokens: tokens, promptCount: prompt, newCount: size)
            }, size: size)
    }

    /// Windows that overlap, as the guide to perplexity in the documentation of transformers has them: each begins
    /// `stride` tokens after the one before, and scores only what that has not seen. A window's first token is never
    /// scored: there is nothing in the window to predict it.
    ///
    /// - Parameters:
    ///   - size: most tokens of a window, at least 2.
    ///   - stride: tokens between the beginnings of windows, 1 to `size`.
    ///   - limit: most windows; `nil` is all.
    /// - Throws: `.invalidArgument` if the text has less than two tokens, or for a number out of range.
    public static func sliding(
        _ text: EvaluationText, size: Int, stride: Int, limit: Int? = nil
    ) throws(SwiftletError) -> TextWindows {
        try check(size: size, limit: limit)
        guard (1...size).contains(stride) else {
            throw SwiftletError(
                .invalidArgument,
                "the stride (--ppl-stride) is \(stride); expected 1 to \(size), the window (-c)")
        }
        let tokens = text.tokens
        guard tokens.count > 1 else {
            throw SwiftletError(
                .invalidArgument,
                "\(text.name) has \(tokens.count) tokens, at least 2 are needed to score one; give a longer text"
            )
        }
        var windows: [Window] = []
        var (start, seen) = (0, 0)
        while seen < tokens.count, windows.count < limit ?? .max {
            let end = min(start + size, tokens.count)
            let window = Window(
                tokens: Array(tokens[start..<end]), promptCount: max(seen - start, 1), newCount: end - seen)
            if window.promptCount < window.tokens.count { windows.append(window) }
            (start, seen) = (start + stride, end)
        }
        return TextWindows(windows, size: size)
    }

    private static func check(size: Int, limit: Int?) throws(SwiftletError) {
        guard (2...(1 << 30)).contains(size) else {
            throw SwiftletError(
                .invalidArgument, "the window (-c) is \(size) tokens; expected 2 to \(1 << 30)")
        }
        guard limit ?? 1 > 0 else {
            throw SwiftletError(
                .invalidArgument,
                "the number of windows (--chunks) is \(limit ?? 0); expected 1 or more, or -1 for all")
        }
    }
}

/// A text as a model reads it, for evaluation.
public struct EvaluationText: Sendable {
    /// What the text is called in errors, such as its file.
    public let name: String
    /// All tokens, with what the model wants before a text and nothing behind it. Special tokens that the text
    /// spells out are read as text.
    public let tokens: [TokenID]
    /// The token that begins every text of this model, if there is one.
    public let start: TokenID?

    /// Takes tokens.
    public init(_ tokens: [TokenID], start: TokenID? = nil, named name: String = "the text") {
        (self.tokens, self.start, self.name) = (tokens, start, name)
    }

    /// Reads a text.
    ///
    /// - Parameters:
    ///   - bytes: UTF-8. A line end at the very end does not count, as llama.cpp has it.
    ///   - name: what the text is called in errors.
    /// - Throws: `.invalidArgument` if there is no text, `.malformed` if it is not UTF-8, `.missing` if the model has
    ///   no tokenizer.
    public init(_ bytes: [UInt8], for model: Model, named name: String) throws(SwiftletError) {
        var bytes = bytes
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        guard !bytes.isEmpty else {
            throw SwiftletError(.invalidArgument, "\(name) is empty; give a text to measure on")
        }
        if let place = Self.invalidPlace(in: bytes) {
            throw SwiftletError(
                .malformed, "\(name) is not UTF-8 at byte \(place); convert it, for example with iconv")
        }
        guard let tokenizer = model.tokenizer else {
            throw SwiftletError(
                .missing, "\(model.name) has no tokenizer, so no text can be measured; add tokenizer.json")
        }
        let frame = tokenizer.encode([UInt8](), addSpecial: true)
        var tokens = tokenizer.encode(bytes, addSpecial: true, parseSpecial: false)
        if frame.count > 1, let last = frame.last, last == tokenizer.eos, tokens.last == last {
            tokens.removeLast()
        }
        self.init(tokens, start: frame.first == tokenizer.bos ? tokenizer.bos : nil, named: name)
    }

    /// The place of the first byte that is not part of well-formed UTF-8.
    private static func invalidPlace(in bytes: [UInt8]) -> Int? {
        var decoder = UTF8.ForwardParser()
        var iterator = bytes.makeIterator()
        var place = 0
        while true {
            switch decoder.parseScalar(from: &iterator) {
            case .valid(let scalar): place += scalar.count
            case .error: return place
            case .emptyInput: return nil
            }
        }
    }
}
