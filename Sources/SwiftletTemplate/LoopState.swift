import SwiftletTensor

/// A loop that runs: what is left, and what the variable `loop` tells.
final class LoopState {
    /// What a recursive loop needs to run once more.
    struct Recursion {
        let loop: ForLoop
        let scope: Activation
    }

    private var values: [Value]
    private var position = 0
    /// Decides which values count; they are tested when they are asked for.
    private var test: ((Value) throws(SwiftletError) -> Bool)?
    private var knownLength: Int?
    private(set) var index0 = -1
    private(set) var before: Value?
    private(set) var current: Value?
    /// The next value, if it was looked at already.
    private var after: Value?
    /// What `changed` was last called with.
    var changed: [Value]?
    let depth0: Int
    private(set) var recursion: Recursion?
    /// How deep the values nest.
    let depth: Int

    init(
        _ values: [Value], depth0: Int, recursion: Recursion?,
        test: ((Value) throws(SwiftletError) -> Bool)?
    ) {
        self.values = values
        self.depth0 = depth0
        self.recursion = recursion
        self.test = test
        knownLength = test == nil ? values.count : nil
        depth = values.reduce(0) { max($0, $1.depth) } + 1
    }

    /// Moves on and returns the next value.
    func advance() throws(SwiftletError) -> Value? {
        let next: Value
        if let after {
            next = after
            self.after = nil
        } else if let pulled = try pull() {
            next = pulled
        } else {
            return nil
        }
        index0 += 1
        before = current
        current = next
        return next
    }

    /// The next value without moving on.
    func peek() throws(SwiftletError) -> Value? {
        if after == nil { after = try pull() }
        return after
    }

    func length() throws(SwiftletError) -> Int {
        if let knownLength { return knownLength }
        var rest: [Value] = []
        while let value = try pull() { rest.append(value) }
        values = rest
        position = 0
        test = nil
        let length = rest.count + index0 + 1 + (after == nil ? 0 : 1)
        knownLength = length
        return length
    }

    /// Lets go of what refers to variables, which may refer to the loop.
    func finish() {
        test = nil
        recursion = nil
    }

    private func pull() throws(SwiftletError) -> Value? {
        while position < values.count {
            position += 1
            let value = values[position - 1]
            if try test?(value) ?? true { return value }
        }
        return nil
    }
}
