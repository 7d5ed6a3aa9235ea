import CSwiftletKernels
import SwiftletTestSupport
import Testing

@testable import SwiftletTensor

@Suite("Formats and transforms of cached rows")
struct CacheKernelTests {
    @Test("the fast transform is the matrix, and its own inverse", arguments: Kernels.available)
    func hadamard(kernels: Kernels) {
        var random = SplitMix64(seed: 1)
        for block in [1, 2, 4, 8, 16, 32, 64, 128, 256] {
            for count in [0, block, 3 * block] {
                let numbers = random.floats(count)
                var found = numbers
                kernels.hadamard(&found, block: block, count: count)
                let expected = Reference.hadamard(numbers, block: block)
                // One rounding per stage, and one for the factor and its product each, of sums below √block·1.
                let bound = Double(block.trailingZeroBitCount + 2) * Double(block).squareRoot() * 0x1p-23
                #expect(zip(found, expected).allSatisfy { abs(Double($0) - $1) <= bound }, "\(block)")
                kernels.hadamard(&found, block: block, count: count)
                #expect(zip(found, numbers).allSatisfy { abs(Double($0 - $1)) <= 2 * bound }, "\(block)")
            }
        }
    }

    @Test("transforms have the same bits everywhere")
    func sameTransform() {
        var random = SplitMix64(seed: 2)
        let numbers = random.floats(192)
        for block in [4, 16, 64] {
            let results = Kernels.available.map { kernels in
                var found = numbers
                kernels.hadamard(&found, block: block, count: 192)
                return found
            }
            #expect(results.allSatisfy { same($0, results[0]) })
        }
    }

    @Test("codes of 4 and 2 bits are the nearest ones", arguments: Kernels.available)
    func kivi(kernels: Kernels) throws {
        var random = SplitMix64(seed: 3)
        for (format, bytes, steps) in [(SL_Q4_1, 20, Float(15)), (SL_Q2_1, 12, 3)] {
            let numbers = random.floats(64, in: -3...2) + [Float](repeating: 1.5, count: 32)
            var stored = [UInt8](repeating: 0, count: 3 * bytes)
            #expect(kernels.quantizeKIVI(format, numbers, into: &stored, count: 96))
            var found = [Float](repeating: 0, count: 96)
            kernels.dequantize(format, stored, into: &found, count: 96)
            for block in stride(from: 0, to: 96, by: 32) {
                let exact = numbers[block..<block + 32], low = try #require(exact.min())
                let step = (try #require(exact.max()) - low) / steps
                // Half a step, and what binary16 changes of the least number and of up to 15 steps.
                let bound = step / 2 + (abs(low) + steps * step) * 0x1p-11 + 1e-6
                #expect(zip(found[block..<block + 32], exact).allSatisfy { abs($0 - $1) <= bound })
            }
            #expect(found[64...].allSatisfy { $0 == 1.5 })
            let broken = [Float](repeating: 1, count: 31) + [.infinity]
            #expect(kernels.quantizeKIVI(format, broken, into: &stored, count: 32))
            kernels.dequantize(format, stored, into: &found, count: 32)
            #expect(found[..<32].allSatisfy { $0.isNaN })
        }
        var untouched = [UInt8](repeating: 7, count: 34)
        #expect(!kernels.quantizeKIVI(SL_Q8_0, random.floats(32), into: &untouched, count: 32))
        #expect(untouched.allSatisfy { $0 == 7 })
    }

    @Test(
        "scores of keys in codes keep to their bound", arguments: Kernels.available,
        [NumberFormat.q8_0, .q4_0])
    func codedScores(kernels: Kernels, format: NumberFormat) {
        var random = SplitMix64(seed: 4)
        for magnitude: Float in [1, 1e-6, 1e6, 1e-32, 0] {
            let query = random.floats(64).map { $0 * magnitude }
            let keys = Stored(format, count: 64 * Kernels.pageRows, &random)
            for row in [0, 5, 63] {
                let key = Array(keys.numbers[row * 64..<(row + 1) * 64])
                let exact = zip(query, key).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
                let found = Self.score(kernels, query, keys, row: row)
                var bound = 1e-37
                for group in [0..<32, 32..<64] {
                    let most = Double(query[group].reduce(0) { max($0, abs($1)) })
                    let total = key[group].reduce(0.0) { $0 + abs(Double($1)) }
                    // Half a step of the query's codes; the other tables and roundings add less than 2⁻¹⁷.
                    // What is below 2⁻¹⁰⁰ counts as 0.
                    bound += most * total * (most < 0x1p-100 ? 1 : 0x1p-14 + 0x1p-17)
                }
                #expect(abs(Double(found) - exact) <= bound, "\(magnitude), row \(row)")
            }
        }
    }

    /// `q·k` of one row of a page: the normaliser of a query that sees it alone.
    private static func score(_ kernels: Kernels, _ query: [Float], _ keys: Stored, row: Int) -> Float {
        var positions = [Int32](repeating: .max, count: Kernels.pageRows)
        positions[row] = 0
        var scratch = [Float](repeating: .nan, count: Kernels.attendScratch(keySize: 64, valueSize: 1))
        var (out, found): ([Float], [Float]) = ([0], [0])
        let values = [Float](repeating: 0, count: Kernels.pageRows)
        keys.bytes.withUnsafeBytes { keyBytes in
            values.withUnsafeBytes { valueBytes in
                let page = sl_kv_page(
                    keys: keyBytes.baseAddress, values: valueBytes.baseAddress,
                    key_format: keys.format.stored,
                    value_format: SL_F32, keys_by_channel: false,
                    value_stride: MemoryLayout<Float>.stride)
                withUnsafePointer(to: page) { page in
                    positions.withUnsafeBufferPointer { positions in
                        query.withUnsafeBufferPointer { query in
                            withUnsafePointer(to: Int32(0)) { position in
                                kernels.attend(
                                    sl_kv_rows(
                                        pages: page, positions: positions.baseAddress,
                                        row_count: positions.count, key_size: 64, value_size: 1),
                                    sl_queries(
                                        data: query.baseAddress, token_stride: 64, token_count: 1, group: 1,
                                        positions: position, scale: 1, window: 0),
                                    into: &out, stride: 1, logSumExp: &found, stride: 1, scratch: &scratch)
                            }
                        }
                    }
                }
            }
        }
        return found[0]
    }
}
