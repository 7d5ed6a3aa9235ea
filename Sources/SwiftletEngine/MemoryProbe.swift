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
    /// The least of the machine's available memory and what the control group and resource limits leave.
    public static var availableBytes: Int? {
        [machineBytes, controlGroupBytes, addressSpaceBytes].compactMap { $0 }.min()
    }

    /// Refuses what cannot fit.
    ///
    /// - Throws: `.limit` naming both numbers.
    static func check(need bytes: Int, purpose: String) throws(SwiftletError) {
        guard let available = availableBytes, bytes > available else { return }
        throw SwiftletError(
            .limit,
            "there is not enough memory for \(purpose): it needs \(bytes >> 20) MiB, \(available >> 20) MiB are "
                + "free; use a shorter context (-c) or prompt, or a smaller model")
    }

    private static var machineBytes: Int? {
        guard let text = read("/proc/meminfo") else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix("MemAvailable:") {
            return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 1_024 }
        }
        return nil
    }

    private static var controlGroupBytes: Int? {
        guard let limit = number("/sys/fs/cgroup/memory.max"),
            let used = number("/sys/fs/cgroup/memory.current")
        else { return nil }
        return max(limit - used, 0)
    }

    private static var addressSpaceBytes: Int? {
        var limit = rlimit()
        #if canImport(Glibc)
            guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0 else { return nil }
        #else
            guard getrlimit(RLIMIT_AS, &limit) == 0 else { return nil }
        #endif
        return limit.rlim_cur < 1 << 48 ? Int(limit.rlim_cur) : nil
    }

    private static func number(_ path: String) -> Int? {
        read(path).flatMap { Int($0.split(whereSeparator: \.isWhitespace).first ?? "") }
    }

    /// A small file of the system; those report no size, so they cannot be mapped.
    private static func read(_ path: String) -> String? {
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
