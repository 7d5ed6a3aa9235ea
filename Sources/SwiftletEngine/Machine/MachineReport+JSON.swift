public import SwiftletFormats

extension MachineReport {
    /// Writes members of an object; the findings are left to whoever may have more of them.
    public func write(to json: inout JSONWriter) {
        json.member("version", Release.version)
        json.member("build", isOptimised ? "release" : "debug")
        json.member("system", system)
        json.key("processor")
        json.object { json in
            json.member("name", processor)
            json.key("instruction_sets")
            json.strings(instructionSets)
            json.optional("instruction_set", instructionSet)
            json.member("online", onlineProcessors)
            json.member("allowed", allowedProcessors)
            json.member("cores", cores)
            json.optional("quota", processorQuota)
            json.member("threads", threads)
        }
        json.key("memory")
        json.object { json in
            json.optional("total_bytes", memoryBytes)
            json.optional("available_bytes", availableBytes)
            json.optional("cgroup_limit_bytes", controlGroupBytes)
            json.optional("address_space_limit_bytes", addressSpaceBytes)
            json.member("page_bytes", pageBytes)
            json.optional("transparent_huge_pages", transparentHugePages)
            json.member("reserved_huge_pages", reservedHugePages)
            json.optional("read_bytes_per_second_one_thread", readBandwidthOfOneThread.map { Int($0) })
            json.optional("read_bytes_per_second", readBandwidth.map { Int($0) })
        }
        json.key("formats")
        json.object { json in
            json.key("weights")
            json.strings(Self.formats)
            json.key("writable")
            json.strings(Self.writableFormats)
            json.key("cache")
            json.strings(Self.cacheFormats)
        }
        json.key("architectures")
        json.strings(Self.architectures)
    }
}

extension JSONWriter {
    fileprivate mutating func strings(_ texts: [String]) {
        array { json in for text in texts { json.value(text) } }
    }

    fileprivate mutating func optional(_ name: String, _ text: String?) {
        key(name)
        if let text { value(text) } else { null() }
    }

    fileprivate mutating func optional(_ name: String, _ number: Int?) {
        key(name)
        if let number { value(number) } else { null() }
    }
}
