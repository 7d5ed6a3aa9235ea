internal import SwiftletTensor

/// A pattern as instructions for ``PatternMatcher``.
struct PatternProgram: Sendable {
    /// One instruction; numbers are places in ``instructions``, sets places in ``sets``.
    enum Instruction: Sendable {
        /// Consumes one character of a set.
        case set(Int)
        /// Consumes a grapheme cluster.
        case cluster
        /// Consumes one ASCII character.
        case byte(UInt8)
        /// Consumes characters of a set for as long as the mode asks, then goes on behind.
        case star(set: Int, mode: PatternNode.Mode)
        /// Tries the first place, then the second.
        case split(Int, Int)
        /// Tries what follows, but only if the next byte is in a set, then the place `other`.
        case branch(ByteSet, other: Int)
        case jump(Int)
        case place(PatternNode.Place)
        /// Runs what follows up to its `accept`; goes on at `next` where it started, or fails.
        case lookahead(next: Int, negative: Bool)
        /// The same from a number of characters before, one of ``lengths`` at that place.
        case lookbehind(lengths: Int, next: Int, negative: Bool)
        /// Runs what follows up to its `accept`; goes on at `next` where that ended.
        case atomic(next: Int)
        /// Remembers the place where a round of a loop begins.
        case roundStart(register: Int)
        /// Leaves the loop if the round consumed nothing.
        case roundEnd(register: Int, exit: Int)
        case accept
    }

    private(set) var instructions: [Instruction] = []
    private(set) var sets: [CharacterSet] = []
    /// One bit for each character below U+10000 and each of the first sets; see ``set(_:contains:)``.
    private var bitmaps: [UInt64] = []
    /// Choices of lengths to look behind.
    private(set) var lengths: [[Int]] = []
    private(set) var registerCount = 0
    /// Bytes that a match can begin with; `nil` if a match may be empty, so that every place has to be tried.
    private(set) var firstBytes: ByteSet?

    private static let sizeLimit = 20_000
    private static let bitmapLimit = 32

    /// Compiles a pattern; `source` and `pattern` are named if it is too long.
    init(_ node: PatternNode, pattern: String, source: String) throws(SwiftletError) {
        var numbers: [CharacterSet: Int] = [:]
        guard emit(node, &numbers) else {
            throw SwiftletError(
                .unsupported,
                "\(source): the pattern \"\(pattern)\" has more than \(PatternProgram.sizeLimit) instructions "
                    + "once its repetitions are written out; use smaller counts.")
        }
        instructions.append(.accept)
        for set in sets.prefix(PatternProgram.bitmapLimit) { bitmaps += set.bitmap }
        if !node.isNullable { firstBytes = node.firstBytes }
    }

    /// Whether a set, by its number, holds a character.
    @inline(__always)
    func set(_ number: Int, contains value: UInt32) -> Bool {
        if value < 0x10000, number < PatternProgram.bitmapLimit {
            return bitmaps[number << 10 | Int(value >> 6)] >> UInt64(value & 63) & 1 == 1
        }
        return sets[number].contains(value)
    }

    private mutating func number(of set: CharacterSet, _ numbers: inout [CharacterSet: Int]) -> Int {
        if let known = numbers[set] { return known }
        numbers[set] = sets.count
        sets.append(set)
        return sets.count - 1
    }

    /// Appends the instructions of `node`; `false` when there are too many.
    private mutating func emit(_ node: PatternNode, _ numbers: inout [CharacterSet: Int]) -> Bool {
        if instructions.count > PatternProgram.sizeLimit { return false }
        switch node {
        case .empty: return true
        case .set(let set):
            if set.bounds.count == 2, set.bounds[0] == set.bounds[1], set.bounds[0] < 128 {
                instructions.append(.byte(UInt8(set.bounds[0])))
            } else {
                instructions.append(.set(number(of: set, &numbers)))
            }
            return true
        case .cluster:
            instructions.append(.cluster)
            return true
        case .sequence(let nodes):
            for node in nodes where !emit(node, &numbers) { return false }
            return true
        case .alternation(let nodes): return emitAlternation(nodes, &numbers)
        case .repetition(let node, let min, let max, let mode):
            return emitRepetition(node, min, max, mode, &numbers)
        case .atomic(let node):
            return emitBody(node, &numbers) { .atomic(next: $0) }
        case .lookahead(let node, let negative):
            return emitBody(node, &numbers) { .lookahead(next: $0, negative: negative) }
        case .lookbehind(let node, let negative):
            let place = lengths.count
            lengths.append((node.lengths ?? []).sorted())
            return emitBody(node, &numbers) {
                .lookbehind(lengths: place, next: $0, negative: negative)
            }
        case .place(let place):
            instructions.append(.place(place))
            return true
        }
    }

    private mutating func emitBody(
        _ node: PatternNode, _ numbers: inout [CharacterSet: Int], _ head: (Int) -> Instruction
    ) -> Bool {
        let start = instructions.count
        instructions.append(.accept)
        guard emit(node, &numbers) else { return false }
        instructions.append(.accept)
        instructions[start] = head(instructions.count)
        return true
    }

    private mutating func emitAlternation(
        _ nodes: [PatternNode], _ numbers: inout [CharacterSet: Int]
    ) -> Bool {
        var jumps: [Int] = []
        for (place, node) in nodes.enumerated() {
            let split = instructions.count
            let isLast = place == nodes.count - 1
            if !isLast { instructions.append(.accept) }
            guard emit(node, &numbers) else { return false }
            if isLast { break }
            jumps.append(instructions.count)
            instructions.append(.accept)
            instructions[split] = branch(node, split, other: instructions.count)
        }
        for jump in jumps { instructions[jump] = .jump(instructions.count) }
        return true
    }

    /// The choice at `split` between `node`, which follows it, and `other`.
    private func branch(_ node: PatternNode, _ split: Int, other: Int) -> Instruction {
        node.isNullable ? .split(split + 1, other) : .branch(node.firstBytes, other: other)
    }

    private mutating func emitRepetition(
        _ node: PatternNode, _ min: Int, _ max: Int?, _ mode: PatternNode.Mode,
        _ numbers: inout [CharacterSet: Int]
    ) -> Bool {
        if mode == .possessive, !(max == nil && node.isSet) {
            return emit(.atomic(.repetition(node, min: min, max: max, mode: .greedy)), &numbers)
        }
        let start = instructions.count
        for _ in 0..<min {
            guard emit(node, &numbers) else { return false }
            if instructions.count == start { return true }  // nothing, however often
        }
        guard let max else { return emitLoop(node, mode, &numbers) }
        var splits: [Int] = []
        for _ in min..<max {
            splits.append(instructions.count)
            instructions.append(.accept)
            guard emit(node, &numbers) else { return false }
        }
        let end = instructions.count
        for split in splits {
            instructions[split] = mode == .lazy ? .split(end, split + 1) : branch(node, split, other: end)
        }
        return true
    }

    private mutating func emitLoop(
        _ node: PatternNode, _ mode: PatternNode.Mode, _ numbers: inout [CharacterSet: Int]
    ) -> Bool {
        if case .set(let set) = node {
            instructions.append(.star(set: number(of: set, &numbers), mode: mode))
            return true
        }
        let register = node.isNullable ? registerCount : nil
        if register != nil { registerCount += 1 }
        let split = instructions.count
        instructions.append(.accept)
        if let register { instructions.append(.roundStart(register: register)) }
        guard emit(node, &numbers) else { return false }
        let end = instructions.count
        if let register { instructions.append(.roundEnd(register: register, exit: end + 2)) }
        instructions.append(.jump(split))
        let exit = instructions.count
        instructions[split] = mode == .lazy ? .split(exit, split + 1) : branch(node, split, other: exit)
        return true
    }
}

extension PatternNode {
    /// Whether the node is a single set.
    var isSet: Bool {
        if case .set = self { true } else { false }
    }
}
