import ArgumentParser
import SwiftletCache
import SwiftletFormats

/// Shows every component that `--kv-policy` takes.
struct KVList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Show the components of cache policies.",
        discussion: """
            Components are joined by +, settings follow a colon: snapkv:window=32+q8_0.

              swiftlet kv list
              swiftlet kv list --json
            """)

    @Flag(name: .customLong("json"), help: "Print a JSON array.") var isJSON = false

    func run() throws {
        try Console.write(isJSON ? json : text)
    }

    private var text: String {
        KVComponent.all.map { component in
            let options = component.options.map { "      \($0.name)  \($0.help)\n" }.joined()
            return """
                \(component.name): \(component.summary)
                  decides \(component.parts.map(\.phrase).joined(separator: " and ")); records \(component.needs)
                  \(component.lowersPrefillMemory ? "lowers" : "does not lower") memory during the prompt
                  \(component.source)

                """ + options
        }.joined(separator: "\n")
    }

    private var json: String {
        var writer = JSONWriter()
        writer.array { writer in
            for component in KVComponent.all {
                writer.object { writer in
                    writer.member("name", component.name)
                    writer.member("summary", component.summary)
                    writer.member("source", component.source)
                    writer.member("needs", component.needs)
                    writer.member("lowers_prefill_memory", component.lowersPrefillMemory)
                    writer.key("decides")
                    writer.array { writer in for part in component.parts { writer.value(part.rawValue) } }
                    writer.key("options")
                    writer.object { writer in
                        for option in component.options { writer.member(option.name, option.help) }
                    }
                }
            }
        }
        return writer.text + "\n"
    }
}
