extension Scanner {
    /// The scanner that does what the pattern `text` says, or `nil` if only the general matcher can.
    init?(pattern text: String) {
        guard let known = Scanner.known[text] else { return nil }
        self = known
    }

    /// GPT-2's pattern, which the `ByteLevel` step applies.
    static let gpt2 = Scanner(family: .gpt2, contractions: .small)
    /// Llama 3's pattern, the one of `cl100k_base` without possessive quantifiers.
    static let llama3 = Scanner(family: .cl100k, contractions: .folded, numberLimit: 3)
    /// The pattern of `cl100k_base` in tiktoken, which takes spaces at the end of the text first.
    static let cl100k = Scanner(
        family: .cl100k, contractions: .folded, numberLimit: 3, keepsFinalSpaces: true)
    /// Qwen 2's pattern.
    static let qwen2 = Scanner(family: .cl100k, contractions: .folded, numberLimit: 1)
    /// Qwen 3.5's pattern.
    static let qwen35 = Scanner(family: .cl100k, contractions: .folded, numberLimit: 1, marksInWords: true)
    /// The pattern of `o200k_base`.
    static let o200k = Scanner(
        family: .o200k, contractions: .folded, numberLimit: 3, slashAfterPunctuation: true)
    /// Tekken's pattern.
    static let tekken = Scanner(
        family: .o200k, contractions: .none, numberLimit: 1, slashAfterPunctuation: true)

    /// Scanners by the exact text of the patterns that they stand for.
    static let known: [String: Scanner] = {
        var known = [#"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#: gpt2]
        for (contraction, contractions) in contractionTexts {
            for (number, limit) in numberTexts {
                let words = #"[^\r\n\p{L}\p{N}]?\p{L}+|"#
                let rest = #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
                let scanner = Scanner(family: .cl100k, contractions: contractions, numberLimit: limit)
                known[(contraction.isEmpty ? "" : contraction + "|") + words + number + rest] = scanner

                let upper = #"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}"#
                let lower = #"\p{Ll}\p{Lm}\p{Lo}\p{M}"#
                let suffix = contraction.isEmpty ? "" : contraction + "?"
                let cased =
                    #"[^\r\n\p{L}\p{N}]?[\#(upper)]*[\#(lower)]+\#(suffix)|"#
                    + #"[^\r\n\p{L}\p{N}]?[\#(upper)]+[\#(lower)]*\#(suffix)|"#
                let slashed = #"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
                known[cased + number + slashed] = Scanner(
                    family: .o200k, contractions: contractions, numberLimit: limit,
                    slashAfterPunctuation: true)
                known[cased + number + rest] = Scanner(
                    family: .o200k, contractions: contractions, numberLimit: limit)
            }
            let marked =
                #"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"#
                + #"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
            known[(contraction.isEmpty ? "" : contraction + "|") + marked] = Scanner(
                family: .cl100k, contractions: contractions, numberLimit: 1, marksInWords: true)
        }
        return known
    }()

    /// Scanners by the patterns that only tiktoken has; a dollar sign in them is the end of the text.
    static let tiktoken: [String: Scanner] = [
        #"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"#: gpt2,
        #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"#
            + #"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"#: cl100k,
    ]

    private static let contractionTexts: [(String, Contractions)] = [
        ("(?i:'s|'t|'re|'ve|'m|'ll|'d)", .folded),
        ("(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])", .bothCases),
        ("", .none),
    ]

    private static let numberTexts: [(String, Int)] = [
        (#"\p{N}{1,3}"#, 3), (#"\p{N}{1}"#, 1), (#"\p{N}"#, 1), (#"\p{N}+"#, .max),
    ]
}
