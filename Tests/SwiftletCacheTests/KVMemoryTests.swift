import Foundation
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletCache

@Suite("Memory of the cache")
struct KVMemoryTests {
    let shape = KVLayerShape(headCount: 2, kvHeadCount: 2, keySize: 16, valueSize: 16)

    /// Bytes of one page of one head in f32: 64 rows of 16 + 16 floats.
    let pageBytes = 64 * 32 * 4

    func sequence(_ pool: KVPagePool, rows: Int) throws -> KVSequence {
        var random = SplitMix64(seed: 1)
        let sequence = try KVSequence.test(shape, layers: 2, pool: pool)
        for layer in 0..<2 {
            try sequence.append(Tokens(shape, at: 0..<Int32(rows), using: &random), layer: layer)
        }
        return sequence
    }

    @Test(
        "pages are counted while a sequence lives", arguments: [(0, 0), (1, 1), (64, 1), (65, 2), (640, 10)])
    func counted(rows: Int, pages: Int) throws {
        let pool = KVPagePool()
        var sequence: KVSequence? = try sequence(pool, rows: rows)
        #expect(pool.heldBytes == 2 * 2 * pages * pageBytes)
        #expect(try #require(sequence).heldBytes >= pool.heldBytes)
        sequence = nil
        #expect(pool.heldBytes == 0)
        #expect(pool.peakBytes == 2 * 2 * pages * pageBytes)
    }

    @Test(
        "the system gets back what pages leave, also where they share its pages",
        arguments: [64, 1_088, 4_096, 8_704, 9_024, 16_384])
    func resident(byteCount: Int) throws {
        let pool = KVPagePool()
        var random = SplitMix64(seed: UInt64(byteCount))
        var pages: [UnsafeMutableRawPointer] = []
        for _ in 0..<200 {
            let page = try #require(pool.take(byteCount))
            memset(page, 1, byteCount)
            pages.append(page)
        }
        let full = try #require(pool.residentBytes)
        #expect(full >= pool.heldBytes && full <= pool.heldBytes + 2 * Int(getpagesize()))
        for _ in 0..<150 {
            pool.giveBack(pages.remove(at: Int.random(in: 0..<pages.count, using: &random)), byteCount)
        }
        for page in pages { #expect(page.load(as: UInt8.self) == 1) }
        let half = try #require(pool.residentBytes)
        #expect(half <= pool.heldBytes + 2 * pages.count * Int(getpagesize()))
        for page in pages { pool.giveBack(page, byteCount) }
        #expect(pool.residentBytes == 0 && pool.heldBytes == 0)
    }

    @Test("large system pages hold the same, and return as a whole", arguments: [1_088, 16_384])
    func large(byteCount: Int) throws {
        let pool = KVPagePool(largePages: true)
        let most = 4 << 20  // of what the system may hold beside the pages in use
        let pages = try (0..<(9 << 20) / byteCount).map { number in
            let page = try #require(pool.take(byteCount))
            memset(page, Int32(number % 251), byteCount)
            return page
        }
        let full = try #require(pool.residentBytes)
        #expect(full >= pool.heldBytes && full <= pool.heldBytes + most)
        #expect(
            pages.enumerated().allSatisfy { number, page in
                page.load(as: UInt8.self) == number % 251
                    && page.load(fromByteOffset: byteCount - 1, as: UInt8.self) == number % 251
            })
        for page in pages { pool.giveBack(page, byteCount) }
        #expect(pool.heldBytes == 0)
        #expect(try #require(pool.residentBytes) <= most)
    }

    @Test("dropped rows return whole pages, head by head")
    func dropped() throws {
        let pool = KVPagePool()
        var slot = try KVSlot(shape, format: .f32, pool: pool, kernels: .best)
        var random = SplitMix64(seed: 2)
        try slot.append(Tokens(shape, at: 0..<640, using: &random))
        let before = slot.heldBytes
        try slot.keep(.perHead([Array(0..<65), Array(0..<1)]))
        #expect(pool.heldBytes == (2 + 1) * pageBytes)
        #expect(pool.peakBytes == 20 * pageBytes)
        // Positions take 4 bytes a row, and an array may hold a few elements more than it was asked for.
        #expect(slot.heldBytes <= pool.heldBytes + 2 * (2 * 65 + 32) * 4)
        #expect(slot.heldBytes < before)
        try slot.keep(.allHeads([]))
        #expect(pool.heldBytes == 0)
    }

    @Test("positions of dropped rows return their memory")
    func positions() throws {
        let narrow = KVLayerShape(headCount: 1, kvHeadCount: 1, keySize: 1, valueSize: 1)
        var slot = try KVSlot(narrow, format: .f16, pool: KVPagePool(), kernels: .best)
        var random = SplitMix64(seed: 3)
        try slot.append(Tokens(narrow, at: 0..<20_000, using: &random))
        try slot.keep(.allHeads([0, 19_999]))
        #expect(slot.heldBytes < 2_000)
    }

    @Test("a fork costs nothing until it is written, then one page per write")
    func forks() throws {
        let pool = KVPagePool()
        var slot = try KVSlot(shape, format: .f32, pool: pool, kernels: .best)
        var random = SplitMix64(seed: 4)
        try slot.append(Tokens(shape, at: 0..<200, using: &random))
        let held = pool.heldBytes
        var fork = slot
        #expect(pool.heldBytes == held)
        try fork.append(Tokens(shape, at: 200..<201, using: &random))
        #expect(pool.heldBytes == held + 2 * pageBytes)
        try fork.rewrite(head: 0, row: 0, key: random.floats(16), value: random.floats(16))
        #expect(pool.heldBytes == held + 3 * pageBytes)
        fork = slot
        #expect(pool.heldBytes == held)
    }

    @Test("pages of several sizes come from one pool and are used again")
    func reuse() throws {
        let pool = KVPagePool()
        let wide = KVLayerShape(headCount: 1, kvHeadCount: 1, keySize: 48, valueSize: 80)
        var random = SplitMix64(seed: 5)
        for _ in 0..<3 {
            var slots = try [shape, wide].map { try KVSlot($0, format: .f32, pool: pool, kernels: .best) }
            for index in slots.indices {
                let tokens = Tokens(slots[index].shape, at: 0..<100, using: &random)
                var plain = PlainSlot(tokens.shape)
                plain.append(tokens)
                try slots[index].append(tokens)
                #expect(PlainSlot(slots[index]) == plain)
            }
            #expect(pool.heldBytes == pool.peakBytes)
        }
        #expect(pool.heldBytes == 0)
    }

    #if os(Linux)
        /// Resident bytes of this process.
        private func resident() throws -> Int {
            let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .ascii).split(
                separator: " ")
            return try #require(Int(fields[1])) * Int(sysconf(Int32(_SC_PAGESIZE)))
        }

        /// 64 MiB of rows fill and empty. Other tests of the process allocate meanwhile, a few MiB each, so half of
        /// the expected change has to show, in the best of three attempts.
        @Test("resident memory falls when rows are dropped")
        func residentMemory() throws {
            let wide = KVLayerShape(headCount: 4, kvHeadCount: 4, keySize: 128, valueSize: 128)
            var random = SplitMix64(seed: 6)
            let tokens = Tokens(wide, at: 0..<1_024, using: &random)
            let expected = 16 * 1_024 * 4 * 256 * 4
            var changes: [(rise: Int, fall: Int)] = []
            func isVisible(_ change: (rise: Int, fall: Int)) -> Bool {
                change.rise > expected / 2 && change.fall > expected / 2
            }
            while changes.count < 3, !changes.contains(where: isVisible) {
                let pool = KVPagePool()
                var slot = try KVSlot(wide, format: .f32, pool: pool, kernels: .best)
                let empty = try resident()
                for _ in 0..<16 { try slot.append(tokens) }
                #expect(pool.heldBytes == expected)
                let full = try resident()
                try slot.keep(.allHeads(Array(0..<64)))
                #expect(pool.heldBytes == expected / 256)
                changes.append((full - empty, full - (try resident())))
            }
            #expect(changes.contains(where: isVisible), "\(changes)")
        }
    #endif
}
