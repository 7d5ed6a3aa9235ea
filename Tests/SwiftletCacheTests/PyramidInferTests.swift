import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletCache

@Suite("PyramidInfer")
struct PyramidInferTests {
    private func method(_ change: (inout PyramidInfer) -> Void) -> PyramidInfer {
        var method = PyramidInfer()
        change(&method)
        return method
    }

    @Test("lengths fall from layer to layer and never below window and minimum", arguments: 0..<60)
    func plan(seed: Int) {
        var random = SplitMix64(seed: UInt64(seed))
        let method = method {
            $0.decay = Double.random(in: 0...1, using: &random)
            $0.schedule = PyramidInfer.Schedule.allCases[seed % 3]
            $0.interval = 1 + seed % 4
            $0.recentRatio = Double.random(in: 0...1, using: &random)
            $0.minimumContext = Int.random(in: 0...100, using: &random)
        }
        let prompt = Int.random(in: 0...700, using: &random)
        let layers = Int.random(in: 1...20, using: &random)
        let plan = method.plan(promptLength: prompt, layers: layers)
        #expect(plan.lengths.count == layers && plan.lengths[0] == prompt)
        for (a, b) in zip(plan.lengths, plan.lengths.dropFirst() + [plan.leaving]) { #expect(a >= b) }
        #expect(plan.leaving >= min(prompt, plan.window + method.minimumContext) || plan.leaving == prompt)
    }

    @Test("nothing is dropped from short prompts, or with a decay of 1")
    func nothingDropped() {
        for prompt in 0...82 {
            #expect(PyramidInfer().plan(promptLength: prompt, layers: 32).leaving == prompt)
        }
        #expect(method { $0.decay = 1 }.plan(promptLength: 5_000, layers: 32).retention == 1)
        let plan = PyramidInfer().plan(promptLength: 4_096, layers: 32)
        #expect(plan.lengths[1] == 4_096 && abs(plan.retention - 0.766) < 0.001)
    }

    @Test("a decay ratio is found for a share of the cache", arguments: [0.95, 0.9, 0.75, 0.6])
    func scaled(share: Double) throws {
        for prompt in [1_000, 2_345, 8_192] {
            let scaled = try #require(
                PyramidInfer().scaled(toKeep: share, ofPrompt: prompt, owners: Array(0..<30)))
            let kept = scaled.plan(promptLength: prompt, layers: 30).retention
            #expect(kept <= share && kept > share - 0.02, "\(kept) of \(prompt)")
        }
        #expect(PyramidInfer().scaled(toKeep: 0.2, ofPrompt: 4_096, owners: Array(0..<30)) == nil)
        #expect(PyramidInfer().scaled(toKeep: 1, ofPrompt: 4_096, owners: Array(0..<30))?.decay == 1)
    }

    @Test("decode lengths follow the plan whatever the attention", arguments: 0..<6)
    func decodeLengths(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let method = method {
            $0.blockLength = 4
            $0.recentRatio = [0, 0.1, 0.3][Int(seed) % 3]
        }
        let layers = 3
        let start = [20, 15, 9]
        var lengths = start
        var states = start.map { PyramidInferThinning(mark: $0) }
        for step in method.decodeLengths(after: start, steps: 60) {
            #expect(method.recentLength(decodingAfter: lengths[0]) == step.recentLength)
            for layer in 0..<layers {
                lengths[layer] += 1
                let row = random.floats(lengths[layer], in: 0...1)
                let kept = states[layer].update(
                    row, recentLength: step.recentLength, layer: layer, of: layers, method: method)
                guard let kept else { continue }
                #expect(kept.count < lengths[layer])
                // The prompt stays, except its last token, and so does the window.
                #expect(kept.starts(with: 0..<start[layer] - 1))
                let window = lengths[layer] - step.recentLength - 1..<lengths[layer]
                #expect(Array(kept.suffix(window.count)) == Array(window))
                lengths[layer] = kept.count
            }
            #expect(lengths == step.lengths)
        }
        #expect(lengths[2] < lengths[0])
    }

    @Test("attention given to settled rows need not be stored", arguments: 0..<4)
    func forgetting(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let method = method { $0.blockLength = 3 }
        var (whole, lean) = (PyramidInferThinning(mark: 30), PyramidInferThinning(mark: 30))
        var count = 30
        for _ in 0..<50 {
            count += 1
            let row = random.floats(count, in: 0...1)
            let recent = method.recentLength(decodingAfter: count - 1)
            let kept = whole.update(row, recentLength: recent, layer: 1, of: 2, method: method)
            let rest = Array(row.dropFirst(lean.settled))
            #expect(lean.update(rest, recentLength: recent, layer: 1, of: 2, method: method) == kept)
            #expect(lean.mark == whole.mark)
            lean.forgetSettled()
            #expect(lean.attention.allSatisfy { $0.count <= recent + 2 + method.blockLength })
            count = kept?.count ?? count
        }
    }

    @Test("options out of range are refused by name")
    func validation() {
        expectError(.invalidArgument, "decay") { try method { $0.decay = 1.5 }.validate() }
        expectError(.invalidArgument, "interval") { try method { $0.interval = 0 }.validate() }
        expectError(.invalidArgument, "recent") { try method { $0.recentRatio = .nan }.validate() }
    }
}
