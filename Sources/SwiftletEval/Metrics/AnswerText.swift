/// Answers as metrics compare them.
enum AnswerText {
    /// Words for exact match and F1: lower case, without punctuation and the articles a, an and the.
    ///
    /// Source: Rajpurkar et al., 2016, arXiv:1606.05250, §6.1 and its evaluation script. That removes ASCII
    /// punctuation alone; here Unicode's goes, too.
    static func words(of text: String) -> [String] {
        var plain = String.UnicodeScalarView()
        for scalar in text.lowercased().unicodeScalars where !isPunctuation(scalar) { plain.append(scalar) }
        return String(plain).split(whereSeparator: \.isWhitespace).map(String.init)
            .filter { !["a", "an", "the"].contains($0) }
    }

    /// Words for ROUGE: lower case, cut at everything but letters, marks and digits; of writing that puts no spaces
    /// between words, every character is one.
    static func terms(of text: String) -> [String] {
        var terms: [String] = []
        var current = ""
        for character in text.lowercased() {
            let stands = character.unicodeScalars.contains(where: standsAlone)
            if !stands, character.isLetter || character.isNumber {
                current.append(character)
                continue
            }
            if !current.isEmpty { terms.append(current) }
            current = ""
            if stands { terms.append(String(character)) }
        }
        if !current.isEmpty { terms.append(current) }
        return terms
    }

    /// Lower case, with single spaces between words and none around them.
    static func folded(_ text: String) -> String {
        text.lowercased().split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    /// Whether a text holds another, both folded.
    static func contains(_ text: String, _ part: String) -> Bool {
        let part = folded(part)
        return part.isEmpty || folded(text).contains(part)
    }

    /// Without spaces and line ends around it.
    static func trimmed(_ text: String) -> [Character] {
        var characters = text.drop(while: \.isWhitespace)
        while characters.last?.isWhitespace == true { characters.removeLast() }
        return Array(characters)
    }

    private static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
            .initialPunctuation,
            .finalPunctuation, .otherPunctuation:
            true
        default: "$+<=>^`|~".unicodeScalars.contains(scalar)
        }
    }

    /// Whether a scalar is an ideograph or one of the Japanese syllables.
    private static func standsAlone(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.isIdeographic || (0x3040...0x30FF).contains(scalar.value)
    }
}
