import ArgumentParser
import Foundation
import SwiftletEngine
import SwiftletTemplate

/// Flags that say whether a model thinks before it answers, and where that goes.
struct ReasoningFlags: ParsableArguments {
    @Option(
        name: .customLong("reasoning-format"), parsing: .unconditional,
        help: ArgumentHelp(
            "Whether thoughts are told apart from the answer: auto, or none.",
            valueName: "format"))
    var format = "auto"

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Whether the model shall think before it answers, if its template knows: on, off or auto.",
            valueName: "mode"))
    var reasoning = "auto"

    /// Whether thoughts are told apart.
    var splitsThoughts: Bool { format != "none" }

    func validate() throws {
        guard ["on", "off", "auto"].contains(reasoning) else {
            throw ValidationError("--reasoning is '\(reasoning)'; expected on, off or auto")
        }
        guard ["auto", "none", "deepseek"].contains(format) else {
            throw ValidationError("--reasoning-format is '\(format)'; expected auto or none")
        }
    }

    func apply(to settings: inout ChatSettings) {
        if reasoning != "auto" { settings.values["enable_thinking"] = .bool(reasoning == "on") }
    }
}

/// Shows thoughts on standard error: faint on a terminal, else behind a mark.
struct ThoughtDisplay {
    private var isOpen = false

    private static var isFaint: Bool {
        Console.isWatched && ProcessInfo.processInfo.environment["NO_COLOR"]?.isEmpty ?? true
    }

    /// Writes more of a thought.
    mutating func write(_ text: String) {
        if !isOpen { Console.draw(Self.isFaint ? "\u{1B}[2m" : "thinking: ") }
        isOpen = true
        Console.draw(text)
    }

    /// Ends the thought, if there is one.
    mutating func close() {
        if isOpen { Console.draw(Self.isFaint ? "\u{1B}[0m\n" : "\n") }
        isOpen = false
    }
}
