package import SwiftletFormats
package import SwiftletTensor

/// Writes the tokenizer of a Hugging Face directory as metadata of a GGUF file.
///
/// GGUF files name a few kinds of tokenizers and say nothing of normalisers or templates, so whatever would
/// give other tokens there is refused. Three differences are let pass, as llama.cpp's converter does: Unicode
/// normalisation (NFC) before byte-level tokens; the scheme `first` of Metaspace, since GGUF texts get the
/// space after every special token; and tokens that are found only in normalised text or, user-defined ones
/// of SentencePiece, in any text.
///
/// Source: the keys of the GGUF specification; what they do in llama.cpp of November 2026.
package struct GGUFTokenizerExport {
    /// What one kind of tokenizer adds to the common keys.
    struct Kind {
        var model: String
        var preTokenizer: String
        var scores: [Float]?
        var merges: [[UInt8]]?
        var addsSpacePrefix: Bool?
        /// Whether words are marked where they begin, not where they go on with `##`.
        var marksWords = false
        /// What the model writes for words that it cannot cover.
        var unknown: TokenID?
        /// More flags, by the ends of their keys.
        var flags: [(String, Bool)] = []
    }

    let directory: HuggingFaceDirectory
    let storage: TokenizerStorage
    /// The file of the vocabulary, for errors.
    let source: String
    /// Kinds of tokens by id, where the vocabulary's file says more than "normal".
    var types: [TokenID: SentencePieceFile.PieceType] = [:]

    /// The keys `tokenizer.…`, none if the directory has no tokenizer.
    ///
    /// - Parameter vocabularySize: rows of the embedding; ids without a token get an unused one.
    /// - Throws: what reading the tokenizer throws; `.unsupported` if GGUF keys cannot say what it does.
    package static func metadata(
        of directory: HuggingFaceDirectory, vocabularySize: Int
    ) throws(SwiftletError) -> [(key: String, value: GGUFValue)] {
        let configuration = try TokenizerConfiguration(directory: directory.path)
        if let path = directory.tokenizerPath {
            let json = try JSON.parse(contentsOf: path)
            let storage = try Tokenizer.load(json: json, source: path, configuration).storage
            var export = GGUFTokenizerExport(directory: directory, storage: storage, source: path)
            let kind = try export.kind(of: json)
            return try export.entries(kind, vocabularySize: vocabularySize)
        }
        if let path = directory.sentencePiecePath {
            let storage = try Tokenizer.load(sentencePiece: path, configuration).storage
            var export = GGUFTokenizerExport(directory: directory, storage: storage, source: path)
            let kind = try export.sentencePieceKind()
            return try export.entries(kind, vocabularySize: vocabularySize)
        }
        return []
    }

    private init(directory: HuggingFaceDirectory, storage: TokenizerStorage, source: String) {
        (self.directory, self.storage, self.source) = (directory, storage, source)
    }

    func refusal(_ what: String) -> SwiftletError {
        SwiftletError(.unsupported, "\(source): \(what), which a GGUF file cannot say.")
    }

    // MARK: Keys

    private func entries(
        _ kind: Kind, vocabularySize: Int
    ) throws(SwiftletError) -> [(key: String, value: GGUFValue)] {
        let count = max(storage.vocabulary.idBound, storage.added.idBound)
        guard count <= vocabularySize else {
            throw SwiftletError(
                .mismatch,
                "\(source): token \(count - 1) has no embedding; the model has \(vocabularySize) of them.")
        }
        var texts: [[UInt8]] = []
        var kinds: [Int32] = []
        for id in 0..<TokenID(vocabularySize) {
            let (text, type) = piece(id)
            texts.append(kind.marksWords && type == .normal ? Self.markedWord(text) : text)
            kinds.append(Int32(type.rawValue))
        }
        var entries: [(key: String, value: GGUFValue)] = [
            (key("model"), GGUFValue(kind.model)), (key("pre"), GGUFValue(kind.preTokenizer)),
            (key("tokens"), GGUFValue(strings: texts)),
        ]
        if let scores = kind.scores {
            let padding = [Float](repeating: 0, count: vocabularySize - scores.count)
            entries.append((key("scores"), GGUFValue(scores + padding)))
        }
        entries.append((key("token_type"), GGUFValue(kinds)))
        if let merges = kind.merges { entries.append((key("merges"), GGUFValue(strings: merges))) }
        entries += try specialEntries(kind, vocabularySize: vocabularySize)
        entries += kind.flags.map { (key($0), GGUFValue($1)) }
        if let adds = kind.addsSpacePrefix { entries.append((key("add_space_prefix"), GGUFValue(adds))) }
        if let template = storage.special.chatTemplate {
            entries.append(("tokenizer.chat_template", GGUFValue(template)))
        }
        return entries
    }

    private func key(_ name: String) -> String { "tokenizer.ggml.\(name)" }

    /// The text and kind of a token; added tokens hide those of the model.
    private func piece(_ id: TokenID) -> ([UInt8], SentencePieceFile.PieceType) {
        if let text = storage.added.text(of: id) {
            return (Array(text), types[id] ?? (storage.special.ids.contains(id) ? .control : .userDefined))
        }
        if let text = storage.vocabulary.text(of: id) { return (Array(text), types[id] ?? .normal) }
        return (Array("[PAD\(id)]".utf8), .unused)
    }

    /// A piece of a word as GGUF files write it: U+2581 before the first, nothing before the others.
    private static func markedWord(_ text: [UInt8]) -> [UInt8] {
        text.starts(with: "##".utf8) ? Array(text.dropFirst(2)) : SentencePieceNormalizer.spaceMark + text
    }

    // MARK: Special tokens

    private func specialEntries(
        _ kind: Kind, vocabularySize: Int
    ) throws(SwiftletError) -> [(key: String, value: GGUFValue)] {
        let (before, after) = try surroundings()
        let config = try directory.config()
        func configured(_ name: String) -> TokenID? {
            config["\(name)_token_id"]?.int.flatMap { (0..<vocabularySize).contains($0) ? TokenID($0) : nil }
        }
        let bos = storage.special.bos ?? before.first ?? configured("bos")
        let ends = try endIDs(vocabularySize: vocabularySize)
        let last = kind.marksWords ? after.first : nil
        let eos = last ?? storage.special.eos ?? ends.first ?? configured("eos")
        guard before.isEmpty || before == [bos], after.isEmpty || after == [eos] else {
            throw refusal("the post-processor puts other tokens around a text than the first and the last")
        }
        let table = try directory.tokenizerConfig()
        func named(_ name: String) -> TokenID? {
            let json = table?["\(name)_token"]
            let text = json?.bytes ?? json?["content"]?.bytes
            return text.flatMap { storage.added.id(of: $0) ?? storage.vocabulary.id(of: $0) }
        }
        var ids: [(String, TokenID?)] = [
            ("bos", bos), ("eos", eos), ("unknown", named("unk") ?? kind.unknown),
            ("padding", named("pad") ?? configured("pad")),
        ]
        // The format spells it so.
        if kind.marksWords { ids += [("seperator", after.first), ("mask", named("mask"))] }
        let others = ends.filter { $0 != eos && !isKnownEnd($0) }
        guard others.count <= 2 else {
            throw refusal("generation ends at \(others.count + 1) tokens, expected at most three")
        }
        ids += zip(["eot", "eom"], others).map { ($0, $1) }
        let flags = [
            (key("add_bos_token"), GGUFValue(!before.isEmpty)),
            (key("add_eos_token"), GGUFValue(!after.isEmpty)),
        ]
        return ids.compactMap { name, id in id.map { (key("\(name)_token_id"), GGUFValue(UInt32($0))) } }
            + flags
    }

    /// The tokens that the post-processor puts before and after a text.
    private func surroundings() throws(SwiftletError) -> (before: [TokenID], after: [TokenID]) {
        let text = TokenID.min
        let parts = storage.postProcessor.apply(to: [text]).split(
            separator: text, omittingEmptySubsequences: false)
        guard parts.count == 2 else { throw refusal("the post-processor repeats or drops the text") }
        return (Array(parts[0]), Array(parts[1]))
    }

    /// The tokens that end a text by generation_config.json, or else config.json.
    private func endIDs(vocabularySize: Int) throws(SwiftletError) -> [TokenID] {
        let (own, general) = (
            try directory.generationConfig()?["eos_token_id"], try directory.config()["eos_token_id"]
        )
        guard let json = own ?? general else { return [] }
        let numbers = json.kind == .array ? json.elements.compactMap(\.int) : [json.int].compactMap { $0 }
        return numbers.filter { (0..<vocabularySize).contains($0) }.map { TokenID($0) }
    }

    /// Whether readers of GGUF files know the end of a turn by its text.
    private func isKnownEnd(_ id: TokenID) -> Bool {
        let text = String(decoding: piece(id).0, as: UTF8.self)
        return GGUFSpecialTokens.endTexts.contains(text)
    }
}
