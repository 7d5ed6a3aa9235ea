import ArgumentParser
import Foundation
import SwiftletEngine
import SwiftletFormats
import SwiftletHub
import SwiftletTensor

struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say what this machine and this build support, and what stands in the way.",
        discussion: """
            Exit status 0 if everything works, warnings included; 1 if something has to be mended.

              swiftlet doctor
              swiftlet doctor --json
            """)

    @Flag(name: .customLong("json"), help: "Print one JSON object.") var isJSON = false

    func run() throws {
        let machine = MachineReport()
        let storage = StorageReport(environment: ProcessInfo.processInfo.environment)
        let findings = machine.findings + storage.findings
        try Console.write(isJSON ? json(machine, storage, findings) : text(machine, storage, findings))
        if findings.contains(where: \.isError) { throw ExitCode(1) }
    }

    private func json(
        _ machine: MachineReport, _ storage: StorageReport, _ findings: [MachineReport.Finding]
    ) -> String {
        var writer = JSONWriter(indent: 2)
        writer.object { json in
            machine.write(to: &json)
            storage.write(to: &json)
            json.key("findings")
            json.array { json in
                for finding in findings {
                    json.object { json in
                        json.member("level", finding.isError ? "error" : "warning")
                        json.member("message", finding.message)
                    }
                }
            }
            json.member("ok", !findings.contains(where: \.isError))
        }
        return writer.text + "\n"
    }

    private func text(
        _ machine: MachineReport, _ storage: StorageReport, _ findings: [MachineReport.Finding]
    ) -> String {
        var lines = (machineLines(machine) + storage.lines).map { pad($0.0, 18) + $0.1 }
        lines.append("")
        for finding in findings {
            lines.append("\(finding.isError ? "error" : "warning"): \(finding.message)")
        }
        if findings.isEmpty { lines.append("all is well") }
        return lines.joined(separator: "\n") + "\n"
    }

    private func machineLines(_ m: MachineReport) -> [(String, String)] {
        var lines = [
            ("version", "\(Release.version), \(m.isOptimised ? "release" : "debug") build"),
            ("system", m.system), ("processor", m.processor),
            (
                "instructions",
                m.instructionSets.map { $0 == m.instructionSet ? "[\($0)]" : $0 }.joined(separator: " ")
            ),
            (
                "processors",
                "\(m.onlineProcessors) online, \(m.allowedProcessors) allowed, \(m.cores) cores"
                    + (m.processorQuota.map { ", quota \($0)" } ?? "")
            ),
            ("threads", "\(m.threads)"),
            (
                "memory",
                [
                    m.memoryBytes.map { formatBytes($0) },
                    m.availableBytes.map { "\(formatBytes($0)) available" },
                ]
                .compactMap { $0 }.joined(separator: ", ")
            ),
        ]
        if let limit = m.controlGroupBytes {
            lines.append(("memory limit", "\(formatBytes(limit)) (control group)"))
        }
        if let limit = m.addressSpaceBytes { lines.append(("address space", formatBytes(limit))) }
        lines.append(
            (
                "pages",
                "\(formatBytes(m.pageBytes)); huge pages: \(m.transparentHugePages ?? "none")"
                    + (m.reservedHugePages > 0 ? ", \(m.reservedHugePages) reserved" : "")
            ))
        if let one = m.readBandwidthOfOneThread, let all = m.readBandwidth {
            let (one, all) = (formatNumber(one / 1e9, 1), formatNumber(all / 1e9, 1))
            lines.append(("memory speed", "\(all) GB/s read by \(m.threads) threads, \(one) GB/s by one"))
        }
        lines.append(("weights", MachineReport.formats.joined(separator: " ")))
        lines.append(("written", MachineReport.writableFormats.joined(separator: " ")))
        lines.append(("cache formats", MachineReport.cacheFormats.joined(separator: " ")))
        lines += Self.wrapped("architectures", MachineReport.architectures)
        return lines
    }

    /// A list over several lines.
    private static func wrapped(_ name: String, _ words: [String]) -> [(String, String)] {
        var lines: [String] = [""]
        for word in words {
            if lines[lines.count - 1].count + word.count > 90 { lines.append("") }
            lines[lines.count - 1] += lines[lines.count - 1].isEmpty ? word : " " + word
        }
        return lines.enumerated().map { ($0.offset == 0 ? name : "", $0.element) }
    }
}

/// The folder of models, and the variables that say where things are.
private struct StorageReport {
    private(set) var findings: [MachineReport.Finding] = []
    private var cachePath: String?
    private var exists = false
    private var isWritable = false
    private var freeBytes: Int?
    private var repositoryCount = 0
    private var modelBytes = 0
    private var endpoint: String?
    private var hasToken = false
    private var isOffline = false
    private var variables: [(name: String, value: String)] = []

    /// Names of variables that Swiftlet reads.
    private static let names = [
        "SWIFTLET_ISA", "SWIFTLET_CONFIG", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE",
        "XDG_CACHE_HOME",
        "HF_ENDPOINT", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE",
        "TRANSFORMERS_OFFLINE", "HF_HUB_DOWNLOAD_TIMEOUT", "TMPDIR",
    ]

    init(environment: [String: String]) {
        variables = Self.names.compactMap { name in
            guard let value = environment[name], !value.isEmpty else { return nil }
            return (name, name.hasSuffix("TOKEN") ? "(set)" : value)
        }
        do {
            let settings = try HubSettings(environment: environment)
            (endpoint, hasToken, isOffline) = (settings.endpoint, settings.token != nil, settings.isOffline)
            try look(at: settings.cachePath)
        } catch {
            findings.append(.init(isError: true, error.message))
        }
    }

    private mutating func look(at path: String) throws(SwiftletError) {
        cachePath = path
        exists = System.kind(of: path) == .directory
        freeBytes = System.freeDiskBytes(at: path)
        isWritable = exists ? access(path, W_OK | X_OK) == 0 : Self.canBeMade(path)
        if exists {
            let inventory = try HubInventory(path: path)
            (repositoryCount, modelBytes) = (inventory.repositories.count, inventory.byteCount)
        }
        if System.kind(of: path) != nil, !exists {
            findings.append(.init(isError: true, "\(path) is no directory; set HF_HUB_CACHE to one"))
        } else if !isWritable {
            findings.append(
                .init(
                    isError: false, "\(path) cannot be written, so `swiftlet pull` cannot; set HF_HUB_CACHE"))
        }
        if let freeBytes, freeBytes < 2 << 30 {
            findings.append(
                .init(
                    isError: false,
                    "the disk of \(path) has \(formatBytes(freeBytes)) free, less than most models"))
        }
    }

    /// Whether a directory can be made: the nearest one above it can be written.
    private static func canBeMade(_ path: String) -> Bool {
        var path = path[...]
        while let slash = path.lastIndex(of: "/") {
            path = path[..<slash]
            let parent = path.isEmpty ? "/" : String(path)
            if System.kind(of: parent) != nil { return access(parent, W_OK | X_OK) == 0 }
        }
        return access(".", W_OK | X_OK) == 0
    }

    var lines: [(String, String)] {
        var lines: [(String, String)] = []
        if let cachePath {
            let state = exists ? "" : " (not there yet)"
            lines.append(("models", cachePath + state))
            let held = repositoryCount == 1 ? "1 model" : "\(repositoryCount) models"
            lines.append(
                (
                    "",
                    "\(held), \(formatBytes(modelBytes))"
                        + (freeBytes.map { "; \(formatBytes($0)) free" } ?? "")
                ))
        }
        if let endpoint {
            lines.append(
                (
                    "hub",
                    endpoint + (hasToken ? ", with a token" : ", no token") + (isOffline ? ", offline" : "")
                ))
        }
        for (index, variable) in variables.enumerated() {
            lines.append((index == 0 ? "environment" : "", "\(variable.name)=\(variable.value)"))
        }
        return lines
    }

    func write(to json: inout JSONWriter) {
        json.key("models")
        json.object { json in
            json.key("path")
            if let cachePath { json.value(cachePath) } else { json.null() }
            json.member("exists", exists)
            json.member("writable", isWritable)
            json.key("free_bytes")
            if let freeBytes { json.value(freeBytes) } else { json.null() }
            json.member("repositories", repositoryCount)
            json.member("bytes", modelBytes)
        }
        json.key("hub")
        json.object { json in
            json.key("endpoint")
            if let endpoint { json.value(endpoint) } else { json.null() }
            json.member("token", hasToken)
            json.member("offline", isOffline)
        }
        json.key("environment")
        json.object { json in for variable in variables { json.member(variable.name, variable.value) } }
    }
}
