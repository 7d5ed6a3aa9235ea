import ArgumentParser
import SwiftletCache
import SwiftletEngine
import SwiftletTensor

/// Where caches of prompts are kept between runs.
struct PromptCacheOptions: ParsableArguments {
    @Option(
        name: .customLong("prompt-cache"), parsing: .unconditional,
        help: ArgumentHelp(
            """
            Keep the cache of the prompt in this directory and find it again: a prompt, or the beginning that it \
            shares with an earlier one, is not computed twice.
            """, valueName: "directory"),
        completion: .directory)
    var directory: String?

    @Option(
        name: .customLong("prompt-cache-size"), parsing: .unconditional,
        help: ArgumentHelp(
            "Most bytes in that directory, such as 500MB; what was not used for longest leaves. Default: 4GiB.",
            valueName: "size"),
        transform: Self.byteCount)
    var byteLimit: Int?

    func validate() throws {
        if byteLimit != nil, directory == nil {
            throw ValidationError("--prompt-cache-size needs a directory; add --prompt-cache")
        }
    }

    /// The store that the flags describe.
    func store() throws(SwiftletError) -> PromptCacheStore? {
        guard let directory else { return nil }
        return try PromptCacheStore(
            directory: directory, byteLimit: byteLimit ?? PromptCacheStore.defaultByteLimit
        ) { Console.note("swiftlet: warning: \($0)") }
    }

    private static func byteCount(_ text: String) throws -> Int {
        guard let count = KVBudget.byteCount(text) ?? Int(text), count > 0 else {
            throw ValidationError("expected a size such as 500MB or 4GiB")
        }
        return count
    }
}
