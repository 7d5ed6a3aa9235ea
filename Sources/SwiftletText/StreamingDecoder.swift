/// Turns ids into text as they come and never splits a UTF-8 character.
///
/// Everything returned, joined, is what ``Tokenizer/decode(_:skipSpecial:)`` makes of all the ids, with invalid
/// bytes repaired to U+FFFD.
///
/// ```swift
/// var decoder = StreamingDecoder(tokenizer)
/// for id in generated { print(decoder.append(id), terminator: "") }
/// print(decoder.finish())
/// ```
public struct StreamingDecoder: Sendable {
    private let tokenizer: Tokenizer
    private let skipSpecial: Bool
    private var isFirst: Bool
    /// The last token, if it must be known whether another follows.
    private var held: TokenID?
    /// Bytes that may be the beginning of a character, or all of them if the decoder asks for that.
    private var pending: [UInt8] = []
    private var strip: (content: [UInt8], count: Int)?
    private let needsAll: Bool
    /// All tokens, if the decoder needs to see them as a list.
    private var list: [TokenID] = []

    /// Starts an empty text.
    ///
    /// - Parameters:
    ///   - skipSpecial: leave special tokens out.
    ///   - continuing: the text goes on from an earlier one, so the first token keeps its leading space.
    public init(_ tokenizer: Tokenizer, skipSpecial: Bool = true, continuing: Bool = false) {
        self.tokenizer = tokenizer
        self.skipSpecial = skipSpecial
        isFirst = !continuing
        switch tokenizer.storage.decoder.textRule {
        case .unchanged: needsAll = false
        case .needsAll: needsAll = true
        case .stripsStart(let content, let count):
            needsAll = false
            if !continuing { strip = (content, count) }
        }
    }

    /// Adds a token and returns the text that is certain now; ids without a token add nothing.
    public mutating func append(_ id: TokenID) -> String {
        guard tokenizer.storage.isDecoded(id, skipSpecial: skipSpecial) else { return "" }
        if tokenizer.storage.decoder.needsList {
            list.append(id)
            return ""
        }
        if tokenizer.storage.decoder.looksAhead {
            guard let previous = held.replaced(by: id) else { return "" }
            write(previous, isLast: false)
        } else {
            write(id, isLast: false)
        }
        if needsAll { return "" }
        return take(pending.count - UTF8Step.unfinishedLength(pending))
    }

    /// Ends the text and returns the rest of it.
    public mutating func finish() -> String {
        if tokenizer.storage.decoder.needsList {
            defer { list = [] }
            return tokenizer.decode(list)
        }
        if let last = held.take() { write(last, isLast: true) }
        if needsAll { pending = tokenizer.storage.decoder.finish(pending) }
        strip = nil
        return take(pending.count)
    }

    private mutating func write(_ id: TokenID, isLast: Bool) {
        tokenizer.storage.appendDecoded(id, isFirst: isFirst, isLast: isLast, to: &pending)
        isFirst = false
    }

    private mutating func take(_ count: Int) -> String {
        if let (content, remaining) = strip, let rest = stripped(content, remaining, ready: count) {
            return rest
        }
        defer { pending.removeFirst(count) }
        return String(decoding: pending[..<count], as: UTF8.self)
    }

    /// Removes characters at the start of the text, or returns `""` while they are not all known.
    private mutating func stripped(_ content: [UInt8], _ remaining: Int, ready: Int) -> String? {
        var left = remaining
        while left > 0, pending.starts(with: content) {
            pending.removeFirst(content.count)
            left -= 1
        }
        let undecided = left > 0 && content.starts(with: pending)
        strip = undecided ? (content, left) : nil
        if undecided { return "" }
        return take(pending.count - UTF8Step.unfinishedLength(pending))
    }
}

extension Optional {
    /// Stores a new value and returns the old one.
    fileprivate mutating func replaced(by value: Wrapped) -> Wrapped? {
        defer { self = value }
        return self
    }
}
