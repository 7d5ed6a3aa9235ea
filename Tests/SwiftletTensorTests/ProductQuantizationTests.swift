import SwiftletTestSupport
import Testing

@testable import SwiftletTensor

@Suite("Nearest centroids, table sums and ranks")
struct ProductQuantizationTests {
    @Test("assign finds the nearest centroid, the lowest of equals", arguments: Kernels.available)
    func assign(kernels: Kernels) {
        for seed in 0..<40 as Range<UInt64> {
            var random = SplitMix64(seed: seed)
            let count = Int.random(in: 0...40, using: &random)
            let size = Int.random(in: 1...20, using: &random)
            let stride = size + Int.random(in: 0...3, using: &random)
            let clusters = Int.random(in: 1...35, using: &random)
            // Small whole numbers: distances are exact, and many are equal.
            let points = (0..<max(count * stride, 1)).map { _ in Float(Int.random(in: -2...2, using: &random))
            }
            let centroids = (0..<clusters * size).map { _ in Float(Int.random(in: -2...2, using: &random)) }
            var labels = [UInt16](repeating: 99, count: count)
            var distances = [Float](repeating: .nan, count: count)
            var scratch = [Float](repeating: 0, count: Kernels.assignScratch(size: size))
            kernels.assign(
                points: points, stride: stride, count: count, size: size, centroids: centroids,
                clusters: clusters, labels: &labels, distances: &distances, scratch: &scratch)
            for index in 0..<count {
                let all = (0..<clusters).map { cluster in
                    (0..<size).reduce(Float(0)) { sum, d in
                        let difference = points[index * stride + d] - centroids[cluster * size + d]
                        return sum + difference * difference
                    }
                }
                let least = all.min() ?? 0
                #expect(distances[index] == least, "seed \(seed)")
                #expect(labels[index] == UInt16(all.firstIndex(of: least) ?? 0), "seed \(seed)")
            }
        }
    }

    @Test("assign does not fail on NaN and infinities", arguments: Kernels.available)
    func assignLimits(kernels: Kernels) {
        var labels: [UInt16] = [9, 9, 9]
        var scratch = [Float](repeating: 0, count: Kernels.assignScratch(size: 1))
        kernels.assign(
            points: [.nan, .infinity, 3], stride: 1, count: 3, size: 1, centroids: [.nan, 1, 2], clusters: 3,
            labels: &labels, distances: nil, scratch: &scratch)
        #expect(labels == [0, 0, 2])
    }

    @Test("sums of table entries", arguments: Kernels.available)
    func sums(kernels: Kernels) {
        var random = SplitMix64(seed: 3)
        for subspaces in 1...9 {
            let clusters = 40
            let count = Int.random(in: 0...70, using: &random)
            let tables = random.floats(subspaces * clusters)
            let codes = (0..<subspaces).map { _ in
                (0..<count).map { _ in UInt16.random(in: 0..<UInt16(clusters), using: &random) }
            }
            let expected = (0..<count).map { item in
                (0..<subspaces).reduce(Float(0)) { $0 + tables[$1 * clusters + Int(codes[$1][item])] }
            }
            let bytes = codes.map { $0.map { UInt8($0) } }
            #expect(sums(bytes, bytesPerCode: 1, tables, clusters, kernels) == expected)
            #expect(sums(codes, bytesPerCode: 2, tables, clusters, kernels) == expected)
        }
    }

    private func sums<Code>(
        _ codes: [[Code]], bytesPerCode: Int, _ tables: [Float], _ clusters: Int, _ kernels: Kernels
    ) -> [Float] {
        var sums = [Float](repeating: .nan, count: codes[0].count)
        let joined = codes.flatMap { $0 }
        joined.withUnsafeBytes { bytes in
            let pointers = codes.indices.map { index in
                bytes.baseAddress.map { $0 + index * sums.count * bytesPerCode }
            }
            pointers.withUnsafeBufferPointer {
                kernels.sums(
                    ofCodes: $0, codeBytes: bytesPerCode, tables: tables, clusters: clusters, into: &sums,
                    count: sums.count)
            }
        }
        return sums
    }

    @Test("softmax over items that stand for several tokens", arguments: Kernels.available)
    func addSoftmax(kernels: Kernels) {
        for seed in 0..<30 as Range<UInt64> {
            var random = SplitMix64(seed: seed)
            let count = Int.random(in: 0...50, using: &random)
            let dots = random.floats(count, in: -9...9)
            let counts = (0..<count).map { _ in Float(Int.random(in: 0...3, using: &random)) }
            let before = random.floats(count)
            for counts in [counts, nil] {
                var found = before
                var used = dots
                kernels.addSoftmax(of: &used, counts: counts, scale: 0.5, to: &found, count: count)
                let tokens = (0..<count).flatMap { item in
                    Array(repeating: item, count: counts.map { Int($0[item]) } ?? 1)
                }
                let weights = Reference.softmax(tokens.map { dots[$0] * 0.5 })
                var expected = before.map(Double.init)
                for (token, weight) in zip(tokens, weights) {
                    expected[token] = Double(before[token]) + weight
                }
                // Probabilities are at most 1, each from some dozens of roundings of 2⁻²⁴.
                #expect(zip(found, expected).allSatisfy { abs(Double($0) - $1) < 1e-5 }, "seed \(seed)")
            }
        }
    }

    @Test("the best tokens, of equals the lower ones", arguments: Kernels.available)
    func ranks(kernels: Kernels) {
        let interesting: [Float] = [0, -0.0, 1, -1, .infinity, -.infinity, .nan, 0x1p-140, 3e38, 0.5]
        for seed in 0..<60 as Range<UInt64> {
            var random = SplitMix64(seed: seed)
            // Up to 4096 classes are looked up as bits.
            let items = seed % 20 == 0 ? 4000 + Int(seed) * 3 : Int.random(in: 1...60, using: &random)
            let tokens = Int.random(in: 0...150, using: &random)
            let scores = (0..<items).map { _ in interesting.randomElement(using: &random) ?? 0 }
            let classes = (0..<tokens).map { _ in UInt16.random(in: 0..<UInt16(items), using: &random) }
            var counts = [Float](repeating: 0, count: items)
            for item in classes { counts[Int(item)] += 1 }
            let ofTokens = classes.map { scores[Int($0)] }
            for wanted in Set([0, 1, tokens / 2, tokens - 1, tokens]) where wanted >= 0 && wanted <= tokens {
                let order = ofTokens.indices.sorted { first, second in
                    let a = ofTokens[first].isNaN ? -Float.infinity : ofTokens[first]
                    let b = ofTokens[second].isNaN ? -Float.infinity : ofTokens[second]
                    if a == b, ofTokens[first].isNaN != ofTokens[second].isNaN {
                        return ofTokens[second].isNaN
                    }
                    return a != b ? a > b : first < second
                }
                let expected = order.prefix(wanted).sorted().map { UInt32($0 + 7) }
                #expect(
                    best(wanted, scores, counts, classes, tokens, kernels) == expected,
                    "seed \(seed), classes")
                #expect(best(wanted, ofTokens, nil, nil, tokens, kernels) == expected, "seed \(seed)")
            }
        }
    }

    private func best(
        _ wanted: Int, _ scores: [Float], _ counts: [Float]?, _ classes: [UInt16]?, _ tokens: Int,
        _ kernels: Kernels
    ) -> [UInt32] {
        var ranks = [UInt8](repeating: 9, count: max(scores.count, 1))
        let ties = kernels.rank(
            scores: scores, counts: counts, count: scores.count, wanted: wanted, into: &ranks)
        var rows = [UInt32](repeating: 0, count: wanted + Kernels.collectSlack)
        let found = kernels.collect(
            ranks: ranks, items: scores.count, classes: classes, count: tokens, ties: ties, first: 7,
            into: &rows)
        return Array(rows[..<min(found, rows.count)])
    }
}
