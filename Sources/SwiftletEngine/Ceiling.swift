import SwiftletModels
public import SwiftletTensor

/// What a machine can do at best with Swiftlet's own kernels and threads: how fast memory is read, and how fast
/// matrices that lie in the processor's cache are multiplied.
///
/// Decoding is bound by the first, since every weight is read for every token; prompts are bound by the second.
public struct Ceiling: Hashable, Sendable {
    /// Name of the instruction set.
    public let instructionSet: String
    /// Threads of the rates that do not say otherwise.
    public let threadCount: Int
    /// Bytes per second that one thread reads from memory.
    public let readBandwidthOfOneThread: Double
    /// Bytes per second that all threads read from memory.
    public let readBandwidth: Double
    /// Multiplications and additions per second of a product with f32 weights.
    public let floatProductRate: Double
    /// Multiplications and additions per second of a product with Q8_0 weights.
    public let blockProductRate: Double

    /// How long and on how much memory to measure.
    public struct Effort: Hashable, Sendable {
        /// Bytes to read; many times the processor's caches.
        public var byteCount = 256 << 20
        /// Seconds for each of the four rates; the best pass counts.
        public var seconds = 0.5

        /// Half a second for each rate, on 256 MiB.
        public init() {}
    }

    /// Measures this machine; takes two to three seconds.
    ///
    /// - Parameters:
    ///   - threadCount: `nil` is one per physical core.
    ///   - progress: called after each of the four rates with their number; answers whether to go on.
    /// - Returns: `nil` if `progress` ended it.
    /// - Throws: `.invalidArgument` for a wrong `SWIFTLET_ISA` or number of threads, `.limit` without memory.
    public static func measure(
        threadCount: Int? = nil, effort: Effort = Effort(), progress: (_ done: Int) -> Bool = { _ in true }
    ) throws(SwiftletError) -> Ceiling? {
        let threads = threadCount ?? ThreadPool.defaultThreadCount
        guard (1...1_024).contains(threads) else {
            throw SwiftletError(
                .invalidArgument, "the number of threads (-t) is \(threads); expected 1 to 1024")
        }
        try MemoryProbe.check(
            need: effort.byteCount, available: MemoryProbe.availableBytes,
            purpose: "measuring memory bandwidth")
        let kernels = try Kernels.selected()
        let compute = Compute(kernels: kernels, threadCount: threads)
        let single = Compute(kernels: kernels, threadCount: 1)
        let memory = MemoryReader(byteCount: effort.byteCount, touchedBy: compute)
        let one = memory.bandwidth(single, seconds: effort.seconds)
        guard progress(1) else { return nil }
        let all = compute.pool.threadCount == 1 ? one : memory.bandwidth(compute, seconds: effort.seconds)
        guard progress(2) else { return nil }
        let float = productRate(.f32, compute, seconds: effort.seconds)
        guard progress(3) else { return nil }
        let block = productRate(.q8_0, compute, seconds: effort.seconds)
        guard progress(4) else { return nil }
        return Ceiling(
            instructionSet: kernels.name, threadCount: compute.pool.threadCount,
            readBandwidthOfOneThread: one, readBandwidth: all, floatProductRate: float,
            blockProductRate: block)
    }

    /// Measures the two rates of memory alone.
    ///
    /// - Throws: as ``measure(threadCount:effort:progress:)``.
    static func readBandwidth(
        threadCount: Int? = nil, effort: Effort
    ) throws(SwiftletError) -> (one: Double, all: Double) {
        try MemoryProbe.check(
            need: effort.byteCount, available: MemoryProbe.availableBytes,
            purpose: "measuring memory bandwidth")
        let kernels = try Kernels.selected()
        let compute = Compute(kernels: kernels, threadCount: threadCount ?? ThreadPool.defaultThreadCount)
        let memory = MemoryReader(byteCount: effort.byteCount, touchedBy: compute)
        let one = memory.bandwidth(Compute(kernels: kernels, threadCount: 1), seconds: effort.seconds)
        guard compute.pool.threadCount > 1 else { return (one, one) }
        return (one, memory.bandwidth(compute, seconds: effort.seconds))
    }

    /// The rate of a product whose operands stay in the processor's cache: 128 tokens, 512 × 1024 weights.
    private static func productRate(_ format: NumberFormat, _ compute: Compute, seconds: Double) -> Double {
        let (rows, columns, tokens) = (512, 1_024, 128)
        var numbers = [Float](repeating: 0, count: rows * columns)
        var random = RandomWeights(seed: 1, stream: 0)
        numbers.withUnsafeMutableBufferPointer { random.fill($0, deviation: 1) }
        guard let kernel = format.kernel, let size = format.byteCount(of: numbers.count) else { return 0 }
        var stored = [UInt8](repeating: 0, count: size)
        let isWritten = stored.withUnsafeMutableBytes { bytes in
            bytes.baseAddress.map {
                compute.kernels.quantize(kernel, numbers, into: $0, count: numbers.count)
            } ?? false
        }
        guard isWritten else { return 0 }
        let matrix = Matrix(Tensor(shape: [rows, columns], format: format, copying: stored))
        compute.reserveScratch(Kernels.matmulScratch(columns: columns))
        let workspace = Workspace()
        let x = workspace.take(tokens, columns), y = workspace.take(tokens, rows)
        x.data.update(from: numbers, count: tokens * columns)
        let best = Stopwatch.best(seconds: seconds) { compute.linear(matrix, x, into: y) }
        return 2 * Double(rows * columns * tokens) / best
    }
}

/// Memory far larger than the processor's caches, and how fast kernels read it.
private final class MemoryReader {
    private static let columns = 4_096, rowsPerTask = 64
    private let numbers: UnsafeMutableBufferPointer<Float>
    private let x = [Float](repeating: 1, count: columns)
    private let sums: UnsafeMutableBufferPointer<Float>
    private let taskCount: Int

    init(byteCount: Int, touchedBy compute: Compute) {
        let taskSize = Self.columns * Self.rowsPerTask
        let taskCount = max(byteCount / (taskSize * MemoryLayout<Float>.stride), 1)
        let raw = UnsafeMutableRawBufferPointer.allocate(
            byteCount: taskCount * taskSize * MemoryLayout<Float>.stride, alignment: 64)
        let numbers = raw.bindMemory(to: Float.self)
        self.numbers = numbers
        self.taskCount = taskCount
        sums = .allocate(capacity: taskCount * Self.rowsPerTask)
        sums.initialize(repeating: 0)
        compute.run(taskCount) { task, _ in
            UnsafeMutableBufferPointer(rebasing: numbers[task * taskSize..<(task + 1) * taskSize])
                .initialize(repeating: 1)
        }
    }

    deinit {
        numbers.deallocate()
        sums.deallocate()
    }

    /// Bytes per second of the best pass.
    func bandwidth(_ compute: Compute, seconds: Double) -> Double {
        let taskSize = Self.columns * Self.rowsPerTask
        let best = Stopwatch.best(seconds: seconds) {
            compute.run(taskCount) { task, _ in
                guard let kernel = NumberFormat.f32.kernel, let w = numbers.baseAddress,
                    let y = sums.baseAddress
                else { return }
                compute.kernels.matvec(
                    kernel, w + task * taskSize, rows: Self.rowsPerTask, columns: Self.columns, x,
                    into: y + task * Self.rowsPerTask)
            }
        }
        return Double(numbers.count * MemoryLayout<Float>.stride) / best
    }
}

/// Times passes of some work.
private enum Stopwatch {
    /// Seconds of the fastest of at least three passes that take `seconds` together; the first one only warms up.
    static func best(seconds: Double, _ pass: () -> Void) -> Double {
        pass()
        let clock = ContinuousClock()
        let start = clock.now
        var best = Double.infinity
        var count = 0
        while count < 3 || (clock.now - start).seconds < seconds {
            let time = clock.measure(pass).seconds
            best = min(best, max(time, 1e-9))
            count += 1
        }
        return best
    }
}
