import SwiftletCache
import SwiftletTestSupport
import Testing

@Suite struct KIVITests {
    @Test("errors are at most half a step, and codes survive a second time", arguments: [1, 2, 3, 4, 8])
    func roundTrip(bits: Int) {
        var random = SplitMix64(seed: UInt64(bits))
        let codec = KIVICodec(bits: bits)
        for count in [1, 2, 31, 32] {
            let values = random.floats(count, in: -3...5)
            let group = codec.quantize(values)
            for (value, again) in zip(values, group.values) {
                #expect(abs(value - again) <= group.scale / 2 * 1.0001 + 1e-6)
            }
            #expect(codec.quantize(group.values).codes == group.codes)
            #expect(group.codes.allSatisfy { Int($0) < 1 << bits })
        }
    }

    @Test("keys share a scale along tokens, values along channels")
    func groups() {
        var random = SplitMix64(seed: 4)
        let rows = (0..<11).map { _ in random.floats(6, in: -1...1) }
        let codec = KIVICodec(bits: 4, group: 4)
        let keys = codec.quantizeKeys(rows)
        #expect(keys.count == 2 && keys.allSatisfy { $0.count == 6 && $0.allSatisfy { $0.codes.count == 4 } })
        #expect(KIVICodec.keys(keys).count == 8)
        let values = codec.quantizeValues(rows)
        #expect(values.count == 11 && values.allSatisfy { $0.map(\.codes.count) == [4, 2] })
        #expect(KIVICodec.values(values).allSatisfy { $0.count == 6 })
        #expect(codec.quantizeKeys([]).isEmpty && codec.quantizeValues([]).isEmpty)
    }
}
