import CSwiftletKernels
import Foundation
import SwiftletTestSupport
import Testing

@testable import SwiftletTensor

@Suite("Attention")
struct AttentionTests {
    @Test("agrees with the reference", arguments: 0..<40 as Range<UInt64>)
    func reference(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let call = AttentionCall(&random)
        let factors = random.floats(call.queryRows)
        let attended = (0..<call.queryRows).map(call.reference)
        for kernels in Kernels.available { expect(kernels, call, factors, give: attended) }
    }

    @Test("scores are capped and sloped as in the reference", arguments: 0..<20 as Range<UInt64>)
    func bent(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var call = AttentionCall(&random)
        call.cap = [0, 0.7, 30][Int(seed % 3)]
        if seed % 2 == 0 { call.slopes = random.floats(call.group, in: 0...0.5) }
        let factors = random.floats(call.queryRows)
        let attended = (0..<call.queryRows).map(call.reference)
        for kernels in Kernels.available {
            expect(kernels, call, factors, give: attended, spread: Double(call.cap) * 8 + 64)
        }
    }

    private func expect(
        _ kernels: Kernels, _ call: AttentionCall, _ factors: [Float], give attended: [Reference.Attended],
        spread: Double = 0
    ) {
        let result = call.attend(kernels)
        let weights = call.weights(kernels, result.logSumExp)
        let sums = call.columnSums(kernels, result.logSumExp, factors)
        // A score's error is that of keySize additions of numbers below 1 (1 ulp for the scale and the
        // subtraction each, on scores below keySize), and moves e^ by as much; the sum over rows has one
        // rounding each.
        let size = Double(call.keySize)
        // Queries are rounded for keys in codes, as CacheKernelTests checks.
        let codes = [.q8_0, .q4_0].contains(call.keyFormat) ? size * 0x1p-14 : 0
        // A cap rounds by its own ulps, a slope by those of what it costs.
        let score = size * (size + 4) * 0x1p-24 + codes + spread * 0x1p-24
        let tolerance = 2 * score + (Double(call.rowCount) + 40) * 0x1p-23
        for (row, expected) in attended.enumerated() {
            let output = result.output[row * call.valueSize..<(row + 1) * call.valueSize]
            #expect(zip(output, expected.output).allSatisfy { abs(Double($0) - $1) <= tolerance })
            let logSumExp = Double(result.logSumExp[row])
            #expect(logSumExp == expected.logSumExp || abs(logSumExp - expected.logSumExp) <= tolerance)
            let got = weights[row * call.rowCount..<(row + 1) * call.rowCount]
            #expect(zip(got, expected.weights).allSatisfy { abs(Double($0) - $1) <= tolerance })
            #expect(zip(got, expected.weights).allSatisfy { $1 > 0 || $0 == 0 })
        }
        let total = tolerance * Double(call.queryRows)
        for head in 0..<call.group {
            let rows = stride(from: head, to: call.queryRows, by: call.group)
            let expected = Reference.columnSums(rows.map { attended[$0] }, factors: rows.map { factors[$0] })
            #expect(zip(sums[head], expected).allSatisfy { abs(Double($0) - 0.5 - $1) <= total })
        }
    }

    @Test(
        "blocks of rows give the same bits as all at once", arguments: Kernels.available,
        0..<12 as Range<UInt64>)
    func blocks(kernels: Kernels, seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let call = AttentionCall(&random, rows: Int.random(in: 0...1200, using: &random))
        let whole = call.attend(kernels)
        let parts = call.attendInParts(kernels, &random)
        #expect(same(parts.output, whole.output) && same(parts.logSumExp, whole.logSumExp))
    }

    @Test(
        "scores that attention leaves give the weights' bits and change nothing",
        arguments: Kernels.available, 0..<12 as Range<UInt64>)
    func scores(kernels: Kernels, seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let call = AttentionCall(&random)
        let plain = call.attend(kernels)
        let weights = call.weights(kernels, plain.logSumExp)
        for inBlocks in [false, true] {
            let (output, logSumExp, scores) = call.scores(kernels, inBlocks: inBlocks)
            #expect(same(output, plain.output) && same(logSumExp, plain.logSumExp))
            var sums = [Float](repeating: -1, count: call.rowCount)
            kernels.sumWeights(
                scores, stride: call.rowCount, logSumExp: logSumExp, queries: call.queryRows, into: &sums,
                count: call.rowCount)
            var (each, added) = (
                [Float](repeating: 0, count: weights.count), [Float](repeating: 0.5, count: call.rowCount)
            )
            scores.withUnsafeBufferPointer { scores in
                guard let scores = scores.baseAddress else { return }
                kernels.addWeights(
                    scores, stride: call.rowCount, logSumExp: logSumExp, stride: 1, queries: call.queryRows,
                    to: &added, count: call.rowCount)
                each.withUnsafeMutableBufferPointer { each in
                    guard let each = each.baseAddress else { return }
                    for row in 0..<call.queryRows {
                        kernels.addWeights(
                            scores + row * call.rowCount, stride: call.rowCount,
                            logSumExp: [logSumExp[row]], stride: 1, queries: 1,
                            to: each + row * call.rowCount, count: call.rowCount)
                    }
                }
            }
            #expect(same(each, weights))
            let inOrder = (0..<call.rowCount).map { row in
                (0..<call.queryRows).reduce(Float(0.5)) { $0 + weights[$1 * call.rowCount + row] }
            }
            #expect(same(added, inOrder))
            let expected = (0..<call.rowCount).map { row in
                Float((0..<call.queryRows).reduce(0.0) { $0 + Double(weights[$1 * call.rowCount + row]) })
            }
            #expect(same(sums, expected))
        }
    }

    @Test(
        "a query row's bits do not depend on the others", arguments: Kernels.available,
        100..<108 as Range<UInt64>)
    func chunks(kernels: Kernels, seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let call = AttentionCall(&random, tokens: 12)
        let whole = call.attend(kernels)
        let width = call.group * call.valueSize
        for size in [1, 5] {
            for first in stride(from: 0, to: call.tokens, by: size) {
                let tokens = first..<min(first + size, call.tokens)
                let part = call.attend(kernels, tokens)
                #expect(
                    same(
                        part.output,
                        Array(whole.output[tokens.lowerBound * width..<tokens.upperBound * width])))
                let group = call.group
                #expect(
                    same(
                        part.logSumExp,
                        Array(whole.logSumExp[tokens.lowerBound * group..<tokens.upperBound * group])))
            }
        }
    }

    @Test(
        "rows appended later and masked change no bit", arguments: Kernels.available,
        200..<208 as Range<UInt64>)
    func future(kernels: Kernels, seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var call = AttentionCall(&random)
        for i in call.positions.indices.suffix(call.rowCount / 2) { call.positions[i] += 10_000 }
        let whole = call.attend(kernels)
        call.rowCount -= call.rowCount / 2
        let part = call.attend(kernels)
        #expect(same(part.output, whole.output) && same(part.logSumExp, whole.logSumExp))
    }

    @Test("what a masked row holds cannot leak", arguments: Kernels.available, [Float.nan, .infinity, 3e38])
    func leaks(kernels: Kernels, poison: Float) {
        var random = SplitMix64(seed: 12)
        for rows in [3, 64, 100, 600] {
            var call = AttentionCall(&random, tokens: 3, rows: rows, format: .f32)
            for row in stride(from: 0, to: call.rowCount, by: 3) { call.positions[row] = 10_000 }
            let clean = call.attend(kernels)
            for row in stride(from: 0, to: call.rowCount, by: 3) { call.fill(row: row, with: poison) }
            let result = call.attend(kernels)
            #expect(same(result.output, clean.output) && same(result.logSumExp, clean.logSumExp))
            let weights = call.weights(kernels, result.logSumExp)
            #expect(weights.allSatisfy { $0.isFinite })
        }
    }

    @Test("a visible NaN reaches the output of its query rows", arguments: Kernels.available)
    func poisoned(kernels: Kernels) {
        var random = SplitMix64(seed: 13)
        for rows in [1, 5, 64, 130, 300] {
            var call = AttentionCall(&random, tokens: 2, rows: rows, format: .f32)
            call.positions = .init(repeating: 0, count: rows)
            call.queryPositions = [0, -1]
            call.fill(row: rows / 2, with: .nan)
            let result = call.attend(kernels), width = call.group * call.valueSize
            #expect(result.output[..<width].allSatisfy { $0.isNaN })
            #expect(result.output[width...].allSatisfy { $0 == 0 })
            #expect(result.logSumExp[call.group...].allSatisfy { $0 == -.infinity })
        }
    }

    @Test("no rows, or none visible, give 0 and −∞", arguments: Kernels.available)
    func nothing(kernels: Kernels) {
        var random = SplitMix64(seed: 14)
        for rows in [0, 40] {
            var call = AttentionCall(&random, tokens: 2, rows: rows)
            call.positions = .init(repeating: Int32.max, count: rows)
            let result = call.attend(kernels)
            #expect(result.output.allSatisfy { $0 == 0 } && result.logSumExp.allSatisfy { $0 == -.infinity })
            #expect(call.weights(kernels, result.logSumExp).allSatisfy { $0 == 0 })
        }
    }

    @Test("positions at the ends of their range", arguments: Kernels.available)
    func extremePositions(kernels: Kernels) {
        var random = SplitMix64(seed: 15)
        var call = AttentionCall(&random, tokens: 2, rows: 4, format: .f32)
        call.positions = [.min, .max, 0, -5]
        call.queryPositions = [.max, .min]
        for window: Int32 in [0, 1, 7, .max] {
            call.window = window
            let result = call.attend(kernels)
            for row in 0..<call.queryRows {
                let expected = call.reference(row).output
                let output = result.output[row * call.valueSize..<(row + 1) * call.valueSize]
                #expect(zip(output, expected).allSatisfy { abs(Double($0) - $1) < 1e-3 })
            }
        }
    }

    @Test("e^x is within 2 ulp", arguments: Kernels.available)
    func exponential(kernels: Kernels) {
        // With one-element keys, a query of 1 and lse = 0, a row's weight is e^key.
        var random = SplitMix64(seed: 16)
        var keys = random.floats(6000, in: -105...88.72) + random.floats(3000, in: -1...1)
        keys += [
            0, -0, 88.72284, 89, 200, .infinity, -.infinity, -103.97, -104, -1e30, .nan, -87.33655, 1e-30,
        ]
        let positions = [Int32](repeating: 0, count: keys.count)
        var weights = [Float](repeating: -1, count: keys.count)
        var scratch = [Float](repeating: 0, count: Kernels.attendScratch(keySize: 1, valueSize: 1))
        let query: Float = 1, position: Int32 = 0
        let padded = keys + [Float](repeating: 0, count: Kernels.pageRows)
        padded.withUnsafeBytes { bytes in
            let pages = stride(from: 0, to: keys.count, by: Kernels.pageRows).map { row in
                let numbers = bytes.baseAddress.map { $0 + row * MemoryLayout<Float>.stride }
                return sl_kv_page(
                    keys: numbers, values: numbers, key_format: SL_F32, value_format: SL_F32,
                    keys_by_channel: false, value_stride: MemoryLayout<Float>.stride)
            }
            pages.withUnsafeBufferPointer { pages in
                positions.withUnsafeBufferPointer { positions in
                    withUnsafePointer(to: query) { query in
                        withUnsafePointer(to: position) { position in
                            let rows = sl_kv_rows(
                                pages: pages.baseAddress, positions: positions.baseAddress,
                                row_count: positions.count, key_size: 1, value_size: 1)
                            let queries = sl_queries(
                                data: query, token_stride: 1, token_count: 1, group: 1, positions: position,
                                scale: 1, window: 0)
                            kernels.attendWeights(
                                rows, queries, logSumExp: [0], stride: 1, into: &weights,
                                stride: keys.count, scratch: &scratch)
                        }
                    }
                }
            }
        }
        for (key, weight) in zip(keys, weights) {
            let exact = exp(Double(key))
            if key.isNaN {
                #expect(weight.isNaN)
            } else if exact > Double(Float.greatestFiniteMagnitude) {
                #expect(weight == .infinity)
            } else {
                let ulp = Double(max(Float(exact).ulp, .leastNonzeroMagnitude))
                #expect(abs(Double(weight) - exact) <= 2 * ulp, "e^\(key)")
            }
        }
    }
}
