import CSwiftletKernels
import SwiftletTestSupport
import Testing

@testable import SwiftletTensor

@Suite("Writers of the K and IQ4 formats")
struct SuperBlockTests {
    static let formats: [NumberFormat] = [.q2_K, .q3_K, .q4_K, .q5_K, .q6_K, .iq4_nl, .iq4_xs]

    private func written(_ kernels: Kernels, _ format: NumberFormat, _ numbers: [Float]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: format.byteCount(of: numbers.count) ?? 0)
        let known = kernels.quantize(format.stored, numbers, into: &bytes, count: numbers.count)
        return known ? bytes : []
    }

    /// What the stored numbers mean to the slow reader.
    private func readBack(_ format: NumberFormat, _ numbers: [Float]) -> [Float] {
        Reference.dequantize(format, written(.best, format, numbers))
    }

    private func squaredError(_ a: [Float], _ b: [Float]) -> Double {
        zip(a, b).reduce(0) { $0 + (Double($1.0) - Double($1.1)) * (Double($1.0) - Double($1.1)) }
    }

    private static let iq4: [Float] = [
        -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
    ]

    /// Plain rounding with exact scales: each group from its extremes, which costs the formats nothing for
    /// their integer scales.
    private func rounded(_ format: NumberFormat, _ numbers: [Float]) -> [Float] {
        let size = [.q2_K, .q3_K, .q6_K].contains(format) ? 16 : 32
        return stride(from: 0, to: numbers.count, by: size).flatMap { start -> [Float] in
            let group = numbers[start..<start + size]
            let low = min(group.min() ?? 0, 0), high = group.max() ?? 0
            let most = group.map(\.magnitude).max() ?? 0
            switch format {
            case .q2_K, .q4_K, .q5_K:
                let codes: Float = format == .q2_K ? 3 : format == .q4_K ? 15 : 31
                let scale = (high - low) / codes
                return group.map { scale > 0 ? (($0 - low) / scale).rounded() * scale + low : low }
            case .iq4_nl, .iq4_xs:
                let extreme = group.first { $0.magnitude == most } ?? 0, scale = extreme / -127
                let numbers = Self.iq4.map { $0 * scale }
                return group.map { x in numbers.min { abs($0 - x) < abs($1 - x) } ?? 0 }
            default:
                let half: Float = format == .q3_K ? 4 : 32
                let scale = most / half
                return group.map { scale > 0 ? min(($0 / scale).rounded(), half - 1) * scale : 0 }
            }
        }
    }

    @Test("beat plain rounding, with normal and with heavy tails", arguments: 0..<12 as Range<UInt64>)
    func error(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let uniform = random.floats(4 * 1_024, in: -1...1)
        let numbers = (0..<1_024).map { i -> Float in
            let sum = uniform[4 * i] + uniform[4 * i + 1] + uniform[4 * i + 2] + uniform[4 * i + 3]
            return seed % 2 == 0 ? sum : sum * sum * sum
        }
        for format in Self.formats {
            let ours = squaredError(readBack(format, numbers), numbers)
            #expect(ours <= squaredError(rounded(format, numbers), numbers), "\(format)")
        }
    }

    @Test("write the same bytes on every instruction set", arguments: Kernels.available)
    func sameBytes(kernels: Kernels) {
        var random = SplitMix64(seed: 3)
        let numbers = random.floats(512, in: -2...3)
        for format in Self.formats {
            #expect(written(kernels, format, numbers) == written(.best, format, numbers), "\(format)")
        }
    }

    @Test("keep zeros, constants and tiny numbers, and turn a block with a NaN into NaN")
    func edges() {
        for format in Self.formats {
            #expect(readBack(format, .init(repeating: 0, count: 256)).allSatisfy { $0 == 0 })
            for value: Float in [1, -1, 100, -0.5] {
                let back = readBack(format, .init(repeating: value, count: 256))
                // One code serves all numbers; only the scale is rounded, a normal binary16.
                #expect(back.allSatisfy { abs($0 - value) <= 0x1p-9 * abs(value) }, "\(format) of \(value)")
            }
            for value: Float in [.leastNormalMagnitude, .leastNonzeroMagnitude, 1e-12] {
                let back = readBack(format, .init(repeating: value, count: 256))
                #expect(back.allSatisfy { abs($0) <= 0x1p-18 }, "\(format) of \(value)")
            }
            for value: Float in [.nan, .infinity, -.infinity] {
                var numbers = [Float](repeating: 1, count: 512)
                numbers[300] = value
                let back = readBack(format, numbers), first = 300 - 300 % format.blockElements
                let block = first..<first + format.blockElements
                #expect(back.indices.allSatisfy { back[$0].isNaN == block.contains($0) }, "\(format)")
            }
            let huge = readBack(format, .init(repeating: 3e38, count: 256))
            #expect(huge.allSatisfy { $0.isFinite && $0 > 0 }, "\(format)")
        }
    }
}
