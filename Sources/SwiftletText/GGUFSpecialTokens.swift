import SwiftletFormats
import SwiftletTensor

/// The special tokens of a GGUF file: from its keys, and from the texts that llama.cpp knows.
struct GGUFSpecialTokens {
    /// Splittings whose words are not split if they are a token.
    static let wholeWordSplittings: Set<String> = [
        "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2",
        "jina-v5-nano", "tekken", "youtu", "minicpm5", "granite-embed-multi-97m", "glm4", "glm5",
    ]
    /// Splittings whose models want the first token if the file does not say.
    static let bosSplittings: Set<String> = [
        "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2",
        "jina-v5-nano", "tekken", "chameleon",
    ]

    /// Texts that end a turn, whatever their type.
    static let endTexts = [
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>",
        "<end_of_turn>", "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]",
        "<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>",
        "<｜end▁of▁sentence｜>", "[e~[",
    ]
    /// Keys and texts of further tokens that end generation; of the texts the one with the smallest id counts.
    private static let fillTokens: [(key: String, texts: [String])] = [
        ("fim_pad_token_id", ["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"]),
        ("fim_rep_token_id", ["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"]),
        ("fim_sep_token_id", ["<|file_sep|>"]),
    ]
    /// Texts around which nothing is generated, but which are special.
    private static let controlTexts: [(keys: [String], texts: [String])] = [
        (
            ["fim_pre_token_id", "prefix_token_id"],
            [
                "<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>",
                "<|code_prefix|>", "<|prefix|>",
            ]
        ),
        (
            ["fim_suf_token_id", "suffix_token_id"],
            [
                "<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>",
                "<|code_suffix|>", "<|suffix|>",
            ]
        ),
        (
            ["fim_mid_token_id", "middle_token_id"],
            [
                "<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>",
                "<|code_middle|>", "<|middle|>",
            ]
        ),
    ]
    /// Texts that are always shown.
    private static let shownTexts = ["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"]

    var bos: TokenID?
    var eos: TokenID?
    var unknown: TokenID?
    var separator: TokenID?
    var addsBos = false
    var addsEos = false
    /// The file cannot switch ``addsBos`` off.
    var alwaysAddsBos = false

    private let file: GGUFFile
    private let table: PieceTable
    private var isControl: [Bool]
    private var isUserDefined: [Bool]
    private var ends: Set<TokenID> = []

    init(_ file: GGUFFile, _ table: PieceTable) {
        self.file = file
        self.table = table
        isControl = table.types.map { $0 == .control || $0 == .unknown }
        isUserDefined = table.types.map { $0 == .userDefined }
    }

    /// Reads the keys and looks for the texts; set the defaults before.
    mutating func read() throws(SwiftletError) {
        bos = id("bos_token_id") ?? inRange(bos)
        eos = id("eos_token_id") ?? inRange(eos)
        unknown = id("unknown_token_id") ?? inRange(unknown)
        separator = id("seperator_token_id") ?? inRange(separator)  // spelled so in the format
        addsBos = alwaysAddsBos || file["tokenizer.ggml.add_bos_token"]?.bool ?? addsBos
        addsEos = file["tokenizer.ggml.add_eos_token"]?.bool ?? addsEos
        findEnds()
        findExceptions()
    }

    private func id(_ key: String) -> TokenID? {
        guard let value = file["tokenizer.ggml.\(key)"]?.int else { return nil }
        return inRange(TokenID(exactly: value))
    }

    private func inRange(_ id: TokenID?) -> TokenID? {
        id.flatMap { table.vocabulary.contains($0) ? $0 : nil }
    }

    private func id(ofText text: String) -> TokenID? { table.vocabulary.id(of: Array(text.utf8)) }

    private mutating func findEnds() {
        for (keys, texts) in Self.controlTexts where !keys.contains(where: { id($0) != nil }) {
            if let id = texts.compactMap(id(ofText:)).min() { isControl[Int(id)] = true }
        }
        for (key, texts) in Self.fillTokens {
            if let id = id(key) {
                ends.insert(id)
            } else if let id = texts.compactMap(id(ofText:)).min() {
                isControl[Int(id)] = true
                ends.insert(id)
            }
        }
        for id in Self.endTexts.compactMap(id(ofText:)) {
            isControl[Int(id)] = true
            ends.insert(id)
        }
        for id in Self.shownTexts.compactMap(id(ofText:)) {
            isControl[Int(id)] = false
            isUserDefined[Int(id)] = true
        }
        for id in [eos, id("eot_token_id"), id("eom_token_id")] {
            if let id { ends.insert(id) }
        }
    }

    /// Vocabularies in which a known end does not end a turn.
    private mutating func findExceptions() {
        func has(_ text: String) -> Bool { id(ofText: text).map(ends.contains) ?? false }
        let calls = has("<|call|>") || has("<|calls|>")
        if calls, has("<|return|>") || has("<|flush|>"), let end = id(ofText: "<|end|>") {
            ends.remove(end)
            isControl[Int(end)] = false
            isUserDefined[Int(end)] = true
        }
        if has("<|tool_response>"), let end = id(ofText: "</s>") {
            ends.remove(end)
            isControl[Int(end)] = false
            isUserDefined[Int(end)] = false
        }
    }

    // MARK: Results

    /// Whether each token is decoded as it is written.
    var verbatim: [Bool] { zip(isControl, isUserDefined).map { $0 || $1 } }

    /// What the tokenizer tells about special tokens.
    func summary() -> SpecialTokens {
        var summary = SpecialTokens()
        summary.ids = Set(isControl.indices.filter { isControl[$0] }.map { TokenID($0) })
        (summary.bos, summary.eos, summary.endOfGeneration) = (bos, eos, ends)
        summary.chatTemplate = file["tokenizer.chat_template"]?.string
        return summary
    }

    /// What goes around a text.
    func postProcessor(endsWithSeparator: Bool) throws(SwiftletError) -> PostProcessor {
        let before = endsWithSeparator || addsBos ? try required(bos, "bos") : []
        if endsWithSeparator {
            return PostProcessor(before: before, after: try required(separator, "seperator"))
        }
        return PostProcessor(before: before, after: addsEos ? try required(eos, "eos") : [])
    }

    private func required(_ id: TokenID?, _ name: String) throws(SwiftletError) -> [TokenID] {
        if let id { return [id] }
        throw SwiftletError(
            .malformed,
            "\(file.path): texts need the token tokenizer.ggml.\(name)_token_id, but it is missing or no token"
        )
    }

    /// Finds the tokens that may be written in a text.
    func finder() -> LongestFirstMatcher {
        var matcher = LongestFirstMatcher()
        let rules = StripRules(file)
        for id in isControl.indices where isControl[id] || isUserDefined[id] {
            guard let text = table.vocabulary.text(of: TokenID(id)) else { continue }
            var token = AddedToken(content: Array(text), id: TokenID(id), isSpecial: isControl[id])
            rules.apply(to: &token)
            matcher.insert(token)
        }
        return matcher
    }
}

/// Tokens that swallow white space, which GGUF files do not say: llama.cpp knows these models by name.
private struct StripRules {
    private let stripsRight: Bool
    private let leftText: [UInt8]?

    init(_ file: GGUFFile) {
        let splitting = file["tokenizer.ggml.pre"]?.string ?? ""
        let architecture = file["general.architecture"]?.string ?? ""
        let name = file["general.name"]?.string?.lowercased() ?? ""
        if ["jina-v2-de", "jina-v2-es", "jina-v2-code"].contains(where: splitting.contains)
            || ["nomic-bert-moe", "jina-bert-v3"].contains(where: architecture.contains)
        {
            (stripsRight, leftText) = (false, Array("<mask>".utf8))
        } else if ["phi-3", "phi3"].contains(where: name.contains) {
            (stripsRight, leftText) = (true, nil)
        } else {
            (stripsRight, leftText) = (false, name.contains("modern-bert") ? Array("[MASK]".utf8) : nil)
        }
    }

    func apply(to token: inout AddedToken) {
        token.stripsLeft = token.content == leftText
        let keeps = ["<unk>", "<s>", "<|endoftext|>"].contains { token.content.elementsEqual($0.utf8) }
        token.stripsRight = stripsRight && !keeps
    }
}
