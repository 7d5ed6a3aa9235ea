/// What a tokenizer knows about its special tokens.
struct SpecialTokens: Sendable {
    var ids: Set<TokenID> = []
    var bos: TokenID?
    var eos: TokenID?
    var endOfGeneration: Set<TokenID> = []
    var chatTemplate: String?
}

/// How added tokens are found in a text.
enum TokenFinder: Sendable {
    /// As `tokenizers` does: some in the raw text, some in the normalised one.
    case leftmostLongest(raw: AddedTokenMatcher, normalized: AddedTokenMatcher)
    /// As llama.cpp does.
    case longestFirst(LongestFirstMatcher)
}

/// How the text between added tokens becomes words for the model.
enum TextPreparation: Sendable {
    /// A normaliser and a pre-tokenizer.
    case split(Normalizer, PreTokenizer)
    /// The rules of a SentencePiece model; `onceOnly` if only the beginning of the text gets the dummy prefix.
    case sentencePiece(SentencePieceNormalizer, onceOnly: Bool)
}

/// Everything behind a ``Tokenizer``, built once and never changed.
final class TokenizerStorage: Sendable {
    /// The model's tokens.
    let vocabulary: Vocabulary
    /// The added tokens; they hide the model's tokens with the same id or text.
    let added: Vocabulary
    /// What added tokens are decoded as, if that is not their text.
    let normalizedTexts: [TokenID: [UInt8]]
    /// By id, tokens that are decoded as they are written; the rest go through ``decoder``.
    let verbatim: [Bool]
    let model: TokenModel
    let finder: TokenFinder
    let preparation: TextPreparation
    let postProcessor: PostProcessor
    let decoder: TokenDecoder
    let special: SpecialTokens
    private let scratchPool = ScratchPool()

    init(
        vocabulary: Vocabulary, added: Vocabulary, normalizedTexts: [TokenID: [UInt8]] = [:],
        verbatim: [Bool] = [], model: TokenModel, finder: TokenFinder, preparation: TextPreparation,
        postProcessor: PostProcessor, decoder: TokenDecoder, special: SpecialTokens
    ) {
        self.vocabulary = vocabulary
        self.added = added
        self.normalizedTexts = normalizedTexts
        self.verbatim = verbatim
        self.model = model
        self.finder = finder
        self.preparation = preparation
        self.postProcessor = postProcessor
        self.decoder = decoder
        self.special = special
    }

    /// Whether an id is a token that decoding shows.
    func isDecoded(_ id: TokenID, skipSpecial: Bool) -> Bool {
        guard added.contains(id) || vocabulary.contains(id) else { return false }
        return !(skipSpecial && special.ids.contains(id))
    }

    /// What the decoder gets to see of a token.
    func decodedText(of id: TokenID) -> ArraySlice<UInt8> {
        if !normalizedTexts.isEmpty, let text = normalizedTexts[id] { return text[...] }
        return added.text(of: id) ?? vocabulary.text(of: id) ?? []
    }

    /// Appends what a token contributes before the decoder looks at the whole text.
    func appendDecoded(_ id: TokenID, isFirst: Bool, isLast: Bool, to text: inout [UInt8]) {
        if Int(id) < verbatim.count, verbatim[Int(id)] {
            text.append(contentsOf: decodedText(of: id))
        } else {
            decoder.append(decodedText(of: id), isFirst: isFirst, isLast: isLast, to: &text)
        }
    }

    /// See ``Tokenizer/encode(_:addSpecial:parseSpecial:)-(String,_,_)``.
    func encode(_ text: [UInt8], addSpecial: Bool, parseSpecial: Bool) -> [TokenID] {
        var ids: [TokenID] = []
        ids.reserveCapacity(text.count / 3 + 4)
        scratchPool.withScratch { encode(text, parseSpecial, into: &ids, $0) }
        return addSpecial ? postProcessor.apply(to: ids) : ids
    }

    /// See ``Tokenizer/forgetWords()``.
    func forgetWords() { scratchPool.forgetWords() }

    /// The tokens without those around the text; another `scratch` never changes them.
    func encode(_ text: [UInt8], _ parseSpecial: Bool, into ids: inout [TokenID], _ scratch: ModelScratch) {
        let segments = text.withUnsafeBufferPointer { text in
            switch finder {
            case .leftmostLongest(let raw, _): raw.segments(of: text, parseSpecial: parseSpecial)
            case .longestFirst(let matcher): matcher.segments(of: text, parseSpecial: parseSpecial)
            }
        }
        for segment in segments {
            if let token = segment.token {
                ids.append(token)
            } else {
                let part = segment.range.count == text.count ? text : Array(text[segment.range])
                let isFirst = segment.range.lowerBound == 0
                encode(part, isFirst: isFirst, parseSpecial, into: &ids, scratch)
            }
        }
    }

    /// Encodes what lies between added tokens.
    private func encode(
        _ text: [UInt8], isFirst: Bool, _ parseSpecial: Bool, into ids: inout [TokenID],
        _ scratch: ModelScratch
    ) {
        switch preparation {
        case .sentencePiece(let normalizer, let onceOnly):
            let text = normalizer.normalize(text, addsPrefix: isFirst || !onceOnly)
            let encoder = WordEncoder(
                model: model, vocabulary: vocabulary, isByteLevel: false, scratch: scratch)
            text.withUnsafeBufferPointer { encoder.encode($0, into: &ids) }
        case .split(let normalizer, let preTokenizer):
            var origin = isFirst ? NormalizerStep.width(ofFirst: text) : 0
            let text =
                isFirst && preTokenizer.asksForOrigin && !normalizer.isIdentity
                ? normalizer.normalize(text, originCount: &origin) : normalizer.normalize(text)
            guard case .leftmostLongest(_, let matcher) = finder, !matcher.isEmpty else {
                return encodeWords(text, originCount: origin, preTokenizer, into: &ids, scratch)
            }
            for segment in text.withUnsafeBufferPointer({
                matcher.segments(of: $0, parseSpecial: parseSpecial)
            }) {
                if let token = segment.token {
                    ids.append(token)
                } else {
                    let origin = max(origin - segment.range.lowerBound, 0)
                    encodeWords(
                        Array(text[segment.range]), originCount: origin, preTokenizer, into: &ids, scratch)
                }
            }
        }
    }

    private func encodeWords(
        _ text: [UInt8], originCount: Int, _ preTokenizer: PreTokenizer, into ids: inout [TokenID],
        _ scratch: ModelScratch
    ) {
        let encoder = WordEncoder(
            model: model, vocabulary: vocabulary, isByteLevel: preTokenizer.isByteLevel, scratch: scratch)
        if let scanner = preTokenizer.onlyScanner {
            text.withUnsafeBufferPointer { encoder.encode($0, scanner, into: &ids) }
        } else {
            preTokenizer.forEachPiece(of: text, originCount: originCount) { encoder.encode($0, into: &ids) }
        }
    }
}
