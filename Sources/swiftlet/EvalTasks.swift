import ArgumentParser
import SwiftletCache
import SwiftletEngine
import SwiftletEval
import SwiftletFormats
import SwiftletTensor

/// Runs a user's own cases.
struct EvalTasks: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tasks",
        abstract: "Put your own questions to a model and score its answers.",
        discussion: """
            The file has one JSON object a line, with context, question, answers and metric: \
            \(AnswerMetric.names). Optional are id, task, match (any or all of the answers), max_tokens, length and \
            depth. Scores are averaged by task.

              swiftlet eval tasks cases.jsonl
              swiftlet eval tasks -m model.gguf --kv-policy snapkv --kv-budget 20% --mode aware cases.jsonl
              swiftlet eval tasks --metric f1 --skip-bad --json longbench.jsonl
              swiftlet eval needle --task multikey --export - | swiftlet eval tasks -
            """)

    @Argument(help: "The cases; - is standard input.", completion: .file(extensions: ["jsonl"]))
    var file: String

    @Option(help: ArgumentHelp("Metric of cases that name none: \(AnswerMetric.names).", valueName: "metric"))
    var metric: AnswerMetric?

    @Flag(
        name: .customLong("skip-bad"),
        help: "Go on without lines that are no case and cases that do not fit the context, and count them.")
    var skipsBad = false

    @Flag(name: .shortAndLong, help: "Show every answer on standard error.") var verbose = false

    @OptionGroup var put: EvalTaskOptions

    @Flag(name: .customLong("json"), help: "Print one JSON object with every answer.") var isJSON = false

    @OptionGroup(title: "Model") var model: ModelOptions

    func run() throws {
        let name = file == "-" ? "standard input" : file
        let bytes = try InputFile.read(file, flag: "the file of cases")
        let read = try TaskFile(bytes, named: name, metric: metric, skipsBad: skipsBad)
        for line in read.badLines { Console.note("swiftlet: skipped \(line.message)") }
        let loaded = try Model.load(model.choice.model)
        var options = try model.sessionOptions()
        options.policy = try model.policy.policy(for: loaded)
        options.adapters = try model.adapters.uses(for: loaded)
        let runner = try TaskRunner(loaded, options, style: put.style)
        let (cases, skipped) = try fitting(read.cases, runner)
        Interrupt.listen()
        let outcomes = try ask(cases, runner, options.policy.budget)
        let report = TasksReport(
            outcomes: outcomes, planned: cases.count, skipped: read.badLines.count + skipped,
            model: loaded.name,
            mode: put.mode, style: runner.style, options: options)
        if !outcomes.isEmpty { try Console.write(isJSON ? report.json : report.table) }
        guard outcomes.count < cases.count else { return }
        Console.note("swiftlet: stopped by Ctrl-C after \(outcomes.count) of \(cases.count) cases")
        throw ExitCode(130)
    }

    /// The cases that fit the context, and how many do not.
    private func fitting(_ cases: [TaskCase], _ runner: TaskRunner) throws -> (
        cases: [TaskCase], skipped: Int
    ) {
        var fitting: [TaskCase] = []
        for found in cases {
            do throws(SwiftletError) {
                _ = try runner.prompt(found)
                fitting.append(found)
            } catch {
                guard skipsBad else { throw error }
                Console.note("swiftlet: skipped \(error.message)")
            }
        }
        guard !fitting.isEmpty else {
            throw SwiftletError(.limit, "none of the \(cases.count) cases fits the context; raise -c")
        }
        return (fitting, cases.count - fitting.count)
    }

    /// Cases that follow each other with the same context share it.
    private func ask(
        _ cases: [TaskCase], _ runner: TaskRunner, _ budget: KVBudget?
    ) throws -> [TaskOutcome] {
        var bar = ProgressBar("Asking", total: cases.count)
        defer { bar.finish() }
        var outcomes: [TaskOutcome] = []
        while outcomes.count < cases.count {
            let rest = cases[outcomes.count...]
            let group = Array(rest.prefix { $0.context == rest.first?.context })
            guard
                let found = try runner.run(
                    group, put.mode, budgets: [budget], isCancelled: { Interrupt.isRequested })
            else { break }
            let answered = try found[0].get()
            outcomes += answered
            bar.update(outcomes.count)
            guard verbose else { continue }
            for outcome in answered {
                Console.note(
                    "\(outcome.taskCase.id): \(formatNumber(outcome.score, 3)), answered "
                        + "'\(outcome.answer.split(whereSeparator: \.isNewline).joined(separator: " "))'")
            }
        }
        return outcomes
    }
}

/// Scores of cases for people and programs.
struct TasksReport {
    let outcomes: [TaskOutcome]
    let planned: Int
    let skipped: Int
    let model: String
    let mode: QuestionMode
    let style: PromptStyle
    let options: Session.Options

    var table: String {
        let scores = TaskScores(outcomes)
        let rows = scores.rows + (scores.rows.count > 1 ? [scores.all] : [])
        let width = max(rows.map(\.task.count).max() ?? 0, 4) + 2
        var lines = [pad("task", width) + pad("cases", 7) + "score (95 % interval)"]
        for row in rows { lines.append(pad(row.task, width) + pad("\(row.count)", 7) + row.score.percent) }
        if skipped > 0 { lines.append("\(skipped) skipped") }
        return lines.map { $0 + "\n" }.joined()
    }

    var json: String {
        let scores = TaskScores(outcomes)
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("model", model)
            writer.member("policy", options.policy.specification)
            writer.key("budget")
            if let budget = options.policy.statedBudget { writer.value("\(budget)") } else { writer.null() }
            writer.member("mode", mode.rawValue)
            writer.member("style", style.rawValue)
            writer.member("complete", outcomes.count == planned)
            writer.member("skipped", skipped)
            scores.all.score.write(to: &writer)
            writer.key("tasks")
            writer.array { writer in
                for row in scores.rows {
                    writer.object { writer in
                        writer.member("task", row.task)
                        writer.member("count", row.count)
                        row.score.write(to: &writer)
                    }
                }
            }
            writer.key("cases")
            writer.array { writer in for outcome in outcomes { outcome.write(to: &writer) } }
        }
        return writer.text + "\n"
    }
}
