/// Turns text into the numbers a model reads, and back.
///
/// It gives the same ids as the library that a file was made for: Hugging Face `tokenizers` for tokenizer.json,
/// SentencePiece for tokenizer.model, llama.cpp for GGUF. Text need not be UTF-8: where the vocabulary has a token
/// for every byte and nothing normalises the text, decoding gives back exactly what was encoded.
///
/// ```swift
/// let tokenizer = try Tokenizer.load(directory: "models/tales")
/// let ids = tokenizer.encode("Once upon a time")
/// print(tokenizer.decode(ids, skipSpecial: true))
/// ```
public struct Tokenizer: Sendable {
    let storage: TokenizerStorage

    init(_ storage: TokenizerStorage) { self.storage = storage }

    /// One more than the largest id.
    public var vocabularySize: Int { max(storage.vocabulary.idBound, storage.added.idBound) }

    /// The token that begins a text, if there is one.
    public var bos: TokenID? { storage.special.bos }

    /// The token that ends a text, if there is one.
    public var eos: TokenID? { storage.special.eos }

    /// The tokens after which a model has nothing more to say.
    ///
    /// For GGUF files, those that llama.cpp stops at: ``eos`` and the known ends of turns. Otherwise ``eos``.
    public var endOfGeneration: Set<TokenID> { storage.special.endOfGeneration }

    /// The model's own chat template, a Jinja text.
    public var chatTemplate: String? { storage.special.chatTemplate }

    // MARK: Encoding

    /// The tokens of a text.
    ///
    /// - Parameters:
    ///   - addSpecial: put the tokens around it that the model was trained with, such as ``bos``.
    ///   - parseSpecial: read special tokens written in the text as such; switch it off for untrusted text.
    /// - Complexity: O(n log n) at worst, whatever the text.
    public func encode(_ text: String, addSpecial: Bool = true, parseSpecial: Bool = true) -> [TokenID] {
        encode(Array(text.utf8), addSpecial: addSpecial, parseSpecial: parseSpecial)
    }

    /// The tokens of any bytes; see ``encode(_:addSpecial:parseSpecial:)-(String,_,_)``.
    public func encode(_ text: [UInt8], addSpecial: Bool = true, parseSpecial: Bool = true) -> [TokenID] {
        storage.encode(text, addSpecial: addSpecial, parseSpecial: parseSpecial)
    }

    /// Gives back the memory in which words and their tokens are remembered between calls; tokens do not depend on it.
    package func forgetWords() { storage.forgetWords() }

    // MARK: Decoding

    /// The bytes that tokens stand for; ids without a token stand for nothing.
    ///
    /// - Parameter skipSpecial: leave special tokens out.
    public func decode(_ ids: [TokenID], skipSpecial: Bool = false) -> [UInt8] {
        let ids = ids.filter { storage.isDecoded($0, skipSpecial: skipSpecial) }
        if storage.decoder.needsList { return storage.decoder.decode(ids.map(storage.decodedText)) }
        var text: [UInt8] = []
        for (index, id) in ids.enumerated() {
            storage.appendDecoded(id, isFirst: index == 0, isLast: index == ids.count - 1, to: &text)
        }
        return storage.decoder.finish(text)
    }

    /// The text that tokens stand for, with U+FFFD in place of what is not UTF-8.
    public func decode(_ ids: [TokenID], skipSpecial: Bool = false) -> String {
        String(decoding: decode(ids, skipSpecial: skipSpecial) as [UInt8], as: UTF8.self)
    }

    /// The bytes that one token stands for inside a text.
    public func bytes(of id: TokenID) -> [UInt8] {
        guard storage.isDecoded(id, skipSpecial: false) else { return [] }
        var text: [UInt8] = []
        storage.appendDecoded(id, isFirst: false, isLast: false, to: &text)
        return text
    }

    // MARK: Vocabulary

    /// A token as the vocabulary writes it, for display; `nil` if there is none.
    public func piece(_ id: TokenID) -> String? {
        storage.isDecoded(id, skipSpecial: false)
            ? String(decoding: storage.decodedText(of: id), as: UTF8.self) : nil
    }

    /// The token that the vocabulary writes as `piece`.
    public func id(of piece: String) -> TokenID? {
        let text = Array(piece.utf8)
        return storage.added.id(of: text) ?? storage.vocabulary.id(of: text)
    }

    /// Whether a token marks structure rather than text.
    public func isSpecial(_ id: TokenID) -> Bool { storage.special.ids.contains(id) }
}
