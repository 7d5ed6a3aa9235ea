import ArgumentParser
import SwiftletEngine
import SwiftletModels
import SwiftletTensor
import SwiftletText

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Continue a text.",
        discussion: """
            The new text goes to standard output as it is written, statistics go to standard error. Ctrl-C ends \
            the text and keeps what is there. One line end at the end of a file or of standard input does not \
            belong to the text; -bf keeps it.

              swiftlet run "Once upon a time"
              swiftlet run -m model.gguf -f prompt.txt -n 200 --temp 0.7 --seed 1
              swiftlet run -e "Dear Anna,\\n\\n" --stop "Yours" > letter.txt
              echo "Once upon a time" | swiftlet run --json -n 50
            """)

    @OptionGroup var text: TextOptions

    @Option(
        name: [.customLong("bf", withSingleDash: true), .customLong("binary-file")], parsing: .unconditional,
        help: ArgumentHelp(
            "Read the text from a file, byte for byte; - is standard input.", valueName: "file"),
        completion: .file())
    var binaryFile: String?

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Prompt cache") var promptCache: PromptCacheOptions
    @OptionGroup(title: "Sampling") var sampling: SamplingFlags
    @OptionGroup(title: "Grammar") var grammar: GrammarFlags
    @OptionGroup(title: "Length") var length: LengthOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        if binaryFile != nil, text.isTyped || text.file != nil {
            throw ValidationError(
                "-bf is one text more than expected; give one with -bf, -f, -p or as an argument")
        }
    }

    func run() throws {
        let input = try prompt()
        let rules = try grammar.compiled()
        let clock = ContinuousClock()
        let start = clock.now
        let loaded = try Model.load(model.choice.model)
        let session = try model.session(loaded, promptCache: promptCache)
        let loadSeconds = (clock.now - start).seconds
        var options = GenerationOptions(defaultsOf: loaded)
        sampling.apply(to: &options.sampling)
        length.apply(to: &options)
        options.constraint = try rules.map { try loaded.constraint($0) }
        let ids = loaded.tokenizer?.encode(input) ?? []
        if output.isVerbose { describe(session, ids, options) }
        Interrupt.listen()
        var generation = try begin(session, ids, options)
        if output.isVerbose, promptCache.directory != nil { describeRestored(session, generation, ids.count) }
        let written = try stream(&generation)
        try report(
            RunReport(
                model: loaded, session: session, prompt: ids, generation: generation, text: written,
                loadSeconds: loadSeconds))
        if generation.finishReason == .cancelled { throw ExitCode(130) }
    }

    /// The text to continue; never empty.
    private func prompt() throws -> [UInt8] {
        var bytes =
            try binaryFile.map { path in try InputFile.read(path, flag: "-bf") }
            ?? text.read(example: "swiftlet run \"Once upon a time\"")
        if binaryFile == nil, !text.isTyped, bytes.last == UInt8(ascii: "\n") {
            bytes.removeLast()
            if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
        }
        guard !bytes.isEmpty else {
            throw SwiftletError(
                .invalidArgument, "the text is empty, expected one to continue, such as \"Once upon a time\"")
        }
        return bytes
    }

    private func begin(_ session: Session, _ ids: [TokenID], _ options: GenerationOptions) throws
        -> Generation
    {
        var bar = ProgressBar("Reading the prompt", total: ids.count)
        defer { bar.finish() }
        return try Generation(session, prompt: ids, options: options) {
            bar.update($0)
            return !Interrupt.isRequested
        }
    }

    private func stream(_ generation: inout Generation) throws -> String {
        var written = ""
        while let piece = try generation.next() {
            written += piece.text
            if !output.isJSON { try Console.write(piece.text) }
            if Interrupt.isRequested { generation.cancel() }
        }
        return written
    }

    private func report(_ report: RunReport) throws {
        if output.isJSON {
            try Console.write(report.json + "\n")
        } else {
            if Console.isInteractive { try Console.write("\n") }
            if !output.isQuiet { Console.note(report.summary) }
        }
        if report.generation.finishReason == .cancelled {
            Console.note("swiftlet: stopped by Ctrl-C; the text up to here is kept")
        }
    }

    /// Says what came from the prompt cache and, for a compressed cache, why there is no more.
    private func describeRestored(_ session: Session, _ generation: Generation, _ count: Int) {
        let restored = generation.statistics.restoredTokens
        let isExplained = session.restoresPrefixes || restored == count
        Console.note(
            "prompt cache: \(restored) of \(count) tokens restored"
                + (isExplained
                    ? ""
                    : "; what --kv-policy \(model.policy.specification ?? "") keeps depends on the whole prompt, so that "
                        + "only the same prompt can be restored"))
    }

    private func describe(_ session: Session, _ ids: [TokenID], _ options: GenerationOptions) {
        Console.note(
            """
            model: \(session.model.name) (\(session.model.configuration.architecture)), \
            \(formatBytes(session.model.weightBytes)) of weights
            kernels: \(session.instructionSet), \(session.threadCount) threads; context \(session.contextLength)
            \(options.sampling.summary)
            prompt: \(ids.count) tokens \(ids.prefix(16).map(String.init).joined(separator: " "))\
            \(ids.count > 16 ? " …" : "")
            """)
    }
}

/// When a text ends.
struct LengthOptions: ParsableArguments {
    @Option(
        name: [.customShort("n"), .customLong("predict"), .customLong("n-predict")], parsing: .unconditional,
        help: ArgumentHelp(
            "Most tokens to write; default: -1, on to the end of the context.", valueName: "tokens"),
        transform: FlagValues.integer)
    var maxTokens: Int?

    @Option(
        name: [.customLong("stop"), .customShort("r"), .customLong("reverse-prompt")],
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Stop before this text; may be given several times.", valueName: "text"))
    var stops: [String] = []

    @Flag(name: .customLong("ignore-eos"), help: "Go on where the model would stop.")
    var ignoresStopTokens = false

    func validate() throws {
        if let maxTokens, maxTokens < -1 {
            throw ValidationError("-n is \(maxTokens); expected a number of tokens, or -1 for no limit")
        }
        if stops.contains("") {
            throw ValidationError("--stop is empty, expected a text that ends the answer")
        }
    }

    func apply(to options: inout GenerationOptions) {
        options.maxTokens = maxTokens.flatMap { $0 < 0 ? nil : $0 }
        options.stopStrings += stops
        options.ignoresStopTokens = ignoresStopTokens
    }
}

/// What is printed besides the text.
struct OutputOptions: ParsableArguments {
    @Flag(
        name: .customLong("json"),
        help: "Print one JSON object with text, token ids, finish reason, seed, timings and memory.")
    var isJSON = false

    @Flag(
        name: [.customShort("v"), .customLong("verbose")],
        help: "Print model, threads, sampler settings and prompt tokens.")
    var isVerbose = false

    @Flag(name: [.customShort("q"), .customLong("quiet")], help: "Print no statistics.") var isQuiet = false
}
