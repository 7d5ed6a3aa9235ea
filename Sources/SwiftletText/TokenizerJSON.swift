import SwiftletFormats
import SwiftletTensor

/// Builds a tokenizer from the parts of a tokenizer.json.
struct TokenizerJSON {
    let json: JSON
    let source: String
    private(set) var vocabulary = Vocabulary()
    private(set) var added = Vocabulary()
    private var normalizedTexts: [TokenID: [UInt8]] = [:]
    private var raw = AddedTokenMatcher()
    private var normalized = AddedTokenMatcher()
    private var specialTexts: Set<[UInt8]> = []
    private var repeatsTexts = false

    init(_ json: JSON, source: String) {
        self.json = json
        self.source = source
    }

    /// Reads everything.
    mutating func load(_ configuration: TokenizerConfiguration) throws(SwiftletError) -> TokenizerStorage {
        guard json.kind == .object else { throw malformed("is not an object") }
        guard let modelJSON = json["model"], modelJSON.kind == .object else {
            throw SwiftletError(.missing, "\(source): has no 'model', so it is not a tokenizer.json")
        }
        let normalizer = try Normalizer(json: json["normalizer"], source: source)
        let preTokenizer = try PreTokenizer(json: json["pre_tokenizer"], source: source)
        var reader = TokenModelJSON(modelJSON, source: source, isByteLevel: preTokenizer.isByteLevel)
        let model = try reader.load()
        vocabulary = reader.vocabulary
        repeatsTexts = reader.repeatsTexts
        try addTokens(configuration, normalizer)
        let postProcessor = try PostProcessor(json: json["post_processor"], source: source) { id in
            added.contains(id) || vocabulary.contains(id)
        }
        return TokenizerStorage(
            vocabulary: vocabulary, added: added, normalizedTexts: normalizedTexts, model: model,
            finder: .leftmostLongest(raw: raw, normalized: normalized),
            preparation: .split(normalizer, preTokenizer), postProcessor: postProcessor,
            decoder: TokenDecoder(try TokenDecoder.steps(json: json["decoder"], source: source)),
            special: specialTokens(configuration, postProcessor))
    }

    // MARK: Added tokens

    /// Adds the file's tokens, then those that only tokenizer_config.json lists.
    private mutating func addTokens(
        _ configuration: TokenizerConfiguration, _ normalizer: Normalizer
    ) throws(SwiftletError) {
        var tokens: [AddedToken] = []
        if let list = json["added_tokens"], !list.isNull {
            guard list.kind == .array else { throw malformed("added_tokens is not a list") }
            for element in list.elements { tokens.append(try AddedToken(json: element, source: source)) }
        }
        let known = Set(tokens.map(\.content))
        tokens += configuration.addedTokens.filter { token in
            !known.contains(token.content) && vocabulary.id(of: token.content) == nil
        }
        // The library that writes these files counts on from the size of the vocabulary and ignores the ids.
        var nextID = vocabulary.count
        var byID: [TokenID: AddedToken] = [:]  // of two with the same text, the later one's flags count
        for token in tokens where !token.content.isEmpty {
            var token = token
            if let id = added.id(of: token.content) ?? vocabulary.id(of: token.content) {
                token.id = id
            } else {
                token.id = TokenID(nextID)
                nextID += 1
            }
            guard nextID < Vocabulary.limit else { throw malformed("has more tokens than can be numbered") }
            if !added.contains(token.id) { added.insert(token.content, id: token.id) }
            if token.isSpecial { specialTexts.insert(token.content) }
            byID[token.id] = token
        }
        find(byID.values.sorted { $0.id < $1.id }, normalizer)
    }

    /// Makes the tokens findable; `tokens` has each id once.
    private mutating func find(_ tokens: some Sequence<AddedToken>, _ normalizer: Normalizer) {
        for token in tokens {
            var token = token
            token.isSpecial = specialTexts.contains(token.content)
            guard token.isNormalized else {
                raw.insert(token, text: token.content)
                continue
            }
            let text = normalizer.normalize(token.content)
            if text != token.content { normalizedTexts[token.id] = text }
            normalized.insert(token, text: text)
        }
    }

    // MARK: Special tokens

    private func specialTokens(
        _ configuration: TokenizerConfiguration, _ postProcessor: PostProcessor
    ) -> SpecialTokens {
        var special = SpecialTokens()
        // The text that decoding shows decides, which for normalised tokens is not the one in the file.
        for text in specialTexts {
            if let id = id(of: text), normalizedTexts[id] == nil { special.ids.insert(id) }
        }
        for (id, text) in normalizedTexts where specialTexts.contains(text) { special.ids.insert(id) }
        if repeatsTexts {
            for id in 0..<TokenID(vocabulary.idBound) where !added.contains(id) {
                if let text = vocabulary.text(of: id), specialTexts.contains(Array(text)) {
                    special.ids.insert(id)
                }
            }
        }
        special.bos = configuration.bos.flatMap(id(of:))
        special.eos = configuration.eos.flatMap(id(of:))
        if configuration.bos == nil, let first = postProcessor.outermost.first, special.ids.contains(first) {
            special.bos = first
        }
        special.endOfGeneration = special.eos.map { [$0] } ?? []
        special.chatTemplate = configuration.chatTemplate
        return special
    }

    private func id(of text: [UInt8]) -> TokenID? { added.id(of: text) ?? vocabulary.id(of: text) }

    private func malformed(_ problem: String) -> SwiftletError {
        SwiftletError(.malformed, "\(source): \(problem)")
    }
}

extension AddedToken {
    /// Reads an entry of `added_tokens` or `added_tokens_decoder`.
    init(json: JSON, source: String) throws(SwiftletError) {
        guard let content = json["content"]?.bytes else {
            throw SwiftletError(.malformed, "\(source): an added token has no text 'content'")
        }
        self.init(
            content: content, id: 0, isSpecial: json["special"]?.bool ?? false,
            singleWord: json["single_word"]?.bool ?? false, stripsLeft: json["lstrip"]?.bool ?? false,
            stripsRight: json["rstrip"]?.bool ?? false,
            isNormalized: json["normalized"]?.bool ?? !(json["special"]?.bool ?? false))
    }
}
