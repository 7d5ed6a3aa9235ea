import ArgumentParser
import SwiftletCache
import SwiftletEngine
import SwiftletTensor

/// Which model, and how it computes.
struct ModelOptions: ParsableArguments {
    @OptionGroup var choice: ModelChoice

    @Option(
        name: [.customShort("c"), .customLong("ctx-size")], parsing: .unconditional,
        help: ArgumentHelp(
            "Most tokens in the context; 0, the default, is what the model was made for.", valueName: "tokens"
        ),
        transform: FlagValues.integer)
    var contextLength: Int?

    @OptionGroup var compute: ComputeOptions
    @OptionGroup var cache: CacheFormatOptions
    @OptionGroup var policy: CachePolicyOptions
    @OptionGroup var adapters: AdapterOptions

    func validate() throws {
        try SwiftletError.asUsageError { () throws(SwiftletError) in try sessionOptions().validate() }
        try policy.check(beside: cache)
    }

    /// An empty session with the cache that the flags describe.
    ///
    /// - Parameter promptCache: where caches of prompts are kept between runs.
    func session(
        _ model: Model, promptCache: PromptCacheOptions? = nil
    ) throws(SwiftletError) -> Session {
        var options = try sessionOptions()
        options.promptCache = try promptCache?.store()
        options.policy = try policy.policy(for: model)
        options.adapters = try adapters.uses(for: model)
        return try Session(model, options)
    }

    /// - Parameter format: of a cache that the flags say nothing about.
    func sessionOptions(cacheFormat format: NumberFormat = .f16) throws(SwiftletError) -> Session.Options {
        var options = try compute.sessionOptions(cache: cache, default: format)
        options.contextLength = contextLength == 0 ? nil : contextLength
        return options
    }
}

/// How a model computes.
struct ComputeOptions: ParsableArguments {
    @Option(
        name: [.customShort("t"), .customLong("threads")], parsing: .unconditional,
        help: ArgumentHelp("Threads; default: one per physical core.", valueName: "count"),
        transform: FlagValues.integer)
    var threads: Int?

    @Option(
        name: [.customShort("b"), .customLong("batch-size")], parsing: .unconditional,
        help: ArgumentHelp("Prompt tokens that are processed at a time; default: 512.", valueName: "tokens"),
        transform: FlagValues.integer)
    var batchSize: Int?

    /// A session with these settings and a full cache.
    ///
    /// - Parameter format: of a cache that the flags say nothing about.
    func sessionOptions(
        cache: CacheFormatOptions, default format: NumberFormat = .f16
    ) throws(SwiftletError) -> Session.Options {
        var options = Session.Options()
        options.threadCount = threads
        options.batchSize = batchSize ?? options.batchSize
        options.cacheFormat = try cache.format(default: format)
        return options
    }
}

/// Which model.
struct ModelChoice: ParsableArguments {
    @Option(
        name: [.customShort("m"), .customLong("model")], parsing: .unconditional,
        help: ArgumentHelp(
            "GGUF file, Hugging Face directory, or org/name in the local hub cache; default: the built-in model.",
            valueName: "model"),
        completion: .file())
    var model: String?
}

/// What the key–value cache keeps.
struct CachePolicyOptions: ParsableArguments {
    @Option(
        name: .customLong("kv-policy"), parsing: .unconditional,
        help: ArgumentHelp(
            """
            How the cache is compressed: components joined by +, such as snapkv or zigzag+h2o+slots; \
            'swiftlet kv list' shows all. Default: the full cache.
            """, valueName: "policy"))
    var specification: String?

    @Option(
        name: .customLong("kv-budget"), parsing: .unconditional,
        help: ArgumentHelp(
            """
            Bound of the compressed cache: 20% of the prompt, 512 rows per layer and head on average, or \
            64MiB in all; default: 20%.
            """, valueName: "budget"))
    var budget: String?

    func validate() throws {
        guard let budget else { return }
        try SwiftletError.asUsageError { () throws(SwiftletError) in _ = try KVBudget(parsing: budget) }
        if specification == nil {
            throw ValidationError(
                "--kv-budget needs a policy that keeps to it; add --kv-policy, such as --kv-policy snapkv")
        }
    }

    /// The policy that the flags describe.
    func policy(for model: Model) throws(SwiftletError) -> KVPolicy {
        try model.policy(specification, budget: budget)
    }

    /// Refuses flags that choose the number format beside a policy that does.
    func check(beside cache: CacheFormatOptions) throws {
        guard let format = specificationFormat, cache.isGiven else { return }
        throw ValidationError(
            "--kv-policy chooses the number format \(format), so -ctk and -ctv cannot; drop one of them")
    }

    /// The number format that the specification names, if any.
    private var specificationFormat: String? {
        let names = Set(KVComponent.all.filter { $0.parts.contains(.format) }.map(\.name))
        return specification?.split(whereSeparator: { "+:".contains($0) }).map(String.init).first(
            where: names.contains)
    }
}

/// Number formats of the key–value cache.
struct CacheFormatOptions: ParsableArguments {
    @Option(
        name: [.customLong("ctk", withSingleDash: true), .customLong("cache-type-k")],
        parsing: .unconditional,
        help: ArgumentHelp("Number format of cached keys: \(KVFormat.names).", valueName: "type"),
        completion: .list(KVFormat.supported.map(\.rawValue)))
    var keyFormat: String?

    @Option(
        name: [.customLong("ctv", withSingleDash: true), .customLong("cache-type-v")],
        parsing: .unconditional,
        help: ArgumentHelp("Number format of cached values, as for keys.", valueName: "type"),
        completion: .list(KVFormat.supported.map(\.rawValue)))
    var valueFormat: String?

    /// Whether a flag names a format.
    var isGiven: Bool { keyFormat != nil || valueFormat != nil }

    func format(default fallback: NumberFormat) throws(SwiftletError) -> KVFormat {
        try KVFormat(
            key: Self.parse("-ctk", keyFormat) ?? fallback, value: Self.parse("-ctv", valueFormat) ?? fallback
        )
    }

    private static func parse(_ flag: String, _ name: String?) throws(SwiftletError) -> NumberFormat? {
        guard let name else { return nil }
        guard let format = NumberFormat(rawValue: name.lowercased()), KVFormat.supported.contains(format)
        else {
            throw SwiftletError(
                .invalidArgument,
                "\(flag) \(name) is not a number format of the cache; expected \(KVFormat.names)")
        }
        return format
    }
}
