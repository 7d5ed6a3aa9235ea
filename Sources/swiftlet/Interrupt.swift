import Foundation
import Synchronization

/// Ctrl-C: the first one asks for an end, the second one ends the process.
enum Interrupt {
    private static let flag = Atomic<Bool>(false)

    /// Forgets an earlier request and begins to listen.
    static func listen() {
        flag.store(false, ordering: .relaxed)
        signal(SIGINT) { number in
            Interrupt.flag.store(true, ordering: .relaxed)
            signal(number, SIG_DFL)
        }
    }

    /// Lets Ctrl-C end the process again.
    static func stop() { signal(SIGINT, SIG_DFL) }

    /// Whether Ctrl-C was pressed since ``listen()``.
    static var isRequested: Bool { flag.load(ordering: .relaxed) }
}
