import SwiftletTestSupport
import Testing

@testable import SwiftletCache

@Suite("KVSharer")
struct KVSharerTests {
    private func search(
        layers: Int, target: Int, threshold: Double, seed: UInt64
    ) -> KVSharerSearch {
        var random = SplitMix64(seed: seed)
        let distances = (0..<layers).map { i in
            (0..<layers).map { j in j < i ? Double.random(in: 0...1, using: &random) : nil }
        }
        let cost = (0..<layers).map { _ in
            (0..<layers).map { _ in Double.random(in: 0...0.3, using: &random) }
        }
        return KVSharerSearch(
            layers: layers, ranking: KVSharer.ranking(of: distances), target: target, threshold: threshold
        ) { map in 1 - map.indices.reduce(0) { map[$1] == $1 ? $0 : $0 + cost[$1][map[$1]] } }
    }

    @Test("a map points to owners before it, and every acceptance makes one borrower", arguments: 0..<40)
    func invariants(seed: Int) {
        let layers = 1 + seed % 9
        let target = seed % (layers + 2)
        let found = search(layers: layers, target: target, threshold: 0.5, seed: UInt64(seed))
        for (layer, owner) in found.map.enumerated() {
            #expect(owner <= layer && found.map[owner] == owner)
        }
        #expect(KVSharer.owners(in: found.map).count == layers - found.borrowers.count)
        #expect(found.borrowers.count <= target)
        #expect(found.reachesTarget == (found.borrowers.count == target))
        #expect(found.trace.filter { $0.action == .accept }.map(\.pair.borrower) == found.borrowers)
        #expect(found.trace.last { $0.action == .accept }?.candidate ?? Array(0..<layers) == found.map)
        #expect(search(layers: layers, target: target, threshold: 0.5, seed: UInt64(seed)) == found)
    }

    @Test("no borrowers wanted, or a similarity that is not greater, leave the identity")
    func identity() {
        let none = search(layers: 6, target: 0, threshold: -1, seed: 3)
        #expect(none.map == Array(0..<6) && none.trace.isEmpty && none.reachesTarget)
        let pair = [KVSharer.Pair(borrower: 1, owner: 0)]
        let equal = KVSharerSearch(layers: 2, ranking: pair, target: 1, threshold: 0.5) { _ in 0.5 }
        #expect(equal.map == [0, 1] && !equal.reachesTarget)
        #expect(equal.trace.map(\.action) == [.reject])
    }

    @Test("a distance is the mean of the vectors' distances, not the distance of the flattened caches")
    func distance() {
        var mean = KVSharerMeanCache()
        let far = KVSharerMeanCache.Layer(
            keys: [3, 4, 0, 0], keySize: 2, values: [0, 0, 0, 0], valueSize: 2)
        let near = KVSharerMeanCache.Layer(
            keys: [0, 0, 0, 0], keySize: 2, values: [0, 0, 0, 2], valueSize: 2)
        mean.add([near, far], length: 2)
        mean.add([far, far], length: 1)  // another length: counts in the divisor only
        #expect(mean.usedTexts == [true, false])
        #expect(mean.distances()[1][0] == (2.5 + 1) / 2 / 2)
        #expect(mean.distances { _, _ in false }[1][0] == nil)
    }

    @Test("states without a direction are similar to nothing")
    func zeroStates() {
        #expect(KVSharer.cosine([0, 0], [1, 2]) == 0)
        #expect(KVSharer.similarity([], []) == 0)
        #expect(KVSharer.ranking(of: []).isEmpty)
    }
}
