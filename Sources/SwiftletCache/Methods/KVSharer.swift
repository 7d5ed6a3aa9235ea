/// Layers that read the cache of an earlier, *dissimilar* layer instead of keeping their own.
///
/// Found once per model: pairs of layers are ranked by how different their mean caches are, and accepted
/// greedily while the final hidden states of some texts stay close to the original model's. The result is a map:
/// layer `i` reads the cache of layer `map[i] ≤ i`; an *owner* reads its own, a *borrower* stores nothing.
///
/// Source: Yang et al., 2024, arXiv:2410.18517, §3. Where the paper's text and its code differ, this follows the
/// code: a distance is the mean of per-vector norms, not the norm of the flattened caches, and a similarity is the
/// mean of the texts' cosines, not the cosine of their means.
package enum KVSharer {
    /// Layer ``borrower`` may read the cache of the earlier layer ``owner``.
    package struct Pair: Hashable, Sendable {
        package let borrower: Int
        package let owner: Int

        package init(borrower: Int, owner: Int) {
            self.borrower = borrower
            self.owner = owner
        }
    }

    /// All pairs that have a distance, most different first; ties go to the later borrower, then to the later
    /// owner.
    ///
    /// - Parameters:
    ///   - distances: `[layers][layers]`; only entries `[i][j]` with `i > j` are read, `nil` leaves a pair out.
    ///   - ascending: the reverse order, which serves as a control.
    package static func ranking(of distances: [[Double?]], ascending: Bool = false) -> [Pair] {
        var pairs: [(pair: Pair, distance: Double)] = []
        for (i, row) in distances.enumerated() {
            for (j, distance) in row.prefix(i).enumerated() {
                guard let distance else { continue }
                pairs.append((Pair(borrower: i, owner: j), distance.isNaN ? -.infinity : distance))
            }
        }
        pairs.sort {
            if $0.distance != $1.distance { return $0.distance > $1.distance }
            if $0.pair.borrower != $1.pair.borrower { return $0.pair.borrower > $1.pair.borrower }
            return $0.pair.owner > $1.pair.owner
        }
        let ranking = pairs.map(\.pair)
        return ascending ? ranking.reversed() : ranking
    }

    /// The map with chains resolved: whoever reads a borrower reads what that borrower reads.
    ///
    /// One ascending pass suffices, because `map[i] ≤ i`.
    package static func flattened(_ map: [Int]) -> [Int] {
        var map = map
        for layer in map.indices where map[layer] != layer { map[layer] = map[map[layer]] }
        return map
    }

    /// The layers that keep a cache.
    package static func owners(in map: [Int]) -> [Int] { map.indices.filter { map[$0] == $0 } }

    /// Cosine of two states, each flattened from `[positions, hidden]`; 0 if one of them is zero.
    package static func cosine(_ a: [Float], _ b: [Float]) -> Double {
        precondition(a.count == b.count, "\(a.count) against \(b.count) numbers")
        var (product, squaresA, squaresB) = (0.0, 0.0, 0.0)
        for (x, y) in zip(a, b) {
            let (x, y) = (Double(x), Double(y))
            product += x * y
            squaresA += x * x
            squaresB += y * y
        }
        let norm = squaresA.squareRoot() * squaresB.squareRoot()
        return norm > 0 ? product / norm : 0
    }

    /// Mean over the texts of the cosines between the original's and the candidate's final hidden states.
    ///
    /// - Parameters:
    ///   - original: one flattened `[positions, hidden]` per text, after the final norm.
    ///   - candidate: the same under a map.
    package static func similarity(_ original: [[Float]], _ candidate: [[Float]]) -> Double {
        let cosines = zip(original, candidate).map { cosine($0, $1) }
        return cosines.reduce(0, +) / Double(max(cosines.count, 1))
    }
}

/// The mean keys and values of every layer over some texts, position by position.
///
/// Only texts as long as the first one are added, but the sum is divided by the number of all: the factor is the
/// same for every layer, so it does not change a ranking.
///
/// Source: Yang et al., 2024, arXiv:2410.18517, §3.1, and its code. Sums are in double precision.
package struct KVSharerMeanCache {
    /// Keys and values of one layer for one text: rows of `keySize` and `valueSize` numbers, over all KV heads and
    /// positions in any fixed order.
    package struct Layer {
        package let keys: [Float]
        package let keySize: Int
        package let values: [Float]
        package let valueSize: Int

        package init(keys: [Float], keySize: Int, values: [Float], valueSize: Int) {
            self.keys = keys
            self.keySize = keySize
            self.values = values
            self.valueSize = valueSize
        }
    }

    /// For every text whether it was added.
    package private(set) var usedTexts: [Bool] = []
    private var length: Int?
    private var sums: [(keys: [Double], values: [Double])] = []
    private var sizes: [(key: Int, value: Int)] = []

    package init() {}

    /// Adds the cache of one text of `length` tokens if the first text was as long.
    package mutating func add(_ layers: [Layer], length: Int) {
        if self.length == nil {
            self.length = length
            sums = layers.map {
                (Array(repeating: 0, count: $0.keys.count), Array(repeating: 0, count: $0.values.count))
            }
            sizes = layers.map { ($0.keySize, $0.valueSize) }
        }
        usedTexts.append(length == self.length)
        guard length == self.length else { return }
        precondition(layers.count == sums.count, "\(layers.count) layers after \(sums.count)")
        for (index, layer) in layers.enumerated() {
            for i in layer.keys.indices { sums[index].keys[i] += Double(layer.keys[i]) }
            for i in layer.values.indices { sums[index].values[i] += Double(layer.values[i]) }
        }
    }

    /// Half the sum of the mean distances of keys and of values, `[layers][layers]` below the diagonal.
    ///
    /// - Parameter mayShare: whether the two layers are alike enough (heads, window) to share a cache.
    /// - Complexity: linear in the cached numbers for each of `layers²/2` pairs.
    package func distances(where mayShare: (Int, Int) -> Bool = { _, _ in true }) -> [[Double?]] {
        sums.indices.map { i in
            sums.indices.map { j in
                guard j < i, mayShare(i, j) else { return nil }
                let keys = Self.meanDistance(sums[i].keys, sums[j].keys, size: sizes[i].key)
                let values = Self.meanDistance(sums[i].values, sums[j].values, size: sizes[i].value)
                return (keys + values) / 2 / Double(usedTexts.count)
            }
        }
    }

    /// Mean Euclidean distance between rows of `size` numbers.
    private static func meanDistance(_ a: [Double], _ b: [Double], size: Int) -> Double {
        precondition(a.count == b.count && size > 0, "\(a.count) against \(b.count) numbers")
        guard !a.isEmpty else { return 0 }
        var total = 0.0
        for row in stride(from: 0, to: a.count, by: size) {
            var squares = 0.0
            for i in row..<row + size { squares += (a[i] - b[i]) * (a[i] - b[i]) }
            total += squares.squareRoot()
        }
        return total / Double(a.count / size)
    }
}
