/// A progress bar on standard error, drawn only for a person and only for work that takes a while.
struct ProgressBar {
    private let label: String
    private let total: Int
    private let start: ContinuousClock.Instant
    private var shown: Int?

    /// - Parameters:
    ///   - total: the amount of work, in any unit.
    ///   - other: the bar of the same work before its amount was known.
    init(_ label: String, total: Int, since other: ProgressBar? = nil) {
        self.label = label
        self.total = total
        start = other?.start ?? .now
        shown = other?.shown
    }

    /// Redraws the bar if it moved.
    mutating func update(_ done: Int) {
        guard Console.isWatched, total > 0, ContinuousClock.now - start > .seconds(1) else { return }
        let percent = Int(100 * min(Double(done) / Double(total), 1))
        guard percent != shown else { return }
        shown = percent
        let filled = 30 * percent / 100
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 30 - filled)
        Console.draw("\r\(label) \(bar) \(percent) %\(timeLeft(done))\u{1B}[K")
    }

    /// About how long it will take, once that can be told.
    private func timeLeft(_ done: Int) -> String {
        let elapsed = ContinuousClock.now - start
        let isEarly = elapsed <= .seconds(3)
        if isEarly || done <= 0 || total <= done { return "" }
        let left = elapsed * (Double(total - done) / Double(done))
        return ", \(formatDuration(seconds: Int(left.components.seconds) + 1)) left"
    }

    /// Removes the bar.
    mutating func finish() {
        guard shown != nil else { return }
        Console.draw("\r\u{1B}[K")
        shown = nil
    }
}
