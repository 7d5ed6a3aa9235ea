package import SwiftletCache
package import SwiftletTensor

/// Drives rows through a model: prompts chunk by chunk or layer by layer, then single tokens of many sequences.
///
/// Holds the activations' memory, which is reused. Not safe for concurrent use.
package final class Runner {
    /// Which rows of a prompt get logits.
    package enum Wanted: Hashable, Sendable {
        case none, last, all
    }

    /// Receives the logits of one row: the token's position and `[vocabulary]` floats, valid during the call.
    package typealias Emit = (_ position: Int32, _ logits: UnsafeBufferPointer<Float>) -> Void

    package let model: any LanguageModel
    package let compute: Compute
    /// Called with the residual stream after every layer (`[rows, hidden]`, before the final norm); it may
    /// read or rewrite the rows. What it throws ends the pass, as a failure of the model would.
    package var afterLayer: ((_ layer: Int, _ x: Activations) throws(SwiftletError) -> Void)?
    let workspace = Workspace()
    /// Rows whose logits are computed at once.
    private static let logitRows = 32

    package init(model: any LanguageModel, compute: Compute) {
        self.model = model
        self.compute = compute
        let attention = model.cacheLayers.filter { $0.content != .state }.map {
            Kernels.attendScratch(keySize: $0.keySize, valueSize: $0.valueSize)
        }
        compute.reserveScratch(
            attention.reduce(Kernels.matmulScratch(columns: model.configuration.widestInput), max))
    }

    /// Bytes of activation memory held.
    package var workspaceBytes: Int { workspace.byteCount }

    /// Gives that memory back until the next rows come; not to be called while rows are on their way.
    package func emptyWorkspace() { workspace.empty() }

    /// Processes `tokens` as the continuation of a sequence.
    ///
    /// - Parameters:
    ///   - chunk: tokens that go through a layer at a time, at least 1. Results do not depend on it.
    ///   - phase: what the sequence is doing. Tokens to ``KVPhase/verify`` go chunk by chunk under every policy and
    ///     drop no rows until the next call, so that ``KVSequence/truncate(to:)`` can take them back.
    ///   - wanted: rows whose logits go to `emit`.
    ///   - progress: called with the tokens done; return false to stop. What is done stays in the cache.
    /// - Returns: the number of tokens that were processed.
    @discardableResult
    package func prefill(
        _ tokens: [Int32], _ sequence: KVSequence, chunk: Int, phase: KVPhase, wanted: Wanted,
        progress: (Int) -> Bool = { _ in true }, emit: Emit = { _, _ in }
    ) throws(SwiftletError) -> Int {
        precondition(chunk > 0, "chunks of \(chunk) tokens")
        guard !tokens.isEmpty else { return 0 }
        // Proposed tokens may be taken back, so they must not push out older rows: what was accepted in earlier
        // rounds is compressed before the proposal, and the proposal itself in the next round.
        if phase == .verify {
            try sequence.compressStep(phase: phase, compute: compute)
        } else if try sequence.beginPrompt(tokens.count) == .layerMajor {
            return try prefillLayerMajor(
                tokens, sequence, tile: chunk, phase: phase, wanted: wanted, progress: progress, emit: emit)
        }
        let done = try prefillChunked(
            tokens, sequence, chunk: chunk, phase: phase, wanted: wanted, progress: progress, emit: emit)
        if phase != .verify {
            try sequence.finishPrompt(phase: phase, compute: compute)
            try sequence.learnPrompt(compute)
        }
        return done
    }

    /// Processes a first prompt and leaves it unfinished: what the policy wants is recorded and nothing has left, so
    /// that forks can finish it under several budgets.
    ///
    /// - Throws: as ``prefill(_:_:chunk:phase:wanted:progress:emit:)``.
    package func read(
        _ tokens: [Int32], _ sequence: KVSequence, chunk: Int, progress: (Int) -> Bool, emit: Emit
    ) throws(SwiftletError) -> Int {
        _ = try sequence.beginPrompt(tokens.count)
        return try prefillChunked(
            tokens, sequence, chunk: chunk, phase: .prefill, wanted: .last, progress: progress, emit: emit)
    }

    /// Processes one token of each of several sequences and emits one row of logits each, in order.
    package func decode(
        _ batch: [(sequence: KVSequence, token: Int32)],
        emit: (_ index: Int, _ logits: UnsafeBufferPointer<Float>) -> Void
    ) throws(SwiftletError) {
        let parts = batch.map { BatchPart(generating: $0.token, $0.sequence) }
        let failures = try step(parts) { rows, logits in
            for (row, place) in rows.enumerated() { emit(place.part, logits.vector(row)) }
        }
        if let failure = failures.min(by: { $0.key < $1.key })?.value { throw failure }
    }

    private func prefillChunked(
        _ tokens: [Int32], _ sequence: KVSequence, chunk: Int, phase: KVPhase, wanted: Wanted,
        progress: (Int) -> Bool, emit: Emit
    ) throws(SwiftletError) -> Int {
        var done = 0
        while done < tokens.count {
            let end = min(done + chunk, tokens.count)
            let mark = workspace.mark
            defer { workspace.release(to: mark) }
            let x = workspace.take(end - done, model.configuration.hiddenSize)
            let positions = (0..<x.rows).map { Int32(sequence.length + $0) }
            try model.embed(Array(tokens[done..<end]), at: positions, into: x, compute)
            let pass = ForwardPass(
                segments: [.init(sequence: sequence, rows: 0..<x.rows, phase: phase)], positions: positions,
                compute: compute, workspace: workspace)
            for layer in 0..<model.configuration.layerCount {
                try model.forward(layer: layer, x, pass)
                try afterLayer?(layer, x)
            }
            sequence.advance(by: x.rows)
            if phase != .verify { try sequence.dropUnseenRows() }
            emitLogits(wanted == .last && end < tokens.count ? .none : wanted, x, positions, emit)
            done = end
            if !progress(done) { break }
        }
        return done
    }

    /// All tokens go through a layer, tile by tile; then the policy may drop rows of the residual stream and of
    /// the layer's cache before the next layer.
    private func prefillLayerMajor(
        _ tokens: [Int32], _ sequence: KVSequence, tile: Int, phase: KVPhase, wanted: Wanted,
        progress: (Int) -> Bool, emit: Emit
    ) throws(SwiftletError) -> Int {
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let layers = model.configuration.layerCount
        var prompt = try LayerMajorPrompt(tokens, sequence, tile: tile, phase: phase, workspace, self)
        while prompt.layer < layers {
            try prompt.advance(self)
            if !progress(tokens.count * prompt.layer / layers), prompt.layer < layers {
                try sequence.truncate(to: sequence.length)
                return 0
            }
        }
        try prompt.finish(self, wanted: wanted, emit: emit)
        return tokens.count
    }

    func emitLogits(_ wanted: Wanted, _ x: Activations, _ positions: [Int32], _ emit: Emit) {
        switch wanted {
        case .none: return
        case .last:
            guard let last = positions.last else { return }
            emitLogits(of: x.slice(x.rows - 1..<x.rows)) { emit(last, $1.vector(0)) }
        case .all:
            emitLogits(of: x) { first, logits in
                for row in 0..<logits.rows { emit(positions[first + row], logits.vector(row)) }
            }
        }
    }

    /// Normalises the rows of `x` in place and lends their logits, `[rows, vocabulary]`, a few rows at a time.
    func emitLogits(of x: Activations, _ emit: (_ first: Int, _ logits: Activations) -> Void) {
        guard x.rows > 0 else { return }
        model.normalize(x, compute)
        for first in stride(from: 0, to: x.rows, by: Self.logitRows) {
            let rows = x.slice(first..<min(first + Self.logitRows, x.rows))
            let mark = workspace.mark
            defer { workspace.release(to: mark) }
            let logits = workspace.take(rows.rows, model.configuration.vocabularySize)
            model.logits(of: rows, into: logits, compute)
            emit(first, logits)
        }
    }
}
