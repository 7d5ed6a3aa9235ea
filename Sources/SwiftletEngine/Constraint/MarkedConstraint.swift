public import SwiftletGrammar
import SwiftletModels
public import SwiftletTensor
public import SwiftletText

/// A free text in which everything behind a mark follows a grammar, and then is free again, as calls of tools between
/// sentences are.
///
/// A token that would end the mark and say more is not allowed, so that a grammar always begins with a token.
///
/// ```swift
/// let call = try Grammar.cached(regex: #"[0-9]+\]"#)
/// options.constraint = try model.constraint(call, behind: "[")
/// ```
public struct MarkedConstraint: TokenConstraint {
    private let marks: MarkSearch
    private let grammar: GrammarConstraint
    /// The grammar as far as it was followed; `nil` in free text.
    private var inside: GrammarConstraint?
    /// Bytes of the mark at the end of the text.
    private var matched = 0

    init(_ marks: MarkSearch, _ grammar: GrammarConstraint) {
        self.marks = marks
        self.grammar = grammar
    }

    /// All tokens that do not pass the end of a mark, or those of the grammar.
    public mutating func allowedTokens() -> [UInt64] {
        inside?.allowedTokens() ?? marks.allowed[matched]
    }

    /// Goes on behind a token.
    public mutating func accept(_ token: TokenID) {
        if inside != nil {
            inside?.accept(token)
            if inside?.isFinished == true { inside = nil }
            return
        }
        matched = marks.end(after: token, matched)
        guard matched == marks.mark.count else { return }
        inside = grammar
        matched = 0
    }
}

extension Model {
    /// Binds a grammar that holds behind a mark to the model's vocabulary.
    ///
    /// - Parameter mark: not empty.
    /// - Throws: what ``constraint(_:)`` throws.
    /// - Complexity: a walk over the vocabulary.
    public func constraint(
        _ grammar: Grammar, behind mark: String
    ) throws(SwiftletError) -> MarkedConstraint {
        precondition(!mark.isEmpty, "an empty mark")
        let grammar = try constraint(grammar)
        guard let tokenizer else {
            throw SwiftletError(.missing, "\(name) has no tokenizer, so its text cannot follow a grammar")
        }
        let marks = MarkSearch(mark, count: configuration.vocabularySize) { token in
            // A token that is the mark is one, even if it is not shown.
            tokenizer.isSpecial(token) && tokenizer.piece(token) != mark ? [] : tokenizer.bytes(of: token)
        }
        return MarkedConstraint(marks, grammar)
    }
}

/// Looks for a text in tokens, however they cut it.
///
/// Source: Knuth, Morris and Pratt, "Fast pattern matching in strings", SIAM J. Comput. 6(2), 1977.
struct MarkSearch: Sendable {
    let mark: [UInt8]
    /// By the bytes of the mark that a text ends with, the tokens that may follow.
    let allowed: [[UInt64]]
    private let bytes: @Sendable (TokenID) -> [UInt8]
    /// By the bytes that match, how many of them are left where the next one does not.
    private let fallback: [Int]

    init(_ mark: String, count: Int, bytes: @escaping @Sendable (TokenID) -> [UInt8]) {
        let mark = Array(mark.utf8)
        var fallback = [0, 0]
        for length in 1..<max(mark.count, 1) {
            var shorter = fallback[length]
            while shorter > 0, mark[shorter] != mark[length] { shorter = fallback[shorter] }
            fallback.append(mark[shorter] == mark[length] ? shorter + 1 : 0)
        }
        self.mark = mark
        self.bytes = bytes
        self.fallback = fallback
        var words = [UInt64](repeating: .max, count: (count + 63) / 64)
        if count % 64 != 0 { words[words.count - 1] = (1 << UInt64(count % 64)) - 1 }
        var allowed = [[UInt64]](repeating: words, count: mark.count)
        for token in 0..<TokenID(count) {
            let text = bytes(token)
            // Only who has the last byte of the mark before its own last byte can pass its end.
            guard let last = mark.last, text.dropLast().contains(last) else { continue }
            for matched in mark.indices where Self.passes(mark, fallback, text, matched) {
                allowed[matched][Int(token) / 64] &= ~(1 << UInt64(token % 64))
            }
        }
        self.allowed = allowed
    }

    /// How many bytes of the mark the text ends with behind a token; all of them is a mark.
    func end(after token: TokenID, _ matched: Int) -> Int {
        bytes(token).reduce(matched) { Self.step(mark, fallback, $0, $1) }
    }

    private static func step(_ mark: [UInt8], _ fallback: [Int], _ matched: Int, _ byte: UInt8) -> Int {
        var matched = matched == mark.count ? fallback[matched] : matched
        while matched > 0, mark[matched] != byte { matched = fallback[matched] }
        return mark[matched] == byte ? matched + 1 : 0
    }

    private static func passes(
        _ mark: [UInt8], _ fallback: [Int], _ text: [UInt8], _ matched: Int
    ) -> Bool {
        var matched = matched
        for byte in text.dropLast() {
            matched = step(mark, fallback, matched, byte)
            if matched == mark.count { return true }
        }
        return false
    }
}
