import ArgumentParser
import Foundation
import SwiftletEngine
import SwiftletTensor

struct Chat: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Talk with a model.",
        discussion: """
            Each line is a message; the model's answer follows. A line that ends with \\ goes on in the next. \
            Ctrl-C ends an answer; Ctrl-D or /exit ends the conversation; /reset forgets what was said. Answers \
            go to standard output, everything else to standard error, thoughts of the model, too.

              swiftlet chat
              swiftlet chat -m HuggingFaceTB/SmolLM2-135M-Instruct --system "Be brief."
              echo "Who are you?" | swiftlet chat -n 50
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Prompt cache") var promptCache: PromptCacheOptions
    @OptionGroup(title: "Sampling") var sampling: SamplingFlags
    @OptionGroup(title: "Grammar") var grammar: GrammarFlags
    @OptionGroup(title: "Length") var length: LengthOptions

    @Option(
        name: [
            .customLong("sys", withSingleDash: true), .customLong("system"), .customLong("system-prompt"),
        ], parsing: .unconditional,
        help: ArgumentHelp("Instructions for the whole conversation.", valueName: "text"))
    var system: String?

    @OptionGroup(title: "Chat template") var templates: ChatTemplateOptions
    @OptionGroup(title: "Thinking") var reasoning: ReasoningFlags

    @Flag(name: [.short, .long], help: "Print model, threads and sampler settings.") var verbose = false

    func run() throws {
        let rules = try grammar.compiled()
        let loaded = try Model.load(model.choice.model)
        let template = try templates.template(of: loaded)
        let session = try model.session(loaded, promptCache: promptCache)
        var conversation = Conversation(session: session, template: template, system: system)
        conversation.settings = try templates.settings()
        reasoning.apply(to: &conversation.settings)
        var options = GenerationOptions(defaultsOf: loaded)
        sampling.apply(to: &options.sampling)
        length.apply(to: &options)
        options.constraint = try rules.map { try loaded.constraint($0) }
        if verbose {
            Console.note(
                """
                kernels: \(session.instructionSet), \(session.threadCount) threads
                \(options.sampling.summary)
                """)
        }
        if verbose || Console.isTyped {
            Console.note(
                "\(loaded.name), chat format \(template.format.rawValue), context \(session.contextLength) tokens; "
                    + "/reset forgets, Ctrl-C ends an answer, Ctrl-D or /exit the conversation")
        }
        defer { if let summary = session.cacheReport.summary { Console.note(summary) } }
        while let message = Self.readMessage() {
            switch message.trimmingCharacters(in: .whitespacesAndNewlines) {
            case "": continue
            case "/exit", "/quit": return
            case "/reset", "/clear": conversation.reset()
            default: try answer(message, &conversation, options, contextLength: session.contextLength)
            }
        }
        if Console.isTyped { Console.note("") }
    }

    /// Writes one answer. What does not fit the context ends a script but not a conversation.
    private func answer(
        _ message: String, _ conversation: inout Conversation, _ options: GenerationOptions,
        contextLength: Int
    ) throws {
        Interrupt.listen()
        defer { Interrupt.stop() }
        let reason: FinishReason?
        var thoughts = ThoughtDisplay()
        do {
            defer { thoughts.close() }
            reason = try conversation.answer(
                message, options, splitsThoughts: reasoning.splitsThoughts,
                isCancelled: { Interrupt.isRequested }
            ) { part throws(SwiftletError) in
                switch part {
                case .thought(let text): thoughts.write(text)
                case .text(let text):
                    thoughts.close()
                    try Console.write(text)
                }
            }
        } catch {
            guard error.code == .limit, Console.isTyped else { throw error }
            return Console.note("\(error.message), or start anew with /reset")
        }
        try Console.write("\n")
        switch reason {
        case .context:
            Console.note(
                "the context is full (\(contextLength) tokens): start anew with /reset, or give more with -c")
        case .cancelled:
            Console.note("stopped by Ctrl-C")
            if !Console.isTyped { throw ExitCode(130) }
        default: break
        }
    }

    /// One message, asked for with a prompt when a person types; `nil` at the end of the input.
    private static func readMessage() -> String? {
        if Console.isTyped { Console.draw("> ") }
        guard var message = readLine() else { return nil }
        while message.hasSuffix("\\") {
            if Console.isTyped { Console.draw(". ") }
            message = message.dropLast() + "\n" + (readLine() ?? "")
        }
        return message
    }
}
