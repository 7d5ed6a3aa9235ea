import ArgumentParser
import SwiftletCache
import SwiftletEngine
import SwiftletEval
import SwiftletFormats
import SwiftletModels
import SwiftletTensor

/// The text of an evaluation, and how it is cut.
struct EvalTextOptions: ParsableArguments {
    @Option(
        name: [.short, .long], parsing: .unconditional, help: "The text; - is standard input.",
        completion: .file())
    var file: String

    @Option(
        name: [.customShort("c"), .customLong("ctx-size")], parsing: .unconditional,
        help: ArgumentHelp("Tokens of a window; default: 512.", valueName: "tokens"),
        transform: FlagValues.integer)
    var size = 512

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Most windows; -1, the default, is all of the text.", valueName: "count"),
        transform: FlagValues.integer)
    var chunks = -1

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            Tokens of each window that are its prompt, after which the cache is compressed, and are not scored; \
            default: half of the window and one.
            """, valueName: "tokens"),
        transform: FlagValues.integer)
    var prefix: Int?

    /// Reads the text for a model.
    func read(for model: Model) throws(SwiftletError) -> EvaluationText {
        try EvaluationText(
            try InputFile.read(file, flag: "-f"), for: model, named: file == "-" ? "standard input" : file)
    }

    /// Windows side by side.
    func windows(of text: EvaluationText) throws(SwiftletError) -> TextWindows {
        try .chunks(text, size: size, prompt: prefix, limit: limit)
    }

    /// Most windows; `nil` is all.
    var limit: Int? { chunks == -1 ? nil : chunks }
}

/// The model of an evaluation, how it computes, and what its cache keeps.
struct EvalModelOptions: ParsableArguments {
    @OptionGroup var choice: ModelChoice
    @OptionGroup var compute: ComputeOptions
    @OptionGroup var cache: CacheFormatOptions
    @OptionGroup var policy: CachePolicyOptions

    func validate() throws {
        try SwiftletError.asUsageError { () throws(SwiftletError) in
            try compute.sessionOptions(cache: cache).validate()
        }
        try policy.check(beside: cache)
    }

    /// Whether a flag says anything about the cache.
    var changesCache: Bool { policy.specification != nil || cache.isGiven }

    /// The cache that the flags describe.
    func sessionOptions(_ model: Model) throws(SwiftletError) -> Session.Options {
        var options = try compute.sessionOptions(cache: cache)
        options.policy = try policy.policy(for: model)
        return options
    }

    /// The full cache of the same engine.
    func fullCacheOptions() throws(SwiftletError) -> Session.Options {
        var options = try compute.sessionOptions(cache: cache)
        options.cacheFormat = .f16
        return options
    }

    /// What the flags call the cache, such as `snapkv, budget 20%`.
    var cacheName: String {
        var parts = [policy.specification ?? "full"]
        if let budget = policy.budget { parts.append("budget \(budget)") }
        if cache.isGiven {
            parts.append("\(cache.keyFormat ?? "f16") keys, \(cache.valueFormat ?? "f16") values")
        }
        return parts.joined(separator: ", ")
    }
}

/// What an evaluation says about itself, for people and programs.
struct EvalRun {
    let model: Model
    let text: EvaluationText
    let windows: TextWindows
    /// Windows that were scored to their end.
    var finished = 0

    /// Whether all of them were.
    var isComplete: Bool { finished == windows.windows.count }

    /// Says on standard error what is about to be done.
    func announce(_ cache: String) {
        let count = windows.windows.count
        Console.note(
            "swiftlet: \(count) window\(count == 1 ? "" : "s") of up to \(windows.size) tokens, "
                + "\(windows.scoredCount) of \(text.tokens.count) tokens scored; cache: \(cache)")
        let known = model.configuration.contextLength
        if windows.size > known {
            Console.note(
                "swiftlet: warning: \(model.name) was made for \(known) tokens, a window has \(windows.size)")
        }
    }

    /// After the first window: says on standard error how long the others will take, if that is worth saying.
    func announceTime(since start: ContinuousClock.Instant) {
        let left = (ContinuousClock.now - start) * (windows.windows.count - finished)
        guard left > .seconds(5) else { return }
        Console.note("swiftlet: about \(formatDuration(seconds: Int(left.components.seconds))) left")
    }

    /// After Ctrl-C: says what the results stand for, and ends with the status for that.
    func finish() throws {
        guard !isComplete else { return }
        Console.note(
            "swiftlet: stopped by Ctrl-C after \(finished) of \(windows.windows.count) windows; "
                + (finished > 0 ? "the results are those of these" : "there is no result"))
        throw ExitCode(130)
    }

    /// Members that every evaluation has.
    func write(to writer: inout JSONWriter) {
        writer.member("model", model.name)
        writer.member("text", text.name)
        writer.member("text_tokens", text.tokens.count)
        writer.member("window", windows.size)
        writer.member("windows", finished)
        writer.member("complete", isComplete)
    }
}
