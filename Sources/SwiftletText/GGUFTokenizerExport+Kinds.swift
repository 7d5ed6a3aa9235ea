import SwiftletFormats
import SwiftletTensor

extension GGUFTokenizerExport {
    // MARK: tokenizer.json

    /// Which tokenizer of GGUF files a tokenizer.json is.
    mutating func kind(of json: JSON) throws(SwiftletError) -> Kind {
        if case .wordPiece(let model) = storage.model { return try wordPieceKind(json, model) }
        for token in json["added_tokens"]?.elements.map({ $0 }) ?? [] {
            for option in ["lstrip", "rstrip", "single_word"] where token[option]?.bool == true {
                throw refusal("the added token '\(token["content"]?.string ?? "")' has '\(option)'")
            }
        }
        guard case .bytePair(let model) = storage.model, model.continuingPrefix.isEmpty,
            model.endOfWordSuffix.isEmpty
        else { throw refusal("the model is '\(json["model"]?["type"]?.string ?? "")', not plain BPE") }
        if model.isByteLevel { return try byteLevelKind(json, model) }
        guard !model.byteTokens.isEmpty, !model.byteTokens.contains(-1) else {
            throw refusal("BPE works neither on bytes nor has tokens for all bytes")
        }
        return try scoredKind(json, model)
    }

    /// The vocabulary of BERT. Readers know no longest word; white space around `[MASK]` is let pass.
    private func wordPieceKind(_ json: JSON, _ model: WordPieceModel) throws(SwiftletError) -> Kind {
        guard !model.matchesWholeWords, model.continuingPrefix == Array("##".utf8) else {
            throw refusal("the model is not a WordPiece model whose words go on with '##'")
        }
        let normalizer = json["normalizer"]
        guard normalizer?["type"]?.string == "BertNormalizer", normalizer?["clean_text"]?.bool ?? true,
            normalizer?["handle_chinese_chars"]?.bool ?? true
        else { throw refusal("the normalizer is not a BertNormalizer with all its steps") }
        guard json["pre_tokenizer"]?["type"]?.string == "BertPreTokenizer" else {
            throw refusal("the pre-tokenizer is '\(json["pre_tokenizer"]?["type"]?.string ?? "")'")
        }
        let lowercase = normalizer?["lowercase"]?.bool ?? true
        let strips = normalizer?["strip_accents"]?.bool ?? lowercase
        var kind = Kind(model: "bert", preTokenizer: "default", marksWords: true, unknown: model.unknown)
        // Readers lowercase and strip accents unless they are told.
        if !lowercase || !strips {
            kind.flags = [("normalizer.lowercase", lowercase), ("normalizer.strip_accents", strips)]
        }
        return kind
    }

    private func byteLevelKind(_ json: JSON, _ model: BytePairModel) throws(SwiftletError) -> Kind {
        if let normalizer = json["normalizer"], !normalizer.isNull, normalizer["type"]?.string != "NFC" {
            throw refusal("the normalizer is '\(normalizer["type"]?.string ?? "")'")
        }
        let name = try preTokenizerName(json["pre_tokenizer"], ignoresMerges: model.ignoresMerges)
        guard GGUFSpecialTokens.wholeWordSplittings.contains(name) == model.ignoresMerges else {
            throw refusal("'ignore_merges' is \(model.ignoresMerges) for the pre-tokenizer '\(name)'")
        }
        return Kind(model: "gpt2", preTokenizer: name, merges: merges(json))
    }

    /// Merges as texts with a space between.
    private func merges(_ json: JSON) -> [[UInt8]] {
        guard let list = json["model"]?["merges"] else { return [] }
        return list.elements.compactMap { element in
            if element.withUTF8({ $0.starts(with: "#version".utf8) }) == true { return nil }
            return TokenModelJSON.withPair(element) { left, right in
                var text = Array(left)
                text.append(0x20)
                text.append(contentsOf: right)
                return text
            }
        }
    }

    /// The name of a pre-tokenizer that GGUF readers know.
    private func preTokenizerName(_ json: JSON?, ignoresMerges: Bool) throws(SwiftletError) -> String {
        guard let json, !json.isNull else { throw refusal("there is no pre-tokenizer") }
        let steps =
            json["type"]?.string == "Sequence" ? json["pretokenizers"].map { Array($0.elements) } : [json]
        guard let steps, let last = steps.last, last["type"]?.string == "ByteLevel",
            last["add_prefix_space"]?.bool == false
        else { throw refusal("the pre-tokenizer does not end in ByteLevel without a space in front") }
        let splitsWords = last["use_regex"]?.bool ?? true
        switch (steps.count, splitsWords) {
        case (1, true): return "gpt-2"
        case (2, true) where steps[0]["type"]?.string == "Digits":
            guard steps[0]["individual_digits"]?.bool == true else { break }
            return "smollm"
        case (2, false) where steps[0]["type"]?.string == "Split":
            let keepsMatches =
                steps[0]["behavior"]?.string == "Isolated" && steps[0]["invert"]?.bool != true
                || steps[0]["behavior"]?.string == "Removed" && steps[0]["invert"]?.bool == true
            guard keepsMatches, let pattern = steps[0]["pattern"]?["Regex"]?.string else { break }
            if let name = Self.patternName(pattern, ignoresMerges: ignoresMerges) { return name }
            fallthrough
        default:
            guard let patterns = Self.patterns(of: steps.dropLast()) else { break }
            let name = PreTokenizerNames.name(of: patterns + (splitsWords ? [PreTokenizerNames.gpt2] : [])) {
                GGUFSpecialTokens.wholeWordSplittings.contains($0) == ignoresMerges
            }
            if let name { return name }
            throw refusal("the pre-tokenizer splits by '\(patterns.joined(separator: "', then by '"))'")
        }
        let names = steps.map { $0["type"]?.string ?? "" }.joined(separator: ", ")
        throw refusal("the pre-tokenizer is \(names)")
    }

    /// The patterns that steps split at, one after the other; `nil` if they do something else.
    private static func patterns(of steps: ArraySlice<JSON>) -> [String]? {
        var patterns: [String] = []
        for step in steps {
            switch step["type"]?.string {
            case "Digits": patterns.append(step["individual_digits"]?.bool == true ? #"\p{N}"# : #"\p{N}+"#)
            case "Split" where step["behavior"]?.string == "Isolated" && step["invert"]?.bool != true:
                guard let pattern = step["pattern"]?["Regex"]?.string else { return nil }
                patterns.append(pattern)
            default: return nil
            }
        }
        return patterns
    }

    private static func patternName(_ pattern: String, ignoresMerges: Bool) -> String? {
        switch Scanner(pattern: pattern) {
        case Scanner.llama3: ignoresMerges ? "llama-bpe" : "smaug-bpe"
        case Scanner.qwen2: "qwen2"
        case Scanner.qwen35: "qwen35"
        case Scanner.o200k: "gpt-4o"
        case Scanner.tekken: "tekken"
        case Scanner.gpt2: "gpt-2"
        default: nil
        }
    }

    // MARK: Vocabularies with scores

    /// BPE of the kind of Llama 2, where a merge's rank is the score of the token it makes.
    private mutating func scoredKind(_ json: JSON, _ model: BytePairModel) throws(SwiftletError) -> Kind {
        let space = try spaceRules(json)
        for id in model.byteTokens { types[id] = .byte }
        if let unknown = model.unknown { types[unknown] = .unknown }
        let scores = try scores(model, marksOnlyInFront: space.splits)
        return Kind(model: "llama", preTokenizer: "default", scores: scores, addsSpacePrefix: space.prefix)
    }

    /// Whether text gets a space in front, and whether words are split at spaces.
    private func spaceRules(_ json: JSON) throws(SwiftletError) -> (prefix: Bool, splits: Bool) {
        let mark = "\u{2581}"
        var (prefix, replaces, splits) = (false, false, false)
        if let normalizer = json["normalizer"], !normalizer.isNull {
            let isSequence = normalizer["type"]?.string == "Sequence"
            let steps = isSequence ? normalizer["normalizers"].map { Array($0.elements) } ?? [] : [normalizer]
            for step in steps {
                let type = step["type"]?.string ?? ""
                if type == "Prepend", step["prepend"]?.string == mark {
                    prefix = true
                } else if type == "Replace", step["pattern"]?["String"]?.string == " ",
                    step["content"]?.string == mark
                {
                    replaces = true
                } else {
                    throw refusal("the normalizer does more than mark spaces ('\(type)')")
                }
            }
        }
        if let step = json["pre_tokenizer"], !step.isNull {
            guard step["type"]?.string == "Metaspace", step["replacement"]?.string ?? mark == mark else {
                throw refusal("the pre-tokenizer is '\(step["type"]?.string ?? "")'")
            }
            let scheme = step["prepend_scheme"]?.string ?? "always"
            if scheme != "never", step["add_prefix_space"]?.bool != false { prefix = true }
            splits = step["split"]?.bool ?? true
            replaces = true
        }
        guard replaces else { throw refusal("spaces are not marked") }
        return (prefix, splits)
    }

    /// The negative rank of the merges that make a token, 0 for others.
    ///
    /// Readers of scores merge any two tokens whose texts form a third, so all ways to make a token must be
    /// merges, and no other token's merges may come between them.
    private func scores(_ model: BytePairModel, marksOnlyInFront: Bool) throws(SwiftletError) -> [Float] {
        let vocabulary = storage.vocabulary
        let mark = SentencePieceNormalizer.spaceMark
        var scores = [Float](repeating: 0, count: vocabulary.idBound)
        for id in 0..<TokenID(vocabulary.idBound) {
            guard !storage.added.contains(id), types[id] == nil, let text = vocabulary.text(of: id) else {
                continue
            }
            let name = String(decoding: text, as: UTF8.self)
            let rest = String(decoding: text.starts(with: mark) ? text.dropFirst(3) : text, as: UTF8.self)
            if marksOnlyInFront, rest.unicodeScalars.contains("\u{2581}") {
                throw refusal("words are split at spaces but the token '\(name)' has one inside")
            }
            var ranks: [UInt32] = []
            for cut in text.indices.dropFirst() where text[cut] & 0xC0 != 0x80 {
                guard let left = vocabulary.id(of: text[..<cut]), let right = vocabulary.id(of: text[cut...]),
                    types[left] == nil, types[right] == nil
                else { continue }
                guard let merge = model.merges.merge(left, right), merge.id == id else {
                    throw refusal("the token '\(name)' has parts that BPE does not merge")
                }
                ranks.append(merge.rank)
            }
            guard let first = ranks.min(), let last = ranks.max() else { continue }
            guard Int(last - first) == ranks.count - 1 else {
                throw refusal("merges of other tokens come between those of the token '\(name)'")
            }
            scores[Int(id)] = -Float(first)
        }
        return scores
    }

    // MARK: tokenizer.model

    /// A SentencePiece model of the BPE kind, as those of Llama and Mistral.
    mutating func sentencePieceKind() throws(SwiftletError) -> Kind {
        let mapped = try MappedFile(path: source)
        let file = try withExtendedLifetime(mapped) { () throws(SwiftletError) in
            try SentencePieceFile(Array(mapped.bytes), source: source)
        }
        let rules = file.normalizer
        guard file.modelType == .bytePair else { throw refusal("the SentencePiece model is no BPE model") }
        guard rules.map == nil, !rules.removesExtraSpace, !rules.prefixIsSuffix, rules.escapesSpace else {
            throw refusal("the SentencePiece model normalises text")
        }
        for (id, piece) in file.pieces.enumerated() { types[TokenID(id)] = piece.type }
        return Kind(
            model: "llama", preTokenizer: "default", scores: file.pieces.map(\.score),
            addsSpacePrefix: rules.addsPrefix)
    }
}
