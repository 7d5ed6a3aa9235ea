package import SwiftletCache
package import SwiftletTensor

/// What one sequence contributes to a step of several: a generated token, or the next tokens of its prompt.
package struct BatchPart {
    package let sequence: KVSequence
    package let tokens: [Int32]
    package let phase: KVPhase
    /// Which rows get logits.
    package let wanted: Runner.Wanted
    /// Whether these are the last tokens of a prompt.
    package let endsPrompt: Bool

    /// A generated token, whose logits are wanted.
    package init(generating token: Int32, _ sequence: KVSequence) {
        self.sequence = sequence
        tokens = [token]
        phase = .decode
        wanted = .last
        endsPrompt = false
    }

    /// Tokens of a prompt that was begun with ``KVSequence/beginPrompt(_:)`` and goes chunk by chunk.
    ///
    /// - Parameter phase: the same for all parts of a prompt.
    package init(
        prompt tokens: [Int32], _ sequence: KVSequence, phase: KVPhase, wanted: Runner.Wanted,
        endsPrompt: Bool
    ) {
        self.sequence = sequence
        self.tokens = tokens
        self.wanted = wanted
        self.endsPrompt = endsPrompt
        self.phase = phase
    }
}

/// A row of a step: one of the tokens of one of its parts.
package struct BatchRow: Hashable, Sendable {
    /// Index of the part.
    package let part: Int
    /// Index of the token within it.
    package let token: Int
}

extension Runner {
    /// Sends the tokens of several sequences through the model together, generated ones beside those of prompts.
    ///
    /// Every sequence gets the same bits as alone. If it throws, the caller truncates all sequences to their lengths.
    ///
    /// - Parameters:
    ///   - batch: parts of different sequences.
    ///   - emit: called with the wanted rows, a few at a time and in order, and their logits,
    ///     `[rows, vocabulary]`, valid during the call. Sequences have been compressed by then.
    /// - Returns: why parts failed on their own, behind the model, by their index; they have no rows, and their sequences
    ///   are of no use any more.
    package func step(
        _ batch: [BatchPart], emit: (_ rows: ArraySlice<BatchRow>, _ logits: Activations) -> Void
    ) throws(SwiftletError) -> [Int: SwiftletError] {
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        var segments: [ForwardPass.Segment] = []
        var (positions, tokens): ([Int32], [Int32]) = ([], [])
        for part in batch {
            let rows = tokens.count..<tokens.count + part.tokens.count
            segments.append(.init(sequence: part.sequence, rows: rows, phase: part.phase))
            positions += part.tokens.indices.map { Int32(part.sequence.length + $0) }
            tokens += part.tokens
        }
        let x = workspace.take(tokens.count, model.configuration.hiddenSize)
        try model.embed(tokens, at: positions, into: x, compute)
        let pass = ForwardPass(
            segments: segments, positions: positions, compute: compute, workspace: workspace)
        for layer in 0..<model.configuration.layerCount {
            try model.forward(layer: layer, x, pass)
            try afterLayer?(layer, x)
        }
        var failures: [Int: SwiftletError] = [:]
        for (index, part) in batch.enumerated() {
            do throws(SwiftletError) { try end(part) } catch { failures[index] = error }
        }
        let (rows, kept) = wantedRows(batch, without: failures)
        emitLogits(of: x.gathering(kept)) { first, logits in emit(rows[first..<first + logits.rows], logits) }
        return failures
    }

    private func end(_ part: BatchPart) throws(SwiftletError) {
        part.sequence.advance(by: part.tokens.count)
        if part.phase == .decode {
            try part.sequence.compressStep(phase: .decode, compute: compute)
            return
        }
        if part.phase != .verify { try part.sequence.dropUnseenRows() }
        if part.endsPrompt {
            try part.sequence.finishPrompt(phase: part.phase, compute: compute)
            try part.sequence.learnPrompt(compute)
        }
    }

    /// Rows whose logits are wanted, and their indices among all rows.
    private func wantedRows(
        _ batch: [BatchPart], without failures: [Int: SwiftletError]
    ) -> (rows: [BatchRow], indices: [Int]) {
        var (rows, indices): ([BatchRow], [Int]) = ([], [])
        var first = 0
        for (index, part) in batch.enumerated() {
            let count = part.tokens.count
            let wanted =
                switch part.wanted {
                case _ where failures[index] != nil, .none: 0..<0
                case .last: count - 1..<count
                case .all: 0..<count
                }
            for token in wanted {
                rows.append(BatchRow(part: index, token: token))
                indices.append(first + token)
            }
            first += count
        }
        return (rows, indices)
    }
}
