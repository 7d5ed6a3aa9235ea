package import SwiftletTensor

extension PreTokenizer {
    /// Finds the rules behind the `tokenizer.ggml.pre` name of a GGUF file.
    ///
    /// Each name has a list of patterns, applied one after the other. Where llama.cpp replaces a pattern of the
    /// original tokenizer by one that its own matcher can read, the original is used here, so that a GGUF file and
    /// a tokenizer.json of the same model give the same tokens.
    ///
    /// - Parameters:
    ///   - ggufName: such as `llama-bpe`; empty means `default`.
    ///   - source: the name of the file, for errors.
    /// - Throws: ``SwiftletError`` for an unknown name.
    package init(ggufName: String, source: String) throws(SwiftletError) {
        guard let rule = PreTokenizerNames.rules[ggufName.isEmpty ? "default" : ggufName] else {
            throw SwiftletError(
                .unsupported,
                "\(source): tokenizer.ggml.pre is '\(ggufName)', which Swiftlet does not know; it knows "
                    + PreTokenizerNames.rules.keys.sorted().joined(separator: ", ") + ".")
        }
        var steps: [PreTokenizerStep] = []
        for text in rule.patterns {
            steps.append(try .split(at: text, .isolated, inverted: false, source: source))
        }
        self.init(steps: steps, isByteLevel: rule.isByteLevel)
    }
}

/// The pre-tokenizer names of GGUF files.
///
/// Source: the names and the order of patterns are those of llama.cpp (`llama-vocab.cpp`, 2026); the patterns those
/// of the tokenizer.json files that the names stand for.
enum PreTokenizerNames {
    struct Rule {
        var patterns: [String]
        var isByteLevel = true
    }

    static let rules: [String: Rule] = {
        var rules: [String: Rule] = [:]
        for (names, patterns) in byteLevel {
            for name in names.split(separator: " ") { rules[String(name)] = Rule(patterns: patterns) }
        }
        // Here the vocabulary is that of SentencePiece; only lines are apart, since no token crosses their ends.
        for name in ["gemma4", "granite-embed-multi-311m", "sarvam-moe"] {
            rules[name] = Rule(patterns: [#"[^\n]+|[\n]+"#], isByteLevel: false)
        }
        rules["whitespace"] = Rule(patterns: [#"\S+"#], isByteLevel: false)
        return rules
    }()

    /// The first name whose patterns mean the same as others, however they are written.
    ///
    /// - Parameter isNamed: whether a name may be taken.
    static func name(of patterns: [String], where isNamed: (String) -> Bool) -> String? {
        func nodes(_ patterns: [String]) -> [PatternNode]? {
            try? patterns.map { try Pattern.node($0, source: "") }
        }
        guard let wanted = nodes(patterns) else { return nil }
        for (names, patterns) in byteLevel where patterns.count == wanted.count && nodes(patterns) == wanted {
            if let name = names.split(separator: " ").lazy.map(String.init).first(where: isNamed) {
                return name
            }
        }
        return nil
    }

    /// Lists of names, and the patterns of each.
    private static let byteLevel: [(names: String, patterns: [String])] = [
        (
            "gpt-2 phi-2 jina-es jina-de jina-v2-es jina-v2-de jina-v1-en jina-v2-code roberta-bpe gigachat a.x-4.0 "
                + "mellum modern-bert exaone4 mpt olmo jais trillion granite-docling",
            [gpt2]
        ),
        ("starcoder refact command-r smollm codeshell exaone minerva-7b mellum2", [#"\p{N}"#, gpt2]),
        (
            "llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano dbrx smaug-bpe "
                + "glm4 glm5 chatglm-bpe",
            [contractions + "|" + words + #"\p{N}{1,3}"# + rest]
        ),
        (
            "qwen2 deepseek-r1-qwen kormo f2llmv2 stablelm2 hunyuan solar-open megrez grok-2",
            [contractions + "|" + words + #"\p{N}"# + rest]
        ),
        (
            "qwen35",
            [
                contractions + #"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"#
                    + #"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
            ]
        ),
        ("ufakzeka", [words + #"\p{N}"# + rest]),
        ("laguna", [#"[^\n]+|[\n]+"#, contractions + "|" + words + #"\p{N}"# + rest]),
        ("minicpm5", [#"\p{N}{1,3}"#, contractions + "|" + words + #"\p{N}+"# + rest]),
        (
            "gpt-4o llama4 kanana2 talkie minimax-m2 granite-embed-multi-97m",
            [cased(contractions + "?") + triples]
        ),
        ("tekken", [cased("") + #"\p{N}"# + slashed]),
        ("tiny_aya cohere2moe", [#"\d{1,3}(?=(?:\d{3})*\b)"#, cased(contractions + "?") + triples]),
        (
            "default",
            [#"[\p{P}\$\+<=>\^~\|]+"#, gpt2, #"\p{N}+"#, "[0-9][0-9][0-9]"]
        ),
        ("falcon", [#"[\p{P}\$\+<=>\^~\|`]+"#, gpt2, "[0-9][0-9][0-9]"]),
        ("jais-2", [contractions + "|" + words + #"\p{N}{1,3}"# + spacesByPowers]),
        ("deepseek-llm", ["[\r\n]", latinWords, latinPunctuation, #"\s+$"#, chineseAndKorean, #"\p{N}+"#]),
        ("deepseek-coder", ["[\r\n]", #"\s?\p{L}+"#, #"\s?\p{P}+"#, chineseAndKorean, #"\p{N}"#]),
        ("deepseek-v3 hunyuan-dense joyai-llm hy_v4", [#"\p{N}{1,3}"#, chineseAndKana, punctuated]),
        (
            "spark2_5",
            [
                #"\p{N}{1,3}"#, chineseAndKana,
                punctuatedWords + #"| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+"#, #"\p{N}"#,
            ]
        ),
        ("afmoe", [#"\p{N}+"#, #"(?=(\p{N}{3})+(?!\p{N}))"#, asianWords, punctuated]),
        (
            "youtu",
            [
                characters("AC00-D7A3 3131-318E") + "|"
                    + characters("FF01 2026 201C 201D 2018 2019 2014 FF1A FF1B FF0C 3001-303F FE30-FE4F")
                    + "|"
                    + characters("3105-312F") + "|" + chineseAndKana,
                cased(contractions + "?") + #"\p{N}"# + slashed,
            ]
        ),
        ("poro-chat bloom gpt3-finnish", [notPunctuation]),
        ("viking", [notPunctuation, #"\p{N}"#]),
        (
            "chameleon",
            [
                "<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", #"([\t\n]|    |  )"#, #"\p{N}"#,
                #"[\p{P}!-/:-@\[-`{-~]"#, gpt2,
            ]
        ),
        ("kimi-k2", [hanApart]),
        ("superbpe", [#"\p{N}+"#, #"(?=(\d{3})+(?!\d))"#]),
        (
            "bailingmoe bailingmoe2 llada-moe",
            [
                #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}"#
                    + #"| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"#
            ]
        ),
        (
            "seed-coder",
            [
                contractions + "|" + words
                    + #"\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"#
            ]
        ),
        (
            "exaone-moe",
            [
                contractions + #"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}"#
                    + #"| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"#
            ]
        ),
    ]

    // MARK: Parts of patterns

    private static let notPunctuation =
        #" ?[^(\s|.,!?\x{2026}\x{3002}\x{FF0C}\x{3001}\x{964}\x{6D4}\x{60C})]+"#
    static let gpt2 = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
    private static let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    private static let words = #"[^\r\n\p{L}\p{N}]?\p{L}+|"#
    private static let rest = #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    private static let slashed = #"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    private static let triples = #"\p{N}{1,3}"# + slashed

    /// Words that end where a capital follows a small letter.
    private static func cased(_ suffix: String, except excluded: String = "") -> String {
        let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}\#(excluded)]"#
        let lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}\#(excluded)]"#
        let lead = #"[^\r\n\p{L}\p{N}]?"#
        return "\(lead)\(upper)*\(lower)+\(suffix)|\(lead)\(upper)+\(lower)*\(suffix)|"
    }

    private static let hanApart =
        #"[\p{Han}]+|"# + cased(contractions + "?", except: #"&&[^\p{Han}]"#) + #"\p{N}{1,3}"# + rest

    private static let spacesByPowers =
        #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"#
        + [512, 256, 128, 64, 32, 16, 8, 4].map { #"|\s{\#($0)}(?!\S)"# }.joined()
        + #"|\s{1,2}(?!\S)|\s{1}"#

    private static let punctuatedWords =
        ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"##
    private static let punctuated =
        punctuatedWords + #"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

    private static let latinPunctuation =
        #"\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+"#
    private static let chineseAndKorean = characters("4E00-9FA5 0800-4E00 AC00-D7FF")
    private static let chineseAndKana = characters("4E00-9FA5 3040-309F 30A0-30FF")
    private static let asianWords = characters(
        "4E00-9FFF 3400-4DBF F900-FAFF 3040-309F 30A0-30FF FF65-FF9F 2F00-2FDF 0E40-0E7F 0E80-0EFF 1780-17FF "
            + "1000-109F AA60-AA7F A9E0-A9FF AC00-D7AF 1100-11FF")
    private static let latinWords =
        #"\s?"#
        + characters(
            "41-5A 61-7A B5 C0-D6 D8-F6 F8-1BA 1BC-1BF 1C4-293 295-2AF 370-373 376 377 37B-37D 37F 386 388-38A 38C "
                + "38E-3A1 3A3-3F5 3F7-481 48A-52F 531-556 10A0-10C5 13A0-13F5 13F8-13FD 1C90-1CBA 1CBD-1CBF "
                + "1D00-1D2B 1D6B-1D77 1D79-1D9A 1E00-1F15 1F18-1F1D 1F20-1F45 1F48-1F4D 1F50-1F57 1F59 1F5B 1F5D "
                + "1F5F-1F7D 1F80-1FB4 1FB6-1FBC 1FBE 1FC2-1FC4 1FC6-1FCC 1FD0-1FD3 1FD6-1FDB 1FE0-1FEC 1FF2-1FF4 "
                + "1FF6-1FFC 2102 2107 210A-2113 2115 2119-211D 2124 2126 2128 212A-212D 212F-2134 2139 213C-213F "
                + "2145-2149 214E 2183 2184 2C00-2C7B 2C7E-2CE4 2CEB-2CEE 2CF2 2CF3 A640-A66D A680-A69B A722-A76F "
                + "A771-A787 A78B-A78E AB70-ABBF FB00-FB06 FB13-FB17 FF21-FF3A FF41-FF5A 10400-1044F 104B0-104D3 "
                + "104D8-104FB 10C80-10CB2 10CC0-10CF2 118A0-118DF 1E900-1E943")

    /// The class of ranges in hexadecimal, one or more times.
    private static func characters(_ ranges: String) -> String {
        let members = ranges.split(separator: " ").map { range in
            range.split(separator: "-").map { #"\x{\#($0)}"# }.joined(separator: "-")
        }
        return "[\(members.joined())]+"
    }
}
