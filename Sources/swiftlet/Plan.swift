import ArgumentParser
import SwiftletCache
import SwiftletEngine
import SwiftletTensor

/// Says what a model needs before it is loaded.
struct Plan: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say what fits into memory under every cache policy, and which to use.",
        discussion: """
            Reads headers only: a GGUF file or safetensors files may end behind them, and a directory may hold nothing \
            but config.json. Prices weights, activations and the cache of every policy and number format by the sizes \
            in which the engine takes memory.

              swiftlet plan -m model.gguf -c 32768
              swiftlet plan -m model.gguf -c 8192 --memory 8GiB --users 4
              swiftlet plan -m model.gguf -c 8192 --policy snapkv+q8_0 --policy kivi --budgets 10%,30%
              swiftlet plan -m model.gguf --memory 8GiB --report report
            """)

    @OptionGroup var choice: ModelChoice

    @Option(
        name: [.customShort("c"), .customLong("ctx-size")], parsing: .unconditional,
        help: ArgumentHelp(
            "Tokens of the prompt; 0, the default, is what the model was made for.", valueName: "tokens"),
        transform: FlagValues.integer)
    var contextLength: Int?

    @Option(
        help: ArgumentHelp(
            "Memory that may be used, such as 2GiB or 800MB; default: what the system has available.",
            valueName: "bytes"),
        transform: { text in
            guard let bytes = KVBudget.byteCount(text) else {
                throw ValidationError("expected a number of bytes with its unit, such as 2GiB or 800MB")
            }
            return bytes
        })
    var memory: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Sequences at the same time, each with its own cache; default: 1.", valueName: "count"),
        transform: FlagValues.integer)
    var users = 1

    @Option(
        name: [.customShort("b"), .customLong("batch-size")], parsing: .unconditional,
        help: ArgumentHelp("Prompt tokens that are processed at a time; default: 512.", valueName: "tokens"),
        transform: FlagValues.integer)
    var batchSize: Int?

    @Option(
        name: .customLong("policy"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            """
            A policy, as for --kv-policy; may be given several times. Default: the full cache, every number format \
            and every method that needs no file.
            """, valueName: "policy"))
    var policies: [String] = []

    @Option(
        help: ArgumentHelp(
            "Bounds of policies that drop rows, as for --kv-budget, with commas between; default: 20%.",
            valueName: "budgets"))
    var budgets: String?

    @Option(
        help: "A directory with report.json of 'eval compare' for this model, which the advice then goes by.",
        completion: .directory)
    var report: String?

    @Flag(name: .customLong("json"), help: "Print one JSON object.") var isJSON = false

    func validate() throws {
        for (flag, value) in [("-c", contextLength), ("--users", users), ("-b", batchSize)] {
            guard let value, value < (flag == "-c" ? 0 : 1) else { continue }
            throw ValidationError("\(flag) is \(value); expected a number above 0")
        }
        _ = try FlagValues.budgets(budgets)
    }

    func run() throws {
        guard let memory = memory ?? MemoryProbe.availableBytes else {
            throw ValidationError("The system does not say how much memory is available; give --memory")
        }
        let header = try ModelHeader(choice.model)
        var request = MemoryPlan.Request(
            contextLength: contextLength == 0 ? nil : contextLength, memoryBytes: memory)
        request.users = users
        request.batchSize = batchSize ?? request.batchSize
        request.policies = policies.isEmpty ? nil : policies
        request.budgets = try FlagValues.budgets(budgets) ?? request.budgets
        let measured = try report.map { directory throws(SwiftletError) in
            try PlanReport(directory: directory, for: header)
        }
        let plan = try MemoryPlan(header, request, report: measured)
        try Console.write(isJSON ? plan.json : plan.table)
    }
}

extension MemoryPlan {
    /// The plan for people.
    fileprivate var table: String {
        let weights =
            switch header.weights {
            case .complete: ""
            case .header: ", by the header"
            case .configuration: ", by the configuration at two bytes a number"
            }
        var text = """
            \(header.name): \(formatBytes(header.weightBytes)) of weights\(weights)
            \(contextLength) tokens\(request.users > 1 ? " for each of \(request.users) users" : ""), \
            \(formatBytes(request.memoryBytes)) of memory


            """
        let names = ["policy", "budget", "cache", "peak", "total", "fits", "longest"]
        let columns = report == nil ? names : names + ["score"]
        let width = entries.reduce(6) { max($0, $1.policy.count) } + 2
        for fields in [columns] + entries.map(fields) {
            var line = pad(fields[0], width)
            for field in fields.dropFirst() { line += pad(field, 11) }
            while line.last == " " { line.removeLast() }
            text += line + "\n"
        }
        let advice = recommendation
        text += "\n" + (advice.entry.map { "use \($0.name): " } ?? "") + advice.reason + "\n"
        if let entry = advice.entry, entry.policy != "full" {
            text +=
                "  --kv-policy \(entry.policy)"
                + (entry.budget.map { " --kv-budget \($0)" } ?? "") + "\n"
        }
        return text
    }

    private func fields(_ entry: Entry) -> [String] {
        let name = [entry.policy, entry.budget?.description ?? ""]
        switch entry.cost {
        case .failure(let error): return name + ["refused: \(error.message)"]
        case .success(let cost):
            let mark = cost.cache.dependsOnText ? "~" : ""
            let sizes = [cost.cache.heldBytes, cost.cache.peakBytes, cost.totalBytes].map {
                mark + formatBytes($0)
            }
            let longest = entry.longestContext > 0 ? "\(entry.longestContext)" : "none"
            let fields: [String] = name + sizes + [entry.fits ? "yes" : "no", longest]
            guard let report else { return fields }
            let score = report.score(entry.policy, entry.budget)
            return fields + [score.map { formatNumber(100 * $0, 1) } ?? ""]
        }
    }
}
