import ArgumentParser

struct KV: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kv", abstract: "Learn about a model what cache policies need to know.",
        subcommands: [KVProfileCommand.self])
}
