import ArgumentParser
import SwiftletEngine
import SwiftletFormats
import SwiftletModels
import SwiftletTensor
import SwiftletText

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Continue a text.",
        discussion: """
            The text goes to standard output as it is written, statistics go to standard error. Ctrl-C ends the \
            text and keeps what is there.

              swiftlet run "Once upon a time"
              swiftlet run -m model.gguf -f prompt.txt -n 200 --temp 0.7 --top-p 0.9 --seed 1
              echo "Once upon a time" | swiftlet run --json -n 50
            """)

    @Argument(help: "The text to continue.") var text: String?

    @Option(name: [.short, .long], help: "The text to continue, as an option.") var prompt: String?

    @Option(
        name: [.short, .long], help: "Read the text from a file; - is standard input.", completion: .file())
    var file: String?

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Cache") var cache: CacheFormatOptions
    @OptionGroup(title: "Sampling") var sampling: SamplingFlags
    @OptionGroup(title: "Length") var length: LengthOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws { try length.validate() }

    func run() throws {
        let input = try TextInput.read(
            [text, prompt], file: file, example: "swiftlet run \"Once upon a time\"")
        let clock = ContinuousClock()
        let start = clock.now
        let loaded = try Model.load(model.choice.model)
        let session = try model.session(loaded, cache: cache)
        let loadSeconds = (clock.now - start).seconds
        guard let tokenizer = loaded.tokenizer else { return }
        var options = GenerationOptions(defaultsOf: loaded)
        try sampling.apply(to: &options.sampling)
        length.apply(to: &options)
        let ids = tokenizer.encode(input)
        if output.isVerbose { describe(session, ids, options) }
        Interrupt.listen()
        var bar = ProgressBar("Reading the prompt", total: ids.count)
        var generation = try Generation(session, prompt: ids, options: options) {
            bar.update($0)
            return !Interrupt.isRequested
        }
        bar.finish()
        let written = try stream(&generation)
        let report = RunReport(
            model: loaded, session: session, prompt: ids, generation: generation, text: written,
            loadSeconds: loadSeconds)
        if output.isJSON {
            Console.write(report.json + "\n")
        } else {
            if Console.isInteractive { Console.write("\n") }
            if !output.isQuiet { Console.note(report.summary) }
        }
        if generation.finishReason == .cancelled { throw ExitCode(130) }
    }

    private func stream(_ generation: inout Generation) throws -> String {
        var written = ""
        while let piece = try generation.next() {
            written += piece.text
            if !output.isJSON { Console.write(piece.text) }
            if Interrupt.isRequested { generation.cancel() }
        }
        return written
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
        name: [.customShort("n"), .customLong("predict"), .customLong("n-predict")],
        help: ArgumentHelp("Most tokens to write; -1 goes on to the end of the context.", valueName: "tokens")
    )
    var maxTokens = -1

    @Option(
        name: [.customLong("stop"), .customShort("r"), .customLong("reverse-prompt")],
        help: ArgumentHelp("Stop before this text; may be given several times.", valueName: "text"))
    var stops: [String] = []

    @Flag(name: .customLong("ignore-eos"), help: "Go on where the model would stop.")
    var ignoresStopTokens = false

    func validate() throws {
        guard maxTokens >= -1 else {
            throw ValidationError("-n is \(maxTokens); expected -1 (no limit) or a number of tokens.")
        }
    }

    func apply(to options: inout GenerationOptions) {
        options.maxTokens = maxTokens < 0 ? nil : maxTokens
        options.stopStrings += stops
        options.ignoresStopTokens = ignoresStopTokens
    }
}

/// What is printed besides the text.
struct OutputOptions: ParsableArguments {
    @Flag(name: .customLong("json"), help: "Print one JSON object instead of text.") var isJSON = false

    @Flag(
        name: [.customShort("v"), .customLong("verbose")], help: "Print model, threads and sampler settings.")
    var isVerbose = false

    @Flag(name: [.customShort("q"), .customLong("quiet")], help: "Print no statistics.") var isQuiet = false
}
