import SwiftletTensor
import Testing

@testable import SwiftletCache
@testable import SwiftletModels

@Suite("Latent vectors are stored once")
struct LatentCacheTests {
    private struct NoProfiles: KVProfileReader {
        func sharingMap(at path: String) throws(SwiftletError) -> [Int] { [] }
        func headRanks(at path: String) throws(SwiftletError) -> [[Double]] { [] }
    }

    /// The same layers with values stored apart.
    private func apart(_ layers: [KVLayerShape]) -> [KVLayerShape] {
        layers.map { layer in
            var layer = layer
            layer.content = .keyAndValue
            return layer
        }
    }

    private func sequence(
        _ bench: Bench, _ layers: [KVLayerShape], _ format: KVFormat, _ text: String = "full"
    ) throws -> KVSequence {
        let policy = try KVPolicy(
            parsing: text, budget: text.hasPrefix("pqcache") ? nil : .rows(20), layers: layers,
            profiles: NoProfiles())
        return try KVSequence(
            layout: KVLayout(layers: layers), format: format, rope: bench.model.configuration.rope,
            scale: bench.model.configuration.attentionScale, policy: policy, pool: KVPagePool(),
            kernels: bench.kernels)
    }

    private static let policies = [
        "full", "h2o", "d2o", "snapkv:window=4", "streaming+slots", "expected", "knorm+rotate",
        "pqcache:m=2,b=3,ratio=0.3,sinks=2,local=0.5",
    ]

    @Test("the same bits as with values stored apart, in fewer bytes", arguments: policies)
    func bits(text: String) throws {
        let bench = try Bench("deepseek-v2-lite")
        let layers = bench.model.cacheLayers
        let ids = SeamModels.prompt(80), next = SeamModels.prompt(12, seed: 4)
        for format in [KVFormat.f32, .f16] {
            let once = try sequence(bench, layers, format, text)
            let twice = try sequence(bench, apart(layers), format, text)
            #expect(try bench.logits(ids, once, chunk: 33) == bench.logits(ids, twice, chunk: 33))
            #expect(contents(once) == contents(twice))
            #expect(try bench.decodeEach(next, once) == bench.decodeEach(next, twice))
            let (few, many) = (once.use, twice.use)
            let (row, value) = (layers[0].keySize, layers[0].valueSize)
            let isRotated = once.format.isRotated
            // Rows of 24 and 16 numbers fill pages whose sizes are multiples of 64 bytes.
            #expect(isRotated ? few.pages == many.pages : few.pages * (row + value) == many.pages * row)
            #expect(few.positions == many.positions && few.evidence == many.evidence)
            let rows = once.rowCount(layer: 0, head: 0)
            if text == "full" { #expect(once.reads[0].bytes == rows * format.key.blockBytes * row) }
        }
    }

    @Test("every instruction set, for few and many query rows", arguments: Kernels.available.map(\.name))
    func kernels(isa: String) throws {
        let bench = try Bench("deepseek-v2", isa: isa)
        let layers = bench.model.cacheLayers
        let ids = SeamModels.prompt(300)
        for format in [KVFormat.f32, .f16] {
            let once = try sequence(bench, layers, format)
            let expected = try bench.logits(ids, sequence(bench, apart(layers), format))
            let first = try bench.logits(Array(ids[..<290]), once)
            #expect(try first + bench.decodeEach(Array(ids[290...]), once) == expected)
        }
    }

    @Test("formats in blocks, alike, apart and rotated")
    func formats() throws {
        var shape = KVLayerShape(headCount: 4, kvHeadCount: 1, keySize: 96, valueSize: 64)
        shape.content = .keyWithValue
        let q8 = try KVFormat(key: .q8_0, value: .q8_0)
        #expect(q8.findsValuesInKeys(shape) && q8.rowBytes(shape) == 3 * 34)
        let mixed = try KVFormat(key: .q8_0, value: .q4_0)
        #expect(!mixed.findsValuesInKeys(shape) && mixed.rowBytes(shape) == 3 * 34 + 2 * 18)
        #expect(!q8.rotated.findsValuesInKeys(shape))
        var uneven = KVLayerShape(headCount: 4, kvHeadCount: 1, keySize: 96, valueSize: 32)
        uneven.content = .keyWithValue
        #expect(q8.findsValuesInKeys(uneven))
        var odd = KVLayerShape(headCount: 4, kvHeadCount: 1, keySize: 80, valueSize: 64)
        odd.content = .keyWithValue
        #expect(!q8.findsValuesInKeys(odd) && KVFormat.f16.findsValuesInKeys(odd))
        for format in [q8, mixed, .f16, q8.rotated] {
            var slot = try KVSlot(shape, format: format, pool: KVPagePool(), kernels: .best)
            let keys: [Float] = (0..<70 * 96).map { Float($0 % 37) - 18 }
            var values: [Float] = []
            for row in 0..<70 { values += keys[row * 96 + 32..<(row + 1) * 96] }
            let positions = (0..<70).map(Int32.init)
            try positions.withUnsafeBufferPointer {
                try slot.append(keys: keys, values: values, positions: $0)
            }
            let read = slot.values(ofHead: 0)
            for row in [0, 63, 64, 69] {
                #expect(slot.row(row, ofHead: 0).value == Array(read[row * 64..<(row + 1) * 64]))
            }
            guard format.findsValuesInKeys(shape) else { continue }
            let rows = slot.keys(ofHead: 0)
            var tails: [Float] = []
            for row in 0..<70 { tails += rows[row * 96 + 32..<(row + 1) * 96] }
            #expect(read == tails)
        }
    }
}
