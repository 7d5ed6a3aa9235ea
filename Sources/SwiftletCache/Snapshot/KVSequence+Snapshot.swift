package import SwiftletTensor

/// A sequence as bytes: rows in the formats they are held in, positions, evidence and what the policy remembers.
///
/// A snapshot is taken between prompts and tokens; a sequence that is restored from it goes on with the same bits. The
/// rows of both lie in ascending order then.
/// It holds no settings: who restores it has to make sure that model, policy, formats and rotation are the same. What a
/// retrieval has learned is not part of it either: it learns from the rows again when the next prompt ends.
extension KVSequence {
    /// Whether rows depend on nothing but their tokens and those before. Otherwise it counts, too, how the text was
    /// divided into prompts and generated tokens.
    package var rowsFollowFromTokens: Bool { !policy.evicts && retrieval == nil && !format.ages }

    /// Whether the rows of some first tokens can be restored without those after them: not if old rows leave a sliding
    /// window, nor if the rotation goes by the length of the prompt.
    package var prefixIsReusable: Bool {
        policy.prefixIsReusable && !rope.adapts && layout.layers.allSatisfy { $0.window == nil }
    }

    /// Refuses a policy that cannot be saved, before any work is done.
    ///
    /// - Throws: `.unsupported`, naming the policy and the reason.
    package func checkSnapshot() throws(SwiftletError) {
        if format.ages {
            throw SwiftletError(
                .unsupported,
                "a cache whose rows change their format as they age cannot be saved; choose a format such as q8_0 "
                    + "instead of kivi or age")
        }
        var state = KVStateCoder()
        do {
            try codePolicy(&state, length: .max)
        } catch {
            guard error.code == .unsupported else { return }
            throw SwiftletError(
                .unsupported, "the cache of --kv-policy '\(policy.specification)' cannot be saved: \(error)")
        }
    }

    /// How many parts ``snapshot(_:)`` hands out.
    package var snapshotParts: Int { 1 + layout.storingLayers.count }

    /// Hands out the parts of a snapshot: one about the sequence, then one per layer that stores rows.
    ///
    /// Parts are made one at a time, so that memory for the largest suffices.
    ///
    /// - Throws: `.unsupported` in the middle of a prompt and for a policy that cannot be saved; what `emit` throws.
    package func snapshot(_ emit: ([UInt8]) throws(SwiftletError) -> Void) throws(SwiftletError) {
        guard length > 0, needs == settledNeeds else {
            throw SwiftletError(.unsupported, "a cache cannot be saved in the middle of a prompt")
        }
        try restoreOrder()
        var state = KVStateCoder()
        var count = length
        try codeSequence(&state, length: &count)
        try emit(state.bytes)
        for index in states.indices {
            var state = KVStateCoder()
            try code(&state, &states[index], length: length, keeping: length)
            try emit(state.bytes)
        }
    }

    /// Replaces everything by a snapshot.
    ///
    /// - Parameters:
    ///   - expected: tokens that the snapshot has to hold.
    ///   - kept: how many of them stay; fewer than all only if the policy allows to reuse a prefix.
    ///   - next: hands out its parts, in order.
    /// - Throws: `.malformed` for a snapshot that cannot be right, `.limit` without memory, what `next` throws. The
    ///   sequence is empty then.
    package func restore(
        length expected: Int, keeping kept: Int, _ next: () throws(SwiftletError) -> [UInt8]
    ) throws(SwiftletError) {
        precondition(kept == expected || prefixIsReusable && kept < expected, "\(kept) of \(expected)")
        try clear()
        do {
            var state = KVStateCoder(reading: try next())
            var count = expected
            try codeSequence(&state, length: &count)
            try state.finish()
            needs = settledNeeds
            for index in states.indices {
                var state = KVStateCoder(reading: try next())
                try code(&state, &states[index], length: expected, keeping: kept)
                try state.finish()
            }
            advance(by: kept)
        } catch {
            try clear()
            throw error
        }
    }

    /// What is recorded between prompts.
    private var settledNeeds: KVEvidence {
        compressor.map { $0.policy.decodeNeeds(promptLength: $0.promptLength) } ?? KVEvidence()
    }

    private func clear() throws(SwiftletError) {
        try truncate(to: 0)
        needs = KVEvidence()
        for index in states.indices {
            states[index].record = KVEvidenceRecord(needs, shape: states[index].slot.shape)
        }
    }

    private func codeSequence(_ state: inout KVStateCoder, length: inout Int) throws(SwiftletError) {
        try state.code(expecting: length, "the number of tokens")
        try state.code(expecting: layout.storingLayers.count, "the number of layers")
        if rope.adapts {
            var fitted = fittedLength
            try state.code(&fitted, "the length of the first prompt", in: 0...length)
            fitRope(to: fitted)
        }
        try codePolicy(&state, length: length)
    }

    private func codePolicy(_ state: inout KVStateCoder, length: Int) throws(SwiftletError) {
        try compressor?.code(&state, length: length, layers: policyStates.count)
        for index in states.indices { try states[index].codePolicy(&state) }
    }

    private func code(
        _ coder: inout KVStateCoder, _ state: inout KVLayerState, length: Int, keeping kept: Int
    ) throws(SwiftletError) {
        try state.slot.code(&coder, length: length, keeping: kept)
        let counts = state.rowCounts
        let isEven = counts.allSatisfy { $0 == counts.first }
        let isWindowed = state.slot.shape.window != nil
        guard policy.heads != nil || isEven,
            policy.evicts || isWindowed || counts.allSatisfy({ $0 == kept })
        else {
            throw coder.damage("heads hold \(counts) rows of \(length) tokens")
        }
        try state.record.code(&coder, rowCounts: counts)
    }
}
