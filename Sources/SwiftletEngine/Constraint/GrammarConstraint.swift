public import SwiftletGrammar
import SwiftletModels
public import SwiftletTensor
public import SwiftletText
import Synchronization

/// A text that follows a grammar, as ``GenerationOptions/constraint`` takes it.
///
/// ```swift
/// let model = try Model.load(nil)
/// var options = GenerationOptions(defaultsOf: model)
/// options.constraint = try model.constraint(Grammar(jsonSchema: #"{"type": "object"}"#))
/// ```
public struct GrammarConstraint: TokenConstraint {
    private var matcher: GrammarMatcher
    private var isBroken = false

    init(_ masks: TokenMasks) { matcher = GrammarMatcher(masks) }

    /// Whether the text may end here.
    public var canEnd: Bool { !isBroken && matcher.canEnd }

    /// Whether nothing can follow but the end of the text.
    var isFinished: Bool { !isBroken && matcher.isFinished }

    /// The tokens that may come next; none after a token that was not allowed.
    public mutating func allowedTokens() -> [UInt64] {
        isBroken ? [] : matcher.allowedTokens()
    }

    /// Goes on behind a token; one that would have ended the text changes nothing.
    public mutating func accept(_ token: TokenID) {
        if !isBroken, !matcher.isEnd(token) { isBroken = !matcher.accept(token) }
    }
}

extension Model {
    /// Binds a grammar to the model's vocabulary.
    ///
    /// Which tokens fit where is found while text is written, and shared by all texts of this model and grammar. Use
    /// ``Grammar/cached(jsonSchema:source:)`` and its like so that the same text gives the same grammar.
    ///
    /// - Throws: `.missing` for a model without tokenizer, `.invalidArgument` if the grammar names a token that the
    ///   vocabulary does not have.
    public func constraint(_ grammar: Grammar) throws(SwiftletError) -> GrammarConstraint {
        guard let tokenizer else {
            throw SwiftletError(.missing, "\(name) has no tokenizer, so its text cannot follow a grammar")
        }
        if let masks = constraints.masks(of: grammar) { return GrammarConstraint(masks) }
        let masks = try TokenMasks(grammar, constraints.trie { vocabulary(tokenizer) })
        constraints.keep(masks, of: grammar)
        return GrammarConstraint(masks)
    }

    private func vocabulary(_ tokenizer: Tokenizer) -> TokenTrie {
        TokenTrie(
            count: configuration.vocabularySize, endTokens: stopTokens,
            findToken: { tokenizer.id(of: $0) },
            bytes: { tokenizer.isSpecial($0) ? nil : tokenizer.bytes(of: $0) })
    }
}

/// What a model has found out about its vocabulary and the grammars that were used last.
final class GrammarConstraints: Sendable {
    private struct State {
        var trie: TokenTrie?
        /// The one used last stands last.
        var masks: [(grammar: ObjectIdentifier, masks: TokenMasks)] = []
    }

    /// Grammars whose masks are kept; each has a bound of its own.
    private static let mostGrammars = 32
    private let state = Mutex(State())

    /// The tree of the vocabulary's texts, built once.
    func trie(_ build: () -> TokenTrie) -> TokenTrie {
        state.withLock { state in
            let trie = state.trie ?? build()
            state.trie = trie
            return trie
        }
    }

    /// The masks of a grammar that was used lately.
    func masks(of grammar: Grammar) -> TokenMasks? {
        state.withLock { state in
            guard let index = state.masks.firstIndex(where: { $0.grammar == grammar.identity }) else {
                return nil
            }
            let entry = state.masks.remove(at: index)
            state.masks.append(entry)
            return entry.masks
        }
    }

    /// Keeps masks for later texts; the grammar not used for longest goes.
    func keep(_ masks: TokenMasks, of grammar: Grammar) {
        state.withLock { state in
            state.masks.append((grammar.identity, masks))
            if state.masks.count > Self.mostGrammars { state.masks.removeFirst() }
        }
    }
}
