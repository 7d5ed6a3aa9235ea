/// Finds stop strings in text that arrives in pieces, and holds back what might be the start of one.
struct StopMatcher {
    private let stops: [[UInt8]]
    private var pending: [UInt8] = []

    /// What can be shown, and the stop string that ended the text, if any.
    struct Output {
        var text: String
        var stop: String?
    }

    init(_ stops: [String]) { self.stops = stops.filter { !$0.isEmpty }.map { Array($0.utf8) } }

    /// Takes a piece of text; the text before the earliest stop string comes out.
    mutating func append(_ text: String) -> Output {
        guard !stops.isEmpty else { return Output(text: text, stop: nil) }
        pending += Array(text.utf8)
        if let (start, stop) = earliestStop() {
            defer { pending = [] }
            return Output(
                text: String(decoding: pending[..<start], as: UTF8.self),
                stop: String(decoding: stop, as: UTF8.self))
        }
        let held = heldBack()
        defer { pending.removeFirst(pending.count - held) }
        return Output(text: String(decoding: pending.dropLast(held), as: UTF8.self), stop: nil)
    }

    /// What was held back when the text ends without a stop.
    mutating func finish() -> String {
        defer { pending = [] }
        return String(decoding: pending, as: UTF8.self)
    }

    private func earliestStop() -> (start: Int, stop: [UInt8])? {
        for start in pending.indices {
            for stop in stops where pending[start...].starts(with: stop) { return (start, stop) }
        }
        return nil
    }

    /// The length of the longest end of the pending text that begins a stop string.
    private func heldBack() -> Int {
        let longest = (stops.map(\.count).max() ?? 1) - 1
        for length in stride(from: min(longest, pending.count), to: 0, by: -1)
        where stops.contains(where: { $0.starts(with: pending.suffix(length)) }) {
            return length
        }
        return 0
    }
}
