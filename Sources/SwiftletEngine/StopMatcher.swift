/// Finds stop strings in text that arrives in pieces, and holds back what might be the start of one.
///
/// The stop string that is complete first ends the text; of several that are complete at the same character,
/// the longest. So the result does not depend on how the text is cut into pieces. Strings are compared by
/// bytes, without regard to canonical equivalence.
struct StopMatcher {
    private let stops: [[UInt8]]  // longest first
    private let longest: Int
    private var pending: [UInt8] = []

    /// What can be shown, and the stop string that ended the text, if any.
    struct Output: Hashable {
        var text: String
        var stop: String?
    }

    /// - Parameter stops: empty ones are ignored.
    init(_ stops: [String]) {
        self.stops = stops.filter { !$0.isEmpty }.map { Array($0.utf8) }.sorted { $0.count > $1.count }
        longest = self.stops.first?.count ?? 0
    }

    /// Takes a piece of text; the text before the stop string comes out. After a stop, a new text begins.
    ///
    /// - Complexity: O(n·m) at worst for n bytes of text and m bytes of stop strings.
    mutating func append(_ text: String) -> Output {
        guard !stops.isEmpty else { return Output(text: text, stop: nil) }
        let known = pending.count
        pending += text.utf8
        if let (start, stop) = firstStop(endingAfter: known) {
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

    /// The stop string that is complete first; none is within the first `known` bytes.
    private func firstStop(endingAfter known: Int) -> (start: Int, stop: [UInt8])? {
        for end in known..<pending.count {
            for stop in stops where pending[end] == stop[stop.count - 1] && pending[...end].ends(with: stop) {
                return (end + 1 - stop.count, stop)
            }
        }
        return nil
    }

    /// The length of the longest end of the pending text that begins a stop string.
    ///
    /// It begins and ends between characters, as the stop strings and the pieces do.
    private func heldBack() -> Int {
        for length in stride(from: min(longest - 1, pending.count), to: 0, by: -1)
        where stops.contains(where: { $0.count > length && $0.starts(with: pending.suffix(length)) }) {
            return length
        }
        return 0
    }
}

extension ArraySlice<UInt8> {
    fileprivate func ends(with other: [UInt8]) -> Bool {
        count >= other.count && suffix(other.count).elementsEqual(other)
    }
}
