import ArgumentParser
import Foundation
import SwiftletTensor

/// The process: parses, runs, and turns every error into one line and an exit status.
@main
enum Program {
    static func main() {
        Console.prepare()
        exit(run(Array(CommandLine.arguments.dropFirst())))
    }

    /// Runs a command line and returns the exit status.
    static func run(_ arguments: [String]) -> Int32 {
        do {
            var command = try Swiftlet.parseAsRoot(try expand(arguments))
            try command.run()
            return 0
        } catch let error as SwiftletError {
            return fail(error)
        } catch {
            return finish(error)
        }
    }

    /// Adds the flags of `serve` that stand elsewhere.
    private static func expand(_ arguments: [String]) throws(SwiftletError) -> [String] {
        guard arguments.first == "serve" else { return arguments }
        let environment = ProcessInfo.processInfo.environment
        return try ["serve"]
            + ServeConfiguration.expand(Array(arguments.dropFirst()), environment: environment)
    }

    private static func fail(_ error: SwiftletError) -> Int32 {
        Console.note("swiftlet: error: \(error.message)")
        return error.exitStatus
    }

    /// Help and versions arrive as errors, too; they go to standard output.
    private static func finish(_ error: any Error) -> Int32 {
        let status = Swiftlet.exitCode(for: error)
        let text = Swiftlet.fullMessage(for: error)
        if status.isSuccess {
            do { try Console.write(text.hasSuffix("\n") ? text : text + "\n") } catch { return fail(error) }
        } else if !(error is ExitCode) {
            let message = usageError(Swiftlet.message(for: error), fullText: text)
            Console.note("swiftlet: error: \(message)")
        }
        return status.rawValue
    }

    /// The parser's message as one sentence that says where to look next.
    static func usageError(_ message: String, fullText: String) -> String {
        var sentence = message.split(whereSeparator: \.isNewline).joined(separator: " ")
        if sentence.hasSuffix(".") { sentence.removeLast() }
        sentence = sentence.prefix(1).lowercased() + sentence.dropFirst()
        let quoted = fullText.split(separator: "\n").last?.split(separator: "'") ?? []
        guard quoted.count == 3, quoted[1].hasSuffix(" --help") else { return sentence }
        if quoted[1] == "swiftlet --help" {
            let names = Swiftlet.configuration.subcommands.map { $0._commandName }
            sentence += "; expected a command: \(names.joined(separator: ", "))"
        }
        return sentence + (sentence.hasSuffix("?") ? " See" : "; see") + " '\(quoted[1])'"
    }
}

extension SwiftletError {
    /// Runs a check of the engine while flags are parsed, so that its error names the command's help.
    static func asUsageError(_ check: () throws(SwiftletError) -> Void) throws {
        do { try check() } catch { throw ValidationError(error.message) }
    }
}
