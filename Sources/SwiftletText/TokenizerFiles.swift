package import SwiftletFormats
package import SwiftletTensor

/// The tokenizer of a GGUF file as the files of a Hugging Face directory.
///
/// Source: the layout of `tokenizer.json` (github.com/huggingface/tokenizers), 2026. Vocabularies of SentencePiece get
/// their merges from the scores: of two neighbours that make a piece, those whose piece has the highest score go first.
package struct TokenizerFiles {
    /// The files by name.
    package private(set) var files: [(name: String, bytes: [UInt8])] = []
    /// Ids for `config.json` and `generation_config.json`.
    package let bos: Int?, eos: Int?, padding: Int?
    /// All tokens that end a text, ascending.
    package let ends: [Int]

    private let file: GGUFFile
    private let tokenizer: Tokenizer
    private let texts: [[UInt8]]
    private let types: [SentencePieceFile.PieceType]

    /// Writes the files.
    ///
    /// - Returns: `nil` if the file has no tokenizer.
    /// - Throws: what reading the tokenizer throws; `.unsupported` for a kind that is neither byte-level nor that of
    ///   Llama 2.
    package init?(_ file: GGUFFile, contextLength: Int) throws(SwiftletError) {
        guard let kind = file["tokenizer.ggml.model"]?.string, kind != "none", kind != "no_vocab" else {
            return nil
        }
        guard kind == "gpt2" || kind == "llama" else {
            throw SwiftletError(
                .unsupported,
                "\(file.path): a tokenizer of the kind '\(kind)' cannot be written as tokenizer.json yet; expected gpt2 "
                    + "or llama")
        }
        let tokenizer = try Tokenizer.load(gguf: file)
        self.file = file
        self.tokenizer = tokenizer
        texts = file["tokenizer.ggml.tokens"]?.strings() ?? []
        let types = file["tokenizer.ggml.token_type"]?.ints() ?? []
        self.types = texts.indices.map { index in
            index < types.count ? SentencePieceFile.PieceType(rawValue: types[index]) ?? .unused : .normal
        }
        bos = tokenizer.bos.map { Int($0) }
        eos = tokenizer.eos.map { Int($0) }
        padding = file["tokenizer.ggml.padding_token_id"]?.int
        ends = tokenizer.endOfGeneration.map { Int($0) }.sorted()
        var json = JSONWriter(indent: 2)
        try json.object { json throws(SwiftletError) in try write(isByteLevel: kind == "gpt2", to: &json) }
        files.append(("tokenizer.json", json.bytes))
        files.append(("tokenizer_config.json", configuration(contextLength)))
        if let template = tokenizer.chatTemplate {
            files.append(("chat_template.jinja", Array(template.utf8)))
        }
    }

    private func text(_ id: Int) -> String { String(decoding: texts[id], as: UTF8.self) }

    private func configuration(_ contextLength: Int) -> [UInt8] {
        var json = JSONWriter(indent: 2)
        json.object { json in
            json.member("tokenizer_class", "PreTrainedTokenizerFast")
            json.member("clean_up_tokenization_spaces", false)
            json.member("model_max_length", contextLength)
            let unknown = file["tokenizer.ggml.unknown_token_id"]?.int
            for (name, id) in [("bos", bos), ("eos", eos), ("unk", unknown), ("pad", padding)] {
                guard let id, texts.indices.contains(id) else { continue }
                json.member("\(name)_token", text(id))
            }
        }
        return json.bytes
    }

    // MARK: tokenizer.json

    private func write(isByteLevel: Bool, to json: inout JSONWriter) throws(SwiftletError) {
        json.member("version", "1.0")
        for name in ["truncation", "padding"] { json.key(name); json.null() }
        json.key("added_tokens")
        json.array { json in
            for (id, type) in types.enumerated()
            where type == .control || type == .userDefined || type == .unknown {
                json.object { json in
                    json.member("id", id)
                    json.member("content", text(id))
                    for flag in ["single_word", "lstrip", "rstrip", "normalized"] { json.member(flag, false) }
                    json.member("special", type != .userDefined || tokenizer.isSpecial(TokenID(id)))
                }
            }
        }
        let addsSpace = file["tokenizer.ggml.add_space_prefix"]?.bool ?? true
        json.key("normalizer")
        if isByteLevel { json.null() } else { spaceNormalizer(addsSpace, to: &json) }
        json.key("pre_tokenizer")
        if isByteLevel { try preTokenizer(to: &json) } else { json.null() }
        json.key("post_processor")
        postProcessor(to: &json)
        json.key("decoder")
        if isByteLevel { Self.byteLevel(to: &json) } else { spaceDecoder(addsSpace, to: &json) }
        json.key("model")
        if isByteLevel { byteModel(to: &json) } else { scoredModel(to: &json) }
    }

    private static func byteLevel(splitsWords: Bool = false, to json: inout JSONWriter) {
        json.object { json in
            json.member("type", "ByteLevel")
            json.member("add_prefix_space", false)
            json.member("trim_offsets", true)
            json.member("use_regex", splitsWords)
        }
    }

    private func preTokenizer(to json: inout JSONWriter) throws(SwiftletError) {
        let name = file["tokenizer.ggml.pre"]?.string ?? "default"
        guard let rule = PreTokenizerNames.rules[name.isEmpty ? "default" : name], rule.isByteLevel else {
            throw SwiftletError(
                .unsupported, "\(file.path): tokenizer.ggml.pre '\(name)' cannot be written as tokenizer.json"
            )
        }
        // Two of the patterns have steps of their own.
        let splitsWords = rule.patterns.last == PreTokenizerNames.rules["gpt-2"]?.patterns.last
        let patterns = splitsWords ? rule.patterns.dropLast() : rule.patterns[...]
        json.object { json in
            json.member("type", "Sequence")
            json.key("pretokenizers")
            json.array { json in
                for pattern in patterns { Self.split(pattern, to: &json) }
                Self.byteLevel(splitsWords: splitsWords, to: &json)
            }
        }
    }

    private static func split(_ pattern: String, to json: inout JSONWriter) {
        json.object { json in
            guard pattern != #"\p{N}"# else {
                json.member("type", "Digits")
                json.member("individual_digits", true)
                return
            }
            json.member("type", "Split")
            json.key("pattern")
            json.object { $0.member("Regex", pattern) }
            json.member("behavior", "Isolated")
            json.member("invert", false)
        }
    }

    private func postProcessor(to json: inout JSONWriter) {
        let (plain, full) = (tokenizer.encode("a", addSpecial: false), tokenizer.encode("a"))
        let first = full.first.flatMap { full.count > plain.count && $0 != plain.first ? Int($0) : nil }
        let last = full.last.flatMap { full.count > plain.count && $0 != plain.last ? Int($0) : nil }
        let special = [first, last].compactMap(\.self)
        guard !special.isEmpty else { return json.null() }
        json.object { json in
            json.member("type", "TemplateProcessing")
            for (key, sequences) in [("single", ["A"]), ("pair", ["A", "B"])] {
                json.key(key)
                json.array { json in
                    for (index, sequence) in sequences.enumerated() {
                        if let first { template("SpecialToken", text(first), index, to: &json) }
                        template("Sequence", sequence, index, to: &json)
                        if let last { template("SpecialToken", text(last), index, to: &json) }
                    }
                }
            }
            json.key("special_tokens")
            json.object { json in
                for id in Set(special).sorted() {
                    json.key(text(id))
                    json.object { json in
                        json.member("id", text(id))
                        json.key("ids")
                        json.array { $0.value(id) }
                        json.key("tokens")
                        json.array { $0.value(text(id)) }
                    }
                }
            }
        }
    }

    private func template(_ kind: String, _ id: String, _ type: Int, to json: inout JSONWriter) {
        json.object { json in
            json.key(kind)
            json.object { json in
                json.member("id", id)
                json.member("type_id", type)
            }
        }
    }

    // MARK: Spaces of SentencePiece

    private func spaceNormalizer(_ addsSpace: Bool, to json: inout JSONWriter) {
        json.object { json in
            json.member("type", "Sequence")
            json.key("normalizers")
            json.array { json in
                if addsSpace {
                    json.object { json in
                        json.member("type", "Prepend")
                        json.member("prepend", "\u{2581}")
                    }
                }
                Self.replace(" ", "\u{2581}", to: &json)
            }
        }
    }

    private func spaceDecoder(_ addsSpace: Bool, to json: inout JSONWriter) {
        json.object { json in
            json.member("type", "Sequence")
            json.key("decoders")
            json.array { json in
                Self.replace("\u{2581}", " ", to: &json)
                for type in ["ByteFallback", "Fuse"] { json.object { $0.member("type", type) } }
                guard addsSpace else { return }
                json.object { json in
                    json.member("type", "Strip")
                    json.member("content", " ")
                    json.member("start", 1)
                    json.member("stop", 0)
                }
            }
        }
    }

    private static func replace(_ text: String, _ content: String, to json: inout JSONWriter) {
        json.object { json in
            json.member("type", "Replace")
            json.key("pattern")
            json.object { $0.member("String", text) }
            json.member("content", content)
        }
    }

    // MARK: Vocabularies

    private func byteModel(to json: inout JSONWriter) {
        let ignores = GGUFSpecialTokens.wholeWordSplittings.contains(file["tokenizer.ggml.pre"]?.string ?? "")
        let merges = (file["tokenizer.ggml.merges"]?.strings() ?? []).compactMap {
            merge -> ([UInt8], [UInt8])? in
            guard let space = merge.dropFirst().firstIndex(of: 0x20) else { return nil }
            return (Array(merge[..<space]), Array(merge[(space + 1)...]))
        }
        model(unknown: nil, hasByteTokens: false, ignoresMerges: ignores, merges, to: &json)
    }

    private func scoredModel(to json: inout JSONWriter) {
        let scores = file["tokenizer.ggml.scores"]?.floats() ?? []
        let unknown = types.firstIndex(of: .unknown) ?? file["tokenizer.ggml.unknown_token_id"]?.int
        let merges = ScoredMerges(texts, types, scores).merges
        model(
            unknown: unknown.flatMap { texts.indices.contains($0) ? text($0) : nil },
            hasByteTokens: types.contains(.byte), ignoresMerges: false, merges, to: &json)
    }

    private func model(
        unknown: String?, hasByteTokens: Bool, ignoresMerges: Bool, _ merges: [([UInt8], [UInt8])],
        to json: inout JSONWriter
    ) {
        json.object { json in
            json.member("type", "BPE")
            json.key("dropout")
            json.null()
            json.key("unk_token")
            if let unknown { json.value(unknown) } else { json.null() }
            for name in ["continuing_subword_prefix", "end_of_word_suffix"] { json.key(name); json.null() }
            json.member("fuse_unk", unknown != nil)
            json.member("byte_fallback", hasByteTokens)
            json.member("ignore_merges", ignoresMerges)
            json.key("vocab")
            json.object { json in for id in texts.indices { json.member(text(id), id) } }
            json.key("merges")
            json.array { json in
                for (left, right) in merges {
                    json.array { json in
                        json.value(String(decoding: left, as: UTF8.self))
                        json.value(String(decoding: right, as: UTF8.self))
                    }
                }
            }
        }
    }
}

/// The pairs of pieces that make a piece, the ones that go first first.
private struct ScoredMerges {
    private(set) var merges: [([UInt8], [UInt8])] = []

    init(_ texts: [[UInt8]], _ types: [SentencePieceFile.PieceType], _ scores: [Float]) {
        var ids: [[UInt8]: Int] = [:]
        for (id, text) in texts.enumerated() where types[id] == .normal || types[id] == .userDefined {
            ids[text] = ids[text] ?? id
        }
        var found: [(score: Float, id: Int, left: Int, right: Int)] = []
        for (id, text) in texts.enumerated() where types[id] == .normal && id < scores.count {
            // A piece ends where a character begins.
            for cut in text.indices.dropFirst() where text[cut] & 0xC0 != 0x80 {
                guard let left = ids[Array(text[..<cut])], let right = ids[Array(text[cut...])] else {
                    continue
                }
                found.append((scores[id], id, left, right))
            }
        }
        found.sort { ($1.score, $0.id, $0.left) < ($0.score, $1.id, $1.left) }
        merges = found.map { (texts[$0.left], texts[$0.right]) }
    }
}
