/// Turns the texts of tokens back into text.
///
/// A decoder is a chain of steps. Those before a ``Step/fuse`` see one token at a time, those after it the whole
/// text. Byte tokens become their bytes, also where these are no UTF-8: `tokenizers` writes one U+FFFD for every
/// byte of such a run, Swiftlet keeps the bytes so that decoding is the inverse of encoding.
struct TokenDecoder: Sendable {
    /// One step of the chain.
    enum Step: Sendable {
        /// Reads ``ByteAlphabet`` and joins the tokens.
        case byteLevel
        /// Turns `replacement` into a space, or into nothing in the first token if `strips` is set.
        case metaspace(replacement: [UInt8], strips: Bool)
        /// Removes the prefix, or adds a space before tokens without it, and tidies punctuation.
        case wordPiece(prefix: [UInt8], tidies: Bool)
        /// Turns `<0x0A>` into the byte.
        case byteFallback
        /// Joins the tokens.
        case fuse
        /// Removes up to `start` and `stop` characters `content` at either end.
        case strip(content: [UInt8], start: Int, stop: Int)
        /// Replaces a text.
        case replace(pattern: [UInt8], content: [UInt8])
        /// Replaces what a regular expression matches.
        case replaceMatches(Normalizer)
        /// Turns the suffix into a space, or into nothing in the last token.
        case bytePair(suffix: [UInt8])
        /// Separates tokens by spaces: what happens without a decoder.
        case spaced
        /// Drops tokens that repeat the one before and what is left of padding; `delimiter` becomes a space.
        case temporal(padding: [UInt8], delimiter: [UInt8], tidies: Bool)
    }

    private let perToken: [Step]
    private let joins: Bool
    private let perText: [Step]

    /// All steps, if some of them needs to see a list of tokens; otherwise empty.
    private let listSteps: [Step]

    /// Creates a decoder from its steps in order.
    init(_ steps: [Step]) {
        listSteps = Self.needsList(steps) ? steps : []
        let fuse = steps.firstIndex { step in
            switch step {
            case .fuse, .byteLevel: true
            default: false
            }
        }
        guard let fuse else {
            (perToken, joins, perText) = (steps, false, [])
            return
        }
        if case .byteLevel = steps[fuse] {
            perToken = Array(steps[...fuse])
        } else {
            perToken = Array(steps[..<fuse])
        }
        (joins, perText) = (true, Array(steps[(fuse + 1)...]))
    }

    /// Whether tokens are joined or dropped before a step that tells the first or last of them apart.
    private static func needsList(_ steps: [Step]) -> Bool {
        var isRegrouped = false
        for step in steps {
            switch step {
            case .temporal: return true
            case .fuse, .byteLevel: return false
            case .byteFallback: isRegrouped = true
            default: if isRegrouped { return true }
            }
        }
        return false
    }

    /// Whether the tokens must be known as a list, so that nothing can be said before the last one.
    var needsList: Bool { !listSteps.isEmpty }

    /// The text of a list of tokens, for decoders that ``needsList``.
    func decode(_ tokens: [ArraySlice<UInt8>]) -> [UInt8] {
        let tokens = listSteps.reduce(tokens) { Self.apply($1, toList: $0) }
        return Array(tokens.joined())
    }

    private static func apply(_ step: Step, toList tokens: [ArraySlice<UInt8>]) -> [ArraySlice<UInt8>] {
        switch step {
        case .fuse, .byteLevel:
            let parts = tokens.map { apply(step, to: $0, isFirst: true, isLast: true) }
            return [Array(parts.joined())[...]]
        case .byteFallback: return joiningBytes(tokens)
        case .temporal(let padding, let delimiter, let tidies):
            var kept: [ArraySlice<UInt8>] = []
            for (index, token) in tokens.enumerated() where index == 0 || tokens[index - 1] != token {
                let text = temporal(token, padding, delimiter, tidies: tidies)
                if !text.isEmpty { kept.append(text) }
            }
            return kept
        default:
            return tokens.enumerated().map { index, token in
                apply(step, to: token, isFirst: index == 0, isLast: index == tokens.count - 1)
            }
        }
    }

    /// Turns each run of byte tokens into one token.
    private static func joiningBytes(_ tokens: [ArraySlice<UInt8>]) -> [ArraySlice<UInt8>] {
        var joined: [ArraySlice<UInt8>] = []
        var isInRun = false
        for token in tokens {
            let byte = ByteToken.value(token)
            if let byte, isInRun { joined[joined.count - 1].append(byte) }
            if byte == nil || !isInRun { joined.append(byte.map { [$0] } ?? token) }
            isInRun = byte != nil
        }
        return joined
    }

    private static func temporal(
        _ token: ArraySlice<UInt8>, _ padding: [UInt8], _ delimiter: [UInt8], tidies: Bool
    ) -> ArraySlice<UInt8> {
        let text = replace(padding, by: [], in: token)
        return tidies ? replace(delimiter, by: [0x20], in: tidied(text)) : text
    }

    /// Whether a token's text depends on whether more tokens follow.
    var looksAhead: Bool {
        perToken.contains { step in
            if case .bytePair = step { true } else { false }
        }
    }

    /// What can be said about a whole text before all of it is known.
    enum TextRule {
        /// Nothing happens to it.
        case unchanged
        /// Up to so many characters are removed at the start.
        case stripsStart(content: [UInt8], count: Int)
        /// Anything may happen.
        case needsAll
    }

    /// What happens to the joined text.
    var textRule: TextRule {
        guard joins, let first = perText.first(where: { !Self.isNothing($0) }) else { return .unchanged }
        if case .strip(let content, let start, 0) = first, perText.count(where: { !Self.isNothing($0) }) == 1
        {
            return .stripsStart(content: content, count: start)
        }
        return .needsAll
    }

    private static func isNothing(_ step: Step) -> Bool {
        switch step {
        case .fuse, .byteFallback: true
        case .strip(_, let start, let stop): start == 0 && stop == 0
        default: false
        }
    }

    /// Appends what one token contributes before the whole text is looked at.
    func append(_ token: ArraySlice<UInt8>, isFirst: Bool, isLast: Bool, to text: inout [UInt8]) {
        var token = token
        for step in perToken {
            token = Self.apply(step, to: token, isFirst: isFirst, isLast: isLast)
        }
        text.append(contentsOf: token)
    }

    /// Applies the steps that see the whole text.
    func finish(_ text: [UInt8]) -> [UInt8] {
        perText.isEmpty
            ? text : Array(perText.reduce(text[...]) { Self.apply($1, to: $0, isFirst: true, isLast: true) })
    }

    private static func apply(
        _ step: Step, to token: ArraySlice<UInt8>, isFirst: Bool, isLast: Bool
    ) -> ArraySlice<UInt8> {
        switch step {
        case .byteLevel:
            var bytes: [UInt8] = []
            ByteAlphabet.appendDecoded(token, to: &bytes)
            return bytes[...]
        case .metaspace(let replacement, let strips):
            return replace(replacement, by: isFirst && strips ? [] : [0x20], in: token)
        case .wordPiece(let prefix, let tidies):
            return joinWordPiece(token, prefix, tidies: tidies, isFirst: isFirst)
        case .byteFallback:
            return ByteToken.value(token).map { [$0] } ?? token
        case .fuse:
            return token
        case .strip(let content, let start, let stop):
            return strip(token, content, start, stop)
        case .replace(let pattern, let content):
            return replace(pattern, by: content, in: token)
        case .replaceMatches(let normalizer):
            return normalizer.normalize(Array(token))[...]
        case .bytePair(let suffix):
            return replace(suffix, by: isLast ? [] : [0x20], in: token)
        case .spaced:
            return isFirst ? token : [0x20] + token
        case .temporal(let padding, let delimiter, let tidies):
            return temporal(token, padding, delimiter, tidies: tidies)
        }
    }

    private static func joinWordPiece(
        _ token: ArraySlice<UInt8>, _ prefix: [UInt8], tidies: Bool, isFirst: Bool
    ) -> ArraySlice<UInt8> {
        var token = token
        if !isFirst {
            token = token.starts(with: prefix) ? token.dropFirst(prefix.count) : [0x20] + token
        }
        return tidies ? tidied(token) : token
    }

    private static func tidied(_ token: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        tidying.reduce(token) { replace($1.0, by: $1.1, in: $0) }
    }

    private static let tidying: [([UInt8], [UInt8])] = [
        (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
        (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
    ].map { (Array($0.utf8), Array($1.utf8)) }

    private static func strip(
        _ token: ArraySlice<UInt8>, _ content: [UInt8], _ start: Int, _ stop: Int
    ) -> ArraySlice<UInt8> {
        guard !content.isEmpty else { return token }
        var token = token
        var (start, stop) = (start, stop)
        while start > 0, token.starts(with: content) {
            token = token.dropFirst(content.count)
            start -= 1
        }
        while stop > 0, token.count >= content.count, token.suffix(content.count).elementsEqual(content) {
            token = token.dropLast(content.count)
            stop -= 1
        }
        return token
    }

    private static func replace(
        _ pattern: [UInt8], by content: [UInt8], in text: ArraySlice<UInt8>
    ) -> ArraySlice<UInt8> {
        guard let lead = pattern.first, text.contains(lead) else { return text }
        var result: [UInt8] = []
        var rest = text
        while let byte = rest.first {
            if byte == lead, rest.starts(with: pattern) {
                result.append(contentsOf: content)
                rest = rest.dropFirst(pattern.count)
            } else {
                result.append(byte)
                rest = rest.dropFirst()
            }
        }
        return result[...]
    }
}
