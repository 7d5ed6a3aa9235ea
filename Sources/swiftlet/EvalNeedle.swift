import ArgumentParser
import SwiftletCache
import SwiftletEngine
import SwiftletEval
import SwiftletFormats
import SwiftletModels
import SwiftletTensor

/// Hides facts in contexts and asks for them.
struct EvalNeedle: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "needle",
        abstract: "Hide facts in texts of several lengths, at several depths, and ask for them.",
        discussion: """
            Cases are made up from a seed and fill the lengths to a token. The table shows the mean score in percent \
            by depth and length; --picture draws it. Tasks other than single and multikey have no depth.

            Tasks: \(GeneratedTask.allCases.map { "\($0.rawValue): \($0.summary)" }.joined(separator: "; ")).

              swiftlet eval needle
              swiftlet eval needle --kv-policy snapkv --kv-budget 20% --picture needle.svg
              swiftlet eval needle --task multikey --lengths 256,512 --depths 0,50,100 --samples 20 --json
              swiftlet eval needle -m model.gguf --task variables --mode aware --export cases.jsonl
            """)

    @Option(help: ArgumentHelp("What is hidden and asked.", valueName: "task"))
    var task = GeneratedTask.single

    @OptionGroup var grid: EvalGridOptions

    @OptionGroup var put: EvalTaskOptions

    @Option(
        help: ArgumentHelp("Draw the table into this file, a name that ends in .svg.", valueName: "file"),
        completion: .file(extensions: ["svg"]))
    var picture: String?

    @Option(
        help: ArgumentHelp(
            "Write the cases for 'eval tasks' into this file and measure nothing; - is standard output.",
            valueName: "file"), completion: .file(extensions: ["jsonl"]))
    var export: String?

    @Flag(name: .customLong("json"), help: "Print one JSON object with every answer.") var isJSON = false

    @OptionGroup(title: "Model") var model: ModelOptions

    func validate() throws {
        if let picture, !picture.lowercased().hasSuffix(".svg") {
            throw ValidationError("--picture is '\(picture)'; expected a name that ends in .svg")
        }
        if grid.depths != nil, !task.isPlaced {
            throw ValidationError("--depths has no meaning for --task \(task), whose answers lie everywhere")
        }
    }

    func run() throws {
        let loaded = try Model.load(model.choice.model)
        var options = try model.sessionOptions()
        options.policy = try model.policy.policy(for: loaded)
        options.adapters = try model.adapters.uses(for: loaded)
        let context = options.contextLength ?? loaded.configuration.contextLength
        let runner = try TaskRunner(loaded, options, style: put.style)
        let plan = try plan(context: context, runner)
        if let export { return try write(try plan.cases(runner), to: export) }
        try EvalGridOptions.check(plan.lengths, context: context)
        Interrupt.listen()
        var bar = ProgressBar("Asking", total: plan.documentCount)
        let grid = try NeedleGrid(plan, runner, budget: options.policy.budget) {
            bar.update($0)
            return !Interrupt.isRequested
        }
        bar.finish()
        let report = NeedleReport(grid, model: loaded.name, style: runner.style, options)
        if let picture, !grid.cells.isEmpty {
            try AtomicFile.write(Array(grid.svg(title: report.title).utf8), to: picture)
            Console.note("swiftlet: wrote \(picture)")
        }
        if !grid.cells.isEmpty { try Console.write(isJSON ? report.json : report.table) }
        guard !grid.isComplete else { return }
        Console.note(
            "swiftlet: stopped by Ctrl-C after \(grid.cells.count) of \(plan.lengths.count * plan.rows.count) cells"
        )
        throw ExitCode(130)
    }

    private func plan(context: Int, _ runner: TaskRunner) throws -> NeedleGrid.Plan {
        var plan = NeedleGrid.Plan(
            lengths: NeedleGrid.Plan.lengths(forContext: context, style: runner.style))
        plan.task = task
        plan.lengths = try grid.lengthList() ?? runner.lengths(plan.lengths, for: [task])
        plan.depths = try grid.depthList() ?? plan.depths
        plan.samples = grid.samples ?? plan.samples
        plan.seed = UInt64(grid.seed)
        plan.mode = put.mode
        plan.haystack = try grid.text()
        return plan
    }

    private func write(_ cases: [TaskCase], to path: String) throws {
        let lines = TaskFile.lines(cases)
        if path == "-" { return try Console.write(lines) }
        try AtomicFile.write(Array(lines.utf8), to: path)
        Console.note("swiftlet: wrote \(cases.count) cases to \(path)")
    }
}
