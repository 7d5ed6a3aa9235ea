import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletCache
@testable import SwiftletModels

/// Keeps the first rows and the newest ones, the same for every head.
struct SinksAndNewest: KVSelector {
    var sinks = 2
    var evidence = KVEvidence()
    var decodeRule: KVDecodeRule { .everyStep }

    func needs(promptLength: Int) -> KVEvidence { evidence }

    func scores(of layer: KVLayerView) -> [[Float]] {
        (0..<layer.shape.kvHeadCount).map { Array(repeating: 0, count: layer.rowCount(ofHead: $0)) }
    }

    func forced(budget: Int, phase: KVPhase) -> KVForcedRows {
        KVForcedRows(oldest: sinks, newest: budget - sinks)
    }
}

/// Keeps random rows, others for every head and layer, and always the newest.
struct Scatter: KVSelector {
    var evidence = KVEvidence()
    var decodeRule: KVDecodeRule { .everyStep }
    private var random: SplitMix64

    init(seed: UInt64, evidence: KVEvidence = KVEvidence()) {
        random = SplitMix64(seed: seed)
        self.evidence = evidence
    }

    func needs(promptLength: Int) -> KVEvidence { evidence }

    func forced(budget: Int, phase: KVPhase) -> KVForcedRows { KVForcedRows(newest: 1) }

    mutating func scores(of layer: KVLayerView) -> [[Float]] {
        (0..<layer.shape.kvHeadCount).map { random.floats(layer.rowCount(ofHead: $0), in: 0...1) }
    }
}

/// Drops every third row of the residual stream after each layer, in layer-major order.
struct Thinning: KVHiddenRowRule {
    var drops = true

    func prepare(for prompt: KVPrompt) {}

    func needs(promptLength: Int) -> KVEvidence { KVEvidence() }

    func survivors(after layer: KVLayerView, positions: [Int32]) -> [Int]? {
        drops ? Self.survivors(of: positions.count) : nil
    }

    static func survivors(of count: Int) -> [Int] { (0..<count).filter { $0 % 3 != 1 || $0 == count - 1 } }
}

/// Asks for every kind of evidence and keeps every row.
struct Recording: KVSelector {
    var decodeRule: KVDecodeRule { .everyStep }

    func needs(promptLength: Int) -> KVEvidence {
        KVEvidence(windowQueries: 5, columnSums: true, queryMoments: true, rollingRows: 4)
    }

    func scores(of layer: KVLayerView) -> [[Float]] {
        (0..<layer.shape.kvHeadCount).map { Array(repeating: 0, count: layer.rowCount(ofHead: $0)) }
    }

    func select(from layer: KVLayerView, budgets: [Int]) -> KVSelection {
        .perHead((0..<layer.shape.kvHeadCount).map { Array(0..<layer.rowCount(ofHead: $0)) })
    }
}

extension KVPolicy {
    /// A selector with so many rows for every layer.
    init(_ selector: any KVSelector, rows: [Int]) {
        self.init()
        self.selector = selector
        layers = LayerTable(rows: rows)
    }

    /// A rule that drops rows of the residual stream.
    init(_ rule: any KVHiddenRowRule) {
        self.init()
        hiddenRows = rule
    }
}

/// Checkpoints that differ in what a cache sees: heads, groups, windows, norms, biases, rotation, file format.
enum SeamModels {
    static let paths = [
        "llama-mha", "llama-gqa", "llama3-rope", "mistral-sliding", "qwen2", "qwen3",
        "gguf/llama-q8_0.gguf",
    ]
    /// With those whose layers have windows, or do not attend.
    static let all = paths + ["qwen2-sliding", "qwen3-bias", "lfm2", "lfm2-moe"]

    /// A prompt that any of the models can read.
    static func prompt(_ count: Int, seed: UInt64 = 1) -> [Int32] {
        var random = SplitMix64(seed: seed)
        return (0..<count).map { _ in Int32.random(in: 0..<101, using: &random) }
    }
}

extension Bench {
    init(_ path: String, isa: String = "", threads: Int = 1) throws {
        self.init(
            try ModelFixture.model(path), kernels: try Kernels.selected(named: isa), threads: threads)
    }

    /// Budgets of one size for all layers that have any.
    func budgets(_ rows: Int) -> [Int] {
        KVLayout(layers: model.cacheLayers).policyLayers.map { _ in rows }
    }

    /// Logits after one more token of every sequence.
    func decode(_ batch: [(sequence: KVSequence, token: Int32)]) throws -> [[Float]] {
        var rows = [[Float]](repeating: [], count: batch.count)
        try runner.decode(batch) { rows[$0] = Array($1) }
        return rows
    }

    /// Logits of all positions when every token is decoded by itself.
    func decodeEach(_ ids: [Int32], _ sequence: KVSequence) throws -> [[Float]] {
        try ids.flatMap { try decode([(sequence, $0)]) }
    }
}

/// Everything that a sequence holds: positions, keys and values of every layer and head.
func contents(_ sequence: KVSequence) -> [[[CachedRow]]] {
    sequence.layout.layers.indices.map { layer in
        let slot = sequence.slot(of: layer)
        return (0..<slot.shape.kvHeadCount).map { head in
            slot.positions(ofHead: head).enumerated().map { row, position in
                let (key, value) = slot.row(row, ofHead: head)
                return CachedRow(position: position, key: key, value: value)
            }
        }
    }
}

struct CachedRow: Equatable {
    let position: Int32
    let key: [Float]
    let value: [Float]
}

/// Copies the rows of one layer, which have the same positions in all heads.
func copyRows(of source: KVSequence, to target: KVSequence, layer: Int) throws {
    let slot = source.slot(of: layer)
    for row in 0..<slot.rowCount(ofHead: 0) {
        let heads = (0..<slot.shape.kvHeadCount).map { slot.row(row, ofHead: $0) }
        try [slot.positions(ofHead: 0)[row]].withUnsafeBufferPointer {
            try target.append(
                layer: layer, keys: heads.flatMap(\.key), values: heads.flatMap(\.value), positions: $0)
        }
    }
}
