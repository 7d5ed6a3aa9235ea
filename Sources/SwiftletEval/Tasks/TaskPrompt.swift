import Foundation
public import SwiftletEngine
public import SwiftletTensor
public import SwiftletText

/// A case as the tokens that are fed to a model.
public struct TaskPrompt: Hashable, Sendable {
    /// Everything: start tokens, context, question, and what opens the answer.
    public let tokens: [TokenID]
    /// How many of them come before the question.
    public let contextCount: Int
    /// The most tokens of an answer.
    public let maxTokens: Int

    /// The tokens before the question.
    public var context: [TokenID] { Array(tokens[..<contextCount]) }
    /// The others.
    public var question: [TokenID] { Array(tokens[contextCount...]) }
    /// Tokens of the prompt and of the longest answer.
    public var length: Int { tokens.count + maxTokens }
}

/// Writes cases as prompts of one model.
public struct PromptWriter: Sendable {
    /// How cases are put to the model.
    public let style: PromptStyle
    let tokenizer: Tokenizer
    let template: ChatTemplate
    private let opening: String
    private let closing: String
    private static let mark = "content-4d7e"

    /// - Parameter style: `nil` is what suits the model.
    /// - Throws: `.missing` for a model without tokenizer; errors of its chat template, `.unsupported` if that does not
    ///   write what is said as it is.
    public init(_ model: Model, style: PromptStyle? = nil) throws(SwiftletError) {
        guard let tokenizer = model.tokenizer else {
            throw SwiftletError(.missing, "\(model.name) has no tokenizer, so it cannot answer questions")
        }
        self.tokenizer = tokenizer
        self.style = style ?? .automatic(for: model)
        guard self.style != .plain else {
            template = ChatTemplate(.plain)
            (opening, closing) = ("", "")
            return
        }
        template = try model.chatTemplate()
        let parts = try template.prompt([ChatMessage(.user, Self.mark)]).components(separatedBy: Self.mark)
        guard parts.count == 2 else {
            throw SwiftletError(
                .unsupported,
                "the \(template.name) does not write what is said as it is; put cases with --style plain")
        }
        (opening, closing) = (parts[0], parts[1])
    }

    /// Writes a case.
    ///
    /// A token that joins the end of the context and the beginning of the question counts as question.
    public func prompt(_ taskCase: TaskCase) -> TaskPrompt {
        let (head, tail) = style.parts(context: taskCase.context, question: taskCase.question)
        let tokens = template.tokens(of: opening + head + tail + closing, tokenizer)
        let alone = template.tokens(of: opening + head, tokenizer)
        return TaskPrompt(
            tokens: tokens, contextCount: zip(alone, tokens.dropLast()).prefix { $0 == $1 }.count,
            maxTokens: taskCase.maxTokens)
    }
}
