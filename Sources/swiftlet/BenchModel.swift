import ArgumentParser
import SwiftletCache
import SwiftletEngine
import SwiftletTensor

struct BenchModel: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model",
        abstract: "Measure speed and memory of a model, with the flags of llama-bench.",
        discussion: """
            Every combination of the flags' values is one test. ppN processes a prompt of N tokens, tgN generates \
            N tokens, @ dN does so after N cached tokens. Tokens are random; one repetition that does not count \
            goes first. Several values are separated by commas or written as a range: 1-4, 512-2048+512, \
            512-4096*2.

              swiftlet bench
              swiftlet bench -m a.gguf -m b.gguf -p 512 -n 128 -r 5 -t 1,2
              swiftlet bench -m model.gguf -p 0 -n 32 -d 0,8192 --fill random -o json
              swiftlet bench --kv-policy snapkv,h2o --kv-budget 20% -p 0 -n 64 -d 32768 --fill random
              swiftlet bench --ceiling -p 0 -n 0

            --ceiling first measures what the machine can do with the same kernels and threads: memory read \
            bandwidth, and products with f32 and q8_0 weights. Tests then show which share of it they achieve.

            --kv-policy measures every test with the full cache and with each policy and budget, in turns, and \
            shows how many times faster the policy is and how many times faster it could be by the bytes that it \
            has to read.
            """)

    @Option(
        name: [.customShort("m"), .customLong("model")], parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "GGUF file, Hugging Face directory or hub name; may be given several times; default: the built-in model.",
            valueName: "model"),
        completion: .file())
    var models: [String] = []

    @Option(
        name: [.customShort("p"), .customLong("n-prompt")], parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Prompt tokens; 0 for no such test; default: 512.", valueName: "tokens"),
        transform: BenchValues.integers)
    var promptTokens: [[Int]] = []

    @Option(
        name: [.customShort("n"), .customLong("n-gen")], parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Generated tokens; 0 for no such test; default: 128.", valueName: "tokens"),
        transform: BenchValues.integers)
    var generatedTokens: [[Int]] = []

    @Option(
        name: .customLong("pg", withSingleDash: true), parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "A prompt and tokens generated after it, in one test; may be given several times.",
            valueName: "pp,tg"),
        transform: BenchValues.pair)
    var pairs: [BenchmarkTest] = []

    @Option(
        name: [.customShort("d"), .customLong("n-depth")], parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Cached tokens before the test; default: 0.", valueName: "tokens"),
        transform: BenchValues.integers)
    var depths: [[Int]] = []

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "How the depth is reached: prefill, or random rows, which takes less time; default: prefill.",
            valueName: "way"),
        completion: .list(Benchmark.Fill.allCases.map(\.rawValue)), transform: BenchValues.word)
    var fill = Benchmark.Fill.prefill

    @Option(
        name: [.customShort("t"), .customLong("threads")], parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Threads; default: one per physical core.", valueName: "count"),
        transform: BenchValues.integers)
    var threads: [[Int]] = []

    @Option(
        name: [.customShort("b"), .customLong("batch-size")], parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "Prompt tokens that are processed at a time; default: 512.", valueName: "tokens"),
        transform: BenchValues.integers)
    var batchSizes: [[Int]] = []

    @Option(
        name: [.customLong("ctk", withSingleDash: true), .customLong("cache-type-k")],
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "Number format of cached keys: \(KVFormat.names); default: f16.", valueName: "type"))
    var keyFormats: [String] = []

    @Option(
        name: [.customLong("ctv", withSingleDash: true), .customLong("cache-type-v")],
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "Number format of cached values, as for keys; default: f16.", valueName: "type"))
    var valueFormats: [String] = []

    @Option(
        name: .customLong("kv-policy"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "Cache policies to compare with the full cache, as for run; default: none.", valueName: "policy"))
    var policies: [String] = []

    @Option(
        name: .customLong("kv-budget"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Their budgets: 20%, 512 or 64MiB; default: 20%.", valueName: "budget"))
    var budgets: [String] = []

    @Option(
        name: [.customShort("r"), .customLong("repetitions")], parsing: .unconditional,
        help: ArgumentHelp("Repetitions of every test.", valueName: "count"), transform: FlagValues.integer)
    var repetitions = 5

    @Flag(name: .customLong("no-warmup"), help: "Count the first repetition, too.") var skipsWarmUp = false

    @Option(
        name: .long, parsing: .unconditional, help: "Seed of tokens and random rows.",
        transform: FlagValues.seed)
    var seed = Seed(value: 1)

    @OptionGroup var adapters: AdapterOptions

    @Flag(help: "Measure the machine's bandwidth and arithmetic first.") var ceiling = false

    @Option(
        name: [.customShort("o"), .customLong("output")], parsing: .unconditional,
        help: ArgumentHelp("Form of the output: md, json or csv; default: md.", valueName: "form"),
        completion: .list(BenchOutput.allCases.map(\.rawValue)), transform: BenchValues.word)
    var output = BenchOutput.md

    @Flag(name: .customLong("json"), help: "Print JSON, as -o json does.") var isJSON = false

    func validate() throws {
        try SwiftletError.asUsageError { () throws(SwiftletError) in
            _ = try settings()
            for benchmark in try benchmarks() { try benchmark.validate() }
            for budget in budgetNames { _ = try KVBudget(parsing: budget) }
            guard budgets.isEmpty || !policies.isEmpty else {
                throw SwiftletError(
                    .invalidArgument,
                    "--kv-budget needs policies that keep to it; add --kv-policy, such as --kv-policy snapkv")
            }
            guard !tests().isEmpty || ceiling else {
                throw SwiftletError(
                    .invalidArgument, "there is nothing to measure; -p or -n must be above 0")
            }
        }
    }

    func run() throws {
        Interrupt.listen()
        var table = BenchTable(isJSON ? .json : output, comparesPolicies: !policies.isEmpty)
        let isComplete = try measure(into: &table)
        try Console.write(table.end())
        guard isComplete else {
            Console.note("swiftlet: stopped by Ctrl-C; tests that were not finished are missing")
            throw ExitCode(130)
        }
    }

    /// Runs everything; false if Ctrl-C ended it.
    private func measure(into table: inout BenchTable) throws -> Bool {
        if ceiling {
            guard let found = try measureCeiling() else { return false }
            table.ceiling = found
            try Console.write(table.begin())
        }
        let benchmarks = try benchmarks()
        guard !benchmarks.isEmpty else { return true }
        let names = models.flatMap(BenchValues.models)
        for name in names.isEmpty ? [nil] : names.map(Optional.some) {
            let model = try Model.load(name, needsTokenizer: false)
            let policies = try policies(for: model)
            let uses = try adapters.uses(for: model)
            for var benchmark in benchmarks {
                benchmark.options.adapters = uses
                guard let results = try measure(benchmark, policies, model) else { return false }
                for result in results { try Console.write(table.row(result)) }
            }
        }
        return true
    }

    /// Runs a test with the full cache and with every policy.
    private func measure(
        _ benchmark: Benchmark, _ policies: [KVPolicy], _ model: Model
    ) throws -> [BenchmarkResult]? {
        var bar = ProgressBar("\(model.name) \(benchmark.test.name)", total: 100)
        defer { bar.finish() }
        let group = ([.full] + policies).map { policy in
            var benchmark = benchmark
            benchmark.options.policy = policy
            return benchmark
        }
        return try Benchmark.compare(group, model) { done, total in
            bar.update(Int(100 * Double(done) / Double(max(total, 1))))
            return !Interrupt.isRequested
        }
    }

    /// Every policy with every budget; one that drops nothing has no budget.
    private func policies(for model: Model) throws(SwiftletError) -> [KVPolicy] {
        var all: [KVPolicy] = []
        for name in policies.flatMap(BenchValues.policies) {
            for budget in budgetNames.isEmpty ? [nil] : budgetNames.map(Optional.some) {
                let policy = try model.policy(name, budget: budget)
                all.append(policy)
                if !policy.evicts { break }
            }
        }
        return all
    }

    private var budgetNames: [String] { budgets.flatMap(BenchValues.names) }

    private func measureCeiling() throws -> Ceiling? {
        var bar = ProgressBar("Measuring the machine", total: 4)
        defer { bar.finish() }
        return try Ceiling.measure(threadCount: threads.first?.first) {
            bar.update($0)
            return !Interrupt.isRequested
        }
    }

    // MARK: Combinations

    /// The tests of one model, every setting with every test.
    private func benchmarks() throws(SwiftletError) -> [Benchmark] {
        var all: [Benchmark] = []
        for setting in try settings() {
            for test in tests() {
                var benchmark = Benchmark(test: test)
                benchmark.options.threadCount = setting.threads
                benchmark.options.batchSize = setting.batchSize
                benchmark.options.cacheFormat = setting.cacheFormat
                benchmark.fill = fill
                benchmark.repetitions = repetitions
                benchmark.warmsUp = !skipsWarmUp
                benchmark.seed = seed.value ?? 1
                all.append(benchmark)
            }
        }
        return all
    }

    private func settings() throws(SwiftletError) -> [BenchSetting] {
        let keys = keyFormats.flatMap(BenchValues.names), values = valueFormats.flatMap(BenchValues.names)
        let threadCounts = threads.joined().map(Optional.some)
        var all: [BenchSetting] = []
        for threads in threadCounts.isEmpty ? [nil] : threadCounts {
            for batchSize in batchSizes.isEmpty ? [512] : Array(batchSizes.joined()) {
                for key in keys.isEmpty ? ["f16"] : keys {
                    for value in values.isEmpty ? ["f16"] : values {
                        var flags = CacheFormatOptions()
                        (flags.keyFormat, flags.valueFormat) = (key, value)
                        let format = try flags.format(default: .f16)
                        all.append(.init(threads: threads, batchSize: batchSize, cacheFormat: format))
                    }
                }
            }
        }
        return all
    }

    private func tests() -> [BenchmarkTest] {
        let prompts = promptTokens.isEmpty ? [512] : Array(promptTokens.joined())
        let counts = generatedTokens.isEmpty ? [128] : Array(generatedTokens.joined())
        return (depths.isEmpty ? [0] : Array(depths.joined())).flatMap { depth in
            let tests =
                prompts.map { BenchmarkTest(promptTokens: $0) }
                + counts.map { BenchmarkTest(generatedTokens: $0) } + pairs
            return tests.filter { $0.tokenCount > 0 }.map {
                BenchmarkTest(
                    promptTokens: $0.promptTokens, generatedTokens: $0.generatedTokens, depth: depth)
            }
        }
    }
}
