import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletCache

@Suite("Attention over pages of codes")
struct KVCodedPageTests {
    private let shape = KVLayerShape(headCount: 6, kvHeadCount: 2, keySize: 48, valueSize: 64)

    private func slot(
        _ format: KVFormat, rows: Int, _ kernels: Kernels, _ random: inout SplitMix64, outlier: Float = 1
    ) throws -> KVSlot {
        var slot = try KVSlot(shape, format: format, pool: KVPagePool(), kernels: kernels)
        var keys = random.floats(rows * 2 * shape.keySize), values = random.floats(rows * 2 * shape.valueSize)
        for row in 0..<rows * 2 {
            keys[row * shape.keySize + 5] *= outlier
            values[row * shape.valueSize + 9] *= outlier
        }
        try (0..<rows).map(Int32.init).withUnsafeBufferPointer {
            try slot.append(keys: keys, values: values, positions: $0)
        }
        return slot
    }

    private func attend(_ slot: KVSlot, _ queries: [Float], _ kernels: Kernels) -> [Float] {
        let compute = Compute(kernels: kernels, threadCount: 1)
        var output = [Float](repeating: 0, count: 2 * shape.headCount * shape.valueSize)
        let position = Int32(slot.rowCount(ofHead: 0))
        [position, position].withUnsafeBufferPointer { positions in
            queries.withUnsafeBufferPointer { queries in
                guard let data = queries.baseAddress else { return }
                AttentionStep(
                    slot: slot, shape: shape, queries: .init(data: data, positions: positions), scale: 0.2,
                    compute: compute, workspace: Workspace()
                ).attend(into: &output, normalizers: nil)
            }
        }
        return output
    }

    @Test(
        "gives the bits of attention over the numbers that the codes stand for", arguments: Kernels.available,
        [2, 4])
    func fused(kernels: Kernels, bits: Int) throws {
        var random = SplitMix64(seed: UInt64(bits))
        var coded = try slot(.kivi(keyBits: bits, valueBits: bits, residual: 64), rows: 300, kernels, &random)
        try coded.age()
        var plain = try KVSlot(shape, format: .f32, pool: KVPagePool(), kernels: kernels)
        for row in 0..<300 {
            let rows = (0..<2).map { coded.row(row, ofHead: $0) }
            try [Int32(row)].withUnsafeBufferPointer {
                try plain.append(keys: rows.flatMap(\.key), values: rows.flatMap(\.value), positions: $0)
            }
        }
        #expect(coded.keys(ofHead: 1) == plain.keys(ofHead: 1))
        #expect(coded.values(ofHead: 0) == plain.values(ofHead: 0))
        for _ in 0..<3 {
            let queries = random.floats(2 * shape.headCount * shape.keySize)
            #expect(attend(coded, queries, kernels) == attend(plain, queries, kernels))
        }
    }

    @Test("rows of a page of codes can be rewritten, and the page is coded again")
    func rewritten() throws {
        var random = SplitMix64(seed: 5)
        var coded = try slot(.kivi(keyBits: 4, valueBits: 4, residual: 64), rows: 200, .best, &random)
        try coded.age()
        let fork = coded
        let before = coded.heldBytes
        let key = random.floats(shape.keySize), value = random.floats(shape.valueSize)
        try coded.rewrite(head: 0, row: 70, key: key, value: value)
        #expect(zip(coded.row(70, ofHead: 0).key, key).allSatisfy { abs($0 - $1) <= 0x1p-11 })
        #expect(coded.heldBytes > before)
        try coded.age()
        #expect(coded.heldBytes == before)
        // The key widens the spread of its group in no channel to more than 2: half a step is a fifteenth.
        #expect(zip(coded.row(70, ofHead: 0).key, key).allSatisfy { abs($0 - $1) <= 1 / 14.0 })
        #expect(coded.row(10, ofHead: 0) == fork.row(10, ofHead: 0))
        try coded.truncate(from: 100)
        #expect(coded.row(10, ofHead: 1) == fork.row(10, ofHead: 1))
    }

    @Test("rotation halves the error of narrow rows with an outlier", arguments: [NumberFormat.q4_0, .q4_1])
    func outliers(format: NumberFormat) throws {
        let narrow = try KVFormat(key: format, value: format)
        var errors: [Float] = []
        let shape = KVLayerShape(headCount: 1, kvHeadCount: 1, keySize: 64, valueSize: 64)
        for format in [narrow, narrow.rotated] {
            var random = SplitMix64(seed: 6)
            var slot = try KVSlot(shape, format: format, pool: KVPagePool(), kernels: .best)
            var total: Float = 0
            for row in 0..<50 {
                var numbers = random.floats(64)
                numbers[row % 7] *= 40
                try [Int32(row)].withUnsafeBufferPointer {
                    try slot.append(keys: numbers, values: numbers, positions: $0)
                }
                let found = slot.row(row, ofHead: 0)
                #expect(zip(found.key, found.value).allSatisfy { $0 == $1 })
                total += zip(found.key, numbers).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
            }
            errors.append(total.squareRoot())
        }
        #expect(errors[1] < errors[0] / 2, "\(errors)")
    }

    @Test("heads that no power of two divides are not rotated")
    func refused() {
        let shape = KVLayerShape(headCount: 1, kvHeadCount: 1, keySize: 7, valueSize: 8)
        #expect(throws: SwiftletError.self) {
            try KVSlot(shape, format: KVFormat.f16.rotated, pool: KVPagePool(), kernels: .best)
        }
        #expect(throws: SwiftletError.self) {
            try KVSlot(
                shape, format: .kivi(keyBits: 2, valueBits: 2), pool: KVPagePool(), kernels: .best)
        }
    }
}
