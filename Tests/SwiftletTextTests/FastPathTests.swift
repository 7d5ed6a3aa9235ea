import SwiftletTestSupport
import Testing

@testable import SwiftletText

/// What is done at once gives what is done step by step.
@Suite("Fast paths of tokenizers")
struct FastPathTests {
    /// Characters that depend on their neighbours, or that old and new Unicode see differently.
    private static let marks: [UInt32] = [
        0x301, 0x323, 0x345, 0x5B0, 0x93C, 0x94D, 0xE38, 0x1B44, 0x302E, 0x3099, 0xAC00, 0xAC01, 0x1100,
        0x1161, 0x11A8,
        0xC5, 0x130, 0x3C2, 0x212B, 0xFB1D, 0xFDFA, 0xF900, 0x4E00, 0x20000, 0x2F81A, 0x1D15E, 0x1E943,
        0x1F600, 0xFFFD,
        0xE000, 0x200B, 0x85, 0x3000, 0x10A38, 0x1E8D0, 0x3C, 0x338, 0x37E, 0x1ABF, 0x16D63,
    ]

    private static func text(_ seed: UInt64) -> [UInt8] {
        var random = SplitMix64(seed: seed)
        var text: [UInt8] = []
        while text.count < 60 {
            if Bool.random(using: &random) {
                text += UTF8Text.bytes([marks.randomElement(using: &random) ?? 0])
            } else {
                text += MixedText.make(seed: random.next(), count: 4, invalid: true)
            }
        }
        return text
    }

    private static let chains: [[NormalizerStep]] = [
        [.bertCleanText, .bertSpaceChinese, .bertStripAccents, .lowercase],
        [.bertCleanText, .bertSpaceChinese],
        [.form(.nfkd), .stripAccents, .lowercase], [.lowercase, .form(.nfd)],
        [.form(.nfd), .lowercase, .form(.nfc)],
        [.nmt, .form(.nfkc), .lowercase], [.stripAccents, .form(.nfc)],
        [.lowercase, .strip(left: true, right: true), .bertStripAccents, .form(.nfkc), .prepend([0x41])],
    ]

    @Test("normalize as the steps do", arguments: 0..<100 as Range<UInt64>)
    func normalizers(seed: UInt64) {
        let text = Self.text(seed)
        for steps in Self.chains {
            #expect(Normalizer(steps: steps).normalize(text) == steps.reduce(text) { $1.apply(to: $0) })
        }
    }

    @Test("treat single characters as the steps do")
    func characters() {
        let steps = Self.chains[0]
        let normalizer = Normalizer(steps: steps)
        for value in stride(from: UInt32(0), to: 0x21000, by: 37) where !(0xD800...0xDFFF).contains(value) {
            let text = [0x61] + UTF8Text.bytes([value])
            #expect(normalizer.normalize(text) == steps.reduce(text) { $1.apply(to: $0) })
        }
    }

    @Test("find BERT's words as two cuts do", arguments: 0..<100 as Range<UInt64>)
    func bertWords(seed: UInt64) {
        func pieces(_ steps: [PreTokenizerStep]) -> [[UInt8]] {
            var pieces: [[UInt8]] = []
            PreTokenizer(steps: steps, isByteLevel: false).split(Self.text(seed), isFirst: true) {
                pieces.append($0)
            }
            return pieces
        }
        let expected = pieces([.whitespace, .punctuation(.isolated)])
        #expect(pieces([.bertWords]) == expected)
        #expect(
            pieces([.digits(.contiguous), .bertWords])
                == pieces([.digits(.contiguous), .whitespace, .punctuation(.isolated)]))
    }

    @Test("find the longest beginning that is a token", arguments: 0..<20 as Range<UInt64>)
    func longestPrefix(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        func word(_ length: ClosedRange<Int>) -> [UInt8] {
            (0..<Int.random(in: length, using: &random)).map { _ in
                UInt8.random(in: 0x61...0x62, using: &random)
            }
        }
        var vocabulary = Vocabulary()
        for id in 0..<TokenID(60) { vocabulary.insert(word(0...8), id: id, replacing: false) }
        for _ in 0..<100 {
            let text = word(0...12)
            let shortest = Int.random(in: 0...3, using: &random)
            let expected = (0...text.count).last { $0 > shortest && vocabulary.id(of: text[..<$0]) != nil }
            let found = text.withUnsafeBufferPointer {
                vocabulary.longestPrefix(of: $0, longerThan: shortest)
            }
            #expect(found?.length == expected)
            #expect(found?.id == expected.flatMap { vocabulary.id(of: text[..<$0]) })
        }
    }

    @Test("merge pairs as one would by hand, in words short and long", arguments: 0..<40 as Range<UInt64>)
    func merges(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var table = MergeTable()
        for id in TokenID(3)..<40 {
            let (left, right) = (
                TokenID.random(in: 0..<id, using: &random), TokenID.random(in: 0..<id, using: &random)
            )
            let rank = UInt32.random(in: 0..<20, using: &random)
            table.insert(left, right, MergeTable.Merge(rank: rank, id: id), keepingFirst: true)
        }
        var merger = BytePairMerger()
        for count in [0, 1, 2, 3, 17, 31, 32, 33, 47, 48, 49, 50, 120] {
            let symbols = (0..<count).map { _ in TokenID.random(in: 0..<3, using: &random) }
            merger.symbols = symbols
            merger.merge(table)
            #expect(merger.symbols == Self.merged(symbols, table))
        }
    }

    private static func merged(_ symbols: [TokenID], _ table: MergeTable) -> [TokenID] {
        var symbols = symbols
        while true {
            let merges = symbols.indices.dropLast().compactMap { place in
                table.merge(symbols[place], symbols[place + 1]).map {
                    (rank: $0.rank, id: $0.id, place: place)
                }
            }
            guard let first = merges.min(by: { ($0.rank, $0.place) < ($1.rank, $1.place) }) else {
                return symbols
            }
            symbols.replaceSubrange(first.place...first.place + 1, with: [first.id])
        }
    }
}
