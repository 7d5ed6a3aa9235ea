import Synchronization

/// Buffers that the models reuse from word to word.
struct ModelBuffers {
    var merger = BytePairMerger()
    var agenda = MinimumHeap<ScoredPairModel.Candidate>()
    var text: [UInt8] = []

    /// The most elements of a buffer that is kept; longer words are rare, and what they need is theirs alone.
    private static let mostKept = 1 << 14

    /// Gives up what only very long words have needed.
    mutating func dropLargeParts() {
        if merger.capacity > Self.mostKept { merger = BytePairMerger() }
        if agenda.capacity > Self.mostKept { agenda = MinimumHeap() }
        if text.capacity > Self.mostKept { text = [] }
    }
}

/// What encoding keeps from word to word and from text to text.
///
/// It is used by one call at a time: a call takes one out of a ``ScratchPool`` and puts it back.
final class ModelScratch: @unchecked Sendable {
    var buffers = ModelBuffers()
    /// The tokens of words seen before; without it every word is split anew, which gives the same tokens.
    let cache: WordCache?

    init(remembersWords: Bool = true) { cache = remembersWords ? WordCache() : nil }

    deinit { cache?.deallocate() }
}

/// Scratch memory that is not in use; several threads may take and return.
///
/// Only the first few keep words, however many threads encode at once, so that a server's memory stays small.
final class ScratchPool: Sendable {
    private struct State {
        var idle: [ModelScratch] = []  // those that remember words
        var count = 0  // of them, those in use included
    }

    private static let mostWordCaches = 2
    private let state = Mutex(State())

    /// Calls `body` with scratch memory that nobody else uses meanwhile.
    func withScratch<R>(_ body: (ModelScratch) -> R) -> R {
        let scratch = take()
        defer { putBack(scratch) }
        return body(scratch)
    }

    /// Gives up the words that nobody looks for at this moment.
    func forgetWords() {
        let idle = state.withLock { state in
            defer { (state.idle, state.count) = ([], state.count - state.idle.count) }
            return state.idle
        }
        withExtendedLifetime(idle) {}  // it goes here, not under the lock
    }

    private func take() -> ModelScratch {
        state.withLock { state in
            if let scratch = state.idle.popLast() { return scratch }
            guard state.count < Self.mostWordCaches else { return ModelScratch(remembersWords: false) }
            let scratch = ModelScratch()
            if scratch.cache != nil { state.count += 1 }
            return scratch
        }
    }

    private func putBack(_ scratch: ModelScratch) {
        guard scratch.cache != nil else { return }
        scratch.buffers.dropLargeParts()
        state.withLock { $0.idle.append(scratch) }
    }
}

/// Turns the words of one text into tokens.
struct WordEncoder {
    let model: TokenModel
    let vocabulary: Vocabulary
    /// Words are raw bytes; the vocabulary writes them in ``ByteAlphabet``.
    let isByteLevel: Bool
    let scratch: ModelScratch
    private let cache: WordCache?
    private let splitsBeforeSpaceMark: Bool
    private let isolatesLineFeeds: Bool

    init(model: TokenModel, vocabulary: Vocabulary, isByteLevel: Bool, scratch: ModelScratch) {
        self.model = model
        self.vocabulary = vocabulary
        self.isByteLevel = isByteLevel
        self.scratch = scratch
        cache = scratch.cache
        splitsBeforeSpaceMark = model.splitsBeforeSpaceMark
        isolatesLineFeeds = model.isolatesLineFeeds
    }

    /// Appends the tokens of the words that a scanner finds.
    func encode(_ text: UnsafeBufferPointer<UInt8>, _ scanner: Scanner, into ids: inout [TokenID]) {
        guard let base = text.baseAddress else { return }
        let classes = UnicodeClasses.shared
        var start = 0
        while start < text.count {
            let end = scanner.pieceEnd(base, from: start, to: text.count, classes)
            encodeWord(base + start, end - start, into: &ids)
            start = end
        }
    }

    /// Appends the tokens of one word, or of each part of it that no token can cross.
    func encode(_ word: UnsafeBufferPointer<UInt8>, into ids: inout [TokenID]) {
        guard let base = word.baseAddress, !word.isEmpty else { return }
        guard splitsBeforeSpaceMark else { return encodeWord(base, word.count, into: &ids) }
        var start = 0
        while start < word.count {
            let end = Self.nextPart(base, after: start, to: word.count, isolatesLineFeeds: isolatesLineFeeds)
            encodeWord(base + start, end - start, into: &ids)
            start = end
        }
    }

    @inline(__always)
    private static func isMark(_ text: UnsafePointer<UInt8>, _ i: Int, _ end: Int) -> Bool {
        i + 2 < end && text[i] == 0xE2 && text[i + 1] == 0x96 && text[i + 2] == 0x81
    }

    /// The first place behind `start` where a run of U+2581 begins, or a line feed begins or ends, or `end`.
    private static func nextPart(
        _ text: UnsafePointer<UInt8>, after start: Int, to end: Int, isolatesLineFeeds: Bool
    ) -> Int {
        var i = start
        if isolatesLineFeeds, text[i] == 0x0A { return i + 1 }
        while isMark(text, i, end) { i += 3 }
        while i < end {
            if text[i] == 0xE2, isMark(text, i, end) { return i }
            if isolatesLineFeeds, text[i] == 0x0A { return i }
            i += 1
        }
        return end
    }

    @inline(__always)
    private func encodeWord(_ word: UnsafePointer<UInt8>, _ count: Int, into ids: inout [TokenID]) {
        let text = UnsafeBufferPointer(start: word, count: count)
        guard count <= WordCache.longestWord, let cache else {
            return model.encode(text, isByteLevel: isByteLevel, vocabulary, into: &ids, &scratch.buffers)
        }
        let key = WordCache.Key(word, count)
        if cache.append(key, to: &ids) { return }
        let known = ids.count
        model.encode(text, isByteLevel: isByteLevel, vocabulary, into: &ids, &scratch.buffers)
        ids.withUnsafeBufferPointer {
            cache.insert(key, UnsafeBufferPointer(rebasing: $0[known...]))
        }
    }
}
