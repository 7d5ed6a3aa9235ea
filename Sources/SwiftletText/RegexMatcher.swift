/// Runs a ``PatternProgram`` over one text by backtracking, first alternative first.
///
/// The stack is explicit, runs of one set take one entry, and when a search gets long the matcher remembers the
/// states that have failed, which bounds it by instructions × characters. Patterns that walk over the whole text
/// in every lookahead stay quadratic; for those a budget of steps ends the search as if nothing more matched.
struct PatternMatcher {
    /// What to do when a path fails.
    private enum Frame {
        /// Go on at an instruction and a place.
        case resume(instruction: Int, at: Int)
        /// Give back characters of a run one by one, down to `low`.
        case giveBack(instruction: Int, low: Int, high: Int)
        /// Let a lazy run take one more character.
        case takeMore(instruction: Int, at: Int)
        /// Undo a write to a register.
        case restore(register: Int, value: Int)
    }

    private let program: PatternProgram
    private let text: UnsafePointer<UInt8>
    private let end: Int
    private var stack: [Frame] = []
    private var registers: [Int]
    private var steps = 0
    private let stepBudget: Int
    /// Steps after which failed states are remembered.
    private var patience = 0
    /// One bit for each state that has been tried, by ``stateIndex(_:_:)``; empty while searches are short.
    private var tried: [UInt64] = []
    private var journal: [Int] = []
    private static let triedBitLimit = 1 << 28

    /// Prepares to search `text`, which has `end` bytes and must outlive the matcher.
    init(_ program: PatternProgram, _ text: UnsafePointer<UInt8>, _ end: Int) {
        self.program = program
        self.text = text
        self.end = end
        registers = Array(repeating: -1, count: program.registerCount)
        stepBudget = 100_000_000 + (end < 1 << 40 ? end * 1000 : 0)
    }

    /// The leftmost match that starts at `start` or later; `nil` if there is none or the budget is spent.
    mutating func firstMatch(from start: Int) -> Range<Int>? {
        patience = steps + 10_000 + 32 * (end - start)
        defer {
            tried = []
            journal = []
        }
        var i = start
        while i <= end {
            if let firstBytes = program.firstBytes {
                while i < end, !firstBytes.contains(text[i]) { i += UTF8Text.decode(text, i, end).width }
                if i == end { return nil }
            }
            if let matchEnd = run(0, i) { return i..<matchEnd }
            if steps > stepBudget { return nil }
            i += i < end ? UTF8Text.decode(text, i, end).width : 1
        }
        return nil
    }

    // MARK: Memory of failed states

    private mutating func startRemembering() {
        patience = .max
        let (bits, overflow) = program.instructions.count.multipliedReportingOverflow(by: end + 1)
        if overflow || bits > PatternMatcher.triedBitLimit { return }
        tried = Array(repeating: 0, count: bits / 64 + 1)
    }

    /// Marks a state; `false` if it was marked before. Without memory every state is new.
    private mutating func isNew(_ instruction: Int, _ place: Int) -> Bool {
        if tried.isEmpty { return true }
        let index = instruction * (end + 1) + place
        let bit = UInt64(1) << UInt64(index & 63)
        if tried[index >> 6] & bit != 0 { return false }
        tried[index >> 6] |= bit
        journal.append(index)
        return true
    }

    /// Forgets marks: the paths behind them did not fail after all.
    private mutating func forgetMarks(from count: Int) {
        while journal.count > count {
            let index = journal.removeLast()
            tried[index >> 6] &= ~(1 << UInt64(index & 63))
        }
    }

    // MARK: Execution

    /// Where the instructions from `start` on accept when they begin at byte `place`.
    private mutating func run(_ start: Int, _ place: Int) -> Int? {
        let base = stack.count
        var instruction = start
        var i = place
        while true {
            steps += 1
            if steps > patience { startRemembering() }
            if steps > stepBudget {
                unwind(to: base)
                return nil
            }
            var succeeded = false
            switch program.instructions[instruction] {
            case .accept:
                unwind(to: base)
                return i
            case .byte(let byte):
                succeeded = i < end && text[i] == byte
                if succeeded {
                    i += 1
                    instruction += 1
                }
            case .set(let set):
                if i < end {
                    let (value, width) = UTF8Text.decode(text, i, end)
                    succeeded = program.set(set, contains: value)
                    i += width
                    instruction += 1
                }
            case .cluster:
                succeeded = i < end
                if succeeded {
                    i = UTF8Text.clusterEnd(text, i, end)
                    instruction += 1
                }
            case .split(let first, let second):
                succeeded = isNew(instruction, i)
                if succeeded {
                    stack.append(.resume(instruction: second, at: i))
                    instruction = first
                }
            case .branch(let bytes, let other):
                if i < end, bytes.contains(text[i]) {
                    succeeded = isNew(instruction, i)
                    if succeeded {
                        stack.append(.resume(instruction: other, at: i))
                        instruction += 1
                    }
                } else {
                    succeeded = true
                    instruction = other
                }
            case .jump(let target):
                succeeded = true
                instruction = target
            case .star(let set, let mode):
                if let place = star(instruction, set, mode, i) {
                    succeeded = true
                    i = place
                    instruction += 1
                }
            case .place(let place):
                succeeded = holds(place, i)
                instruction += 1
            case .lookahead(let next, let negative):
                succeeded = (inner(instruction + 1, i) != nil) != negative
                instruction = next
            case .lookbehind(let lengths, let next, let negative):
                succeeded = matchesBehind(instruction + 1, program.lengths[lengths], i) != negative
                instruction = next
            case .atomic(let next):
                if let place = inner(instruction + 1, i) {
                    succeeded = true
                    i = place
                    instruction = next
                }
            case .roundStart(let register):
                succeeded = true
                stack.append(.restore(register: register, value: registers[register]))
                registers[register] = i
                instruction += 1
            case .roundEnd(let register, let exit):
                succeeded = true
                instruction = registers[register] == i ? exit : instruction + 1
            }
            if !succeeded {
                guard let (next, place) = backtrack(to: base) else { return nil }
                instruction = next
                i = place
            }
        }
    }

    /// Runs the body of a group that is left as a whole; on success its marks do not stand for failures.
    private mutating func inner(_ start: Int, _ place: Int) -> Int? {
        let marks = journal.count
        let result = run(start, place)
        if result != nil { forgetMarks(from: marks) }
        return result
    }

    private mutating func matchesBehind(_ body: Int, _ lengths: [Int], _ place: Int) -> Bool {
        for length in lengths {
            var start = place
            var count = 0
            while count < length, start > 0 {
                start = UTF8Text.previous(text, start)
                count += 1
            }
            if count == length, inner(body, start) == place { return true }
        }
        return false
    }

    /// Drops the frames above `base`, undoing writes to registers.
    private mutating func unwind(to base: Int) {
        while stack.count > base {
            if case .restore(let register, let value) = stack.removeLast() { registers[register] = value }
        }
    }

    /// The next path to try; `nil` when none is left above `base`.
    private mutating func backtrack(to base: Int) -> (instruction: Int, place: Int)? {
        while stack.count > base {
            switch stack.removeLast() {
            case .resume(let instruction, let place): return (instruction, place)
            case .restore(let register, let value): registers[register] = value
            case .giveBack(let instruction, let low, let high):
                let place = UTF8Text.previous(text, high)
                if place > low { stack.append(.giveBack(instruction: instruction, low: low, high: place)) }
                return (instruction, place)
            case .takeMore(let instruction, let place):
                guard case .star(let set, _) = program.instructions[instruction], place < end else {
                    continue
                }
                let (value, width) = UTF8Text.decode(text, place, end)
                guard program.set(set, contains: value), isNew(instruction, place + width) else { continue }
                stack.append(.takeMore(instruction: instruction, at: place + width))
                return (instruction + 1, place + width)
            }
        }
        return nil
    }

    /// Takes a run of one set at `start`; where to go on first, or `nil` if all that follows is known to fail.
    private mutating func star(
        _ instruction: Int, _ set: Int, _ mode: PatternNode.Mode, _ start: Int
    ) -> Int? {
        if mode == .lazy {
            guard isNew(instruction, start) else { return nil }
            stack.append(.takeMore(instruction: instruction, at: start))
            return start
        }
        let remembers = mode == .greedy && !tried.isEmpty
        var i = start
        var last: Int?  // the longest run that is still worth a try, when states are remembered
        while true {
            if remembers {
                guard isNew(instruction, i) else { break }
                last = i
            }
            guard i < end else { break }
            let (value, width) = UTF8Text.decode(text, i, end)
            guard program.set(set, contains: value) else { break }
            i += width
            steps += 1
        }
        if remembers {
            guard let last else { return nil }
            i = last
        }
        if mode == .greedy, i > start {
            stack.append(.giveBack(instruction: instruction + 1, low: start, high: i))
        }
        return i
    }

    // MARK: Places

    private func holds(_ place: PatternNode.Place, _ i: Int) -> Bool {
        switch place {
        case .textStart: i == 0
        case .textEnd: i == end
        case .textEndOrLastLine: i == end || (i + 1 == end && text[i] == 0x0A)
        case .lineStart: i == 0 || (i < end && text[i - 1] == 0x0A)
        case .lineEnd: i == end || text[i] == 0x0A
        case .wordBoundary: isWord(before: i) != isWord(at: i)
        case .noWordBoundary: isWord(before: i) == isWord(at: i)
        }
    }

    private func isWord(at i: Int) -> Bool {
        i < end && CharacterSet.wordAlone.contains(UTF8Text.decode(text, i, end).value)
    }

    private func isWord(before i: Int) -> Bool { i > 0 && isWord(at: UTF8Text.previous(text, i)) }
}
