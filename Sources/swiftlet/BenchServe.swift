import ArgumentParser
import SwiftletFormats
import SwiftletLoad
import SwiftletTensor
import Synchronization

struct BenchServe: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Put load on a running server and measure how it answers.",
        discussion: """
            Works with every server that has OpenAI's /v1/completions and takes token ids, such as 'swiftlet \
            serve' and llama-server. Prompts are random tokens, answers are streamed, greedy and as long as asked \
            for. A seed gives every server the same requests.

              swiftlet serve -m model.gguf --port 8080
              swiftlet bench serve --url http://127.0.0.1:8080 --concurrency 16
              swiftlet bench serve --requests 200 --prompt-length 64-512 --output-length 32-256
              swiftlet bench serve --rate 2.5 --requests 100
              swiftlet bench serve --kv-policy snapkv --kv-budget 20% --json

            --concurrency is a closed loop: so many clients, each of which waits for its answer before it asks \
            again. --rate is an open loop: requests come at random moments, however long the answers take.

            Exit status 1 if a request was not answered.
            """)

    @Option(help: ArgumentHelp("The server; default: http://127.0.0.1:8080.", valueName: "address"))
    var url = "http://127.0.0.1:8080"

    @Option(
        help: ArgumentHelp("Clients that ask at the same time; default: 16.", valueName: "count"),
        transform: FlagValues.integer)
    var concurrency: Int?

    @Option(
        help: ArgumentHelp("Requests per second on average, instead of --concurrency.", valueName: "number"),
        transform: FlagValues.number)
    var rate: Double?

    @Option(
        help: ArgumentHelp("Requests in all; default: 4 for every client.", valueName: "count"),
        transform: FlagValues.integer)
    var requests: Int?

    @Option(
        help: ArgumentHelp("Tokens of a prompt, such as 256 or 64-512; default: 256.", valueName: "tokens"))
    var promptLength = "256"

    @Option(help: ArgumentHelp("Tokens of an answer; default: 128.", valueName: "tokens"))
    var outputLength = "128"

    @Option(
        help: ArgumentHelp("Tokens that all prompts begin with; default: 0.", valueName: "tokens"),
        transform: FlagValues.integer)
    var sharedPrefix = 0

    @Option(
        help: ArgumentHelp(
            "Tokens that the model knows; default: what the server says.", valueName: "count"),
        transform: FlagValues.integer)
    var vocabulary: Int?

    @Option(help: ArgumentHelp("The model's name, for servers that have several.", valueName: "name"))
    var model: String?

    @Option(help: ArgumentHelp("Sent as a bearer token.", valueName: "key"))
    var apiKey: String?

    @Option(help: ArgumentHelp("Cache policy of every request, as for run.", valueName: "policy"))
    var kvPolicy: String?

    @Option(help: ArgumentHelp("Its budget.", valueName: "budget"))
    var kvBudget: String?

    @Option(help: "Seed of prompts, lengths and moments.", transform: FlagValues.seed)
    var seed = Seed(value: 1)

    @Option(
        help: ArgumentHelp("Seconds after which a request is given up; default: 600.", valueName: "seconds"),
        transform: FlagValues.integer)
    var timeout = 600

    @Flag(name: .customLong("json"), help: "Print one JSON object.") var isJSON = false

    func validate() throws {
        if concurrency != nil, rate != nil {
            throw ValidationError("--concurrency and --rate both say when requests come; keep one of them.")
        }
    }

    func run() throws {
        let options = try options()
        let generator = try LoadGenerator(options)
        let progress = LoadProgress(total: options.requestCount)
        let report = try Blocking.run { try await generator.run { progress.update($0) } }
        progress.finish()
        try Console.write(isJSON ? Self.json(report) : Self.table(report))
        if report.answeredCount < report.outcomes.count { throw ExitCode(1) }
    }

    private func options() throws -> LoadOptions {
        var options = LoadOptions(url: url.hasSuffix("/") ? String(url.dropLast()) : url)
        let clients = concurrency ?? 16
        options.arrival = rate.map { .open(perSecond: $0) } ?? .closed(clients: clients)
        options.requestCount =
            requests ?? (rate == nil ? clients.multipliedReportingOverflow(by: 4).partialValue : 64)
        options.promptLength = try LoadOptions.Length(parsing: promptLength, flag: "--prompt-length")
        options.answerLength = try LoadOptions.Length(parsing: outputLength, flag: "--output-length")
        options.sharedPrefix = sharedPrefix
        options.vocabularySize = vocabulary
        options.model = model
        options.apiKey = apiKey
        options.policy = kvPolicy
        options.budget = kvBudget
        options.seed = seed.value ?? UInt64.random(in: 0...UInt64.max)
        options.timeoutSeconds = timeout
        return options
    }

    private static func json(_ report: LoadReport) -> String {
        var json = JSONWriter()
        report.write(to: &json)
        return json.text + "\n"
    }

    private static func table(_ report: LoadReport) -> String {
        var lines = [
            "requests                  \(report.answeredCount) of \(report.outcomes.count) answered in "
                + "\(formatNumber(report.seconds, 2)) s, \(formatNumber(report.requestRate, 2)) per second",
            "tokens                    \(report.promptTokens) in prompts, \(report.answerTokens) generated",
            "generated tokens/s        \(formatNumber(report.answerRate, 1))",
            "all tokens/s              \(formatNumber(report.totalRate, 1))", "",
            "milliseconds                   mean"
                + LoadReport.percentiles.map { column("p\(Int($0))") }.joined()
                + column("most"),
        ]
        for (title, _, spread) in report.spreads {
            let numbers =
                [spread.mean] + LoadReport.percentiles.map(spread.percentile) + [spread.largest]
            lines.append(
                pad(title, 26) + numbers.map { column(formatNumber($0 * 1_000, 1)) }.joined())
        }
        for (reason, count) in report.failures { lines.append("failed \(count) times: \(reason)") }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func column(_ text: String) -> String {
        String(repeating: " ", count: max(10 - text.count, 1)) + text
    }
}

/// The bar of a run under load, moved from many tasks.
private final class LoadProgress: Sendable {
    private let bar: Mutex<ProgressBar>

    init(total: Int) { bar = Mutex(ProgressBar("Asking", total: total)) }

    func update(_ done: Int) { bar.withLock { $0.update(done) } }

    func finish() { bar.withLock { $0.finish() } }
}
