import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletCache

@Suite("Eviction of single rows")
struct KVEvictionTests {
    static let shape = KVLayerShape(headCount: 4, kvHeadCount: 2, keySize: 4, valueSize: 3)
    static let selectors: [any KVSelector] = [
        StreamingSelector(), StreamingSelector(sinks: 0), HeavyHitterSelector(),
        HeavyHitterSelector(recentShare: 0.25, sinks: 3), TOVASelector(), ObservedAttentionSelector(),
        KeyNormSelector(), RandomSelector(seed: 3),
    ]

    private let compute = Compute(kernels: .best, threadCount: 1)

    private func tokens(_ first: Int, _ count: Int, plain: Bool, _ random: inout SplitMix64) -> Tokens {
        Tokens(Self.shape, at: Int32(first)..<Int32(first + count), using: &random, plain: plain)
    }

    /// The positions that stay in every KV head, by the rule that ranks all rows in ascending order.
    private func expected(_ sequence: KVSequence, _ selector: any KVSelector, budget: Int) throws -> [[Int32]]
    {
        let copy = KVSequence(forking: sequence)
        try copy.restoreOrder()
        var selector = selector
        let view = copy.view(of: 0, phase: .decode)
        let positions = (0..<Self.shape.kvHeadCount).map(view.positions(ofHead:))
        #expect(positions.allSatisfy { zip($0, $0.dropFirst()).allSatisfy { $0 < $1 } })
        guard positions[0].count > budget else { return positions }
        let selection = selector.select(
            from: view, budgets: Array(repeating: budget, count: positions.count))
        return positions.enumerated().map { head, positions in
            selection.rows(ofHead: head).map { positions[$0] }
        }
    }

    private func positions(_ sequence: KVSequence) -> [[Int32]] {
        (0..<Self.shape.kvHeadCount).map { sequence.positions(layer: 0, head: $0) }
    }

    @Test(
        "keeps what ranking all rows would keep, for thousands of steps", arguments: selectors.indices,
        [false, true])
    func equivalence(index: Int, plain: Bool) throws {
        let selector = Self.selectors[index]
        var random = SplitMix64(seed: UInt64(index))
        let budget = 21 + index
        var policy = KVPolicy(selector, rows: [budget])
        policy.decodeRule = .everyStep
        let sequence = try KVSequence.test(Self.shape, policy: policy)
        try sequence.step(tokens(0, 60, plain: plain, &random), compute)
        try sequence.finishPrompt(phase: .prefill, compute: compute)
        var moved = false
        for step in 0..<1_500 {
            switch step % 97 {
            case 50:  // a later turn
                _ = try sequence.beginPrompt(7)
                #expect(sequence.slot(of: 0).isAscending)
                try sequence.step(
                    tokens(sequence.length, 7, plain: plain, &random), phase: .laterTurn, compute)
                try sequence.finishPrompt(phase: .laterTurn, compute: compute)
            case 70:  // proposed tokens, of which one is taken
                try sequence.compressStep(phase: .verify, compute: compute)
                try sequence.step(
                    tokens(sequence.length, 3, plain: plain, &random), phase: .verify, compute)
                try sequence.truncate(to: sequence.length - 2)
            default:
                try sequence.step(
                    tokens(sequence.length, 1, plain: plain, &random), phase: .decode, compute)
            }
            let expected = try expected(sequence, selector, budget: budget)
            try sequence.compressStep(phase: .decode, compute: compute)
            try #require(positions(sequence) == expected, "step \(step)")
            moved = moved || !sequence.slot(of: 0).isAscending
        }
        // Without a choice TOVA drops the newest row, behind which there is none.
        #expect(moved || (plain && selector is TOVASelector))
    }

    /// A selector whose rows always leave in order.
    private struct InOrder: KVSelector {
        var selector: any KVSelector

        var decodeRule: KVDecodeRule { selector.decodeRule }
        func needs(promptLength: Int) -> KVEvidence { selector.needs(promptLength: promptLength) }
        func decodeNeeds(promptLength: Int) -> KVEvidence { selector.decodeNeeds(promptLength: promptLength) }
        func forced(budget: Int, phase: KVPhase) -> KVForcedRows {
            selector.forced(budget: budget, phase: phase)
        }
        mutating func scores(of layer: KVLayerView) -> [[Float]] { selector.scores(of: layer) }
        mutating func update(from layer: KVLayerView, budgets: [Int]) -> KVSelection? {
            selector.update(from: layer, budgets: budgets)
        }
        mutating func code(_ state: inout KVStateCoder) throws(SwiftletError) {
            try selector.code(&state)
        }
    }

    @Test("UNComp keeps the same rows, whether single ones leave or all move up", arguments: 0..<6)
    func ownRule(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var settings = UNComp.Settings()
        settings.window = Int(seed) % 5 + 1
        settings.kernel = [1, 3, 7][Int(seed) % 3]
        settings.pooling = seed < 3 ? .max : .average
        let policy = UNComp.policy(settings, budgets: [24, 17 + Int(seed)])
        var ordered = policy
        ordered.selector = InOrder(selector: try #require(policy.selector))
        let sequences = [
            try KVSequence.test(Self.shape, policy: policy), try KVSequence.test(Self.shape, policy: ordered),
        ]
        func step(_ count: Int, _ phase: KVPhase) throws {
            let tokens = tokens(sequences[0].length, count, plain: false, &random)
            for sequence in sequences {
                if phase == .verify { try sequence.compressStep(phase: phase, compute: compute) }
                if phase == .laterTurn { _ = try sequence.beginPrompt(count) }
                try sequence.step(tokens, phase: phase, compute)
                switch phase {
                case .decode: try sequence.compressStep(phase: phase, compute: compute)
                case .verify: try sequence.truncate(to: sequence.length - 2)
                case .prefill, .laterTurn: try sequence.finishPrompt(phase: phase, compute: compute)
                }
            }
        }
        try step(60, .prefill)
        var moved = false
        for count in 0..<300 {
            switch count % 97 {
            case 50: try step(7, .laterTurn)
            case 70: try step(3, .verify)
            default: try step(1, .decode)
            }
            try #require(positions(sequences[0]) == positions(sequences[1]), "step \(count)")
            moved = moved || !sequences[0].slot(of: 0).isAscending
            #expect(sequences[1].slot(of: 0).isAscending)
        }
        #expect(moved)
    }

    @Test("a budget in bytes bounds rows, positions and everything that is recorded", arguments: 0..<7)
    func bytes(index: Int) throws {
        var random = SplitMix64(seed: UInt64(index))
        let merges = index == 6
        var policy =
            index == 5
            ? UNComp.policy(UNComp.Settings(), budgets: [200, 200])
            : KVPolicy(merges ? HeavyHitterSelector() : Self.selectors[[0, 2, 4, 5, 6][index]], rows: [200])
        if merges { policy.merger = CompensationMerger() }
        if index != 5 { policy.decodeRule = .everyStep }
        policy.layers = UniformLayers()
        policy.budget = .bytes(40 << 10)
        let sequence = try KVSequence.test(Self.shape, policy: policy)
        _ = try sequence.beginPrompt(1_000)
        try sequence.step(tokens(0, 1_000, plain: false, &random), compute)
        try sequence.finishPrompt(phase: .prefill, compute: compute)
        for step in 0..<100 {
            try #require(sequence.heldBytes <= 40 << 10, "\(sequence.use), step \(step)")
            try sequence.step(tokens(sequence.length, 1, plain: false, &random), phase: .decode, compute)
            try sequence.compressStep(phase: .decode, compute: compute)
        }
        #expect(sequence.heldBytes > 20 << 10)
    }

    /// Similarities are sums of 4 products in another order, and a row may be rewritten many times: each time errors
    /// are averaged with those of the row that leaves.
    @Test("folds single rows as it would in order", arguments: CompensationMerger.Mode.allCases)
    func merging(mode: CompensationMerger.Mode) throws {
        var random = SplitMix64(seed: 11)
        var policy = KVPolicy(HeavyHitterSelector(), rows: [25])
        policy.merger = CompensationMerger(mode: mode)
        let sequence = try KVSequence.test(Self.shape, policy: policy)
        try sequence.step(tokens(0, 60, plain: false, &random), compute)
        var merger = try #require(policy.merger)
        var rewritten = 0
        for step in 0..<600 {
            let copy = KVSequence(forking: sequence)
            try copy.restoreOrder()
            let view = copy.view(of: 0, phase: step == 0 ? .prefill : .decode)
            var expected = PlainSlot(copy.slot(of: 0))
            if view.rowCount(ofHead: 0) > 25 {
                let selection = HeavyHitterSelector().selection(of: view, budget: 25)
                let kept = (0..<2).map { selection.rows(ofHead: $0) }
                let evicted = (0..<2).map {
                    selection.droppedRows(ofHead: $0, of: view.rowCount(ofHead: $0))
                }
                for (head, rewrites) in merger.merge(in: view, kept: kept, evicted: evicted).enumerated() {
                    for rewrite in rewrites {
                        expected.heads[head][rewrite.row].key = rewrite.key
                        expected.heads[head][rewrite.row].value = rewrite.value
                        rewritten += 1
                    }
                }
                expected.keep(selection)
            }
            if step == 0 {
                try sequence.finishPrompt(phase: .prefill, compute: compute)
            } else {
                try sequence.compressStep(phase: .decode, compute: compute)
                #expect(!sequence.slot(of: 0).isAscending || step < 9)
            }
            let found = KVSequence(forking: sequence)
            try found.restoreOrder()
            try expectSame(PlainSlot(found.slot(of: 0)), expected, step)
            try sequence.step(
                tokens(sequence.length, 1, plain: false, &random), phase: .decode, compute)
        }
        #expect(rewritten > 300)
    }

    private func expectSame(_ found: PlainSlot, _ expected: PlainSlot, _ step: Int) throws {
        for (found, expected) in zip(found.heads, expected.heads) {
            try #require(found.map(\.position) == expected.map(\.position), "step \(step)")
            for (a, b) in zip(found, expected) {
                try #require(largestDifference(a.key, b.key.map(Double.init)) < 1e-5, "step \(step)")
                try #require(largestDifference(a.value, b.value.map(Double.init)) < 1e-5, "step \(step)")
            }
        }
    }

    @Test("products of keys are those of the keys read back", arguments: [false, true])
    func keyProducts(rotates: Bool) throws {
        var random = SplitMix64(seed: 5)
        var format = KVFormat.f32
        format.isRotated = rotates
        let shape = KVLayerShape(headCount: 4, kvHeadCount: 2, keySize: 4, valueSize: 4)
        let sequence = try KVSequence.test(shape, format: format)
        try sequence.append(Tokens(shape, at: 0..<70, using: &random))
        let view = sequence.view(of: 0, phase: .decode)
        for head in 0..<2 {
            let keys = (0..<70).map { view.row($0, ofHead: head).key.map(Double.init) }
            let expected = keys.map { zip($0, keys[3]).reduce(0) { $0 + $1.0 * $1.1 } }
            #expect(largestDifference(view.keyProducts(ofHead: head, with: 3), expected) < 1e-4)
        }
    }

    @Test("rows and evidence stay together", arguments: 0..<6 as Range<UInt64>)
    func together(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var evidence = KVEvidenceRecord(
            KVEvidence(columnSums: true, rollingRows: 2), shape: Self.shape)
        var slot = try KVSlot(Self.shape, format: .f32, pool: KVPagePool(), kernels: .best)
        try slot.append(tokens(0, 150, plain: false, &random))
        let fork = slot
        let before = PlainSlot(slot)
        for head in 0..<4 {
            evidence.withColumnSums(head: head, rowCount: 140) { sums in
                for row in 0..<140 { sums[row] = Float(row) }
            }
        }
        for head in 0..<2 {
            evidence.addRollingRow(
                head: head, (0..<150).map { Float(1_000 + $0) }, position: 149)
        }
        for _ in 0..<100 {
            let head = Int.random(in: 0..<2, using: &random)
            let count = slot.rowCount(ofHead: head)
            let row = Int.random(in: 0..<count, using: &random)
            try slot.remove(row, ofHead: head)
            evidence.remove(row, ofHead: head, rowCount: count)
        }
        if let order = slot.ascendingOrder {
            try slot.reorder(order)
            evidence.reorder(order)
        }
        #expect(slot.isAscending && PlainSlot(fork) == before)
        for (head, rows) in PlainSlot(slot).heads.enumerated() {
            #expect(rows == rows.map { before.heads[head][Int($0.position)] })
            #expect(zip(rows, rows.dropFirst()).allSatisfy { $0.position < $1.position })
            let positions = rows.map(\.position)
            for member in 0..<2 {
                #expect(
                    evidence.columnSums[head * 2 + member] == positions.map { $0 < 140 ? Float($0) : 0 })
            }
            #expect(
                evidence.steps[head].steps.map(\.weights) == [positions.map { Float(1_000 + $0) }])
        }
    }

    @Test("free rows leave out the oldest and newest", arguments: 0..<20 as Range<UInt64>)
    func freeRows(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let ends: [Int32] = [.min, .max, 0]
        for count in 1...40 {
            let all = Set(
                (0..<count).map { _ in Int32.random(in: -50...500, using: &random) }
                    + ends.prefix(Int(seed) % 4)
            ).shuffled(using: &random)
            let sorted = all.sorted()
            let forced = KVForcedRows(
                oldest: Int.random(in: 0...4, using: &random), newest: Int.random(in: 0...9, using: &random))
            let budget = Int.random(in: 0..<all.count, using: &random)
            let oldest = min(forced.oldest, budget), newest = min(forced.newest, budget - oldest)
            let free = all.withUnsafeBufferPointer { KVFreeRows($0, forced: forced, budget: budget, .best) }
            #expect(
                all.filter { free?.positions.contains($0) == true }.sorted()
                    == Array(sorted[oldest..<sorted.count - newest]))
            let first = all.withUnsafeBufferPointer { all in free?.oldest(all).map { all[$0] } }
            #expect(first == sorted[oldest])
        }
    }

    @Test("sweeps of many queries and scores of few give the same sums")
    func sweeps() throws {
        var random = SplitMix64(seed: 1)
        let shape = KVLayerShape(headCount: 8, kvHeadCount: 2, keySize: 2, valueSize: 1)
        let all = Tokens(shape, at: 0..<400, using: &random)  // 8 × 400 × 400 scores are too many to be kept
        let sums = try [400, 130, 1].map { chunk in
            let sequence = try KVSequence.test(
                shape, policy: KVPolicy(RecordingSelector(evidence: KVEvidence(columnSums: true))))
            for first in stride(from: 0, to: 400, by: chunk) {
                try sequence.step(all[first..<min(first + chunk, 400)], compute)
            }
            let view = sequence.view(of: 0, phase: .prefill)
            return (0..<8).map(view.columnSums(ofQueryHead:))
        }
        #expect(sums[0] == sums[1] && sums[0] == sums[2])
    }
}

extension KVSelector {
    /// What stays of every KV head under one budget.
    fileprivate func selection(of view: KVLayerView, budget: Int) -> KVSelection {
        var copy = self
        return copy.select(
            from: view, budgets: Array(repeating: budget, count: view.shape.kvHeadCount))
    }
}

extension KVEvidenceRecord {
    fileprivate mutating func addRollingRow(head: Int, _ row: [Float], position: Int32) {
        row.withUnsafeBufferPointer { addRollingRow($0, head: head, position: position) }
    }
}
