import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletCache

@Suite("Evidence from attention")
struct KVEvidenceTests {
    /// A weight is off by at most 1e-5 of itself (see ``KVAttentionTests``), sums of up to 90 of them by less
    /// than 1e-4.
    static let tolerance = 1e-4
    static let shapes = [
        KVLayerShape(headCount: 2, kvHeadCount: 2, keySize: 5, valueSize: 4),
        KVLayerShape(headCount: 6, kvHeadCount: 2, keySize: 4, valueSize: 4),
        KVLayerShape(headCount: 4, kvHeadCount: 1, keySize: 4, valueSize: 3, window: 9),
    ]
    static let everything = KVEvidence(windowQueries: 7, columnSums: true, queryMoments: true, rollingRows: 3)

    let compute = Compute(kernels: .best, threadCount: 2)

    /// A sequence that took `tokens` in chunks, and the attention of all of them over all rows.
    private func prefilled(
        _ tokens: Tokens, chunk: Int, needs: KVEvidence = everything
    ) throws -> (sequence: KVSequence, dense: DenseAttention) {
        let sequence = try KVSequence.test(tokens.shape, policy: KVPolicy(RecordingSelector(evidence: needs)))
        for first in stride(from: 0, to: tokens.positions.count, by: chunk) {
            try sequence.step(tokens[first..<min(first + chunk, tokens.positions.count)], compute)
        }
        var plain = PlainSlot(tokens.shape)
        plain.append(tokens)
        return (sequence, DenseAttention(tokens, over: plain, scale: KVSequence.testScale))
    }

    private func tokens(_ shape: KVLayerShape, _ count: Int, seed: UInt64 = 1) -> Tokens {
        var random = SplitMix64(seed: seed)
        return Tokens(shape, at: 0..<Int32(count), using: &random)
    }

    @Test("column sums equal the sums of the dense probabilities", arguments: shapes, [1, 2, 33, 90])
    func columnSums(shape: KVLayerShape, count: Int) throws {
        let (sequence, dense) = try prefilled(tokens(shape, count), chunk: count)
        let view = sequence.view(of: 0, phase: .prefill)
        for head in 0..<shape.headCount {
            let sums = view.columnSums(ofQueryHead: head)
            let expected = (0..<count).map { row in dense.weights.reduce(0) { $0 + $1[head][row] } }
            #expect(largestDifference(sums, expected) < Self.tolerance)
            // Every query gives away exactly 1.
            #expect(abs(sums.reduce(0) { $0 + Double($1) } - Double(count)) < Self.tolerance * Double(count))
        }
    }

    @Test("column sums are the same bits from kept scores, a few tokens at a time, and from a second sweep")
    func scoreLimits() throws {
        let shape = Self.shapes[1]
        let tokens = tokens(shape, 90)
        var results: [[Float]] = []
        for limits in [ScoreLimits(), ScoreLimits(cached: 1, most: 1 << 23), ScoreLimits(cached: 1, most: 0)]
        {
            let sequence = try KVSequence.test(
                shape, policy: KVPolicy(RecordingSelector(evidence: KVEvidence(columnSums: true))))
            sequence.scoreLimits = limits
            let outputs = try sequence.step(tokens, compute)
            let view = sequence.view(of: 0, phase: .prefill)
            results.append(
                outputs + (0..<shape.headCount).flatMap { view.columnSums(ofQueryHead: $0) })
        }
        #expect(results[0] == results[1] && results[0] == results[2])
        #expect(ScoreLimits(cached: 1, most: 0).tokens(of: 90, rows: 90, shape) == nil)
        #expect(ScoreLimits(cached: 1, most: 1 << 23).tokens(of: 90, rows: 90, shape).map { $0 < 90 } == true)
    }

    @Test(
        "while tokens are generated, sums are kept per KV head, and a later prompt adds its own",
        arguments: shapes)
    func joinedSums(shape: KVLayerShape) throws {
        let all = tokens(shape, 40)
        let sequence = try KVSequence.test(shape, policy: KVPolicy(HeavyHitterSelector(), rows: [60]))
        _ = try sequence.beginPrompt(20)
        try sequence.step(all[0..<20], compute)
        let prompt = sequence.view(of: 0, phase: .prefill)
        var expected = (0..<shape.kvHeadCount).map { head in
            (0..<20).map { row in
                (head * shape.group..<(head + 1) * shape.group).reduce(0.0) {
                    $0 + Double(prompt.columnSums(ofQueryHead: $1)[row])
                }
            }
        }
        try sequence.finishPrompt(phase: .prefill, compute: compute)
        #expect(sequence.use.evidence == 20 * shape.kvHeadCount * MemoryLayout<Float>.stride)
        #expect(sequence.view(of: 0, phase: .decode).columnSums() == prompt.columnSums())
        func expectSums(after step: Range<Int>, _ phase: KVPhase) throws {
            try sequence.step(all[step], phase: phase, compute)
            let dense = DenseAttention(
                all[step], over: PlainSlot(sequence.slot(of: 0)), scale: KVSequence.testScale)
            let sums = sequence.view(of: 0, phase: phase).columnSums()
            for head in 0..<shape.kvHeadCount {
                expected[head] += Array(repeating: 0, count: step.upperBound - expected[head].count)
                for row in 0..<step.upperBound {
                    expected[head][row] += dense.weights.reduce(0) { sum, heads in
                        (head * shape.group..<(head + 1) * shape.group).reduce(sum) { $0 + heads[$1][row] }
                    }
                }
                #expect(largestDifference(sums[head], expected[head]) < Self.tolerance)
            }
        }
        for step in 20..<23 { try expectSums(after: step..<step + 1, .decode) }
        sequence.scoreLimits = ScoreLimits(cached: 1, most: 0)
        try expectSums(after: 23..<30, .verify)
        _ = try sequence.beginPrompt(10)
        try expectSums(after: 30..<40, .laterTurn)
        let view = sequence.view(of: 0, phase: .laterTurn)
        #expect(
            (0..<shape.headCount).allSatisfy {
                abs(view.columnSums(ofQueryHead: $0).reduce(0, +) - 10) < 1e-3
            })
    }

    @Test(
        "window weights equal the dense probabilities of the newest queries", arguments: shapes,
        [1, 6, 7, 8, 90])
    func windowWeights(shape: KVLayerShape, count: Int) throws {
        let (sequence, dense) = try prefilled(tokens(shape, count), chunk: count)
        let view = sequence.view(of: 0, phase: .prefill)
        #expect(view.windowCount == min(count, 7))
        for head in 0..<shape.kvHeadCount {
            let weights = view.windowWeights(ofHead: head)
            for (query, token) in (count - view.windowCount..<count).enumerated() {
                for member in 0..<shape.group {
                    let expected = dense.weights[token][head * shape.group + member]
                    #expect(largestDifference(weights[query][member], expected) < Self.tolerance)
                }
            }
        }
    }

    @Test("weighted sums are the factor-weighted sums of the window's weights", arguments: shapes)
    func weightedSum(shape: KVLayerShape) throws {
        let (sequence, _) = try prefilled(tokens(shape, 40), chunk: 40)
        let view = sequence.view(of: 0, phase: .prefill)
        let factors: [Float] = [0.5, 0, 2, 1, 0.25, 3, 0.125]
        for head in 0..<shape.kvHeadCount {
            let weights = view.windowWeights(ofHead: head)
            let expected = (0..<40).map { row in
                zip(weights, factors).reduce(0.0) { sum, query in
                    sum + Double(query.1) * query.0.reduce(0.0) { $0 + Double($1[row]) }
                }
            }
            #expect(
                largestDifference(view.weightedSum(ofHead: head, weights: factors), expected) < Self.tolerance
            )
        }
    }

    @Test("evidence does not depend on how the prompt is cut", arguments: shapes, [1, 2, 3, 7, 16, 64])
    func chunks(shape: KVLayerShape, chunk: Int) throws {
        let tokens = tokens(shape, 75)
        let whole = try prefilled(tokens, chunk: 75).sequence.view(of: 0, phase: .prefill)
        let cut = try prefilled(tokens, chunk: chunk).sequence.view(of: 0, phase: .prefill)
        for head in 0..<shape.headCount {
            #expect(cut.columnSums(ofQueryHead: head) == whole.columnSums(ofQueryHead: head))
            let (a, b) = (cut.queryMoments(ofQueryHead: head), whole.queryMoments(ofQueryHead: head))
            #expect(a.mean == b.mean && a.covariance == b.covariance && a.count == b.count)
        }
        for head in 0..<shape.kvHeadCount {
            #expect(cut.windowWeights(ofHead: head) == whole.windowWeights(ofHead: head))
        }
    }

    @Test("query moments equal mean and covariance of the queries", arguments: shapes)
    func queryMoments(shape: KVLayerShape) throws {
        let tokens = tokens(shape, 30)
        let view = try prefilled(tokens, chunk: 7).sequence.view(of: 0, phase: .prefill)
        for head in 0..<shape.headCount {
            let queries = (0..<30).map { tokens.query($0, head: head).map(Double.init) }
            let moments = view.queryMoments(ofQueryHead: head)
            let mean = (0..<shape.keySize).map { i in queries.reduce(0) { $0 + $1[i] } / 30 }
            #expect(moments.count == 30)
            #expect(zip(moments.mean, mean).allSatisfy { abs($0 - $1) < 1e-12 })
            for i in 0..<shape.keySize {
                for j in 0..<shape.keySize {
                    let expected = queries.reduce(0) { $0 + ($1[i] - mean[i]) * ($1[j] - mean[j]) } / 30
                    #expect(abs(moments.covariance[i * shape.keySize + j] - expected) < 1e-12)
                }
            }
        }
    }

    @Test("rolling rows are the attention rows of the newest decode steps", arguments: shapes)
    func rollingRows(shape: KVLayerShape) throws {
        let all = tokens(shape, 16)
        let (sequence, _) = try prefilled(all[0..<10], chunk: 10)
        #expect(sequence.view(of: 0, phase: .prefill).rollingRows(ofHead: 0).isEmpty)
        var plain = PlainSlot(shape)
        plain.append(all[0..<10])
        var expected = [[[Double]]](repeating: [], count: shape.kvHeadCount)
        for step in 10..<16 {
            try sequence.step(all[step..<step + 1], phase: .decode, compute)
            plain.append(all[step..<step + 1])
            let dense = DenseAttention(all[step..<step + 1], over: plain, scale: KVSequence.testScale)
            let view = sequence.view(of: 0, phase: .decode)
            for head in 0..<shape.kvHeadCount {
                let sums = dense.groupSums(ofHead: head, shape)
                expected[head] = (expected[head].map { $0 + [0] } + [sums]).suffix(3)
                let rows = view.rollingRows(ofHead: head)
                #expect(rows.count == min(step - 9, 3))
                #expect(zip(rows, expected[head]).allSatisfy { largestDifference($0, $1) < Self.tolerance })
            }
        }
    }

    @Test("evidence follows dropped rows", arguments: shapes, 0..<4 as Range<UInt64>)
    func follows(shape: KVLayerShape, seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let all = tokens(shape, 24, seed: seed)
        var rows = PlainSlot(shape)
        rows.append(all[0..<22])
        let selection = KVSelection.random(rows, chance: 0.5, using: &random)
        let selector = FixedSelector(
            rows: (0..<shape.kvHeadCount).map { selection.rows(ofHead: $0) }, evidence: Self.everything)
        let sequence = try KVSequence.test(shape, policy: KVPolicy(selector))
        try sequence.step(all[0..<20], compute)
        for step in 20..<22 { try sequence.step(all[step..<step + 1], phase: .decode, compute) }
        let before = sequence.view(of: 0, phase: .decode)
        try sequence.finish(layer: 0, phase: .decode)
        let after = sequence.view(of: 0, phase: .decode)
        for head in 0..<shape.headCount {
            let kept = selection.rows(ofHead: head / shape.group)
            #expect(
                after.columnSums(ofQueryHead: head) == kept.map { before.columnSums(ofQueryHead: head)[$0] })
        }
        for head in 0..<shape.kvHeadCount {
            let kept = selection.rows(ofHead: head)
            #expect(
                after.rollingRows(ofHead: head)
                    == before.rollingRows(ofHead: head).map { row in kept.map { row[$0] } })
        }
        // The next step adds to the surviving rows and appends its own.
        try sequence.step(all[22..<23], phase: .decode, compute)
        let dense = DenseAttention(
            all[22..<23], over: PlainSlot(sequence.slot(of: 0)), scale: KVSequence.testScale)
        let next = sequence.view(of: 0, phase: .decode)
        for head in 0..<shape.headCount {
            let expected = zip(after.columnSums(ofQueryHead: head) + [0], dense.weights[0][head]).map {
                Double($0) + $1
            }
            #expect(largestDifference(next.columnSums(ofQueryHead: head), expected) < Self.tolerance)
        }
        for head in 0..<shape.kvHeadCount {
            let newest = try #require(next.rollingRows(ofHead: head).last)
            #expect(largestDifference(newest, dense.groupSums(ofHead: head, shape)) < Self.tolerance)
        }
    }

    @Test("tokens taken back leave no evidence on rows that come after", arguments: shapes)
    func truncated(shape: KVLayerShape) throws {
        let all = tokens(shape, 30)
        let (sequence, _) = try prefilled(all[0..<20], chunk: 20)
        let before = sequence.view(of: 0, phase: .prefill)
        try sequence.step(all[20..<24], phase: .verify, compute)
        try sequence.truncate(to: 20)
        let after = sequence.view(of: 0, phase: .verify)
        for head in 0..<shape.headCount {
            // What the rejected queries gave to older rows stays; rows of their own are gone.
            #expect(after.columnSums(ofQueryHead: head).count == 20)
            #expect(
                zip(after.columnSums(ofQueryHead: head), before.columnSums(ofQueryHead: head)).allSatisfy {
                    $0 >= $1
                })
        }
        #expect(after.windowCount == 3)
        #expect(after.windowWeights(ofHead: 0) == Array(before.windowWeights(ofHead: 0).suffix(3)))
        try sequence.step(all[24..<25], phase: .decode, compute)
        let next = sequence.view(of: 0, phase: .decode)
        for head in 0..<shape.headCount {
            #expect(try #require(next.columnSums(ofQueryHead: head).last) <= 1)
        }
    }

    @Test("a decode step that is taken back leaves the rolling rows", arguments: shapes)
    func truncatedSteps(shape: KVLayerShape) throws {
        let all = tokens(shape, 13)
        let (sequence, _) = try prefilled(all[0..<10], chunk: 10)
        try sequence.step(all[10..<11], phase: .decode, compute)
        let before = sequence.view(of: 0, phase: .decode)
        for step in 11..<13 { try sequence.step(all[step..<step + 1], phase: .decode, compute) }
        try sequence.truncate(to: 11)
        let after = sequence.view(of: 0, phase: .decode)
        for head in 0..<shape.kvHeadCount {
            #expect(after.rollingRows(ofHead: head) == before.rollingRows(ofHead: head))
        }
    }

    @Test("without a budget nothing is recorded")
    func noBudget() throws {
        let tokens = tokens(Self.shapes[0], 20)
        let sequence = try KVSequence.test(tokens.shape, policy: .full)
        try sequence.step(tokens, compute)
        #expect(sequence.heldBytes == sequence.slot(of: 0).heldBytes)
        #expect(sequence.view(of: 0, phase: .prefill).windowCount == 0)
    }

    @Test("evidence is counted in the bytes of a sequence")
    func bytes() throws {
        let tokens = tokens(Self.shapes[1], 20)
        let (sequence, _) = try prefilled(tokens, chunk: 20, needs: KVEvidence(windowQueries: 4))
        // 4 queries of 6 heads × 4 floats, and their positions.
        #expect(sequence.heldBytes - sequence.slot(of: 0).heldBytes == 4 * 6 * 4 * 4 + 4 * 4)
    }

    @Test("a fork's evidence is its own")
    func forks() throws {
        let all = tokens(Self.shapes[1], 30)
        let (sequence, _) = try prefilled(all[0..<20], chunk: 20)
        let before = sequence.view(of: 0, phase: .prefill).columnSums(ofQueryHead: 0)
        let fork = KVSequence(forking: sequence)
        try fork.step(all[20..<30], phase: .laterTurn, compute)
        #expect(sequence.view(of: 0, phase: .prefill).columnSums(ofQueryHead: 0) == before)
        #expect(fork.view(of: 0, phase: .prefill).columnSums(ofQueryHead: 0).count == 30)
    }
}

extension DenseAttention {
    /// What the first token gives to every row, summed over the query heads of a KV head.
    fileprivate func groupSums(ofHead head: Int, _ shape: KVLayerShape) -> [Double] {
        let heads = weights[0][head * shape.group..<(head + 1) * shape.group]
        return heads.dropFirst().reduce(heads[head * shape.group]) { zip($0, $1).map { $0 + $1 } }
    }
}
