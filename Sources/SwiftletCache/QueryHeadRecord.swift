import SwiftletTensor

/// What was recorded about the rows of a cache for one query head.
struct QueryHeadRecord {
    /// The attention that one decode step gave to the rows.
    struct Step {
        var position: Int32
        /// `[rows]`; 0 for a row that is newer than the step.
        var weights: [Float]
    }

    /// Sum over all queries so far of the attention that a row received, `[rows]`; empty if it is not wanted.
    var columnSums: [Float] = []
    /// The newest decode steps, oldest first; empty if they are not wanted.
    var steps: [Step] = []

    var floatCount: Int { steps.reduce(columnSums.count) { $0 + $1.weights.count } }

    /// Adds a decode step, of which the newest `capacity` stay; the older ones grow with zeros.
    mutating func addStep(_ row: UnsafeBufferPointer<Float>, position: Int32, capacity: Int) {
        var newest = Step(position: position, weights: [])
        if steps.count >= capacity, let oldest = steps.indices.first {
            newest.weights = steps.remove(at: oldest).weights  // its memory is used again
        }
        for index in steps.indices { steps[index].weights.padWithZeros(to: row.count) }
        newest.weights.removeAll(keepingCapacity: true)
        newest.weights.append(contentsOf: row)
        steps.append(newest)
    }

    /// Changes the numbers of all rows that are recorded: sums, and weights of every step.
    mutating func change(_ needs: KVEvidence, _ change: (inout [Float]) -> Void) {
        if needs.columnSums { change(&columnSums) }
        for index in steps.indices { change(&steps[index].weights) }
    }

    /// Writes or reads everything.
    ///
    /// - Parameter rowCount: most rows that may have been recorded.
    mutating func code(_ state: inout KVStateCoder, _ needs: KVEvidence, rowCount: Int) throws(SwiftletError)
    {
        if needs.columnSums { try state.code(&columnSums, "column sums", count: 0...rowCount) }
        guard needs.rollingRows > 0 else { return }
        try state.code(
            &steps, "recorded steps", count: 0...needs.rollingRows, blank: Step(position: 0, weights: [])
        ) { (state, step) throws(SwiftletError) in
            var position = Int(step.position)
            try state.code(&position, "the position of a step", in: 0...Int(Int32.max))
            step.position = Int32(position)
            try state.code(&step.weights, "weights", count: 0...rowCount)
        }
    }
}
