import SwiftletTensor

/// The vocabularies that are published as lists of ranks, which say nothing about how text is split.
///
/// Source: `openai_public.py` of tiktoken 0.14 and the tokenizers of Llama 3, Qwen and Kimi K2.
struct TiktokenEncoding {
    /// Names of files without their ending.
    let names: [String]
    /// How many ranks the published file has.
    let count: Int
    /// The name of the splitting in GGUF files, unless ``scanner`` is set.
    var splitting = ""
    var scanner: Scanner?
    let specials: RankedSpecials

    private static let endOfText = "<|endoftext|>"

    static let all: [TiktokenEncoding] = [
        .init(
            names: ["r50k_base", "gpt2"], count: 50256, scanner: .gpt2,
            specials: specials([(endOfText, 50256)], eos: endOfText)),
        .init(
            names: ["p50k_base"], count: 50280, scanner: .gpt2,
            specials: specials([(endOfText, 50256)], eos: endOfText)),
        .init(
            names: ["cl100k_base"], count: 100256, scanner: .cl100k,
            specials: specials(
                [
                    (endOfText, 100257), ("<|fim_prefix|>", 100258), ("<|fim_middle|>", 100259),
                    ("<|fim_suffix|>", 100260), ("<|endofprompt|>", 100276),
                ], eos: endOfText)),
        .init(
            names: ["o200k_base"], count: 199998, scanner: .o200k,
            specials: specials([(endOfText, 199999), ("<|endofprompt|>", 200018)], eos: endOfText)),
        .init(names: ["llama3"], count: 128_000, scanner: .llama3, specials: llama3),
        .init(names: ["qwen"], count: 151_643, scanner: .qwen2, specials: qwen),
        .init(
            names: ["kimi-k2", "kimi_k2"], count: 163_584, splitting: "kimi-k2",
            specials: specials(
                [("[BOS]", 163_584), ("[EOS]", 163_585), ("<|im_end|>", 163_586)], bos: "[BOS]", eos: "[EOS]")
        ),
    ]

    private static func specials(
        _ tokens: [(String, TokenID)], bos: String? = nil, eos: String? = nil, addsBos: Bool = false
    ) -> RankedSpecials {
        RankedSpecials(
            tokens: tokens.map { (Array($0.0.utf8), $0.1) }, bos: bos.map { Array($0.utf8) },
            eos: eos.map { Array($0.utf8) }, addsBos: addsBos)
    }

    private static let llama3: RankedSpecials = {
        var names = ["<|begin_of_text|>", "<|end_of_text|>"]
        names += (0..<4).map { "<|reserved_special_token_\($0)|>" }
        names += ["<|start_header_id|>", "<|end_header_id|>", "<|reserved_special_token_4|>", "<|eot_id|>"]
        names += (5..<251).map { "<|reserved_special_token_\($0)|>" }
        return specials(
            names.enumerated().map { ($1, TokenID(128_000 + $0)) }, bos: "<|begin_of_text|>",
            eos: "<|end_of_text|>", addsBos: true)
    }()

    private static let qwen: RankedSpecials = {
        let names = [endOfText, "<|im_start|>", "<|im_end|>"] + (0..<205).map { "<|extra_\($0)|>" }
        return specials(names.enumerated().map { ($1, TokenID(151_643 + $0)) }, eos: endOfText)
    }()

    /// The encoding of a file, by its name or else by the number of its ranks.
    static func find(path: String, count: Int) -> TiktokenEncoding? {
        let file = path.split(separator: "/").last ?? ""
        let name = file.split(separator: ".").first ?? ""
        return all.first { $0.names.contains(String(name)) } ?? all.first { $0.count == count }
    }
}

/// A file in the format of tiktoken: a line for each token, its bytes in base 64 and its rank.
enum TiktokenFile {
    /// Whether the first line of a file looks like a token and a rank.
    static func isLikely(_ bytes: some Collection<UInt8>) -> Bool {
        let line = bytes.prefix(400).prefix { $0 != 0x0A && $0 != 0x0D }
        return parse(line) != nil
    }

    /// All tokens, in the order of the file.
    static func tokens(
        _ bytes: UnsafeRawBufferPointer, source: String
    ) throws(SwiftletError) -> [(id: TokenID, bytes: [UInt8])] {
        var tokens: [(id: TokenID, bytes: [UInt8])] = []
        var start = 0
        var number = 0
        while start < bytes.count {
            let end = bytes[start...].firstIndex(of: 0x0A) ?? bytes.count
            var line = bytes[start..<end]
            if line.last == 0x0D { line = line.dropLast() }
            start = end + 1
            number += 1
            if line.isEmpty { continue }
            guard let token = parse(line) else {
                throw SwiftletError(
                    .malformed,
                    "\(source): line \(number) is not a token in base 64, a space and a rank below \(Vocabulary.limit)"
                )
            }
            tokens.append(token)
        }
        return tokens
    }

    private static func parse(_ line: some Collection<UInt8>) -> (id: TokenID, bytes: [UInt8])? {
        guard let space = line.firstIndex(of: 0x20),
            let rank = Int(String(decoding: line[line.index(after: space)...], as: UTF8.self)),
            rank >= 0, rank < Vocabulary.limit, let bytes = Base64.decode(Array(line[..<space])),
            !bytes.isEmpty
        else { return nil }
        return (TokenID(rank), bytes)
    }
}

extension Tokenizer {
    /// Loads a vocabulary in the format of tiktoken.
    ///
    /// How text is split follows from the name of the file or from the number of its ranks, or is the pattern
    /// `pat_str` in tokenizer_config.json.
    ///
    /// - Throws: ``SwiftletError/Code/malformed`` with the line that is wrong; ``SwiftletError/Code/unsupported``
    ///   if nothing says how text is split.
    static func load(
        tiktoken path: String, _ configuration: TokenizerConfiguration
    ) throws(SwiftletError) -> Tokenizer {
        let file = try MappedFile(path: path)
        let tokens = try withExtendedLifetime(file) { () throws(SwiftletError) in
            try TiktokenFile.tokens(file.bytes, source: path)
        }
        let known = TiktokenEncoding.find(path: path, count: tokens.count)
        let step: PreTokenizerStep
        if let scanner = configuration.pattern.flatMap({ Scanner.tiktoken[$0] }) {
            step = .scan(scanner)
        } else if let pattern = configuration.pattern {
            step = try .split(at: pattern, .removed, inverted: true, source: path)
        } else if let scanner = known?.scanner {
            step = .scan(scanner)
        } else if let known, let step0 = try PreTokenizer(ggufName: known.splitting, source: path).steps.first
        {
            step = step0
        } else {
            let names = TiktokenEncoding.all.flatMap(\.names).joined(separator: ", ")
            throw SwiftletError(
                .unsupported,
                "\(path): nothing says how text is split before its \(tokens.count) ranks apply; name the file after "
                    + "one of \(names), or put the pattern as 'pat_str' into tokenizer_config.json")
        }
        return try RankedVocabulary(tokens, source: path).tokenizer(
            known?.specials ?? RankedSpecials(), splitting: step, configuration: configuration)
    }
}
