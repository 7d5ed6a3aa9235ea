import SwiftletTensor
import SwiftletTestSupport

@testable import SwiftletCache

/// The obvious slot, which the real one is compared with: every row of every KV head in an array.
struct PlainSlot: Equatable {
    struct Row: Equatable {
        let position: Int32
        var key: [Float]
        var value: [Float]
    }

    var heads: [[Row]]

    init(_ shape: KVLayerShape) { heads = Array(repeating: [], count: shape.kvHeadCount) }

    /// What a slot holds.
    init(_ slot: KVSlot) {
        heads = (0..<slot.shape.kvHeadCount).map { head in
            slot.positions(ofHead: head).enumerated().map { row, position in
                let (key, value) = slot.row(row, ofHead: head)
                return Row(position: position, key: key, value: value)
            }
        }
    }

    mutating func append(_ tokens: Tokens) {
        let shape = tokens.shape
        for (token, position) in tokens.positions.enumerated() {
            for head in heads.indices {
                let row = token * shape.kvHeadCount + head
                heads[head].append(
                    Row(
                        position: position,
                        key: Array(tokens.keys[row * shape.keySize..<(row + 1) * shape.keySize]),
                        value: Array(tokens.values[row * shape.valueSize..<(row + 1) * shape.valueSize])))
            }
        }
    }

    mutating func keep(_ selection: KVSelection) {
        for head in heads.indices { heads[head] = selection.rows(ofHead: head).map { heads[head][$0] } }
    }

    mutating func truncate(from position: Int32) {
        for head in heads.indices { heads[head].removeAll { $0.position >= position } }
    }

    /// The rows as a half-precision cache stores them.
    var roundedToHalf: PlainSlot {
        var rounded = self
        for head in heads.indices {
            for row in heads[head].indices {
                rounded.heads[head][row].key = heads[head][row].key.map { Float(Float16($0)) }
                rounded.heads[head][row].value = heads[head][row].value.map { Float(Float16($0)) }
            }
        }
        return rounded
    }
}

/// Random queries, keys and values of some tokens in one layer.
struct Tokens {
    let shape: KVLayerShape
    let positions: [Int32]
    let queries: [Float]  // [tokens, heads, keySize]
    let keys: [Float]  // [tokens, kvHeads, keySize]
    let values: [Float]  // [tokens, kvHeads, valueSize]

    /// - Parameter plain: whether queries are 0 and keys one of two, so that many rows have equal scores.
    init(
        _ shape: KVLayerShape, at positions: some Sequence<Int32>, using random: inout SplitMix64,
        plain: Bool = false
    ) {
        self.shape = shape
        self.positions = Array(positions)
        let count = self.positions.count
        let queries = random.floats(count * shape.headCount * shape.keySize, in: -2...2)
        let keys = random.floats(count * shape.kvHeadCount * shape.keySize, in: -2...2)
        self.queries = plain ? queries.map { _ in 0 } : queries
        self.keys = plain ? keys.indices.map { $0 / shape.keySize % 3 == 0 ? 1 : 2 } : keys
        values = random.floats(count * shape.kvHeadCount * shape.valueSize, in: -2...2)
    }

    private init(_ tokens: Tokens, _ range: Range<Int>) {
        shape = tokens.shape
        func part(_ floats: [Float], _ width: Int) -> [Float] {
            Array(floats[range.lowerBound * width..<range.upperBound * width])
        }
        positions = Array(tokens.positions[range])
        queries = part(tokens.queries, shape.headCount * shape.keySize)
        keys = part(tokens.keys, shape.kvHeadCount * shape.keySize)
        values = part(tokens.values, shape.kvHeadCount * shape.valueSize)
    }

    subscript(range: Range<Int>) -> Tokens { Tokens(self, range) }

    /// The query of one token and head.
    func query(_ token: Int, head: Int) -> ArraySlice<Float> {
        let row = token * shape.headCount + head
        return queries[row * shape.keySize..<(row + 1) * shape.keySize]
    }
}

/// Attention of every query over the rows of its KV head, by the formula in double precision.
struct DenseAttention {
    var weights: [[[Double]]] = []  // [tokens][heads][rows of the head's KV head]
    var output: [Double] = []  // [tokens, heads, valueSize]

    init(_ tokens: Tokens, over slot: PlainSlot, scale: Float) {
        let shape = tokens.shape
        let heads = slot.heads.map { rows in
            Reference.Rows(
                keys: rows.map(\.key), values: rows.map(\.value), positions: rows.map { Int($0.position) })
        }
        for (token, position) in tokens.positions.enumerated() {
            let attended = (0..<shape.headCount).map { head in
                Reference.attend(
                    Array(tokens.query(token, head: head)), at: Int(position), to: heads[head / shape.group],
                    scale: scale, window: shape.window ?? 0)
            }
            weights.append(attended.map(\.weights))
            // Without rows the reference does not know how long a value is.
            output += attended.flatMap {
                $0.output.isEmpty ? Array(repeating: 0, count: shape.valueSize) : $0.output
            }
        }
    }
}

extension KVSequence {
    /// A sequence without rotation for tests of one kind of layer.
    static func test(
        _ shape: KVLayerShape, layers: Int = 1, owners: [Int]? = nil, format: KVFormat = .f32,
        policy: KVPolicy = .full, pool: KVPagePool = KVPagePool(), kernels: Kernels = .best
    ) throws -> KVSequence {
        let shapes = Array(repeating: shape, count: layers)
        let sequence = try KVSequence(
            layout: owners.map { try KVLayout(layers: shapes, owners: $0) } ?? KVLayout(layers: shapes),
            format: format, rope: Rope(base: 10_000, rotatedSize: 0), scale: testScale, policy: policy,
            pool: pool, kernels: kernels)
        _ = try sequence.beginPrompt(200)
        return sequence
    }

    static var testScale: Float { 0.37 }

    /// Caches the keys and values of some tokens.
    func append(_ tokens: Tokens, layer: Int = 0) throws {
        try tokens.positions.withUnsafeBufferPointer {
            try append(layer: layer, keys: tokens.keys, values: tokens.values, positions: $0)
        }
    }

    /// Attends with the queries of some tokens, `[tokens, heads, valueSize]`.
    func attend(_ tokens: Tokens, layer: Int = 0, phase: KVPhase = .prefill, _ compute: Compute) -> [Float] {
        let shape = tokens.shape
        var output = [Float](
            repeating: .nan, count: tokens.positions.count * shape.headCount * shape.valueSize)
        record(unrotated: tokens.queries, tokens: tokens.positions.count, layer: layer)
        tokens.queries.withUnsafeBufferPointer { queries in
            tokens.positions.withUnsafeBufferPointer { positions in
                guard let data = queries.baseAddress else { return }
                attend(
                    Queries(data: data, positions: positions), layer: layer, phase: phase, into: &output,
                    compute: compute, workspace: Workspace())
            }
        }
        return output
    }

    /// What a layer of a model does with some tokens: caches them, attends, and counts them as seen.
    @discardableResult
    func step(_ tokens: Tokens, phase: KVPhase = .prefill, _ compute: Compute) throws -> [Float] {
        try append(tokens)
        let output = attend(tokens, phase: phase, compute)
        advance(by: tokens.positions.count)
        return output
    }
}

extension KVSlot {
    mutating func append(_ tokens: Tokens) throws {
        try tokens.positions.withUnsafeBufferPointer {
            try append(keys: tokens.keys, values: tokens.values, positions: $0)
        }
    }
}

extension KVSelection {
    /// Random rows of every KV head, each with the same chance.
    static func random(_ slot: PlainSlot, chance: Double, using random: inout SplitMix64) -> KVSelection {
        .perHead(
            slot.heads.map { head in
                head.indices.filter { _ in Double.random(in: 0..<1, using: &random) < chance }
            })
    }
}

/// A selector that asks for evidence and keeps every row.
struct RecordingSelector: KVSelector {
    let evidence: KVEvidence
    var decodeRule: KVDecodeRule { .everyStep }

    func needs(promptLength: Int) -> KVEvidence { evidence }

    func scores(of layer: KVLayerView) -> [[Float]] {
        (0..<layer.shape.kvHeadCount).map { Array(repeating: 0, count: layer.rowCount(ofHead: $0)) }
    }

    func select(from layer: KVLayerView, budgets: [Int]) -> KVSelection {
        .perHead((0..<layer.shape.kvHeadCount).map { Array(0..<layer.rowCount(ofHead: $0)) })
    }
}

extension KVPolicy {
    /// A selector with so many rows for every layer.
    init(_ selector: any KVSelector, rows: [Int] = [0]) {
        self.init()
        self.selector = selector
        layers = LayerTable(rows: rows)
    }
}

/// The largest absolute difference; infinite when the lengths differ or a number is NaN.
func largestDifference(_ a: some Collection<Float>, _ b: some Collection<Double>) -> Double {
    guard a.count == b.count else { return .infinity }
    return zip(a, b).reduce(0) { worst, pair in
        let difference = abs(Double(pair.0) - pair.1)
        return difference.isNaN ? .infinity : max(worst, difference)
    }
}
