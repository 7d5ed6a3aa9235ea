import CSwiftletKernels
import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A fixed set of threads that share the pieces of one piece of work at a time.
///
/// The caller takes part, so a pool of `n` owns `n − 1` threads and a pool of 1 owns none. Threads wait by
/// spinning for some microseconds, then by sleeping. Work started inside work runs on the thread that started
/// it; work started from two threads runs one after the other.
package final class ThreadPool: Sendable {
    /// Threads that take part, the caller included.
    package let threadCount: Int

    private let shared: Shared
    private let threads: [pthread_t]

    /// A pool of `threadCount` threads, or of one per physical core that this process may use.
    ///
    /// Where the system refuses a thread, the pool is smaller; ``threadCount`` says by how much.
    package init(threadCount: Int = ThreadPool.defaultThreadCount) {
        precondition(threadCount > 0, "\(threadCount) threads")
        let shared = Shared()
        var threads: [pthread_t] = []
        while threads.count < threadCount - 1, let thread = Self.start(shared) { threads.append(thread) }
        self.shared = shared
        self.threads = threads
        self.threadCount = threads.count + 1
    }

    deinit {
        shared.stop()
        for thread in threads { pthread_join(thread, nil) }
    }

    /// Calls `body` once with each index in `0..<count`, in any order and on all threads, and returns when
    /// done.
    ///
    /// `body` runs on several threads at once: what one call writes, no other may touch.
    ///
    /// - Parameters:
    ///   - count: 0 does nothing.
    ///   - body: does the piece of one index.
    package func run(_ count: Int, _ body: (Int) -> Void) {
        if count < 2 || threads.isEmpty || Shared.isWorking {
            for index in 0..<max(count, 0) { body(index) }
            return
        }
        withoutActuallyEscaping(body) { body in
            shared.run(count, body)
        }
    }

    /// Cuts `rows` into ranges of about equal length and calls `body` with each, on all threads.
    ///
    /// - Parameters:
    ///   - rows: how many rows; 0 does nothing.
    ///   - grain: every range but the last is a multiple of this long.
    ///   - body: does one range; see ``run(_:_:)`` for what it may touch.
    package func run(rows: Int, grain: Int, _ body: (Range<Int>) -> Void) {
        precondition(grain > 0, "a grain of \(grain)")
        guard rows > 0 else { return }
        let grains = (rows - 1) / grain + 1
        let pieces = min(grains, threads.isEmpty ? 1 : threadCount * Self.piecesPerThread)
        run(pieces) { piece in
            let start = grains * piece / pieces * grain
            let end = min(grains * (piece + 1) / pieces * grain, rows)
            body(start..<end)
        }
    }

    /// Enough for the fast threads to take over from a slow one, few enough to cost little.
    private static let piecesPerThread = 4

    private static func start(_ shared: Shared) -> pthread_t? {
        let argument = Unmanaged.passRetained(shared)
        #if canImport(Darwin)
            var thread: pthread_t?
        #else
            var thread = pthread_t()
        #endif
        let failed = pthread_create(&thread, nil, threadMain, argument.toOpaque())
        if failed != 0 {
            argument.release()
            return nil
        }
        return thread
    }
}

#if canImport(Darwin)
    private func threadMain(_ argument: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
        Unmanaged<Shared>.fromOpaque(argument).takeRetainedValue().work()
        return nil
    }
#else
    private func threadMain(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        if let argument { Unmanaged<Shared>.fromOpaque(argument).takeRetainedValue().work() }
        return nil
    }
#endif

/// What the threads of a pool share; it outlives the pool until the last thread has left.
///
/// A piece is claimed by taking one from `remaining`. Whoever claims a piece knows that its run has not
/// ended, so `body` and `count` are read only after a claim: a thread that wakes late either claims a piece
/// of the run that is current by then, or none.
private final class Shared: @unchecked Sendable {
    private let remaining = Atomic<Int>(0)
    private let finished = Atomic<Int>(0)
    private let sleepers = Atomic<Int>(0)
    private let callerSleeps = Atomic<Bool>(false)
    private let stopped = Atomic<Bool>(false)

    private var count = 0
    private var body: UnsafePointer<(Int) -> Void>?

    private let oneRun = Mutex<Void>(())
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let begin = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let end = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    /// Pauses before a waiting thread sleeps: some tens of microseconds.
    private static let spins = 2000

    init() {
        pthread_mutex_init(lock, nil)
        pthread_cond_init(begin, nil)
        pthread_cond_init(end, nil)
    }

    deinit {
        pthread_mutex_destroy(lock)
        pthread_cond_destroy(begin)
        pthread_cond_destroy(end)
        lock.deallocate()
        begin.deallocate()
        end.deallocate()
    }

    /// Marks the threads that are inside work: the workers always, a caller during its run.
    private static let marker: pthread_key_t = {
        var key = pthread_key_t()
        let failed = pthread_key_create(&key, nil)
        precondition(failed == 0, "no thread-local storage: error \(failed)")
        return key
    }()

    static var isWorking: Bool { pthread_getspecific(marker) != nil }

    private func markWorking(_ working: Bool) {
        pthread_setspecific(Self.marker, working ? UnsafeRawPointer(lock) : nil)
    }

    func run(_ count: Int, _ body: @escaping (Int) -> Void) {
        oneRun.withLock { _ in
            withUnsafePointer(to: body) { body in
                self.body = body
                self.count = count
                finished.store(0, ordering: .relaxed)
                remaining.store(count, ordering: .sequentiallyConsistent)
                if sleepers.load(ordering: .sequentiallyConsistent) > 0 { wake(begin) }
                markWorking(true)
                workOff()
                markWorking(false)
                awaitEnd(of: count)
            }
        }
    }

    func work() {
        markWorking(true)
        while awaitBegin() { workOff() }
    }

    func stop() {
        stopped.store(true, ordering: .sequentiallyConsistent)
        wake(begin)
    }

    /// Claims and does pieces until none is left.
    private func workOff() {
        while remaining.load(ordering: .relaxed) > 0 {
            let piece = remaining.subtract(1, ordering: .acquiringAndReleasing).oldValue
            guard piece > 0, let body else { break }
            body.pointee(count - piece)
            finishPiece()
        }
    }

    /// Counts one piece as done; the last one wakes the caller if it sleeps.
    private func finishPiece() {
        let all = count  // read before the run may end
        let done = finished.add(1, ordering: .sequentiallyConsistent).newValue
        if done == all && callerSleeps.load(ordering: .sequentiallyConsistent) { wake(end) }
    }

    private func awaitBegin() -> Bool {
        for _ in 0..<Self.spins {
            if remaining.load(ordering: .relaxed) > 0 { return true }
            if stopped.load(ordering: .relaxed) { return false }
            sl_pause()
        }
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        sleepers.add(1, ordering: .sequentiallyConsistent)
        defer { sleepers.subtract(1, ordering: .sequentiallyConsistent) }
        while remaining.load(ordering: .sequentiallyConsistent) <= 0 {
            if stopped.load(ordering: .sequentiallyConsistent) { return false }
            pthread_cond_wait(begin, lock)
        }
        return true
    }

    private func awaitEnd(of count: Int) {
        for _ in 0..<Self.spins {
            if finished.load(ordering: .acquiring) == count { return }
            sl_pause()
        }
        pthread_mutex_lock(lock)
        callerSleeps.store(true, ordering: .sequentiallyConsistent)
        while finished.load(ordering: .sequentiallyConsistent) != count { pthread_cond_wait(end, lock) }
        callerSleeps.store(false, ordering: .sequentiallyConsistent)
        pthread_mutex_unlock(lock)
    }

    private func wake(_ condition: UnsafeMutablePointer<pthread_cond_t>) {
        pthread_mutex_lock(lock)
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(lock)
    }
}
