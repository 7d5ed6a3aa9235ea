import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletCache

@Suite("Attention over ragged rows")
struct KVAttentionTests {
    /// Values are within ±2 and weights sum to 1; scores reach 0.37 · 4 · keySize, whose relative rounding of
    /// keySize · 2⁻²⁴ moves a weight by less than 1e-5 of itself.
    static let tolerance = 2e-5

    /// Attends with `tokens` and compares with the formula over the plain rows.
    private func check(
        _ tokens: Tokens, _ sequence: KVSequence, _ plain: PlainSlot, _ compute: Compute, _ label: String
    ) {
        let rows = sequence.format == .f16 ? plain.roundedToHalf : plain
        let dense = DenseAttention(tokens, over: rows, scale: KVSequence.testScale)
        #expect(
            largestDifference(sequence.attend(tokens, compute), dense.output) < Self.tolerance, "\(label)")
    }

    @Test(
        "every subset of four permuted rows, with and without a window",
        arguments: Kernels.available.map(\.name))
    func exhaustive(isa: String) throws {
        let kernels = try Kernels.selected(named: isa)
        let compute = Compute(kernels: kernels, threadCount: 1)
        for window in [nil, 1, 2, 3, .max] {
            let shape = KVLayerShape(headCount: 2, kvHeadCount: 1, keySize: 3, valueSize: 2, window: window)
            var random = SplitMix64(seed: 1)
            let cached = Tokens(shape, at: [2, 0, 3, 1], using: &random)
            let asking = Tokens(shape, at: 0..<6, using: &random)
            for mask in 0..<16 {
                let sequence = try KVSequence.test(
                    shape, policy: KVPolicy(FixedSelector(rows: [(0..<4).filter { mask >> $0 & 1 == 1 }])),
                    kernels: kernels)
                try sequence.append(cached)
                try sequence.finish(layer: 0, phase: .prefill)
                check(
                    asking, sequence, PlainSlot(sequence.slot(of: 0)), compute,
                    "window \(window ?? 0), rows \(mask)")
            }
        }
    }

    @Test("random shapes, orders, selections and formats", arguments: 0..<60 as Range<UInt64>)
    func random(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let kvHeads = Int.random(in: 1...3, using: &random)
        let group = Int.random(in: 1...3, using: &random)
        let shape = KVLayerShape(
            headCount: kvHeads * group, kvHeadCount: kvHeads, keySize: Int.random(in: 1...20, using: &random),
            valueSize: Int.random(in: 1...20, using: &random),
            window: Bool.random(using: &random) ? Int.random(in: 1...120, using: &random) : nil)
        let kernels = try #require(Kernels.available.randomElement(using: &random))
        let compute = Compute(kernels: kernels, threadCount: Int.random(in: 1...2, using: &random))
        let positions = (0..<Int32.random(in: 1...150, using: &random)).shuffled(using: &random)
        let tokens = Tokens(shape, at: positions, using: &random)
        var plain = PlainSlot(shape)
        plain.append(tokens)
        let selection = KVSelection.random(plain, chance: 0.6, using: &random)
        let sequence = try KVSequence.test(
            shape, format: Bool.random(using: &random) ? .f32 : .f16,
            policy: KVPolicy(FixedSelector(rows: (0..<kvHeads).map { selection.rows(ofHead: $0) })),
            kernels: kernels)
        try sequence.append(tokens)
        check(tokens[0..<min(20, positions.count)], sequence, plain, compute, "\(kernels.name), before")
        try sequence.finish(layer: 0, phase: .prefill)
        // Policies see rows in ascending order.
        for head in plain.heads.indices { plain.heads[head].sort { $0.position < $1.position } }
        plain.keep(selection)
        let asked = (0..<20).map { _ in Int32.random(in: 0...200, using: &random) }
        check(Tokens(shape, at: asked, using: &random), sequence, plain, compute, "\(kernels.name), after")
    }

    @Test("a borrower attends to the owner's rows", arguments: [KVFormat.f32, .f16])
    func borrower(format: KVFormat) throws {
        let shape = KVLayerShape(headCount: 4, kvHeadCount: 2, keySize: 6, valueSize: 5, window: 40)
        let compute = Compute(kernels: .best, threadCount: 1)
        var random = SplitMix64(seed: 7)
        let tokens = Tokens(shape, at: 0..<100, using: &random)
        let shared = try KVSequence.test(shape, layers: 3, owners: [0, 1, 0], format: format)
        let copied = try KVSequence.test(shape, layers: 3, format: format)
        for layer in 0..<2 { try shared.append(tokens, layer: layer) }
        for layer in 0..<3 { try copied.append(tokens, layer: layer) }
        #expect(shared.attend(tokens, layer: 2, compute) == copied.attend(tokens, layer: 2, compute))
        #expect(shared.positions(layer: 2, head: 1) == copied.positions(layer: 2, head: 1))
        #expect(shared.pool.heldBytes * 3 == copied.pool.heldBytes * 2)
    }
}

/// Keeps rows that a test wrote down, per KV head.
struct FixedSelector: KVSelector {
    let rows: [[Int]]
    var evidence = KVEvidence()
    var decodeRule: KVDecodeRule { .everyStep }

    func needs(promptLength: Int) -> KVEvidence { evidence }

    func scores(of layer: KVLayerView) -> [[Float]] {
        (0..<layer.shape.kvHeadCount).map { Array(repeating: 0, count: layer.rowCount(ofHead: $0)) }
    }

    func select(from layer: KVLayerView, budgets: [Int]) -> KVSelection { .perHead(rows) }
}
