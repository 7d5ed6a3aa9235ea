import CSwiftletKernels
import SwiftletTestSupport
import Testing

@testable import SwiftletTensor

@Suite("Products of quantised activations")
struct IntegerTests {
    private static let formats = NumberFormat.readable.filter(\.isBlocked)

    private func quantize(_ kernels: Kernels, _ x: [Float]) -> [sl_q8_block] {
        var blocks = [sl_q8_block](repeating: sl_q8_block(), count: x.count / 32)
        kernels.quantizeActivations(x, count: x.count, into: &blocks)
        return blocks
    }

    private func codes(_ block: sl_q8_block) -> [Int] {
        withUnsafeBytes(of: block.codes) { $0.bindMemory(to: Int8.self).map(Int.init) }
    }

    @Test("activations round like the reference", arguments: Kernels.available, 0..<20 as Range<UInt64>)
    func activations(kernels: Kernels, seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var x = random.floats(32 * 9)
        for i in 0..<32 { x[i] *= Float(sign: .plus, exponent: Int(seed) * 12 - 120, significand: 1) }
        for i in 32..<64 { x[i] = Float(i - 32) * 4 + 0.5 }  // ties: the largest is 124.5
        x[63] = 127
        for i in 64..<96 { x[i] = 0 }
        x[100] = .nan
        x[130] = -.infinity
        for i in 160..<192 { x[i] *= .greatestFiniteMagnitude }
        let expected = Reference.quantizeActivations(x)
        for (index, block) in quantize(kernels, x).enumerated() {
            let group = Array(expected.codes[index * 32..<index * 32 + 32])
            let (low, high) = (group.prefix(16).reduce(0, +), group.suffix(16).reduce(0, +))
            #expect(codes(block) == group)
            #expect(same(block.d, expected.scales[index]))
            #expect(Int(block.sum) == low + high)
            #expect(Int(block.half_sum.0) == low && Int(block.half_sum.1) == high)
            #expect(same(block.dsum, block.d * Float(low + high)))
            #expect(same(block.half_dsum.0, block.d * Float(low)))
            #expect(same(block.half_dsum.1, block.d * Float(high)))
        }
    }

    @Test("results are those of the reference", arguments: Kernels.available, formats)
    func products(kernels: Kernels, format: NumberFormat) {
        var random = SplitMix64(seed: 11)
        for columns in [format.blockElements, 768] {
            let rows = 37, tokens = 3
            let w = Stored(format, count: rows * columns, &random), x = random.floats(tokens * columns)
            check(kernels, w, rows: rows, columns: columns, x)
        }
    }

    /// All codes and activations as large as can be, with every combination of signs: sums of 16 bits are at
    /// their limits.
    @Test("no sum saturates", arguments: Kernels.available, formats)
    func extremes(kernels: Kernels, format: NumberFormat) {
        for byte in [0x00, 0x7f, 0x80, 0x81, 0xff] as [UInt8] {
            for signs in [0, 0x5555_5555, 0x3333_3333, .max] as [UInt32] {
                let blocks = 2 * 768 / format.blockElements
                var bytes = [UInt8](repeating: byte, count: blocks * format.blockBytes)
                for block in 0..<blocks {
                    for offset in format.scaleOffsets {
                        bytes[block * format.blockBytes + offset] = 0
                        bytes[block * format.blockBytes + offset + 1] = 0x2c
                    }
                    format.setModerateScale(&bytes, block)
                }
                let x = (0..<768).map { signs >> UInt32($0 % 32) & 1 == 0 ? 1 : -1 as Float }
                check(kernels, Stored(format, bytes: bytes), rows: 2, columns: 768, x)
            }
        }
    }

    /// Compares with the reference of the same arithmetic, and with the product of what the activations were.
    ///
    /// Of the arithmetic: at most four additions per group of 32, each within 2⁻²⁴ of what was added so far,
    /// eight more for the roundings inside a product. Of the activations: half a scale for each.
    private func check(_ kernels: Kernels, _ w: Stored, rows: Int, columns: Int, _ x: [Float]) {
        let magnitudes = Reference.magnitudes(w.format, w.bytes)
        let results = matmul(kernels, w, rows: rows, columns: columns, x)
        for (token, start) in stride(from: 0, to: x.count, by: columns).enumerated() {
            let row = Array(x[start..<start + columns])
            let quantized = Reference.quantizeActivations(row)
            let expected = Reference.matvec(w.numbers, rows: rows, quantized)
            let exact = Reference.matvec(w.numbers, rows: rows, row)
            for r in 0..<rows {
                var sum = 0.0, step = 0.0
                for i in 0..<columns {
                    sum += magnitudes[r * columns + i] * abs(quantized[i])
                    step += abs(Double(w.numbers[r * columns + i])) * Double(quantized.scales[i / 32]) / 2
                }
                let rounding = Double(columns / 8 + 8) * 0x1p-24 * sum
                let y = Double(results[token * rows + r])
                #expect(abs(y - expected[r]) <= rounding, "\(w.format) row \(r) token \(token)")
                #expect(abs(y - exact[r]) <= rounding + step * 1.0001, "\(w.format) row \(r) token \(token)")
            }
        }
    }

    private func matmul(_ kernels: Kernels, _ w: Stored, rows: Int, columns: Int, _ x: [Float]) -> [Float] {
        let tokens = x.count / columns
        var y = [Float](repeating: .nan, count: tokens * rows)
        var scratch = [Float](repeating: .nan, count: Kernels.matmulScratch(columns: columns))
        let blocks = quantize(kernels, x)
        w.withUnaligned {
            kernels.matmul(
                w.format.stored, $0, rows: rows, columns: columns, quantized: blocks, tokens: tokens,
                into: &y, stride: rows, scratch: &scratch)
        }
        return y
    }

    @Test("a result does not depend on the other rows and tokens", arguments: Kernels.available, formats)
    func independence(kernels: Kernels, format: NumberFormat) {
        var random = SplitMix64(seed: 12)
        let rows = 35, tokens = 9, columns = format.blockElements * 2
        let w = Stored(format, count: rows * columns, &random), x = random.floats(tokens * columns)
        let all = matmul(kernels, w, rows: rows, columns: columns, x)
        let rowBytes = w.bytes.count / rows
        for (first, count, token, tokenCount) in [
            (0, 35, 0, 1), (0, 35, 8, 1), (3, 1, 0, 9), (34, 1, 4, 1), (5, 17, 2, 6), (0, 32, 1, 8),
        ] {
            let part = Stored(format, bytes: Array(w.bytes[first * rowBytes..<(first + count) * rowBytes]))
            let y = matmul(
                kernels, part, rows: count, columns: columns,
                Array(x[token * columns..<(token + tokenCount) * columns]))
            let expected = (token..<token + tokenCount).flatMap {
                all[$0 * rows + first..<$0 * rows + first + count]
            }
            #expect(same(y, expected), "\(format): rows \(first)…, tokens \(token)…")
        }
    }

    @Test("strides are kept and nothing else is written", arguments: Kernels.available)
    func strides(kernels: Kernels) {
        var random = SplitMix64(seed: 13)
        let rows = 33, tokens = 7, stride = 40
        let w = Stored(.q8_0, count: rows * 64, &random), x = random.floats(tokens * 64)
        let packed = matmul(kernels, w, rows: rows, columns: 64, x)
        var y = [Float](repeating: -1, count: tokens * stride)
        var scratch = [Float](repeating: .nan, count: Kernels.matmulScratch(columns: 64))
        let blocks = quantize(kernels, x)
        w.withUnaligned {
            kernels.matmul(
                SL_Q8_0, $0, rows: rows, columns: 64, quantized: blocks, tokens: tokens, into: &y,
                stride: stride, scratch: &scratch)
        }
        let expected = (0..<tokens).flatMap {
            packed[$0 * rows..<($0 + 1) * rows] + Array(repeating: -1, count: 7)
        }
        #expect(same(y, expected))
    }

    @Test("a NaN in one token stays there", arguments: Kernels.available)
    func nan(kernels: Kernels) {
        var random = SplitMix64(seed: 14)
        let w = Stored(.q4_0, count: 5 * 64, &random)
        var x = random.floats(2 * 64)
        x[70] = .nan
        let y = matmul(kernels, w, rows: 5, columns: 64, x)
        #expect(!y.prefix(5).contains { !$0.isFinite })
        #expect(!y.suffix(5).contains { !$0.isNaN })
    }
}
