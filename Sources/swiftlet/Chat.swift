import ArgumentParser
import Foundation
import SwiftletEngine
import SwiftletTensor
import SwiftletText

struct Chat: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Talk with a model.",
        discussion: """
            Each line is a message; the model's answer follows. Ctrl-C ends an answer, Ctrl-D or /exit the \
            conversation. /reset forgets what was said. A line that ends with \\ goes on in the next.

              swiftlet chat
              swiftlet chat -m HuggingFaceTB/SmolLM2-135M-Instruct --system "Answer in one sentence."
              echo "Who are you?" | swiftlet chat -n 50
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Cache") var cache: CacheFormatOptions
    @OptionGroup(title: "Sampling") var sampling: SamplingFlags
    @OptionGroup(title: "Length") var length: LengthOptions

    @Option(
        name: [
            .customLong("sys", withSingleDash: true), .customLong("system"), .customLong("system-prompt"),
        ],
        help: ArgumentHelp("Instructions for the whole conversation.", valueName: "text"))
    var system: String?

    @Option(
        name: .customLong("chat-template"),
        help: ArgumentHelp(
            "How a conversation is written: \(ChatFormat.allCases.map(\.rawValue).joined(separator: ", ")); "
                + "default: recognised from the model.", valueName: "name"))
    var template: String?

    @Flag(name: [.short, .long], help: "Print model, threads and sampler settings.") var verbose = false

    func validate() throws {
        try length.validate()
        if let template, ChatFormat(rawValue: template) == nil {
            throw ValidationError(
                "--chat-template \(template) is not known; choose one of "
                    + "\(ChatFormat.allCases.map(\.rawValue).joined(separator: ", ")).")
        }
    }

    func run() throws {
        let loaded = try Model.load(model.choice.model)
        let format = template.flatMap(ChatFormat.init(rawValue:)) ?? loaded.chatFormat
        var conversation = Conversation(
            session: try model.session(loaded, cache: cache), format: format, system: system)
        var options = GenerationOptions(defaultsOf: loaded)
        try sampling.apply(to: &options.sampling)
        length.apply(to: &options)
        options.stopStrings += format.stopStrings
        if verbose {
            Console.note("model: \(loaded.name), chat format \(format.rawValue)\n\(options.sampling.summary)")
        }
        while let line = Self.readMessage() {
            switch line.trimmingCharacters(in: .whitespacesAndNewlines) {
            case "": continue
            case "/exit", "/quit": return
            case "/reset": conversation.reset()
            default: try answer(line, &conversation, options)
            }
        }
    }

    private func answer(_ line: String, _ conversation: inout Conversation, _ options: GenerationOptions)
        throws
    {
        Interrupt.reset()
        do {
            try conversation.answer(
                line, options, isCancelled: { Interrupt.isRequested }, write: Console.write)
            Console.write("\n")
        } catch {
            guard error.code == .limit else { throw error }
            Console.note("\(error.message) Use /reset to start anew.")
        }
        if Console.isInteractive { Interrupt.stop() }
    }

    /// One message, asked for with a prompt when a person types; `nil` at the end of the input.
    private static func readMessage() -> String? {
        let isTyped = isatty(STDIN_FILENO) == 1
        if isTyped { Console.write("> ") }
        guard var message = readLine() else { return nil }
        while message.hasSuffix("\\") {
            if isTyped { Console.write(". ") }
            message = message.dropLast() + "\n" + (readLine() ?? "")
        }
        return message
    }
}
