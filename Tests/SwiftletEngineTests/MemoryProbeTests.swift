import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletEngine

@Suite struct MemoryProbeTests {
    private static func available(_ files: [String: String], limit: UInt64? = nil) -> Int? {
        MemoryProbe.availableBytes(
            reading: { files[$0] }, addressSpaceLimit: limit, pageSize: 4_096)
    }

    @Test("a system that says nothing")
    func silent() {
        #expect(Self.available([:]) == nil)
        #expect(Self.available(["/proc/meminfo": "MemTotal: 5 kB\n"]) == nil)
        #expect(Self.available(["/proc/meminfo": "MemAvailable: lots\n"]) == nil)
    }

    @Test("the machine's memory, in kibibytes")
    func machine() {
        let text = "MemTotal:       16 kB\nMemAvailable:       12 kB\nSwapFree: 1 kB\n"
        #expect(Self.available(["/proc/meminfo": text]) == 12 << 10)
        #expect(Self.available(["/proc/meminfo": "MemAvailable: 9223372036854775807 kB"]) == .max)
    }

    @Test("a limit of the address space counts what is mapped")
    func addressSpace() {
        #expect(Self.available(["/proc/self/statm": "10 5 3 1 0 2 0\n"], limit: 100_000) == 100_000 - 40_960)
        #expect(Self.available(["/proc/self/statm": "1000 5"], limit: 100_000) == 0)
        #expect(Self.available([:], limit: 7) == 7)
    }

    @Test("a control group in a container; cached files count as free")
    func container() {
        var files = ["/sys/fs/cgroup/memory.max": "1000\n", "/sys/fs/cgroup/memory.current": "900\n"]
        #expect(Self.available(files) == 100)
        files["/sys/fs/cgroup/memory.stat"] = "anon 250\nfile 650\ninactive_file 600\nactive_file 50\n"
        #expect(Self.available(files) == 750)
        files["/sys/fs/cgroup/memory.stat"] = "inactive_file 9223372036854775807\nactive_file 1\n"
        #expect(Self.available(files) == 1_000)
        files["/sys/fs/cgroup/memory.max"] = "max\n"
        #expect(Self.available(files) == nil)
    }

    @Test("the tightest of the groups around a process decides")
    func nested() {
        let base = "/sys/fs/cgroup"
        let files = [
            "/proc/self/cgroup": "0::/user.slice/app.scope\n",
            "\(base)/user.slice/app.scope/memory.max": "max",
            "\(base)/user.slice/app.scope/memory.current": "5",
            "\(base)/user.slice/memory.max": "800", "\(base)/user.slice/memory.current": "300",
            "/proc/meminfo": "MemAvailable: 1 kB",
        ]
        #expect(Self.available(files) == 500)
    }

    @Test("version 1 groups")
    func versionOne() {
        let base = "/sys/fs/cgroup/memory/docker/x"
        let files = [
            "/proc/self/cgroup": "5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\nnonsense\n",
            "\(base)/memory.limit_in_bytes": "70", "\(base)/memory.usage_in_bytes": "90",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes": "100",
        ]
        #expect(Self.available(files) == 0)
    }

    @Test("this machine has memory left, and this process uses some")
    func here() {
        #if os(Linux)
            #expect((MemoryProbe.availableBytes ?? 0) > 0)
        #endif
        #expect(MemoryProbe.peakResidentBytes > 1 << 20)
    }

    @Test("what does not fit is refused with both numbers")
    func refusal() throws {
        try MemoryProbe.check(need: 5, available: 5, purpose: "a test")
        try MemoryProbe.check(need: .max, available: nil, purpose: "a test")
        try MemoryProbe.check(need: -5, available: 0, purpose: "a test")
        expectError(.limit, "a test", "needs 3 MiB", "2 MiB are free", "-c") {
            try MemoryProbe.check(need: 3 << 20, available: 2 << 20, purpose: "a test")
        }
    }
}
