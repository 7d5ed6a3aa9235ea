/// Where texts may be in a grammar, as numbered places with the way back from each part that was called.
///
/// A place is a state of the automaton and a *frame*: what is to be done when the state's part ends. Frames are shared:
/// the same calls at the same point of a text have one frame with several returns, which is what keeps ambiguous and
/// left-recursive grammars polynomial. All places of a text together are a *configuration*. Frames and configurations
/// are numbered by what they hold, so that steps between them can be remembered in a table.
///
/// Sources: Tomita, 1985, on graph-structured stacks; Scott and Johnstone, 2010, "GLL parsing", for one frame per
/// callee and point. We number frames by content and have no empty calls, which are bypassed when tables are built.
struct StackGraph: Sendable {
    /// What happens when a part ends.
    struct Return: Sendable, Hashable, Comparable {
        /// A state, or one of the marks below, or ``loop`` minus an index of a site.
        var target: Int32
        /// How often the body of a loop was matched.
        var count: Int32 = 0
        /// The frame in which it goes on.
        var frame: Int32

        /// The whole text may end.
        static let accept: Int32 = -1
        /// Goes on somewhere that is not known.
        static let unknown: Int32 = -2
        /// A loop at site 0.
        static let loop: Int32 = -3

        static func < (a: Return, b: Return) -> Bool {
            (a.target, a.count, a.frame) < (b.target, b.count, b.frame)
        }
    }

    /// A state within a frame.
    struct Place: Sendable, Hashable {
        var state: Int32
        var frame: Int32

        fileprivate var key: UInt64 {
            UInt64(UInt32(bitPattern: state)) << 32 | UInt64(UInt32(bitPattern: frame))
        }
    }

    /// What numbers a configuration.
    private struct Key: Hashable {
        var places: [UInt64]
        var ends: UInt8
    }

    /// No text gets here.
    static let dead: Int32 = -1
    /// The frame around the whole text.
    static let rootFrame: Int32 = 0
    /// A frame of which nothing is known.
    static let unknownFrame: Int32 = 1
    private static let notKnown: Int32 = -2

    let automaton: Automaton
    /// Whether a text had more places than ``GrammarLimits/places``; steps to it count as dead.
    private(set) var hasOverflowed = false

    private var frames: Rows<Return> = Rows()
    private var frameNumbers: [[Return]: Int32] = [:]
    private var places: Rows<Place> = Rows()
    private var ends: [UInt8] = []
    private var numbers: [Key: Int32] = [:]
    /// `[configurations × classes]`.
    private var steps: [Int32] = []
    private var work = Work()

    init(_ automaton: Automaton) {
        self.automaton = automaton
        frames.append([Return(target: Return.accept, frame: 0)])
        frames.append([Return(target: Return.unknown, frame: 0)])
    }

    /// Roughly how many bytes this holds.
    var byteCount: Int {
        steps.count * 4 + frames.elements.count * 48 + places.elements.count * 32 + ends.count * 96
    }

    /// Whether the text may end here.
    func canEnd(_ configuration: Int32) -> Bool { ends[Int(configuration)] & 1 != 0 }

    /// Whether the part around an unknown frame has ended here.
    func endsUnknown(_ configuration: Int32) -> Bool { ends[Int(configuration)] & 2 != 0 }

    /// The places of a configuration that go on with a byte or a token.
    func places(of configuration: Int32) -> ArraySlice<Place> { places[Int(configuration)] }

    /// The returns of a frame.
    func returns(of frame: Int32) -> ArraySlice<Return> { frames[Int(frame)] }

    /// The configuration before any text.
    mutating func start() -> Int32 {
        close([Place(state: automaton.tables.start, frame: Self.rootFrame)])
    }

    /// The configuration of one state in a frame with one return, or in an unknown frame.
    mutating func start(at state: Int32, within loop: Return?) -> Int32 {
        let frame = loop.map { number(of: [$0]) } ?? Self.unknownFrame
        return close([Place(state: state, frame: frame)])
    }

    /// The configuration behind a byte, or ``dead``.
    @inline(__always)
    mutating func step(_ configuration: Int32, _ byte: UInt8) -> Int32 {
        let byteClass = Int(automaton.tables.classes[Int(byte)])
        let known = steps[Int(configuration) * automaton.tables.classCount + byteClass]
        return known != Self.notKnown ? known : findStep(configuration, byteClass)
    }

    private mutating func findStep(_ configuration: Int32, _ byteClass: Int) -> Int32 {
        let classCount = automaton.tables.classCount
        var seeds: [Place] = []
        for place in places[Int(configuration)] {
            let target = automaton.tables.next[Int(place.state) * classCount + byteClass]
            if target >= 0 {
                seeds.append(Place(state: target, frame: place.frame))
            } else if target <= -2 {
                for way in automaton.tables.several[Int(-2 - target)] {
                    seeds.append(Place(state: way, frame: place.frame))
                }
            }
        }
        let next = seeds.isEmpty ? Self.dead : close(seeds)
        steps[Int(configuration) * classCount + byteClass] = next
        return next
    }

    /// The configuration behind a token that some places take as a whole, or ``dead``.
    ///
    /// - Parameter takes: says by the index of a condition whether it holds for the token.
    mutating func step(_ configuration: Int32, tokenWhere takes: (Int) -> Bool) -> Int32 {
        var seeds: [Place] = []
        for place in places[Int(configuration)] {
            for edge in automaton.tables.tokens[Int(place.state)] where takes(Int(edge.condition)) {
                seeds.append(Place(state: edge.next, frame: place.frame))
            }
        }
        return seeds.isEmpty ? Self.dead : close(seeds)
    }

    /// The configuration of texts that are in one or the other.
    mutating func union(_ a: Int32, _ b: Int32) -> Int32 {
        if a == Self.dead || a == b { return b }
        if b == Self.dead { return a }
        return number(of: Array(places[Int(a)] + places[Int(b)]), ends: ends[Int(a)] | ends[Int(b)])
    }

    // MARK: Closing over calls and returns

    /// What is collected while a configuration is made. Frames of calls made meanwhile are numbered from `base` on.
    private struct Work: Sendable {
        var base: Int32 = 0
        var places: [Place] = []
        var known: Set<UInt64> = []
        var callees: [Int32] = []
        var calls: [[Return]] = []
        /// The members of long lists in ``calls``.
        var knownCalls: [Int: Set<Return>] = [:]
        var ends: UInt8 = 0
        var count = 0
        var mostReturns = 0

        mutating func reset(base: Int32) {
            self.base = base
            places.removeAll(keepingCapacity: true)
            known.removeAll(keepingCapacity: true)
            callees.removeAll(keepingCapacity: true)
            calls.removeAll(keepingCapacity: true)
            knownCalls.removeAll()
            (ends, count, mostReturns) = (0, 0, 0)
        }

        mutating func add(_ place: Place) {
            if places.count < 12 {
                if !places.contains(place) { places.append(place) }
                return
            }
            if known.isEmpty { for place in places { known.insert(place.key) } }
            if known.insert(place.key).inserted { places.append(place) }
        }

        /// Adds a return to the frame of a callee, and the callee's first state.
        mutating func call(_ callee: Int32, _ way: Return) {
            let index = callees.firstIndex(of: callee) ?? callees.count
            if index == callees.count {
                callees.append(callee)
                calls.append([])
                add(Place(state: callee, frame: base + Int32(index)))
            }
            if calls[index].count < 12 {
                guard !calls[index].contains(way) else { return }
            } else {
                if knownCalls[index, default: []].isEmpty { knownCalls[index] = Set(calls[index]) }
                guard knownCalls[index, default: []].insert(way).inserted else { return }
            }
            calls[index].append(way)
            count += 1
            mostReturns = max(mostReturns, calls[index].count)
        }
    }

    private mutating func close(_ seeds: [Place]) -> Int32 {
        work.reset(base: Int32(frames.count))
        for seed in seeds { work.add(seed) }
        var next = 0
        while next < work.places.count {
            guard work.places.count + work.count <= GrammarLimits.places,
                work.mostReturns <= GrammarLimits.returns
            else {
                hasOverflowed = true
                return Self.dead
            }
            visit(work.places[next])
            next += 1
        }
        return finish()
    }

    private mutating func visit(_ place: Place) {
        let state = Int(place.state)
        if automaton.tables.isFinal[state], place.frame < work.base {
            for way in frames.range(Int(place.frame)) { leave(frames.elements[way]) }
        }
        for index in automaton.tables.calls.range(state) {
            let call = automaton.tables.calls.elements[index]
            if automaton.isPlainEnd[Int(call.next)], place.frame < work.base {
                // Nothing is left to do here, so the callee returns to where this part would.
                for way in frames.range(Int(place.frame)) { work.call(call.callee, frames.elements[way]) }
            } else {
                work.call(call.callee, Return(target: call.next, frame: place.frame))
            }
        }
        for index in automaton.tables.loops.range(state) {
            let site = automaton.tables.loops.elements[index]
            let way = Return(target: Return.loop - site, count: 1, frame: place.frame)
            work.call(automaton.tables.sites[Int(site)].body, way)
        }
    }

    /// Goes on behind a part that ended.
    private mutating func leave(_ way: Return) {
        switch way.target {
        case Return.accept: work.ends |= 1
        case Return.unknown: work.ends |= 2
        case 0...: work.add(Place(state: way.target, frame: way.frame))
        default:
            let site = automaton.tables.sites[Int(Return.loop - way.target)]
            if way.count >= site.low { work.add(Place(state: site.next, frame: way.frame)) }
            guard way.count < site.high ?? .max else { return }
            let count = site.high == nil ? min(way.count + 1, site.low) : way.count + 1
            work.call(site.body, Return(target: way.target, count: count, frame: way.frame))
        }
    }

    /// Numbers the new frames and the configuration.
    private mutating func finish() -> Int32 {
        let kept = work.places.filter { automaton.consumes[Int($0.state)] }
        guard !work.callees.isEmpty else { return number(of: kept, ends: work.ends) }
        let numbers = numberFrames()
        let base = work.base
        return number(
            of: kept.map { place in
                place.frame < base
                    ? place : Place(state: place.state, frame: numbers[Int(place.frame - base)])
            }, ends: work.ends)
    }

    /// The numbers of the frames that were made for calls, each behind the frames it returns to.
    private mutating func numberFrames() -> [Int32] {
        let (base, calls) = (work.base, work.calls)
        var numbers = [Int32](repeating: -1, count: calls.count)
        var open = Array(calls.indices)
        func isNumbered(_ frame: Int32) -> Bool { frame < base || numbers[Int(frame - base)] >= 0 }
        var isProgressing = true
        while isProgressing, !open.isEmpty {
            isProgressing = false
            for index in open where calls[index].allSatisfy({ isNumbered($0.frame) }) {
                numbers[index] = number(of: rebased(calls[index], base, numbers))
                isProgressing = true
            }
            open.removeAll { numbers[$0] >= 0 }
        }
        // Frames on a cycle, from left recursion, are not compared with earlier ones.
        for (offset, index) in open.enumerated() { numbers[index] = Int32(frames.count + offset) }
        for index in open { frames.append(rebased(calls[index], base, numbers)) }
        return numbers
    }

    private func rebased(_ ways: [Return], _ base: Int32, _ numbers: [Int32]) -> [Return] {
        ways.map { way in
            way.frame < base
                ? way : Return(target: way.target, count: way.count, frame: numbers[Int(way.frame - base)])
        }
    }

    private mutating func number(of ways: [Return]) -> Int32 {
        let ways = ways.count > 1 ? ways.sorted() : ways
        if let number = frameNumbers[ways] { return number }
        let number = Int32(frames.count)
        frames.append(ways)
        frameNumbers[ways] = number
        return number
    }

    private mutating func number(of kept: [Place], ends flags: UInt8) -> Int32 {
        guard !kept.isEmpty || flags != 0 else { return Self.dead }
        var keys = kept.map(\.key)
        keys.sort()
        var unique = keys
        unique.removeAll()
        for key in keys where unique.last != key { unique.append(key) }
        let key = Key(places: unique, ends: flags)
        if let number = numbers[key] { return number }
        let number = Int32(ends.count)
        numbers[key] = number
        ends.append(flags)
        places.append(
            unique.map {
                Place(
                    state: Int32(truncatingIfNeeded: $0 >> 32), frame: Int32(truncatingIfNeeded: $0))
            })
        steps.append(contentsOf: repeatElement(Self.notKnown, count: automaton.tables.classCount))
        return number
    }
}
