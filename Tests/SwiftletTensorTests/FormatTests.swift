import CSwiftletKernels
import SwiftletTestSupport
import Testing

@testable import SwiftletTensor

@Suite("Number formats")
struct FormatTests {
    @Test("sizes agree with the kernels'", arguments: NumberFormat.readable)
    func sizes(format: NumberFormat) {
        #expect(format.blockBytes == sl_block_bytes(format.stored))
        #expect(format.blockElements == sl_block_elements(format.stored))
    }

    @Test("blocks mean what the gguf package says", arguments: NumberFormat.readable.filter { $0 != .f32 })
    func golden(format: NumberFormat) throws {
        let blocks = try fixture("\(format.rawValue).blocks")
        let expected = Reference.dequantize(.f32, try fixture("\(format.rawValue).floats"))
        // All products are exact and there is one rounding, so numbers must agree to the bit.
        #expect(same(Reference.dequantize(format, blocks), expected))
    }

    @Test("numbers become the blocks that the gguf package writes", arguments: NumberFormat.writable)
    func goldenWriter(format: NumberFormat) throws {
        let numbers = Reference.dequantize(.f32, try fixture("written.floats"))
        let expected =
            format == .f32 ? try fixture("written.floats") : try fixture("written.\(format.rawValue)")
        #expect(Reference.quantize(format, numbers) == expected)
    }

    @Test("every half is read alike", arguments: Kernels.available)
    func halves(kernels: Kernels) {
        let bits = (0...UInt16.max).map { $0 }
        let numbers = [Float](unsafeUninitializedCapacity: bits.count) { buffer, count in
            guard let base = buffer.baseAddress else { return }
            kernels.dequantize(SL_F16, bits, into: base, count: bits.count)
            count = bits.count
        }
        let wrong = bits.filter { !same(numbers[Int($0)], Float(Reference.half($0))) }
        #expect(wrong == [])
    }

    @Test("every half, its neighbours and the ties between are written alike", arguments: Kernels.available)
    func writtenHalves(kernels: Kernels) {
        for sign: UInt32 in [0, 0x8000_0000] {
            let numbers = (UInt32(0)...0x7fff).flatMap { half -> [Float] in
                let exact = Float(Reference.half(UInt16(half))),
                    next = Float(Reference.half(UInt16(half + 1)))
                let tie = (exact + next) / 2
                return [exact, exact.nextUp, tie.nextDown, tie, tie.nextUp].map {
                    Float(bitPattern: $0.bitPattern | sign)
                }
            }
            let special: [Float] = [
                65504, 65519.99, 65520, 1e30, .infinity, .nan, 0x1p-25, 0x1.000002p-25, 1e-44,
            ]
            for format in [NumberFormat.f16, .bf16] {
                #expect(
                    written(kernels, format, numbers + special)
                        == Reference.quantize(format, numbers + special))
            }
        }
    }

    @Test("kernels read as the reference does, from odd addresses", arguments: Kernels.available)
    func dequantize(kernels: Kernels) {
        var random = SplitMix64(seed: 1)
        for format in NumberFormat.readable {
            for blocks in 0...(format.blockElements == 1 ? 70 : 5) {
                let stored = Stored(format, count: blocks * format.blockElements, &random)
                var numbers = [Float](repeating: .nan, count: stored.numbers.count)
                stored.withUnaligned {
                    kernels.dequantize(format.stored, $0, into: &numbers, count: stored.numbers.count)
                }
                #expect(same(numbers, stored.numbers), "\(format) of \(blocks) blocks")
            }
        }
    }

    @Test("kernels read any bytes as the reference does", arguments: Kernels.available)
    func dequantizeGarbage(kernels: Kernels) {
        var random = SplitMix64(seed: 2)
        for format in NumberFormat.readable where format != .f32 {
            let bytes = (0..<format.blockBytes * 40).map { _ in UInt8.random(in: 0...255, using: &random) }
            var numbers = [Float](repeating: 0, count: 40 * format.blockElements)
            kernels.dequantize(format.stored, bytes, into: &numbers, count: numbers.count)
            #expect(same(numbers, Reference.dequantize(format, bytes)), "\(format)")
        }
    }

    @Test("kernels write as the reference does", arguments: Kernels.available, 0..<20 as Range<UInt64>)
    func quantize(kernels: Kernels, seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let size = Float(sign: .plus, exponent: Int.random(in: -140...120, using: &random), significand: 1)
        var numbers = random.floats(512, in: -size...size)
        if seed % 4 == 0 { numbers[77] = [.nan, .infinity, -.infinity, 0, -0][Int(seed / 4)] }
        if seed % 5 == 0 { numbers.replaceSubrange(32..<64, with: repeatElement(numbers[32], count: 32)) }
        for format in NumberFormat.writable {
            #expect(written(kernels, format, numbers) == Reference.quantize(format, numbers), "\(format)")
        }
    }

    @Test("storing and reading back stays within the format's bound", arguments: 0..<40 as Range<UInt64>)
    func roundTrip(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let size = Float(sign: .plus, exponent: Int.random(in: -4...14, using: &random), significand: 1)
        var numbers = random.floats(256, in: -size...size)
        if seed % 2 == 0 { numbers[0] = size; numbers[1] = -size }
        for format in NumberFormat.writable {
            let bound = try #require(format.roundTripBound)
            let read = Reference.dequantize(format, try #require(Reference.quantize(format, numbers)))
            for start in stride(from: 0, to: numbers.count, by: format.blockElements) {
                let block = start..<start + format.blockElements
                let most = numbers[block].reduce(0) { max($0, $1.magnitude) }
                if format == .f16 && most < 0x1p-14 { continue }
                for i in block {
                    #expect(Double(abs(read[i] - numbers[i])) <= bound * Double(most), "\(format)")
                }
            }
        }
    }

    private func written(_ kernels: Kernels, _ format: NumberFormat, _ numbers: [Float]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: format.byteCount(of: numbers.count) ?? 0)
        let known = kernels.quantize(format.stored, numbers, into: &bytes, count: numbers.count)
        return known ? bytes : []
    }
}
