package import SwiftletTensor

/// The rows of one KV head that a query attends to.
package struct KVRowChoice: Hashable, Sendable {
    /// Chosen rows before ``tail``, ascending.
    package var rows: [UInt32]
    /// Every row from this one on is chosen, too.
    package var tail: Int
}

/// How many rows of each KV head a query will attend to.
package struct KVRowPlan: Hashable, Sendable {
    /// Chosen rows before ``tail``.
    package var chosen: Int
    /// Every row from this one on is attended to, too.
    package var tail: Int
}

/// One generated token that asks a layer which rows to attend to.
package struct KVRetrievalQuery {
    /// The layer that owns the rows.
    let owner: Int
    /// `[heads, keySize]`, rotated.
    let queries: UnsafePointer<Float>
    /// Factor of `q·k` before the softmax.
    let scale: Float
    /// Rows of every layer; `nil` for borrowers. Those of ``owner`` end with the token that asks.
    let slots: [KVSlot?]
    /// Tokens before the one that asks.
    let length: Int
}

/// Chooses, for every generated token, the rows that it attends to; none is ever dropped.
///
/// Prompts and proposed tokens are attended in full. A value: every sequence has its own copy.
package protocol KVRetrieval: Sendable {
    /// Bytes of everything remembered about the rows.
    var heldBytes: Int { get }

    /// Bytes of what a choice in one layer looks through.
    func tableBytes(ofLayer layer: Int) -> Int

    /// Bytes of what ``learn(from:length:compute:)`` will remember about so many tokens of these layers, each of which
    /// stores its rows.
    func bytesNeeded(layers: [KVLayerShape], length: Int) -> Int

    /// Refuses layers that it cannot choose rows of.
    func validate(layers: [KVLayerShape]) throws(SwiftletError)

    /// Learns from the rows of a prompt, or of a later turn.
    ///
    /// - Parameters:
    ///   - slots: the rows of every layer; `nil` for borrowers.
    ///   - length: tokens seen, all of which are in every slot.
    mutating func learn(from slots: [KVSlot?], length: Int, compute: Compute)

    /// Gets ready for a query: what it will attend to; `nil` is all rows.
    mutating func plan(for query: KVRetrievalQuery, compute: Compute) -> KVRowPlan?

    /// The choice per KV head, as it was planned.
    ///
    /// - Parameters:
    ///   - others: tasks that the threads do meanwhile.
    ///   - body: does one of them, with the scratch memory of its thread.
    mutating func choices(
        for query: KVRetrievalQuery, compute: Compute, beside others: Int,
        _ body: (_ task: Int, _ scratch: UnsafeMutablePointer<Float>) -> Void
    ) -> [KVRowChoice]

    /// Forgets the tokens from `length` on.
    mutating func truncate(to length: Int)

    /// Rows of every layer that are only read when chosen, and the pool to which their pages move.
    func slowRows(length: Int) -> (rows: Range<Int>, pool: KVPagePool)?

    /// Takes what the choices of the last token, in all layers, change about the copies of slow rows.
    mutating func takeCopyChanges() -> [KVCopyChange]
}

/// A block of slow rows that is copied to fast memory, and those that give way to it.
package struct KVCopyChange: Hashable, Sendable {
    var layer: Int
    var held: Range<Int>
    var dropped: Range<Int>?
}

extension KVSequence {
    /// Rows of every layer; `nil` for borrowers.
    private var slots: [KVSlot?] {
        layout.layers.indices.map { layout.ownsSlot($0) ? slot(of: $0) : nil }
    }

    /// Lets the retrieval learn from a prompt that went through all layers.
    package func learnPrompt(_ compute: Compute) throws(SwiftletError) {
        retrieval?.learn(from: slots, length: length, compute: compute)
        try moveSlowRows()
    }

    /// Moves pages that have become slow since the last token, and copies back those that are asked for often.
    func moveSlowRows() throws(SwiftletError) {
        guard let (rows, pool) = retrieval?.slowRows(length: length) else { return }
        for index in states.indices { try states[index].slot.move(rows, to: pool) }
        for change in retrieval?.takeCopyChanges() ?? [] {
            let index = stateIndices[change.layer]
            if let dropped = change.dropped { states[index].slot.dropCopies(dropped) }
            try states[index].slot.holdCopies(change.held)
        }
    }

    /// Attends to the rows that the retrieval chooses.
    ///
    /// - Returns: false, doing nothing, if all rows are to be attended.
    func attendToChosen(
        _ queries: Queries, layer: Int, into output: UnsafeMutablePointer<Float>, compute: Compute,
        workspace: Workspace
    ) -> Bool {
        guard retrieval != nil, queries.positions.count == 1 else { return false }
        let query = KVRetrievalQuery(
            owner: layout.owners[layer], queries: queries.data, scale: scale, slots: slots, length: length)
        guard let plan = retrieval?.plan(for: query, compute: compute) else { return false }
        let attention = ChosenAttention(
            slot: slot(of: layer), shape: layout.layers[layer], queries: queries, scale: scale, plan: plan,
            compute: compute, workspace: workspace)
        attention.attend(into: output) { tasks, body in
            let choices =
                retrieval?.choices(for: query, compute: compute, beside: tasks, body) ?? []
            noteRead(layer: layer, position: queries.positions[0], choices: choices)
            return choices
        }
        return true
    }
}
