import ArgumentParser
import SwiftletCache
import SwiftletEngine
import SwiftletEval
import SwiftletFormats
import SwiftletModels
import SwiftletTensor

/// Compares cache policies.
struct EvalCompare: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Compare cache policies: quality, speed and memory side by side, as a report.",
        discussion: """
            Measures every policy under every budget and writes report.html, report.json and report.csv into a \
            directory. Results are kept in results.jsonl there: run the same command again to go on after a kill or \
            Ctrl-C, which leaves a report of what is there. The policies full, streaming and random are always \
            measured, to compare with.

              swiftlet eval compare -o report
              swiftlet eval compare -o report --policy snapkv --policy expected+q8_0 --budgets 10%,20%
              swiftlet eval compare -o report -m model.gguf --cases questions.jsonl --mode agnostic
              swiftlet eval compare -o report --tasks single,variables --lengths 1024,4096 --samples 10
            """)

    @Option(
        name: .shortAndLong, help: "The directory of the report; made if it is missing.",
        completion: .directory)
    var output: String

    @Option(
        name: .customLong("policy"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            """
            A policy, as for --kv-policy; may be given several times. Default: every method that needs no file, and \
            number formats.
            """, valueName: "policy"))
    var policies: [String] = []

    @Option(
        help: ArgumentHelp(
            "Bounds, as for --kv-budget, with commas between; default: 10%,20%,30%,50%.", valueName: "budgets"
        ))
    var budgets: String?

    @Option(
        help: ArgumentHelp(
            """
            Tasks that are made up, with commas between: \(GeneratedTask.names); default: single,multiquery, or none \
            with --cases.
            """, valueName: "tasks"))
    var tasks: String?

    @Option(
        parsing: .unconditionalSingleValue,
        help: "A file of your own cases, as for 'eval tasks'; may be given several times.",
        completion: .file(extensions: ["jsonl"]))
    var cases: [String] = []

    @Option(help: ArgumentHelp("Metric of cases that name none.", valueName: "metric")) var metric:
        AnswerMetric?

    @OptionGroup var grid: EvalGridOptions

    @Option(help: "Compress only before (agnostic) or after (aware) the question; default: both.")
    var mode: QuestionMode?

    @Option(help: "How prompts are written: chat, plain or facts; default: what suits the model.")
    var style: PromptStyle?

    @Flag(help: "Forget what an earlier run has measured.") var force = false

    @Flag(name: .customLong("json"), help: "Print report.json, too.") var isJSON = false

    @OptionGroup(title: "Model") var choice: ModelChoice

    @Option(
        name: [.customShort("c"), .customLong("ctx-size")], parsing: .unconditional,
        help: ArgumentHelp(
            "Most tokens in the context; 0, the default, is what the model was made for.", valueName: "tokens"
        ),
        transform: FlagValues.integer)
    var contextLength: Int?

    @OptionGroup(title: "Model") var compute: ComputeOptions
    @OptionGroup(title: "Model") var cache: CacheFormatOptions

    func validate() throws {
        try SwiftletError.asUsageError { () throws(SwiftletError) in try sessionOptions().validate() }
        _ = try FlagValues.budgets(budgets)
        _ = try taskList()
    }

    func run() throws {
        let model = try Model.load(choice.model)
        let options = try sessionOptions()
        let context = options.contextLength ?? model.configuration.contextLength
        let plan = try plan(context: context, try TaskRunner(model, options, style: style))
        try EvalGridOptions.check(plan.lengths, context: context)
        let run = try CompareRun(
            plan, model, options, style: style, directory: output, startsAnew: force)
        if run.done > 0 {
            Console.note("swiftlet: \(run.done) of \(run.total) parts are in \(output) already")
        }
        Interrupt.listen()
        var bar = ProgressBar("Comparing", total: run.total - run.done)
        let isDone = try run.measure { done, _ in
            bar.update(done)
            return !Interrupt.isRequested
        }
        bar.finish()
        let report = try run.report()
        try report.write(to: output)
        try Console.write(isJSON ? report.json : report.results.table)
        Console.note("swiftlet: wrote \(output)/report.html, .json and .csv")
        guard !isDone else { return }
        Console.note(
            "swiftlet: stopped by Ctrl-C after \(run.done) of \(run.total) parts; run the same command to go on"
        )
        throw ExitCode(130)
    }

    private func sessionOptions() throws(SwiftletError) -> Session.Options {
        var options = try compute.sessionOptions(cache: cache)
        options.contextLength = contextLength == 0 ? nil : contextLength
        return options
    }

    private func plan(context: Int, _ runner: TaskRunner) throws -> ComparePlan {
        var plan = ComparePlan(lengths: ComparePlan.lengths(forContext: context, style: runner.style))
        if !policies.isEmpty { plan.policies = policies }
        plan.budgets = try FlagValues.budgets(budgets) ?? plan.budgets
        plan.tasks = try taskList() ?? (cases.isEmpty ? plan.tasks : [])
        plan.lengths = try grid.lengthList() ?? runner.lengths(plan.lengths, for: plan.tasks)
        plan.depths = try grid.depthList() ?? plan.depths
        plan.samples = grid.samples ?? plan.samples
        plan.seed = UInt64(grid.seed)
        plan.haystack = try grid.text()
        plan.modes = mode.map { [$0] } ?? plan.modes
        for path in cases {
            let name = path == "-" ? "standard input" : path
            let file = try TaskFile(try InputFile.read(path, flag: "--cases"), named: name, metric: metric)
            plan.add(file.cases)
        }
        return plan
    }

    private func taskList() throws -> [GeneratedTask]? {
        try FlagValues.list("--tasks", tasks, "names such as single,multiquery: \(GeneratedTask.names)") {
            GeneratedTask(rawValue: $0)
        }
    }
}

extension CompareResults {
    /// A row per policy and bound.
    var table: String {
        let names = [
            "policy", "budget", "agnostic", "aware", "Δ full", "held", "read/token", "ms to first",
            "tokens/s",
        ]
        let width = entries.reduce(6) { max($0, $1.candidate.policy.count) } + 2
        return ([names] + entries.map(Self.fields)).map { fields in
            var line = pad(fields[0], width)
            for field in fields.dropFirst() { line += pad(field, 12) }
            while line.last == " " { line.removeLast() }
            return line + "\n"
        }.joined()
    }

    private static func fields(_ entry: Entry) -> [String] {
        let name = [entry.candidate.policy, entry.candidate.budget ?? ""]
        if entry.qualities.isEmpty, entry.refusal != nil { return name + ["refused"] }
        let (agnostic, aware) = (entry.quality(.agnostic), entry.quality(.aware))
        let scores = [agnostic?.score, aware?.score, (agnostic ?? aware)?.overFull].map(percent)
        guard let cost = entry.cost else { return name + scores }
        return name + scores + [
            formatBytes(cost.bytesAfterPrompt), formatBytes(cost.cacheBytesPerToken),
            formatNumber(1_000 * cost.firstTokenSeconds, 0), formatNumber(cost.tokensPerSecond, 0),
        ]
    }

    private static func percent(_ interval: Bootstrap.Interval?) -> String {
        interval.map { formatNumber(100 * $0.value, 1) } ?? ""
    }
}
