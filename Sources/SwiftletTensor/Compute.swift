import CSwiftletKernels
import Synchronization

/// How matrix products treat their input where the weights are stored in blocks.
public enum ActivationPrecision: Hashable, Sendable {
    /// Rounded to 8 bits per number, one scale per 32: products are integers, which is fastest.
    case quantized
    /// As they are: weights are turned into floats, and products are rounded in binary32 only.
    case exact
}

/// The kernels, threads and scratch memory that one engine computes with.
///
/// Holds no model state. One forward pass at a time may use it.
package final class Compute {
    package let kernels: Kernels
    package let pool: ThreadPool
    package let activations: ActivationPrecision
    private let nextTask = Atomic<Int>(0)
    private var scratches: [UnsafeMutableBufferPointer<Float>] = []
    private var quantized = UnsafeMutableBufferPointer<sl_q8_block>(start: nil, count: 0)

    /// Starts the threads.
    ///
    /// - Parameters:
    ///   - kernels: the instruction set to use.
    ///   - threadCount: threads that share the work, at least 1.
    ///   - activations: how matrix products treat their input.
    package init(kernels: Kernels, threadCount: Int, activations: ActivationPrecision = .quantized) {
        self.kernels = kernels
        self.activations = activations
        pool = ThreadPool(threadCount: threadCount)
        reserveScratch(Kernels.attendScratch(keySize: 256, valueSize: 256))
    }

    deinit {
        for scratch in scratches { scratch.deallocate() }
        quantized.deallocate()
    }

    /// Memory for quantised activations, kept for the next product; it grows to the largest one seen.
    func quantizedBlocks(_ count: Int) -> UnsafeMutablePointer<sl_q8_block> {
        if count > quantized.count {
            quantized.deallocate()
            let raw = UnsafeMutableRawBufferPointer.allocate(
                byteCount: count * MemoryLayout<sl_q8_block>.stride, alignment: 64)
            quantized = raw.bindMemory(to: sl_q8_block.self)
        }
        return quantized.baseAddress.unsafelyUnwrapped
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
