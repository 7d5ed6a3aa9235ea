import SwiftletCache
import SwiftletModels
public import SwiftletTensor

/// What this machine and this build of Swiftlet can do, and what stands in their way.
public struct MachineReport: Sendable {
    /// Something that a person should know.
    public struct Finding: Hashable, Sendable {
        /// Whether nothing works until it is mended; else it works, worse than it could.
        public let isError: Bool
        /// One sentence: what, and what to do.
        public let message: String

        /// A finding.
        public init(isError: Bool, _ message: String) { (self.isError, self.message) = (isError, message) }
    }

    /// Kernel and machine, such as `Linux 6.8.0 x86_64`.
    public let system: String
    /// Whether this build is optimised.
    public let isOptimised: Bool
    /// The processor's name, as far as it gives one.
    public let processor: String
    /// Instruction sets that build and machine have in common, slowest first.
    public let instructionSets: [String]
    /// The one that is used; `nil` if `SWIFTLET_ISA` names none of them.
    public let instructionSet: String?
    /// Logical processors that are online, and those that the process may use.
    public let onlineProcessors: Int, allowedProcessors: Int
    /// Physical cores of the processors that may be used.
    public let cores: Int
    /// Whole processors that control groups allow; `nil` without a limit.
    public let processorQuota: Int?
    /// Threads that commands use without `-t`.
    public let threads: Int
    /// Bytes of memory: of the machine, what is available, and what control groups and the limit of the address
    /// space allow; `nil` for what is unknown or not limited.
    public let memoryBytes: Int?, availableBytes: Int?, controlGroupBytes: Int?, addressSpaceBytes: Int?
    /// Bytes of a page of memory.
    public let pageBytes: Int
    /// `always`, `madvise` or `never`; `nil` where the system has none.
    public let transparentHugePages: String?
    /// Reserved huge pages.
    public let reservedHugePages: Int
    /// Bytes per second that one thread and all threads read from memory; `nil` if it was not measured.
    public let readBandwidthOfOneThread: Double?, readBandwidth: Double?
    /// What is wrong or slower than it could be.
    public private(set) var findings: [Finding]

    /// Number formats of weights that are computed with.
    public static var formats: [String] { NumberFormat.allCases.filter { $0.kernel != nil }.map(\.rawValue) }
    /// Those that can be written, too.
    public static var writableFormats: [String] { Quantization.formats.map(\.rawValue) }
    /// Number formats of the cache.
    public static var cacheFormats: [String] { KVFormat.supported.map(\.rawValue) }
    /// Names of architectures in `config.json` and GGUF files.
    public static var architectures: [String] { ModelRegistry.names.split(separator: ", ").map(String.init) }

    /// Looks around.
    ///
    /// - Parameter measures: whether to measure how fast memory is read, for a third of a second.
    public init(measures: Bool = true) {
        let counts = ProcessorCounts.current
        var findings: [Finding] = []
        system = Self.systemName
        isOptimised = Self.isReleaseBuild
        processor = Self.processorName
        instructionSets = Kernels.available.map(\.name)
        do {
            instructionSet = try Kernels.selected().name
        } catch {
            instructionSet = nil
            findings.append(Finding(isError: true, error.message))
        }
        (onlineProcessors, allowedProcessors) = (counts.online, counts.allowed)
        (cores, processorQuota) = (counts.cores, counts.quota)
        threads = ThreadPool.defaultThreadCount
        memoryBytes = MemoryProbe.totalBytes
        availableBytes = MemoryProbe.availableBytes
        controlGroupBytes = MemoryProbe.controlGroupLimit
        addressSpaceBytes = MemoryProbe.addressSpaceLimit.map { Int(clamping: $0) }
        pageBytes = Self.pageSize
        transparentHugePages = Self.hugePages
        reservedHugePages =
            MemoryProbe.read("/proc/meminfo").flatMap { MemoryProbe.field("HugePages_Total:", of: $0) } ?? 0
        var bandwidth: (one: Double, all: Double)?
        if measures, instructionSet != nil {
            var effort = Ceiling.Effort()
            (effort.byteCount, effort.seconds) = (128 << 20, 0.15)
            do {
                bandwidth = try Ceiling.readBandwidth(effort: effort)
            } catch {
                findings.append(Finding(isError: false, error.message))
            }
        }
        (readBandwidthOfOneThread, readBandwidth) = (bandwidth?.one, bandwidth?.all)
        self.findings = findings
        self.findings.append(contentsOf: judgements())
    }
}
