import SwiftletEngine
import SwiftletTensor
import SwiftletText

/// What a model answered.
struct Answer: Hashable, Sendable {
    var text = ""
    var tokenCount = 0
}

/// Writes the likeliest answer, token by token.
struct AnswerWriter {
    private let tokenizer: Tokenizer
    private let stopTokens: Set<TokenID>
    private let stopStrings: [String]
    private let answersInOneLine: Bool

    init(_ model: Model, _ prompts: PromptWriter) {
        tokenizer = prompts.tokenizer
        answersInOneLine = prompts.style == .plain
        stopStrings = answersInOneLine ? [] : prompts.template.stopStrings
        stopTokens = model.stopTokens.union(
            answersInOneLine ? [] : prompts.template.stopTokens(prompts.tokenizer))
    }

    /// Goes on from a prompt until the answer ends, or the context does.
    ///
    /// - Parameter logits: what follows the prompt.
    func answer(_ session: Session, after logits: [Float], maxTokens: Int) throws(SwiftletError) -> Answer {
        var tokens: [TokenID] = []
        var next = logits.withUnsafeBufferPointer(Sampler.likeliest(of:))
        while !stopTokens.contains(next) {
            tokens.append(next)
            if let end = ended(tokens) { return Answer(text: end, tokenCount: tokens.count) }
            guard tokens.count < maxTokens, session.tokens.count < session.contextLength,
                let following = try session.step(next, Sampler.likeliest(of:))
            else { break }
            next = following
        }
        return Answer(text: text(of: tokens), tokenCount: tokens.count)
    }

    private func text(of tokens: [TokenID]) -> String {
        let text: String = tokenizer.decode(tokens, skipSpecial: true)
        guard answersInOneLine else { return text }
        return String(text.drop(while: \.isWhitespace).prefix { !$0.isNewline })
    }

    /// The answer, if something besides a stop token has ended it.
    private func ended(_ tokens: [TokenID]) -> String? {
        if answersInOneLine {
            let text: String = tokenizer.decode(tokens, skipSpecial: true)
            return text.drop(while: \.isWhitespace).contains(where: \.isNewline) ? self.text(of: tokens) : nil
        }
        guard !stopStrings.isEmpty else { return nil }
        let text: String = tokenizer.decode(tokens, skipSpecial: true)
        let ends = stopStrings.compactMap { text.firstRange(of: $0)?.lowerBound }
        return ends.min().map { String(text[..<$0]) }
    }
}
