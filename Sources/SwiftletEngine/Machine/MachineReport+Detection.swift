import SwiftletTensor

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

extension MachineReport {
    static var isReleaseBuild: Bool {
        #if DEBUG
            false
        #else
            true
        #endif
    }

    static var pageSize: Int { Int(getpagesize()) }

    static var systemName: String {
        var names = utsname()
        guard uname(&names) == 0 else { return "unknown" }
        return [text(names.sysname), text(names.release), text(names.machine)].joined(separator: " ")
    }

    /// The text in one of the fixed arrays of C.
    private static func text<Characters>(_ characters: Characters) -> String {
        withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    static var processorName: String {
        let lines = MemoryProbe.read("/proc/cpuinfo")?.split(separator: "\n") ?? []
        for key in ["model name", "Hardware", "cpu model", "CPU implementer"] {
            guard let line = lines.first(where: { $0.hasPrefix(key) }), let colon = line.firstIndex(of: ":")
            else {
                continue
            }
            let words = line[line.index(after: colon)...].split(separator: " ")
            if !words.isEmpty { return words.joined(separator: " ") }
        }
        return "unknown"
    }

    /// The word in brackets of `always [madvise] never`.
    static var hugePages: String? {
        guard let text = MemoryProbe.read("/sys/kernel/mm/transparent_hugepage/enabled"),
            let open = text.firstIndex(of: "["), let close = text[open...].firstIndex(of: "]")
        else { return nil }
        return String(text[text.index(after: open)..<close])
    }

    /// What the figures mean for whoever runs a model.
    func judgements() -> [Finding] {
        var findings: [Finding] = []
        func warn(_ message: String) { findings.append(Finding(isError: false, message)) }
        if !isOptimised {
            warn("this is a debug build, many times slower than `swift build -c release`")
        }
        if let instructionSet, let best = instructionSets.last, best != instructionSet {
            warn(
                "SWIFTLET_ISA chooses \(instructionSet), though \(best) is there; unset it for the best speed"
            )
        }
        if let best = instructionSets.last, best == "scalar" {
            warn("no vector instructions of this processor are used; models run, slowly")
        }
        if let processorQuota, processorQuota < cores {
            warn("control groups allow \(processorQuota) of \(cores) cores, and so many threads are used")
        }
        if allowedProcessors < onlineProcessors {
            warn(
                "the process may use \(allowedProcessors) of \(onlineProcessors) processors (taskset, cpuset)"
            )
        }
        if let availableBytes, availableBytes < 1 << 30 {
            warn("only \(availableBytes >> 20) MiB of memory are available; `swiftlet plan` says what fits")
        }
        if let addressSpaceBytes {
            warn(
                "the address space is limited to \(addressSpaceBytes >> 20) MiB (ulimit -v), which bounds the size of "
                    + "models, since files are mapped")
        }
        return findings
    }
}
