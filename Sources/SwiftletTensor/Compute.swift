import Synchronization

/// The kernels, threads and scratch memory that one engine computes with.
///
/// Holds no model state. One forward pass at a time may use it.
package final class Compute {
    package let kernels: Kernels
    package let pool: ThreadPool
    private let nextTask = Atomic<Int>(0)
    private var scratches: [UnsafeMutableBufferPointer<Float>] = []

    /// Starts the threads.
    ///
    /// - Parameters:
    ///   - kernels: the instruction set to use.
    ///   - threadCount: threads that share the work, at least 1.
    package init(kernels: Kernels, threadCount: Int) {
        self.kernels = kernels
        pool = ThreadPool(threadCount: threadCount)
        reserveScratch(Kernels.attendScratch(keySize: 256, valueSize: 256))
    }

    deinit {
        for scratch in scratches { scratch.deallocate() }
    }

    /// Makes every thread's scratch memory at least `floats` long; called when a model is loaded.
    package func reserveScratch(_ floats: Int) {
        guard floats > scratches.first?.count ?? 0 else { return }
        for scratch in scratches { scratch.deallocate() }
        scratches = (0..<pool.threadCount).map { _ in
            UnsafeMutableRawBufferPointer.allocate(
                byteCount: floats * MemoryLayout<Float>.stride, alignment: 64
            )
            .bindMemory(to: Float.self)
        }
    }

    /// The scratch memory of one thread.
    package func scratch(_ thread: Int) -> UnsafeMutablePointer<Float> {
        scratches[thread].baseAddress.unsafelyUnwrapped
    }

    /// Runs `count` tasks on all threads; each gets its index and its thread's scratch memory.
    package func run(_ count: Int, _ body: (_ task: Int, _ scratch: UnsafeMutablePointer<Float>) -> Void) {
        let lanes = min(count, pool.threadCount)
        if lanes <= 1 {
            for task in 0..<count { body(task, scratch(0)) }
            return
        }
        nextTask.store(0, ordering: .relaxed)
        pool.run(lanes) { lane in
            while true {
                let task = nextTask.add(1, ordering: .relaxed).oldValue
                guard task < count else { return }
                body(task, scratch(lane))
            }
        }
    }
}
