import ArgumentParser

struct KV: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kv", abstract: "Show cache policies and prepare models for them.",
        subcommands: [KVList.self, KVProfileCommand.self])
}
