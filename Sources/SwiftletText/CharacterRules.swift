import Synchronization

/// A chain of ``NormalizerStep``s that look at one character at a time, with what becomes of each character.
///
/// The steps themselves say what becomes of a character, when its page of 256 is first met. Text in which characters
/// depend on their neighbours, because marks are put in order or composed, is left to the steps.
///
/// - Complexity: O(n), a few nanoseconds for each character; a page takes 4 KiB, and only the pages of the first two
///   planes are kept, so at most 2 MiB.
final class CharacterRules: @unchecked Sendable {
    /// At most 15 bytes of text, and their number in the highest byte.
    private struct Entry {
        var low: UInt64 = 0
        var high: UInt64 = 0

        /// Says that the character depends on its neighbours, or becomes too much text.
        static let apart = Entry(high: 0xFF << 56)

        var isApart: Bool { length == 0xFF }
        var length: Int { Int(truncatingIfNeeded: high >> 56) }
    }

    private static let mostBytes = 15
    /// A character never becomes longer than this many times its own bytes.
    private static let growth = 3
    private static let pageSize = 256
    private static let pageCount = 0x20000 / pageSize

    private let steps: [NormalizerStep]
    /// Whether a step puts marks in order.
    private let reorders: Bool
    /// Made when they are first needed, by whichever thread comes first; never changed.
    private let pages: UnsafeMutablePointer<Atomic<UnsafeMutablePointer<Entry>?>>

    /// Creates the rules of steps for all of which ``NormalizerStep/seesCharacters`` holds.
    init(_ steps: [NormalizerStep]) {
        self.steps = steps
        reorders = steps.contains {
            switch $0 {
            case .form, .bertStripAccents: true
            default: false
            }
        }
        pages = .allocate(capacity: Self.pageCount)
        for place in 0..<Self.pageCount { (pages + place).initialize(to: Atomic(nil)) }
    }

    deinit {
        for place in 0..<Self.pageCount { pages[place].load(ordering: .acquiring)?.deallocate() }
        pages.deinitialize(count: Self.pageCount)
        pages.deallocate()
    }

    /// `text` after all steps.
    func apply(to text: [UInt8]) -> [UInt8] {
        rewritten(text) ?? steps.reduce(text) { $1.apply(to: $0) }
    }

    /// `text` after all steps; `nil` if some character has to be seen with its neighbours.
    private func rewritten(_ text: [UInt8]) -> [UInt8]? {
        var isComplete = true
        let rewritten = text.withUnsafeBufferPointer { text in
            // An entry is stored whole, so there is room for one behind the text.
            [UInt8](unsafeUninitializedCapacity: text.count * Self.growth + 16) { output, count in
                guard let base = text.baseAddress, let start = output.baseAddress else { return }
                isComplete = rewrite(base, text.count, to: start, &count)
            }
        }
        return isComplete ? rewritten : nil
    }

    /// Writes what becomes of `end` bytes of text; `false` if some character has to be seen with its neighbours.
    private func rewrite(
        _ text: UnsafePointer<UInt8>, _ end: Int, to output: UnsafeMutablePointer<UInt8>, _ count: inout Int
    ) -> Bool {
        let ascii = page(0)
        var written = 0
        defer { count = written }
        var i = 0
        while i < end {
            let entry: Entry
            if text[i] < 0x80 {
                entry = ascii[Int(text[i])]
                i += 1
            } else {
                let (value, width) = UTF8Text.decode(text, i, end)
                entry = self.entry(of: value)
                i += width
            }
            if entry.isApart { return false }
            let place = UnsafeMutableRawPointer(output + written)
            place.storeBytes(of: entry.low, as: UInt64.self)
            place.storeBytes(of: entry.high, toByteOffset: 8, as: UInt64.self)
            written += entry.length
        }
        return true
    }

    @inline(__always)
    private func entry(of value: UInt32) -> Entry {
        let place = Int(value) / Self.pageSize
        guard place < Self.pageCount else { return makeEntry(of: value) }
        return page(place)[Int(value) % Self.pageSize]
    }

    @inline(__always)
    private func page(_ place: Int) -> UnsafeMutablePointer<Entry> {
        pages[place].load(ordering: .acquiring) ?? makePage(place)
    }

    private func makePage(_ place: Int) -> UnsafeMutablePointer<Entry> {
        let page = UnsafeMutablePointer<Entry>.allocate(capacity: Self.pageSize)
        for offset in 0..<Self.pageSize {
            (page + offset).initialize(to: makeEntry(of: UInt32(place * Self.pageSize + offset)))
        }
        let (isFirst, first) = pages[place].compareExchange(
            expected: nil, desired: page, ordering: .acquiringAndReleasing)
        guard !isFirst, let first else { return page }
        page.deallocate()
        return first
    }

    /// What the steps make of a character by itself; bytes that are not UTF-8 stay.
    private func makeEntry(of value: UInt32) -> Entry {
        let before = UTF8Text.bytes(CollectionOfOne(value))
        var text = before
        if value < UTF8Text.invalidBase {
            for step in steps {
                if step.composes(text) { return .apart }
                text = step.apply(to: text)
            }
        }
        if text.count > min(Self.mostBytes, before.count * Self.growth) { return .apart }
        let tables = NormalizationTables.shared
        if reorders, UTF8Text.values(text).contains(where: { tables.combiningClass(of: $0) > 0 }) {
            return .apart
        }
        var entry = Entry(high: UInt64(text.count) << 56)
        for (place, byte) in text.enumerated() {
            if place < 8 {
                entry.low |= UInt64(byte) << UInt64(8 * place)
            } else {
                entry.high |= UInt64(byte) << UInt64(8 * (place - 8))
            }
        }
        return entry
    }
}

extension NormalizerStep {
    /// Whether the step treats each character alike wherever it is, but for the order and composition of marks, and
    /// leaves bytes that are not UTF-8 alone.
    var seesCharacters: Bool {
        switch self {
        case .form, .lowercase, .stripAccents, .bertCleanText, .bertSpaceChinese, .bertStripAccents, .nmt:
            true
        default: false
        }
    }

    /// Whether the step may join a character of `text` with others.
    fileprivate func composes(_ text: [UInt8]) -> Bool {
        guard case .form(let form) = self, form.isComposed else { return false }
        let flag = NormalizationTables.changeFlag(of: form)
        return UTF8Text.values(text).contains { NormalizationTables.shared.flags(of: $0) & flag != 0 }
    }
}
