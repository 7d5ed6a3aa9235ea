import CSwiftletKernels
import Testing

@testable import SwiftletTensor

@Suite("Codebooks")
struct CodebookTests {
    /// A format, how many entries its codebook has, and the sum of all numbers as digits of base 31, computed from the
    /// tables of the gguf package 0.19.0.
    struct Book: Sendable {
        let format: NumberFormat
        let entries: Int
        let digest: UInt64
    }

    static let books = [
        Book(format: .iq1_s, entries: 2048, digest: 0x02c3_88c5_cd8e_974f),
        Book(format: .iq2_xxs, entries: 256, digest: 0x58d7_5019_fd43_c7cd),
        Book(format: .iq2_xs, entries: 512, digest: 0x789b_ff5a_f20e_a5c2),
        Book(format: .iq2_s, entries: 1024, digest: 0x9e11_d57b_69f2_4285),
        Book(format: .iq3_xxs, entries: 256, digest: 0xd9c2_9875_0cc8_c320),
        Book(format: .iq3_s, entries: 512, digest: 0x40b7_3004_6a14_d1d0),
    ]

    @Test("hold the numbers of the gguf package", arguments: books)
    func numbers(book: Book) {
        var digest: UInt64 = 0
        for index in 0..<book.entries {
            for number in numbers(sl_codebook_entry(book.format.stored, index), book.format) {
                digest = digest &* 31 &+ UInt64(UInt8(truncatingIfNeeded: number))
            }
        }
        #expect(digest == book.digest)
    }

    private func numbers(_ entry: UInt16, _ format: NumberFormat) -> [Int] {
        let pairs = (0..<8).map { Int(entry) >> (2 * $0) & 3 },
            triples = (0..<4).map { Int(entry) >> (3 * $0) & 7 }
        switch format {
        case .iq1_s: return pairs.map { $0 - 1 }
        case .iq3_xxs: return triples.map { [4, 12, 20, 28, 36, 44, 52, 62][$0] }
        case .iq3_s: return triples.map { 2 * $0 + 1 }
        default: return pairs.map { [8, 25, 43, 0][$0] }
        }
    }
}
