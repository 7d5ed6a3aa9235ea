internal import SwiftletTensor

/// Splits normalised text into the pieces that the vocabulary model sees separately.
///
/// A list of steps, each applied to the pieces of the one before. Pieces are never empty; text that is not UTF-8 is
/// kept as it is, each stray byte counting as one character without a class.
///
/// Source: the `pre_tokenizers` of Hugging Face `tokenizers` 0.23 and the pre-tokenizer names of llama.cpp.
package struct PreTokenizer: Sendable {
    /// Whether the vocabulary is written in the byte-level alphabet of GPT-2; the pieces themselves are raw bytes.
    package var isByteLevel: Bool

    let steps: [PreTokenizerStep]

    init(steps: [PreTokenizerStep], isByteLevel: Bool) {
        self.steps = steps
        self.isByteLevel = isByteLevel
    }

    /// Whether a step asks which pieces begin at the first character of the input.
    var asksForOrigin: Bool {
        steps.contains { if case .metaspace(_, .first, _) = $0 { true } else { false } }
    }

    /// The scanner that does everything, if there is one.
    var onlyScanner: Scanner? {
        guard steps.count == 1, case .scan(let scanner) = steps[0] else { return nil }
        return scanner
    }

    /// Calls `body` with every piece of `text`, in order.
    ///
    /// - Parameters:
    ///   - text: UTF-8, normalised.
    ///   - isFirst: whether the text is the first section of the input, for the steps that put a prefix only there.
    package func split(_ text: [UInt8], isFirst: Bool, _ body: (_ piece: [UInt8]) -> Void) {
        forEachPiece(of: text, originCount: isFirst ? 1 : 0) { body(Array($0)) }
    }

    /// The same as ``split(_:isFirst:_:)`` without a copy of each piece; a piece is valid during its call only.
    ///
    /// - Parameter originCount: how many bytes at the beginning come from the first character of the input.
    package func forEachPiece(
        of text: [UInt8], originCount: Int, _ body: (_ piece: UnsafeBufferPointer<UInt8>) -> Void
    ) {
        if text.isEmpty { return }
        if let scanner = onlyScanner {
            text.withUnsafeBufferPointer { buffer in
                scanner.forEachPiece(of: buffer) { body(UnsafeBufferPointer(rebasing: buffer[$0])) }
            }
            return
        }
        if steps.count == 1, case .bertWords = steps[0] {
            return text.withUnsafeBufferPointer { buffer in
                BertWords.forEach(in: buffer) { body(UnsafeBufferPointer(rebasing: buffer[$0])) }
            }
        }
        var pieces = Pieces(bytes: text, ranges: [0..<text.count], originCount: originCount)
        for step in steps { step.apply(to: &pieces) }
        pieces.bytes.withUnsafeBufferPointer { buffer in
            for range in pieces.ranges { body(UnsafeBufferPointer(rebasing: buffer[range])) }
        }
    }
}

extension Scanner {
    /// Calls `body` with the range of every piece of `text`, in order and without gaps.
    @inline(__always)
    func forEachPiece(of text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) -> Void) {
        guard let base = text.baseAddress else { return }
        let classes = UnicodeClasses.shared
        var start = 0
        while start < text.count {
            let end = pieceEnd(base, from: start, to: text.count, classes)
            body(start..<end)
            start = end
        }
    }
}

/// Text and its pieces between two steps.
struct Pieces {
    var bytes: [UInt8]
    /// Ascending, disjoint, never empty.
    var ranges: [Range<Int>]
    /// How many of the bytes come from the first character of the input: all before it begin there, too.
    var originCount: Int

    /// Cuts every piece: `matches` reports the matches in a piece, relative to it, from left to right.
    mutating func cut(
        _ behavior: SplitBehavior, inverted: Bool = false,
        _ matches: (UnsafeBufferPointer<UInt8>, (Range<Int>) -> Void) -> Void
    ) {
        var cut: [Range<Int>] = []
        cut.reserveCapacity(ranges.count)
        bytes.withUnsafeBufferPointer { buffer in
            if behavior == .isolated {
                for piece in ranges {
                    var position = piece.lowerBound
                    matches(UnsafeBufferPointer(rebasing: buffer[piece])) { match in
                        let start = match.lowerBound + piece.lowerBound
                        let end = match.upperBound + piece.lowerBound
                        if start > position { cut.append(position..<start) }
                        if end > start { cut.append(start..<end) }
                        position = end
                    }
                    if position < piece.upperBound { cut.append(position..<piece.upperBound) }
                }
                return
            }
            for piece in ranges {
                var collector = SplitCollector(
                    behavior: behavior, inverted: inverted, offset: piece.lowerBound)
                matches(UnsafeBufferPointer(rebasing: buffer[piece])) { collector.match($0) }
                collector.finish(at: piece.count, into: &cut)
            }
        }
        ranges = cut
    }

    /// Cuts at the characters for which `isMatch` holds.
    mutating func cut(_ behavior: SplitBehavior, characters isMatch: (UInt32) -> Bool) {
        cut(behavior) { text, report in
            guard let base = text.baseAddress else { return }
            var i = 0
            while i < text.count {
                let (value, width) = UTF8Text.decode(base, i, text.count)
                if isMatch(value) { report(i..<i + width) }
                i += width
            }
        }
    }

    /// Replaces the bytes of every piece by those that `body` makes of them, which must begin alike for the
    /// beginning of a piece.
    mutating func rewrite(_ body: (_ piece: ArraySlice<UInt8>) -> [UInt8]) {
        var text: [UInt8] = []
        var rewritten: [Range<Int>] = []
        var origin = 0
        text.reserveCapacity(bytes.count + ranges.count)
        for range in ranges {
            let start = text.count
            text += body(bytes[range])
            if range.lowerBound < originCount {
                origin = start + body(bytes[range.prefix(originCount - range.lowerBound)]).count
            }
            if text.count > start { rewritten.append(start..<text.count) }
        }
        (bytes, ranges, originCount) = (text, rewritten, origin)
    }
}

/// What becomes of the text that a splitting pattern matches.
enum SplitBehavior: String, Sendable {
    case removed = "Removed"
    case isolated = "Isolated"
    case mergedWithPrevious = "MergedWithPrevious"
    case mergedWithNext = "MergedWithNext"
    case contiguous = "Contiguous"
}

/// Turns the matches in one piece into smaller pieces.
struct SplitCollector {
    let behavior: SplitBehavior
    let inverted: Bool
    /// Where the piece begins in the text.
    let offset: Int
    private var parts: [(range: Range<Int>, isMatch: Bool)] = []
    private var position = 0

    init(behavior: SplitBehavior, inverted: Bool, offset: Int) {
        self.behavior = behavior
        self.inverted = inverted
        self.offset = offset
    }

    /// Adds a match behind the ones before.
    mutating func match(_ range: Range<Int>) {
        if range.lowerBound > position { parts.append((position..<range.lowerBound, inverted)) }
        parts.append((range, !inverted))
        position = range.upperBound
    }

    /// Appends the pieces, which are not empty; the piece has `count` bytes.
    mutating func finish(at count: Int, into pieces: inout [Range<Int>]) {
        if position < count { parts.append((position..<count, inverted)) }
        var cut: [Range<Int>] = []
        switch behavior {
        case .removed: cut = parts.lazy.filter { !$0.isMatch }.map(\.range)
        case .isolated: cut = parts.map(\.range)
        case .contiguous: cut = merged { isMatch, wasMatch in isMatch == wasMatch }
        case .mergedWithPrevious: cut = merged { isMatch, wasMatch in isMatch && !wasMatch }
        case .mergedWithNext:
            parts.reverse()
            cut = merged { isMatch, wasMatch in isMatch && !wasMatch }.reversed()
        }
        for range in cut where !range.isEmpty {
            pieces.append(range.lowerBound + offset..<range.upperBound + offset)
        }
    }

    /// Joins each part to the one before where `joins` says so; the first has a gap before it.
    private func merged(_ joins: (_ isMatch: Bool, _ wasMatch: Bool) -> Bool) -> [Range<Int>] {
        var merged: [Range<Int>] = []
        var wasMatch = false
        for (range, isMatch) in parts {
            if joins(isMatch, wasMatch), let last = merged.last {
                let low = min(last.lowerBound, range.lowerBound)
                merged[merged.count - 1] = low..<max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
            wasMatch = isMatch
        }
        return merged
    }
}
