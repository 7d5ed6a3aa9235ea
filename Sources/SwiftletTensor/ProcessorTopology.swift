#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

extension ThreadPool {
    /// Physical cores that this process may use: those of its affinity mask, at most its cgroup's CPU quota.
    ///
    /// Two hardware threads of one core share its vector units, so a second thread there gains little.
    package static let defaultThreadCount: Int = {
        let processors = ProcessorCounts.current
        return max(1, min(processors.cores, processors.quota ?? processors.cores))
    }()
}

/// How many processors this process may use, and why not more.
package struct ProcessorCounts: Hashable, Sendable {
    /// Logical processors that are online.
    package let online: Int
    /// Those of them in the process's affinity mask.
    package let allowed: Int
    /// Physical cores that those belong to.
    package let cores: Int
    /// Whole processors that the CPU quota of the process's control groups amounts to; `nil` without one.
    package let quota: Int?

    /// What the system says now.
    package static var current: ProcessorCounts {
        let online = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        #if os(Linux)
            let allowed = allowedProcessors()
            return ProcessorCounts(
                online: online, allowed: allowed.count, cores: physicalCores(of: allowed),
                quota: cgroupProcessorLimit())
        #else
            return ProcessorCounts(online: online, allowed: online, cores: online, quota: nil)
        #endif
    }
}

#if os(Linux)
    /// The logical processors of the affinity mask, or all that are online if it cannot be read.
    private func allowedProcessors() -> [Int] {
        let key = "Cpus_allowed_list:"
        let lines = (smallFile("/proc/self/status") ?? "").split(separator: "\n")
        let list = lines.first { $0.hasPrefix(key) }?.dropFirst(key.count) ?? ""
        let allowed = processors(inList: list)
        return allowed.isEmpty ? Array(0..<max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))) : allowed
    }

    /// The numbers of a list such as `0-3,8`; empty if it is malformed.
    func processors(inList list: some StringProtocol) -> [Int] {
        var numbers: [Int] = []
        for range in list.split(whereSeparator: { $0 == "," || $0.isWhitespace }) {
            let bounds = range.split(separator: "-").map { Int($0) }
            guard let first = bounds.first ?? nil, let last = bounds.last ?? nil, bounds.count <= 2,
                0 <= first, first <= last, last < 1 << 16
            else { return [] }
            numbers += first...last
        }
        return numbers
    }

    /// How many cores the processors belong to; a processor of unknown siblings counts as a core.
    private func physicalCores(of processors: [Int]) -> Int {
        let cores = processors.map { processor in
            let siblings = "/sys/devices/system/cpu/cpu\(processor)/topology/thread_siblings_list"
            return smallFile(siblings) ?? "\(processor)"
        }
        return Set(cores).count
    }

    /// The tightest CPU quota of this process's control groups, rounded up to whole processors.
    private func cgroupProcessorLimit() -> Int? {
        var limits: [Int] = []
        for line in (smallFile("/proc/self/cgroup") ?? "").split(separator: "\n") {
            // "hierarchy:controllers:path"; version 2 is hierarchy 0 without controllers
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            var path = fields[2]
            while true {
                if fields[0] == "0" {
                    limits += limit(unified: "/sys/fs/cgroup\(path)/cpu.max")
                } else if fields[1].split(separator: ",").contains("cpu") {
                    limits += limit(legacy: "/sys/fs/cgroup/cpu\(path)")
                }
                guard let slash = path.lastIndex(of: "/") else { break }
                path = path[..<slash]
            }
        }
        return limits.min()
    }

    /// The limit of a version 2 group: "quota period" or "max period".
    private func limit(unified file: String) -> [Int] {
        let fields = (smallFile(file) ?? "").split { $0 == " " || $0 == "\n" }
        guard fields.count == 2 else { return [] }
        return processors(quota: Int(fields[0]), period: Int(fields[1]))
    }

    /// The limit of a version 1 group; a quota of −1 is none.
    private func limit(legacy folder: String) -> [Int] {
        func number(_ name: String) -> Int? {
            smallFile("\(folder)/\(name)")?.split(separator: "\n").first.flatMap { Int($0) }
        }
        return processors(quota: number("cpu.cfs_quota_us"), period: number("cpu.cfs_period_us"))
    }

    private func processors(quota: Int?, period: Int?) -> [Int] {
        guard let quota, let period, quota > 0, period > 0 else { return [] }
        return [(quota - 1) / period + 1]
    }

    /// The first 16 KiB of a file of the kernel, which cannot be mapped.
    private func smallFile(_ path: String) -> String? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        return withUnsafeTemporaryAllocation(byteCount: 1 << 14, alignment: 1) { buffer in
            let count = read(file, buffer.baseAddress, buffer.count)
            return count >= 0 ? String(decoding: buffer.prefix(count), as: UTF8.self) : nil
        }
    }
#endif
