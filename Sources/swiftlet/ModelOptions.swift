import ArgumentParser
import SwiftletCache
import SwiftletEngine
import SwiftletTensor

/// Which model, and how it computes.
struct ModelOptions: ParsableArguments {
    @OptionGroup var choice: ModelChoice

    @Option(
        name: [.customShort("c"), .customLong("ctx-size")],
        help: ArgumentHelp(
            "Most tokens in the context; default: what the model was made for.", valueName: "tokens"))
    var contextLength: Int?

    @Option(
        name: [.customShort("t"), .customLong("threads")],
        help: ArgumentHelp("Threads; default: one per physical core.", valueName: "count"))
    var threads: Int?

    @Option(
        name: [.customShort("b"), .customLong("batch-size")],
        help: ArgumentHelp("Prompt tokens that are processed at a time.", valueName: "tokens"))
    var batchSize = 512

    func session(_ model: Model, cache: CacheFormatOptions) throws -> Session {
        var options = Session.Options()
        options.threadCount = threads
        options.contextLength = contextLength
        options.batchSize = batchSize
        options.cacheFormat = try cache.format()
        return try Session(model, options)
    }
}

/// Which model.
struct ModelChoice: ParsableArguments {
    @Option(
        name: [.customShort("m"), .customLong("model")],
        help: ArgumentHelp(
            "GGUF file, Hugging Face directory, or org/name in the local hub cache; default: the built-in model.",
            valueName: "model"),
        completion: .file())
    var model: String?
}

/// Number formats of the key–value cache.
struct CacheFormatOptions: ParsableArguments {
    @Option(
        name: [.customLong("ctk", withSingleDash: true), .customLong("cache-type-k")],
        help: ArgumentHelp("Number format of cached keys: f32 or f16.", valueName: "type"))
    var keyFormat: String?

    @Option(
        name: [.customLong("ctv", withSingleDash: true), .customLong("cache-type-v")],
        help: ArgumentHelp("Number format of cached values: f32 or f16.", valueName: "type"))
    var valueFormat: String?

    func format(default fallback: NumberFormat = .f16) throws -> KVFormat {
        try KVFormat(
            key: Self.parse("-ctk", keyFormat) ?? fallback, value: Self.parse("-ctv", valueFormat) ?? fallback
        )
    }

    private static func parse(_ flag: String, _ name: String?) throws -> NumberFormat? {
        guard let name else { return nil }
        guard let format = NumberFormat(rawValue: name) else {
            let known = KVFormat.supported.map(\.rawValue).joined(separator: ", ")
            throw SwiftletError(
                .invalidArgument, "\(flag) \(name) is not a number format; choose one of \(known)")
        }
        return format
    }
}
