import CSwiftletKernels
import Foundation
import SwiftletTestSupport
import Testing

@testable import SwiftletTensor

@Suite("Norms, activations, rotations")
struct ElementwiseTests {
    /// Whether `y` has at most a relative error, or an absolute one where results vanish.
    private func near(
        _ y: Float, _ expected: Double, _ relative: Double, _ absolute: Double = 0x1p-149
    ) -> Bool {
        if expected.isNaN || y.isNaN { return expected.isNaN && y.isNaN }
        return Double(y) == expected || abs(Double(y) - expected) <= relative * abs(expected) + absolute
    }

    @Test("add and scale are exact", arguments: Kernels.available)
    func addScale(kernels: Kernels) {
        var random = SplitMix64(seed: 6)
        for count in 0...70 {
            let x = random.floats(count), y = random.floats(count)
            var sum = x, product = x
            kernels.add(&sum, y, count: count)
            kernels.scale(&product, by: 1.7, count: count)
            #expect(same(sum, zip(x, y).map { $0 + $1 }) && same(product, x.map { $0 * 1.7 }))
        }
    }

    @Test("rmsNorm, also in place", arguments: Kernels.available)
    func rmsNorm(kernels: Kernels) {
        var random = SplitMix64(seed: 7)
        for count in Array(0...70) + [1000] {
            let x = random.floats(count, in: -3...3), weight = random.floats(count)
            // The sum of squares has n/4 + 20 roundings, halved by the root; then root, quotient, two
            // products.
            let tolerance = (Double(count / 8 + 10) + 6) * 0x1p-24
            for weight in [weight, nil] {
                var y = x
                kernels.rmsNorm(x, weight: weight, epsilon: 1e-5, into: &y, count: count)
                let expected = Reference.rmsNorm(x, weight: weight, epsilon: 1e-5)
                #expect(zip(y, expected).allSatisfy { near($0, $1, tolerance) }, "\(count)")
                var inPlace = x
                inPlace.withUnsafeMutableBufferPointer { buffer in
                    guard let base = buffer.baseAddress else { return }
                    kernels.rmsNorm(base, weight: weight, epsilon: 1e-5, into: base, count: count)
                }
                #expect(same(inPlace, y))
            }
        }
    }

    @Test("softmax", arguments: Kernels.available)
    func softmax(kernels: Kernels) {
        var random = SplitMix64(seed: 8)
        for count in Array(0...70) + [1000] {
            var x = random.floats(count, in: -20...20)
            for i in stride(from: 2, to: count, by: 7) { x[i] = -.infinity }
            var y = x
            kernels.softmax(&y, count: count)
            // x − max rounds to 40 · 2⁻²⁴; e^ adds 2 ulp, the sum n/4 + 20 roundings, then reciprocal and
            // product.
            let tolerance = (40 + 4 + Double(count / 4 + 20) + 2) * 0x1p-24
            #expect(zip(y, Reference.softmax(x)).allSatisfy { near($0, $1, tolerance) }, "\(count)")
        }
    }

    @Test("softmax of infinities and NaN", arguments: Kernels.available, [1, 3, 8, 17, 40])
    func softmaxLimits(kernels: Kernels, count: Int) {
        var masked = [Float](repeating: -.infinity, count: count)
        kernels.softmax(&masked, count: count)
        #expect(masked.allSatisfy { $0 == 0 })
        for poison: Float in [.nan, .infinity] {
            for background: Float in [0, -.infinity] {
                var x = [Float](repeating: background, count: count)
                x[count / 2] = poison
                kernels.softmax(&x, count: count)
                #expect(x.allSatisfy { $0.isNaN }, "\(poison) among \(background)")
            }
        }
        var large = [Float](repeating: 3e38, count: count)
        kernels.softmax(&large, count: count)
        #expect(large.allSatisfy { near($0, 1 / Double(count), 4 * 0x1p-24) })
    }

    /// Gates from tiny to huge, both signs, and every special value.
    private func gates(_ random: inout SplitMix64) -> [Float] {
        let sizes: [Float] = [1e-30, 1e-3, 1, 4, 12, 90, 200, 1e10]
        let special: [Float] = [0, -0, .nan, .infinity, 88.7, -88.7, -87.4, -103, -104, 89, -89]
        return special + sizes.flatMap { random.floats(37, in: -$0...$0) }
    }

    @Test("activations", arguments: Kernels.available)
    func activations(kernels: Kernels) {
        var random = SplitMix64(seed: 9)
        let gate = gates(&random), up = gate.map { _ in Float(1.25) }
        var silu = gate, gelu = gate, geluTanh = gate
        kernels.siluMultiply(gate, up, into: &silu, count: gate.count)
        kernels.geluMultiply(gate, up, into: &gelu, count: gate.count)
        kernels.geluTanhMultiply(gate, up, into: &geluTanh, count: gate.count)
        for (i, g) in gate.enumerated() {
            // e^-x within 2 ulp (4 units of 2⁻²⁴), then a sum, a quotient and a product of half an ulp each.
            // Below −88.7 the kernel's e^-x is infinite and silu, there above −3e-37, becomes 0.
            #expect(near(silu[i], Reference.silu(g) * 1.25, 7 * 0x1p-24, 4e-37), "silu \(g)")
            // The argument's relative error δ changes the tail e^−z by z·δ: z = g²/2 with δ = 2 · 2⁻²⁴ · 1.5,
            // plus a few ulp of erfc. Results below the normal range are correct to their last digit only.
            let z = g.isFinite ? min(100, Double(g) * Double(g) / 2) : 0
            #expect(near(gelu[i], Reference.gelu(g) * 1.25, (2 * z * 2 + 16) * 0x1p-24, 1e-36), "gelu \(g)")
            // Likewise z = 2u, at most 104 before both vanish; the reference's own 1 + tanh cancels to
            // 1e-16·x.
            let u = g.isFinite ? abs(1.6 * (Double(g) + 0.044715 * pow(Double(g), 3))) : 0
            #expect(
                near(geluTanh[i], Reference.geluTanh(g) * 1.25, (min(u, 104) * 4 + 16) * 0x1p-24, 1e-14),
                "gelu tanh \(g)")
        }
    }

    @Test("the partial last vector is computed like the others", arguments: Kernels.available)
    func tails(kernels: Kernels) {
        var random = SplitMix64(seed: 10)
        let gate = random.floats(70, in: -5...5), up = random.floats(70)
        var whole = gate
        kernels.siluMultiply(gate, up, into: &whole, count: 70)
        for count in 0..<70 {
            var y = [Float](repeating: .nan, count: 70)
            kernels.siluMultiply(gate, up, into: &y, count: count)
            #expect(same(Array(y[..<count]), Array(whole[..<count])) && y[count...].allSatisfy { $0.isNaN })
            var inPlace = gate
            inPlace.withUnsafeMutableBufferPointer { buffer in
                guard let base = buffer.baseAddress else { return }
                kernels.siluMultiply(base, up, into: base, count: count)
            }
            #expect(same(Array(inPlace[..<count]), Array(whole[..<count])))
        }
    }

    @Test("rope, both pairings, whole and partial heads", arguments: Kernels.available, [false, true])
    func rope(kernels: Kernels, adjacent: Bool) {
        var random = SplitMix64(seed: 11)
        for pairs in 0...40 {
            let headSize = 2 * pairs + Int.random(in: 0...5, using: &random), heads = 3
            let angles = random.floats(pairs, in: -9...9)
            let cosine = angles.map { cos($0) }, sine = angles.map { sin($0) }
            let x = random.floats(heads * headSize)
            var y = x
            kernels.rope(
                &y, heads: heads, headSize: headSize, pairs: pairs, cosine: cosine, sine: sine,
                pairing: adjacent ? SL_ROPE_ADJACENT : SL_ROPE_HALVES)
            let expected = (0..<heads).flatMap {
                Reference.rope(
                    Array(x[$0 * headSize..<($0 + 1) * headSize]), cosine: cosine, sine: sine,
                    adjacent: adjacent)
            }
            // Two products and a sum of numbers below 1: three roundings of at most 2 · 2⁻²⁴.
            #expect(zip(y, expected).allSatisfy { abs(Double($0) - $1) <= 6 * 0x1p-24 })
        }
    }
}
