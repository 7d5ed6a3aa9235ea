import Foundation
import Synchronization

/// Standard output and standard error.
enum Console {
    /// Writes text to standard output at once.
    static func write(_ text: String) { write(Array(text.utf8)) }

    /// Writes bytes to standard output at once.
    static func write(_ bytes: [UInt8]) { FileHandle.standardOutput.write(Data(bytes)) }

    /// Writes a line to standard error.
    static func note(_ line: String) { FileHandle.standardError.write(Data("\(line)\n".utf8)) }

    /// Whether standard output is a terminal.
    static var isInteractive: Bool { isatty(STDOUT_FILENO) == 1 }

    /// Whether a person watches standard error.
    static var isWatched: Bool { isatty(STDERR_FILENO) == 1 }
}

/// Ctrl-C: the first one asks for an end, the second one ends the program.
enum Interrupt {
    private static let flag = Atomic<Bool>(false)

    /// Begins to listen.
    static func listen() {
        signal(SIGINT) { number in
            Interrupt.flag.store(true, ordering: .relaxed)
            signal(number, SIG_DFL)
        }
    }

    /// Lets Ctrl-C end the program again.
    static func stop() { signal(SIGINT, SIG_DFL) }

    /// Whether Ctrl-C was pressed since ``listen()``.
    static var isRequested: Bool { flag.load(ordering: .relaxed) }

    /// Forgets a request and listens again.
    static func reset() {
        flag.store(false, ordering: .relaxed)
        listen()
    }
}

/// A progress bar on standard error, drawn only for a person and only for work that takes a while.
struct ProgressBar {
    private let label: String
    private let total: Int
    private let start = ContinuousClock.now
    private var isDrawn = false

    init(_ label: String, total: Int) {
        self.label = label
        self.total = total
    }

    /// Redraws the bar.
    mutating func update(_ done: Int) {
        guard Console.isWatched, total > 0, ContinuousClock.now - start > .seconds(1) else { return }
        isDrawn = true
        let filled = 30 * done / total
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 30 - filled)
        FileHandle.standardError.write(Data("\r\(label) \(bar) \(100 * done / total) %".utf8))
    }

    /// Removes the bar.
    mutating func finish() {
        guard isDrawn else { return }
        FileHandle.standardError.write(Data("\r\u{1B}[K".utf8))
        isDrawn = false
    }
}

/// Bytes for a person: `17.3 MiB`.
func formatBytes(_ bytes: Int) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"]
    var value = Double(bytes)
    var unit = 0
    while value >= 1_024, unit < units.count - 1 {
        value /= 1_024
        unit += 1
    }
    return unit == 0 ? "\(bytes) B" : "\(formatNumber(value, 1)) \(units[unit])"
}

/// A number with a fixed count of decimals.
func formatNumber(_ value: Double, _ decimals: Int) -> String { String(format: "%.\(decimals)f", value) }
