import Foundation
import SwiftletTensor

/// Standard output and standard error.
enum Console {
    /// Makes the standard streams safe to use: a reader that goes away ends the process quietly, a file that grows
    /// beyond a limit is an error like a full disk, signals that the parent process had blocked arrive, and a stream
    /// that was closed cannot be mistaken for a file that is opened later.
    static func prepare() {
        signal(SIGPIPE, SIG_DFL)
        signal(SIGXFSZ, SIG_IGN)
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGINT, SIGTERM, SIGPIPE] { sigaddset(&signals, number) }
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        for stream in 0...2 where fcntl(Int32(stream), F_GETFD) < 0 { _ = open("/dev/null", O_RDONLY) }
    }

    /// Writes text to standard output at once.
    static func write(_ text: String) throws(SwiftletError) { try write(Array(text.utf8)) }

    /// Writes bytes to standard output at once.
    static func write(_ bytes: [UInt8]) throws(SwiftletError) {
        guard put(bytes, STDOUT_FILENO) else {
            throw SwiftletError(
                .unwritable,
                "standard output cannot be written: \(System.message(errno)); send it to another place")
        }
    }

    /// Writes a line to standard error.
    static func note(_ line: String) { draw("\(line)\n") }

    /// Writes text to standard error as it is.
    static func draw(_ text: String) { _ = put(Array(text.utf8), STDERR_FILENO) }

    /// Whether standard output is a terminal.
    static var isInteractive: Bool { isatty(STDOUT_FILENO) == 1 }

    /// Whether a person watches standard error.
    static var isWatched: Bool { isatty(STDERR_FILENO) == 1 }

    /// Whether a person types standard input.
    static var isTyped: Bool { isatty(STDIN_FILENO) == 1 }

    /// Writes all bytes; false leaves the reason in `errno`.
    private static func put(_ bytes: [UInt8], _ stream: Int32) -> Bool {
        bytes.withUnsafeBytes { buffer in
            var rest = buffer[...]
            while !rest.isEmpty {
                let piece = UnsafeRawBufferPointer(rebasing: rest)
                let count = Foundation.write(stream, piece.baseAddress, piece.count)
                if count < 0, errno != EINTR { return false }
                rest = rest.dropFirst(max(count, 0))
            }
            return true
        }
    }
}
