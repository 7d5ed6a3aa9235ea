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

    @Option(
        help: ArgumentHelp(
            """
            Tokens of prompt and answer together, several with commas between; default: up to four powers of \
            two that fit the context, at most 4096 (1024 for the built-in model).
            """, valueName: "tokens"))
    var lengths: String?

    @Option(
        help: ArgumentHelp(
            "Where the answer lies, in percent of the context; default: 0,25,50,75,100.", valueName: "percent"
        ))
    var depths: String?

    @Option(
        help: ArgumentHelp("Documents per length and depth; default: 5.", valueName: "count"),
        transform: FlagValues.integer)
    var samples = 5

    @Option(
        help: ArgumentHelp("Seed of the documents; default: 1.", valueName: "number"),
        transform: FlagValues.integer)
    var seed = 1

    @Option(
        help: "A text to hide facts in, instead of a made-up tale; - is standard input.", completion: .file())
    var haystack: String?

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
        if samples < 1 { throw ValidationError("--samples is \(samples); expected 1 or more") }
        if seed < 0 { throw ValidationError("--seed is \(seed); expected 0 or more") }
        if let picture, !picture.lowercased().hasSuffix(".svg") {
            throw ValidationError("--picture is '\(picture)'; expected a name that ends in .svg")
        }
        if depths != nil, !task.isPlaced {
            throw ValidationError("--depths has no meaning for --task \(task), whose answers lie everywhere")
        }
        _ = try plan(context: 1_024, .facts)
    }

    func run() throws {
        let loaded = try Model.load(model.choice.model)
        var options = try model.sessionOptions()
        options.policy = try model.policy.policy(for: loaded)
        let context = options.contextLength ?? loaded.configuration.contextLength
        let runner = try TaskRunner(loaded, options, style: put.style)
        var plan = try plan(context: context, runner.style)
        plan.haystack = try text()
        if let export { return try write(try plan.cases(runner), to: export) }
        if let longest = plan.lengths.max(), longest > context {
            throw SwiftletError(
                .limit,
                "--lengths asks for \(longest) tokens, the context holds \(context); lower it or raise -c")
        }
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

    private func plan(context: Int, _ style: PromptStyle) throws -> NeedleGrid.Plan {
        var plan = NeedleGrid.Plan(lengths: NeedleGrid.Plan.lengths(forContext: context, style: style))
        plan.task = task
        if let lengths {
            plan.lengths = try Self.list("--lengths", lengths, "whole numbers of tokens such as 256,512") {
                Int($0).flatMap { (1...(1 << 30)).contains($0) ? $0 : nil }
            }
        }
        if let depths {
            plan.depths = try Self.list("--depths", depths, "percentages from 0 to 100 such as 0,50,100") {
                Double($0.hasSuffix("%") ? String($0.dropLast()) : $0).flatMap {
                    (0...100).contains($0) ? $0 / 100 : nil
                }
            }
        }
        plan.samples = samples
        plan.seed = UInt64(max(seed, 0))
        plan.mode = put.mode
        return plan
    }

    private static func list<Value: Comparable>(
        _ flag: String, _ text: String, _ expected: String, _ value: (String) -> Value?
    ) throws -> [Value] {
        let pieces = text.split(separator: ",", omittingEmptySubsequences: false)
        let values = pieces.compactMap { value(String($0)) }
        guard values.count == pieces.count else {
            throw ValidationError("\(flag) is '\(text)'; expected \(expected)")
        }
        return values.sorted().reduce(into: []) { if $0.last != $1 { $0.append($1) } }
    }

    private func text() throws -> Haystack {
        guard let haystack else { return .tale }
        let text = String(decoding: try InputFile.read(haystack, flag: "--haystack"), as: UTF8.self)
        guard let found = Haystack(text: text) else {
            throw SwiftletError(.invalidArgument, "--haystack \(haystack) holds no sentence; expected a text")
        }
        return found
    }

    private func write(_ cases: [TaskCase], to path: String) throws {
        let lines = TaskFile.lines(cases)
        if path == "-" { return try Console.write(lines) }
        try AtomicFile.write(Array(lines.utf8), to: path)
        Console.note("swiftlet: wrote \(cases.count) cases to \(path)")
    }
}
