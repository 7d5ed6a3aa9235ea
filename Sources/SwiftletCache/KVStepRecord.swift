import SwiftletTensor

/// The attention that the newest decode steps gave to the rows of one KV head, summed over its query heads.
struct KVStepRecord {
    struct Step {
        var position: Int32
        /// `[rows]`; 0 for a row that is newer than the step.
        var weights: [Float]
    }

    /// Oldest first.
    var steps: [Step] = []

    var floatCount: Int { steps.reduce(0) { $0 + $1.weights.count } }

    /// Adds a step, of which the newest `capacity` stay; the older ones grow with zeros.
    mutating func add(_ row: UnsafeBufferPointer<Float>, position: Int32, capacity: Int) {
        var newest = Step(position: position, weights: [])
        if steps.count >= capacity, let oldest = steps.indices.first {
            newest.weights = steps.remove(at: oldest).weights  // its memory is used again
        }
        for index in steps.indices { steps[index].weights.padWithZeros(to: row.count) }
        newest.weights.removeAll(keepingCapacity: true)
        newest.weights.append(contentsOf: row)
        steps.append(newest)
    }

    /// Changes the weights of every step.
    mutating func change(_ change: (inout [Float]) -> Void) {
        for index in steps.indices { change(&steps[index].weights) }
    }

    /// Writes or reads everything.
    ///
    /// - Parameters:
    ///   - capacity: most steps.
    ///   - rowCount: most rows that may have been recorded.
    mutating func code(
        _ state: inout KVStateCoder, capacity: Int, rowCount: Int
    ) throws(SwiftletError) {
        try state.code(
            &steps, "recorded steps", count: 0...capacity, blank: Step(position: 0, weights: [])
        ) { (state, step) throws(SwiftletError) in
            var position = Int(step.position)
            try state.code(&position, "the position of a step", in: 0...Int(Int32.max))
            step.position = Int32(position)
            try state.code(&step.weights, "weights", count: 0...rowCount)
        }
    }
}
