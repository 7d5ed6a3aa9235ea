import SwiftletTensor

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Feed-forward blocks of which a router chooses some for every token; their outputs are added with its weights.
///
/// A token's sum goes through its experts in ascending order, whatever other tokens are computed with it.
/// Source: Shazeer et al., 2017, arXiv:1701.06538; Jiang et al., 2024, arXiv:2401.04088, §2.1.
struct Experts: Sendable {
    private let form: ExpertForm
    private let router: Matrix  // [count, hidden]
    private let selectionBias: Vector?  // [count]
    private let gates, ups, downs: [Matrix]  // [inner, hidden] ×2, [hidden, inner]
    private let shared: FeedForward?
    private let sharedGate: Matrix?  // [1, hidden]
    private let activation: Activation

    init(
        _ form: ExpertForm, _ c: DecoderConfiguration, prefix: String, _ loader: inout WeightLoader
    ) throws(SwiftletError) {
        self.form = form
        activation = c.activation
        let (count, inner, hidden) = (form.count, form.innerSize, c.hiddenSize)
        router = try loader.matrix("\(prefix).ffn_gate_inp.weight", count, hidden)
        selectionBias =
            form.hasSelectionBias ? try loader.vector("\(prefix).exp_probs_b.bias", count) : nil
        gates = try loader.matrices("\(prefix).ffn_gate_exps.weight", count, inner, hidden)
        ups = try loader.matrices("\(prefix).ffn_up_exps.weight", count, inner, hidden)
        downs = try loader.matrices("\(prefix).ffn_down_exps.weight", count, hidden, inner)
        shared =
            form.sharedSize > 0
            ? try FeedForward(shared: c, size: form.sharedSize, prefix: prefix, &loader) : nil
        sharedGate =
            form.gatesShared ? try loader.matrix("\(prefix).ffn_gate_inp_shexp.weight", 1, hidden) : nil
    }

    /// An expert of a token and its weight.
    private struct Choice {
        let row: Int
        let expert: Int
        let weight: Float
    }

    /// Writes the block's update of the residual stream, `[rows, hidden]`.
    func callAsFunction(_ x: Activations, _ pass: ForwardPass, into update: Activations) {
        let (compute, workspace) = (pass.compute, pass.workspace)
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        update.data.update(repeating: 0, count: update.count)
        let scores = workspace.take(x.rows, form.count)
        compute.linear(router, x, into: scores)
        var byExpert = [[Choice]](repeating: [], count: form.count)
        for row in 0..<x.rows {
            let numbers = UnsafeMutableBufferPointer(start: scores[row: row], count: form.count)
            for choice in choose(numbers, row) { byExpert[choice.expert].append(choice) }
        }
        for choices in byExpert where !choices.isEmpty { add(choices, x, pass, to: update) }
        if let shared { addShared(shared, x, pass, to: update) }
    }

    /// What one expert gives its tokens.
    private func add(_ choices: [Choice], _ x: Activations, _ pass: ForwardPass, to update: Activations) {
        let (compute, workspace, expert) = (pass.compute, pass.workspace, choices[0].expert)
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let rows = workspace.take(choices.count, x.columns)
        for (index, choice) in choices.enumerated() {
            rows[row: index].update(from: x[row: choice.row], count: x.columns)
        }
        let gated = workspace.take(choices.count, form.innerSize)
        let lifted = workspace.take(choices.count, form.innerSize)
        compute.linear([(gates[expert], gated), (ups[expert], lifted)], rows)
        compute.gate(gated, with: lifted, activation)
        compute.linear(downs[expert], gated, into: rows)
        for (index, choice) in choices.enumerated() {
            compute.kernels.scale(rows[row: index], by: choice.weight, count: x.columns)
            compute.kernels.add(update[row: choice.row], rows[row: index], count: x.columns)
        }
    }

    private func addShared(
        _ shared: FeedForward, _ x: Activations, _ pass: ForwardPass, to update: Activations
    ) {
        let (compute, workspace) = (pass.compute, pass.workspace)
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let output = workspace.take(x.rows, x.columns)
        shared(x, pass, into: output)
        if let sharedGate {
            let gate = workspace.take(x.rows, 1)
            compute.linear(sharedGate, x, into: gate)
            for row in 0..<x.rows {
                let factor = 1 / (1 + exp(-gate.data[row]))
                compute.kernels.scale(output[row: row], by: factor, count: x.columns)
            }
        }
        compute.add(output, to: update)
    }

    /// The experts of one token, ascending, from the router's scores.
    private func choose(_ scores: UnsafeMutableBufferPointer<Float>, _ row: Int) -> [Choice] {
        switch form.gating {
        case .softmaxThenTop: Self.softmax(Array(scores.indices), scores)
        case .sigmoid: for index in scores.indices { scores[index] = 1 / (1 + exp(-scores[index])) }
        case .topThenSoftmax: break
        }
        var ranks = Array(scores)
        if let selectionBias { for index in ranks.indices { ranks[index] += selectionBias.data[index] } }
        var chosen = Self.largest(form.used, of: allowed(ranks)) { ranks[$0] }
        chosen.sort()
        if form.gating == .topThenSoftmax { Self.softmax(chosen, scores) }
        var factor = form.scale
        if form.normalizes {
            let sum = chosen.reduce(0) { $0 + scores[$1] }
            factor /= form.gating == .sigmoid ? sum + 1e-20 : sum
        }
        return chosen.map { Choice(row: row, expert: $0, weight: scores[$0] * factor) }
    }

    /// Experts of the groups that rank best.
    private func allowed(_ ranks: [Float]) -> [Int] {
        guard form.usedGroups < form.groups else { return Array(ranks.indices) }
        let size = form.count / form.groups
        let scores = (0..<form.groups).map { group in
            let best = ranks[group * size..<(group + 1) * size].sorted(by: >)
            return form.groupScore == .best ? best[0] : best.prefix(2).reduce(0, +)
        }
        return Self.largest(form.usedGroups, of: Array(scores.indices)) { scores[$0] }.sorted()
            .flatMap { Array($0 * size..<($0 + 1) * size) }
    }

    /// The indices with the largest scores, of equals the lowest.
    private static func largest(_ count: Int, of indices: [Int], _ score: (Int) -> Float) -> [Int] {
        Array(indices.sorted { (score($0), $1) > (score($1), $0) }.prefix(count))
    }

    private static func softmax(_ indices: [Int], _ scores: UnsafeMutableBufferPointer<Float>) {
        let most = indices.reduce(-Float.infinity) { max($0, scores[$1]) }
        for index in indices { scores[index] = exp(scores[index] - most) }
        let sum = indices.reduce(0) { $0 + scores[$1] }
        for index in indices { scores[index] /= sum }
    }
}
