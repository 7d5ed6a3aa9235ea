/// A change of a weight matrix by one of low rank: `W + factor · B·A`, never formed: `y += factor · B·(A·x)`.
///
/// Source: Hu et al., 2021, arXiv:2106.09685, §4.1.
package struct LowRankUpdate: Sendable {
    /// `A`, `[rank, columns]`.
    package let down: Matrix
    /// `B`, `[rows, rank]`.
    package let up: Matrix
    /// What the product is multiplied by.
    package let factor: Float

    /// The ranks of both matrices must agree.
    package init(down: Matrix, up: Matrix, factor: Float) {
        precondition(down.rows == up.columns, "ranks \(down.rows) and \(up.columns)")
        (self.down, self.up, self.factor) = (down, up, factor)
    }

    /// The same with another factor beside its own.
    package func scaled(by scale: Float) -> LowRankUpdate {
        LowRankUpdate(down: down, up: up, factor: factor * scale)
    }
}

/// What adapters change of a model for one sequence: some weights, each by one or several updates.
package final class WeightChanges: Sendable {
    /// By the name of the layer, such as `blk.0.attn_q`; applied in order.
    package let updates: [String: [LowRankUpdate]]
    /// Equal for equal changes: cached rows serve only sequences with the same ones.
    package let identity: String

    /// - Parameters:
    ///   - parts: updates of one adapter each, by layer, with a scale.
    ///   - identity: see ``identity``.
    package init(_ parts: [(updates: [String: LowRankUpdate], scale: Float)], identity: String) {
        var all: [String: [LowRankUpdate]] = [:]
        for (updates, scale) in parts where scale != 0 {
            for (name, update) in updates { all[name, default: []].append(update.scaled(by: scale)) }
        }
        self.updates = all
        self.identity = identity
    }
}

extension Compute {
    /// `y += factor · B·(A·x)` for every row of `x`.
    ///
    /// - Parameters:
    ///   - x: `[tokens, columns]`.
    ///   - y: `[tokens, rows]`.
    /// - Complexity: `tokens × rank × (rows + columns)` multiply-adds.
    package func add(_ update: LowRankUpdate, _ x: Activations, to y: Activations, _ workspace: Workspace) {
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let inner = workspace.take(x.rows, update.down.rows), outer = workspace.take(y.rows, y.columns)
        linear(update.down, x, into: inner)
        scale(inner, by: update.factor)
        linear(update.up, inner, into: outer)
        add(outer, to: y)
    }
}
