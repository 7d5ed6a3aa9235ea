import Foundation
import SwiftletCache
import SwiftletEngine
import SwiftletFormats
import SwiftletModels
import SwiftletTensor

/// What a report was made from: model, policies, seed, machine and version.
struct CompareManifest: Sendable {
    let model: String
    let fingerprint: String
    let architecture: String
    let weightBytes: Int
    let policies: [String]
    let plan: ComparePlan
    let style: PromptStyle
    let cacheFormat: String
    let threads: Int
    let instructionSet: String
    let processor: String
    let system: String
    let version = Release.name
    let date: String

    init(_ run: CompareRun) throws(SwiftletError) {
        model = run.model.name
        fingerprint = run.model.fingerprint
        architecture = run.model.configuration.architecture
        weightBytes = run.model.weightBytes
        plan = run.plan
        policies = plan.allPolicies
        style = run.style
        cacheFormat = run.options.cacheFormat.name
        threads = run.options.threadCount ?? ThreadPool.defaultThreadCount
        instructionSet = try Kernels.selected().name
        processor = Self.processor()
        system = ProcessInfo.processInfo.operatingSystemVersionString
        date = Date.now.formatted(.iso8601)
    }

    /// The processor's name, where the system tells.
    private static func processor() -> String {
        let count = ProcessInfo.processInfo.activeProcessorCount
        let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
        let name = line?.split(separator: ":", maxSplits: 1).last?.drop(while: \.isWhitespace)
        return "\(name.map(String.init) ?? "unknown processor"), \(count) logical processors"
    }

    /// What people read, in order.
    var lines: [(name: String, value: String)] {
        [
            ("Model", "\(model) (\(architecture), \(ReportText.bytes(weightBytes)) of weights)"),
            ("Model hash", fingerprint), ("Policies", policies.joined(separator: ", ")),
            ("Budgets", plan.budgets.map(\.description).joined(separator: ", ")),
            (
                "Tasks",
                (plan.tasks.map(\.rawValue) + plan.ownTasks).joined(separator: ", ")
            ), ("Lengths", plan.lengths.map(String.init).joined(separator: ", ") + " tokens"),
            ("Depths", plan.depths.map { NeedleGrid.name(of: $0) }.joined(separator: ", ")),
            ("Documents per cell", "\(plan.samples)"), ("Seed", "\(plan.seed)"), ("Style", style.rawValue),
            ("Cache format", cacheFormat), ("Threads", "\(threads), \(instructionSet)"),
            ("Machine", "\(processor); \(system)"), ("Version", version), ("Date", date),
        ]
    }

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("model", model)
            writer.member("model_hash", fingerprint)
            writer.member("architecture", architecture)
            writer.member("weight_bytes", weightBytes)
            writer.strings("policies", policies)
            writer.strings("budgets", plan.budgets.map(\.description))
            writer.strings("tasks", plan.tasks.map(\.rawValue) + plan.ownTasks)
            writer.strings("modes", plan.modes.map(\.rawValue))
            writer.key("lengths")
            writer.array { writer in for length in plan.lengths { writer.value(length) } }
            writer.key("depths")
            writer.array { writer in for depth in plan.depths { writer.value(depth) } }
            writer.member("samples", plan.samples)
            writer.member("seed", plan.seed)
            writer.member("style", style.rawValue)
            writer.member("cache_format", cacheFormat)
            writer.member("threads", threads)
            writer.member("instruction_set", instructionSet)
            writer.member("processor", processor)
            writer.member("system", system)
            writer.member("version", version)
            writer.member("date", date)
        }
    }
}

extension JSONWriter {
    /// A member that is a list of texts.
    mutating func strings(_ name: String, _ values: [String]) {
        key(name)
        array { writer in for value in values { writer.value(value) } }
    }
}
