import ArgumentParser

struct KV: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kv", abstract: "Show cache policies, what they keep, and prepare models for them.",
        subcommands: [KVList.self, KVTrace.self, KVProfileCommand.self])
}
