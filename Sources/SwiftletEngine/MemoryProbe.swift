import SwiftletTensor

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// What the system says about memory.
public enum MemoryProbe {
    /// The most memory that this process ever had resident, in bytes.
    public static var peakResidentBytes: Int {
        var usage = rusage()
        #if canImport(Glibc)
            let status = getrusage(__rusage_who_t(Int32(RUSAGE_SELF.rawValue)), &usage)
        #else
            let status = getrusage(RUSAGE_SELF, &usage)
        #endif
        #if canImport(Darwin)
            let unit = 1
        #else
            let unit = 1_024
        #endif
        return status == 0 ? Int(usage.ru_maxrss) * unit : 0
    }

    /// Bytes that can still be used without swapping, or `nil` where the system does not say.
    ///
    /// The least of the machine's available memory and what the control groups and the limit of the address
    /// space leave. What only caches files counts as available.
    public static var availableBytes: Int? {
        availableBytes(reading: read, addressSpaceLimit: addressSpaceLimit, pageSize: Int(getpagesize()))
    }

    /// As ``availableBytes``, for any system.
    ///
    /// - Parameters:
    ///   - reading: the text of a file of the system, or `nil` if there is none.
    ///   - addressSpaceLimit: bytes that the process may map, or `nil` without limit.
    ///   - pageSize: the unit of `/proc/self/statm`.
    static func availableBytes(
        reading: (String) -> String?, addressSpaceLimit: UInt64?, pageSize: Int
    ) -> Int? {
        var found = controlGroups(reading).map { max($0.limit - $0.used, 0) }
        if let machine = reading("/proc/meminfo").flatMap({ field("MemAvailable:", of: $0) }) {
            found.append(clamped(machine, times: 1_024))
        }
        if let limit = addressSpaceLimit {
            let mapped = reading("/proc/self/statm").flatMap { firstNumber($0) } ?? 0
            found.append(max(Int(clamping: limit) - clamped(mapped, times: pageSize), 0))
        }
        return found.min()
    }

    /// Refuses what cannot fit.
    ///
    /// - Throws: `.limit` naming both numbers.
    static func check(need bytes: Int, available: Int?, purpose: String) throws(SwiftletError) {
        guard let available, bytes > available else { return }
        throw SwiftletError(
            .limit,
            "there is not enough memory for \(purpose): it needs \(bytes >> 20) MiB, \(available >> 20) MiB are "
                + "free; use a shorter context (-c) or prompt, or a smaller model")
    }

    /// Bytes of the machine's memory, or `nil` where the system does not say.
    static var totalBytes: Int? {
        read("/proc/meminfo").flatMap { field("MemTotal:", of: $0) }.map { clamped($0, times: 1_024) }
    }

    /// Bytes that the tightest control group allows, or `nil` without a limit.
    static var controlGroupLimit: Int? { controlGroups(read).map(\.limit).filter { $0 < 1 << 60 }.min() }

    /// What each control group around this process allows and uses, version 2 and 1.
    private static func controlGroups(_ reading: (String) -> String?) -> [(limit: Int, used: Int)] {
        var found: [(limit: Int, used: Int)] = []
        for line in (reading("/proc/self/cgroup") ?? "0::/").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let isUnified = parts[1].isEmpty
            guard isUnified || parts[1].split(separator: ",").contains("memory") else { continue }
            let root = isUnified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory"
            let (limit, usage) =
                isUnified
                ? ("memory.max", "memory.current")
                : ("memory.limit_in_bytes", "memory.usage_in_bytes")
            var path = parts[2]
            while true {
                let folder = root + (path == "/" ? "" : String(path)) + "/"
                if let limit = reading(folder + limit).flatMap({ firstNumber($0) }),
                    let usage = reading(folder + usage).flatMap({ firstNumber($0) })
                {
                    found.append((limit, max(usage - fileBytes(reading(folder + "memory.stat") ?? ""), 0)))
                }
                guard let slash = path.lastIndex(of: "/"), path != "/" else { break }
                path = slash == path.startIndex ? "/" : path[..<slash]
            }
        }
        return found
    }

    /// Bytes that a control group uses for files, which it gives back when they are needed.
    private static func fileBytes(_ statistics: String) -> Int {
        ["inactive_file ", "active_file "].reduce(0) { sum, name in
            let bytes = max(field(name, of: statistics) ?? 0, 0)
            return sum.addingReportingOverflow(bytes).overflow ? .max : sum + bytes
        }
    }

    /// The number behind a name at the start of a line.
    static func field(_ name: String, of text: String) -> Int? {
        text.split(separator: "\n").first { $0.hasPrefix(name) }.flatMap {
            firstNumber($0.dropFirst(name.count))
        }
    }

    /// The number at the start of a text, 0 or more.
    private static func firstNumber(_ text: some StringProtocol) -> Int? {
        text.split(whereSeparator: \.isWhitespace).first.flatMap { Int($0) }.flatMap { $0 < 0 ? nil : $0 }
    }

    private static func clamped(_ number: Int, times unit: Int) -> Int {
        let (bytes, overflow) = number.multipliedReportingOverflow(by: unit)
        return overflow ? .max : bytes
    }

    /// Bytes that the process may map, or `nil` without a limit.
    static var addressSpaceLimit: UInt64? {
        var limit = rlimit()
        #if canImport(Glibc)
            guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0 else { return nil }
        #else
            guard getrlimit(RLIMIT_AS, &limit) == 0 else { return nil }
        #endif
        return limit.rlim_cur < 1 << 48 ? UInt64(limit.rlim_cur) : nil
    }

    /// A small file of the system; those report no size, so they cannot be mapped.
    static func read(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1 << 14)
        let count = bytes.withUnsafeMutableBytes { readBytes(descriptor, $0) }
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }

    private static func readBytes(_ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer) -> Int {
        #if canImport(Glibc)
            Glibc.read(descriptor, buffer.baseAddress, buffer.count)
        #elseif canImport(Musl)
            Musl.read(descriptor, buffer.baseAddress, buffer.count)
        #else
            Darwin.read(descriptor, buffer.baseAddress, buffer.count)
        #endif
    }
}
