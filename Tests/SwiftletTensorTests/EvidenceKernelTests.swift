import SwiftletTestSupport
import Testing

@testable import SwiftletTensor

@Suite("Kernels of evidence")
struct EvidenceKernelTests {
    @Test(
        "the weakest row has the smallest score, of equals the highest position",
        arguments: Kernels.available, [0, 1, 2, 7, 16, 33, 100])
    func weakest(kernels: Kernels, count: Int) {
        var random = SplitMix64(seed: UInt64(count))
        let choices: [Float] = [0, -0.0, 1, -1, .nan, -.nan, .infinity, -.infinity, 1e-40, -1e-40, 2]
        for trial in 0..<40 {
            let few = choices.shuffled(using: &random).prefix(1 + trial % choices.count)
            let scores = (0..<count).map { _ in few.randomElement(using: &random) ?? 0 }
            let positions = (0..<Int32(count)).map { $0 * 2 }.shuffled(using: &random)
            let first = Int32.random(in: -2...Int32(count) * 2, using: &random)
            let range = trial < 4 ? Int32.min...Int32.max : first...first + Int32(count)
            let found = positions.withUnsafeBufferPointer {
                kernels.weakestRow(scores, positions: $0, in: range)
            }
            let expected = positions.indices.filter { range.contains(positions[$0]) }
                .min { a, b in
                    let (first, second) = (order(scores[a]), order(scores[b]))
                    return first == second ? positions[a] > positions[b] : first < second
                }
            #expect(found == expected)
            let last = scores.indices.min { a, b in
                let (first, second) = (order(scores[a]), order(scores[b]))
                return first == second ? a > b : first < second
            }
            #expect(kernels.lastWeakest(of: scores[...]) == last)
        }
    }

    @Test(
        "the most similar vector has the largest cosine, of equals the lowest position",
        arguments: Kernels.available, [1, 2, 7, 16, 33, 100])
    func mostSimilar(kernels: Kernels, count: Int) {
        var random = SplitMix64(seed: UInt64(count))
        let choices: [Float] = [0, -0.0, 1, -1, .nan, .infinity, -.infinity, 1e-40, 2, 3, -5]
        for trial in 0..<40 {
            let few = choices.shuffled(using: &random).prefix(1 + trial % choices.count)
            let products = (0..<count).map { _ in few.randomElement(using: &random) ?? 0 }
            let lengths = (0..<count).map { _ in Float(Int.random(in: 0...3, using: &random)) }
            let positions = (0..<Int32(count)).map { $0 * 2 }.shuffled(using: &random)
            let row = Int.random(in: 0..<count, using: &random)
            let factor = lengths[row] > 0 ? 1 / lengths[row] : 0
            let cosines = products.indices.map {
                lengths[$0] > 0 ? products[$0] * factor / lengths[$0] : 0
            }
            let expected = products.indices.filter { $0 != row && !cosines[$0].isNaN }.max { a, b in
                cosines[a] == cosines[b] ? positions[a] > positions[b] : cosines[a] < cosines[b]
            }
            var changed = products
            let found = kernels.mostSimilar(
                to: row, products: &changed, lengths: lengths, positions: positions)
            #expect(found?.row == expected)
            #expect(found?.cosine == expected.map { cosines[$0] })
        }
    }

    @Test(
        "numbers are counted and put in the order of their places", arguments: Kernels.available,
        [0, 1, 2, 7, 16, 33, 100])
    func places(kernels: Kernels, count: Int) {
        var random = SplitMix64(seed: UInt64(count))
        let numbers = random.floats(count, in: -2...2)
        let places = (0..<count).map { _ in Int32.random(in: 0..<Int32(count), using: &random) }
        #expect(kernels.gather(numbers, at: places) == places.map { numbers[Int($0)] })
        for bound in [Int32.min, -1, 0, Int32(count / 2), Int32(count), .max] {
            let found = places.withUnsafeBufferPointer { kernels.count($0, below: bound) }
            #expect(found == places.filter { $0 < bound }.count)
        }
    }

    /// Numbers that sort as the scores do, NaN first.
    private func order(_ score: Float) -> (Int, Float) { score.isNaN ? (0, 0) : (1, score) }

    @Test(
        "sums of rows are those in double precision; short rows count 0 where they end",
        arguments: Kernels.available, [0, 1, 16, 31, 32, 33, 100])
    func rowSums(kernels: Kernels, count: Int) {
        var random = SplitMix64(seed: UInt64(count))
        for rowCount in 0...9 {
            let rows = (0..<rowCount).map { number in
                random.floats(
                    number % 3 == 0 ? count : Int.random(in: 0...count + 5, using: &random), in: -2...2)
            }
            for divisor in [1.0, 3] {
                let expected = (0..<count).map { column in
                    Float(
                        rows.reduce(0.0) { $0 + (column < $1.count ? Double($1[column]) : 0) } / divisor)
                }
                #expect(kernels.sums(of: rows, count: count, divisor: divisor) == expected)
            }
        }
    }

    @Test(
        "sums of products have the bits of the plain sums, however the vectors are cut",
        arguments: Kernels.available, [1, 3, 8, 17, 64])
    func products(kernels: Kernels, size: Int) {
        var random = SplitMix64(seed: UInt64(size))
        let stride = size + 3, count = 40
        let vectors = random.floats(stride * count, in: -2...2)
        var expected = [Double](repeating: 0, count: size * size)
        for vector in 0..<count {
            for i in 0..<size {
                for j in i..<size {
                    expected[i * size + j] +=
                        Double(vectors[vector * stride + i]) * Double(vectors[vector * stride + j])
                }
            }
        }
        for piece in [1, 5, 16, 40] {
            var found = [Double](repeating: 0, count: size * size)
            vectors.withUnsafeBufferPointer { vectors in
                guard let base = vectors.baseAddress else { return }
                for first in Swift.stride(from: 0, to: count, by: piece) {
                    kernels.addProducts(
                        base + first * stride, stride: stride, count: min(piece, count - first), size: size,
                        into: &found)
                }
            }
            for i in 0..<size {
                #expect(found[i * size + i..<(i + 1) * size] == expected[i * size + i..<(i + 1) * size])
            }
        }
    }
}
