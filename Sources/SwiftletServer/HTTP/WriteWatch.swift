import NIOCore
import Synchronization

/// Closes a connection whose client takes nothing for too long.
final class WriteWatch: Sendable {
    private let started = Mutex<ContinuousClock.Instant?>(nil)
    private let task: RepeatedTask

    init(_ channel: any Channel, seconds: Int) {
        let (limit, pause) = (Duration.seconds(seconds), TimeAmount.seconds(Int64(max(seconds / 2, 1))))
        let holder = Holder()
        task = channel.eventLoop.scheduleRepeatedTask(initialDelay: pause, delay: pause) { _ in
            guard let watch = holder.watch, let start = watch.started.withLock({ $0 }) else { return }
            if ContinuousClock.now - start > limit { channel.close(promise: nil) }
        }
        holder.set(self)
    }

    /// A write begins.
    func begin() { started.withLock { $0 = .now } }

    /// It has ended.
    func end() { started.withLock { $0 = nil } }

    /// There will be no more writes.
    func stop() { task.cancel() }

    /// Knows a watch that may be gone.
    private final class Holder: Sendable {
        private struct Weak { weak var watch: WriteWatch? }
        private let reference = Mutex(Weak())
        var watch: WriteWatch? { reference.withLock { $0.watch } }
        func set(_ watch: WriteWatch) { reference.withLock { $0.watch = watch } }
    }
}
