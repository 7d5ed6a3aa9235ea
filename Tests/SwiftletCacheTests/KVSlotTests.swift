import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletCache

@Suite("Rows of a slot")
struct KVSlotTests {
    let shape = KVLayerShape(headCount: 4, kvHeadCount: 2, keySize: 4, valueSize: 3)

    func slot(_ format: KVFormat = .f32) throws -> KVSlot {
        try KVSlot(shape, format: format, pool: KVPagePool(), kernels: .best)
    }

    /// A slot of consecutive positions with its plain twin.
    func filled(_ count: Int, seed: UInt64 = 1) throws -> (slot: KVSlot, plain: PlainSlot) {
        var random = SplitMix64(seed: seed)
        let tokens = Tokens(shape, at: 0..<Int32(count), using: &random)
        var (slot, plain) = (try slot(), PlainSlot(shape))
        try slot.append(tokens)
        plain.append(tokens)
        return (slot, plain)
    }

    @Test("rows come back exactly in f32", arguments: [0, 1, 2, 63, 64, 65, 127, 128, 129, 200])
    func exact(count: Int) throws {
        let (slot, plain) = try filled(count)
        #expect(PlainSlot(slot) == plain)
        #expect((0..<2).allSatisfy { slot.rowCount(ofHead: $0) == count })
    }

    @Test("rows come back as the nearest half in f16", arguments: [1, 64, 65, 150])
    func half(count: Int) throws {
        var random = SplitMix64(seed: 2)
        let tokens = Tokens(shape, at: 0..<Int32(count), using: &random)
        var (slot, plain) = (try slot(.f16), PlainSlot(shape))
        try slot.append(tokens)
        plain.append(tokens)
        #expect(PlainSlot(slot) == plain.roundedToHalf)
    }

    @Test("keys and values may have different formats")
    func mixed() throws {
        var random = SplitMix64(seed: 3)
        let tokens = Tokens(shape, at: 0..<70, using: &random)
        var (slot, plain) = (try slot(try KVFormat(key: .f32, value: .f16)), PlainSlot(shape))
        try slot.append(tokens)
        plain.append(tokens)
        let (found, rounded) = (PlainSlot(slot), plain.roundedToHalf)
        for head in 0..<2 {
            #expect(found.heads[head].map(\.key) == plain.heads[head].map(\.key))
            #expect(found.heads[head].map(\.value) == rounded.heads[head].map(\.value))
        }
    }

    @Test("positions may come in any order")
    func positions() throws {
        var random = SplitMix64(seed: 4)
        let order = (0..<150).map { Int32($0 * 7) }.shuffled(using: &random)
        var slot = try slot()
        try slot.append(Tokens(shape, at: order, using: &random))
        #expect(slot.positions(ofHead: 0) == order && slot.positions(ofHead: 1) == order)
    }

    @Test("keeping everything changes nothing", arguments: [0, 1, 64, 65, 130])
    func keepAll(count: Int) throws {
        var (slot, plain) = try filled(count)
        let bytes = slot.heldBytes
        try slot.keep(.allHeads(Array(0..<count)))
        #expect(PlainSlot(slot) == plain)
        #expect(slot.heldBytes == bytes)
    }

    @Test("keeping nothing empties the slot, which can be filled again", arguments: [0, 1, 64, 130])
    func keepNone(count: Int) throws {
        var (slot, _) = try filled(count)
        try slot.keep(.allHeads([]))
        #expect(PlainSlot(slot) == PlainSlot(shape))
        var random = SplitMix64(seed: 5)
        let tokens = Tokens(shape, at: [9, 3], using: &random)
        try slot.append(tokens)
        var plain = PlainSlot(shape)
        plain.append(tokens)
        #expect(PlainSlot(slot) == plain)
    }

    @Test("every subset of five rows can be kept, another one per head")
    func keepSubsets() throws {
        let (whole, plain) = try filled(5)
        for mask in 0..<1 << 5 {
            let rows = [mask, mask ^ 0b10110].map { mask in (0..<5).filter { mask >> $0 & 1 == 1 } }
            var (slot, kept) = (whole, plain)
            try slot.keep(.perHead(rows))
            kept.keep(.perHead(rows))
            #expect(PlainSlot(slot) == kept, "\(rows)")
            #expect(PlainSlot(whole) == plain)
        }
    }

    @Test("truncation goes by position, not by row", arguments: 0..<8 as Range<Int32>)
    func truncate(position: Int32) throws {
        var random = SplitMix64(seed: 6)
        let tokens = Tokens(shape, at: [5, 0, 6, 2, 1, 4], using: &random)
        var (slot, plain) = (try slot(), PlainSlot(shape))
        try slot.append(tokens)
        plain.append(tokens)
        try slot.truncate(from: Int(position))
        plain.truncate(from: position)
        #expect(PlainSlot(slot) == plain)
    }

    @Test("a rewritten row keeps its position and its neighbours", arguments: [0, 63, 64, 99])
    func rewrite(row: Int) throws {
        var (slot, plain) = try filled(100)
        let (key, value): ([Float], [Float]) = ([9, 8, 7, 6], [5, 4, 3])
        try slot.rewrite(head: 1, row: row, key: key, value: value)
        plain.heads[1][row].key = key
        plain.heads[1][row].value = value
        #expect(PlainSlot(slot) == plain)
    }

    @Test("copies share nothing that one of them writes", arguments: 0..<24 as Range<UInt64>)
    func forks(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let pool = KVPagePool()
        var twins = [
            (slot: try KVSlot(shape, format: .f32, pool: pool, kernels: .best), plain: PlainSlot(shape))
        ]
        for _ in 0..<16 {
            let index = Int.random(in: 0..<twins.count, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0 where twins.count < 4: twins.append(twins[index])
            case 1 where twins.count > 1: twins.remove(at: index)
            case 2:
                let selection = KVSelection.random(twins[index].plain, chance: 0.8, using: &random)
                try twins[index].slot.keep(selection)
                twins[index].plain.keep(selection)
            case 3:
                let position = Int32.random(in: 0..<200, using: &random)
                try twins[index].slot.truncate(from: Int(position))
                twins[index].plain.truncate(from: position)
            case 4:
                let head = Int.random(in: 0..<2, using: &random)
                guard let row = twins[index].plain.heads[head].indices.randomElement(using: &random) else {
                    continue
                }
                let (key, value) = (random.floats(4), random.floats(3))
                try twins[index].slot.rewrite(head: head, row: row, key: key, value: value)
                twins[index].plain.heads[head][row].key = key
                twins[index].plain.heads[head][row].value = value
            default:
                let count = Int.random(in: 1...70, using: &random)
                let positions = (0..<count).map { _ in Int32.random(in: 0..<200, using: &random) }
                let tokens = Tokens(shape, at: positions, using: &random)
                try twins[index].slot.append(tokens)
                twins[index].plain.append(tokens)
            }
            for twin in twins { #expect(PlainSlot(twin.slot) == twin.plain) }
        }
        twins = []
        #expect(pool.heldBytes == 0)
    }
}
