public import ArgumentParser
import Logging
import SwiftletCache
import SwiftletEngine
import SwiftletServer
import SwiftletTemplate
import SwiftletTensor

/// How requests share the model.
struct SchedulingOptions: ParsableArguments {
    @Option(
        name: [.customLong("parallel"), .customLong("np", withSingleDash: true)], parsing: .unconditional,
        help: ArgumentHelp(
            "Answers that are written at the same time; default: 4. Given together with -c, they share that context.",
            valueName: "slots"),
        transform: FlagValues.integer)
    var slotCount: Int?

    @Flag(
        name: [.customLong("kv-unified")],
        inversion: .prefixedNo, help: "Let every slot use the whole context of -c, however many there are.")
    var unifiesContext = false

    @Option(
        name: .customLong("kv-memory"), parsing: .unconditional,
        help: ArgumentHelp(
            "Most memory of all caches, such as 2GiB; default: what all slots and one more need, at most 80% of what is free.",
            valueName: "size"),
        transform: Self.byteCount)
    var memoryBytes: Int?

    @Option(
        name: .customLong("queue-limit"), parsing: .unconditional,
        help: ArgumentHelp("Most requests that wait; default: 512.", valueName: "count"),
        transform: FlagValues.integer)
    var queueLimit: Int?

    @Option(
        name: [.customLong("ubatch-size"), .customLong("ub", withSingleDash: true)], parsing: .unconditional,
        help: ArgumentHelp(
            "Most prompt tokens in one step beside answers that are being written; default: 64.",
            valueName: "tokens"),
        transform: FlagValues.integer)
    var chunkSize: Int?

    @Option(
        name: [.customShort("n"), .customLong("predict"), .customLong("n-predict")], parsing: .unconditional,
        help: ArgumentHelp(
            "Most tokens of an answer if the request does not say; default: -1, what fits the context.",
            valueName: "tokens"),
        transform: FlagValues.integer)
    var maxTokens: Int?

    @Flag(
        name: .customLong("cache-prompt"), inversion: .prefixedNo,
        help: "Keep caches of prompts for later requests that begin alike.")
    var keepsPrompts = true

    @Option(
        name: [.customLong("cache-ram"), .customLong("cram", withSingleDash: true)], parsing: .unconditional,
        help: ArgumentHelp(
            "Most memory of kept caches in MiB, within --kv-memory; 0 keeps none. Default: -1, no bound of its own.",
            valueName: "MiB"),
        transform: FlagValues.integer)
    var keptPromptMebibytes: Int?

    @Flag(name: [.customLong("cont-batching")], help: .hidden) var batchesContinuously = false
    @Flag(name: [.customLong("offline")], help: .hidden) var isOffline = false

    func validate() throws {
        if let maxTokens, maxTokens < -1 {
            throw ValidationError("-n is \(maxTokens); expected a number of tokens, or -1 for no limit")
        }
        if let keptPromptMebibytes, !(-1...(1 << 40)).contains(keptPromptMebibytes) {
            throw ValidationError(
                "--cache-ram is \(keptPromptMebibytes); expected a number of MiB, or -1 for no limit")
        }
        try SwiftletError.asUsageError { () throws(SwiftletError) in
            var options = Scheduler.Options()
            apply(to: &options)
            try options.validate()
        }
    }

    func apply(to options: inout Scheduler.Options) {
        options.slotCount = slotCount ?? options.slotCount
        options.memoryBytes = memoryBytes
        options.queueLimit = queueLimit ?? options.queueLimit
        options.chunkSize = chunkSize ?? options.chunkSize
        options.keepsPrompts = keepsPrompts
        options.keptPromptBytes = keptPromptMebibytes.flatMap { $0 < 0 ? nil : $0 << 20 }
    }

    /// The context of one slot; as in llama-server, slots that were asked for share it.
    func contextPerSlot(_ context: Int) -> Int {
        guard !unifiesContext, let slotCount, slotCount > 1 else { return context }
        return max(context / slotCount, 1)
    }

    private static func byteCount(_ text: String) throws -> Int {
        guard let count = KVBudget.byteCount(text) ?? Int(text), count > 0 else {
            throw ValidationError("expected a size such as 500MB or 2GiB")
        }
        return count
    }
}

/// Where the server listens, and who may enter.
struct NetworkOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Addresses to listen at, with commas.", valueName: "address"))
    var host = "127.0.0.1"

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Port to listen at; 0 takes a free one.", valueName: "port"),
        transform: FlagValues.integer)
    var port = 8080

    @Option(
        name: .customLong("api-key"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Key that clients must send; several with commas.", valueName: "key"))
    var keys: [String] = []

    @Option(
        name: .customLong("api-key-file"),
        help: ArgumentHelp("File with a key in every line.", valueName: "file"), completion: .file())
    var keyFile: String?

    @Option(
        name: .customLong("ssl-key-file"),
        help: ArgumentHelp("PEM file with the private key for HTTPS.", valueName: "file"), completion: .file()
    )
    var tlsKey: String?

    @Option(
        name: .customLong("ssl-cert-file"),
        help: ArgumentHelp("PEM file with the certificates for HTTPS.", valueName: "file"),
        completion: .file())
    var tlsCertificates: String?

    @Option(
        name: .customLong("cors-origins"), parsing: .unconditional,
        help: ArgumentHelp(
            "Web pages that may call the server: origins with commas, localhost, or *. Default: with keys all, else none.",
            valueName: "origins"))
    var origins: String?

    @Option(
        name: [.customLong("timeout"), .customLong("to", withSingleDash: true)], parsing: .unconditional,
        help: ArgumentHelp(
            "Seconds that a client may keep the server waiting before the connection is closed; default: 600.",
            valueName: "seconds"),
        transform: FlagValues.integer)
    var timeout: Int?

    @Option(
        name: .customLong("shutdown-timeout"), parsing: .unconditional,
        help: ArgumentHelp(
            "Seconds that running requests get after SIGINT or SIGTERM; default: 30.", valueName: "seconds"),
        transform: FlagValues.integer)
    var shutdownTimeout: Int?

    @Option(
        name: .customLong("body-limit"), parsing: .unconditional,
        help: ArgumentHelp("Most bytes of a request's body; default: 64MiB.", valueName: "size"),
        transform: Self.byteCount)
    var bodyLimit: Int?

    @Option(
        name: .customLong("sse-ping-interval"), parsing: .unconditional,
        help: ArgumentHelp(
            "Seconds between comments in a silent stream; -1 sends none. Default: 15.", valueName: "seconds"),
        transform: FlagValues.integer)
    var pingInterval: Int?

    func validate() throws {
        guard (tlsKey == nil) == (tlsCertificates == nil) else {
            throw ValidationError("--ssl-key-file and --ssl-cert-file belong together; give both")
        }
        try SwiftletError.asUsageError { () throws(SwiftletError) in
            var settings = ServerSettings()
            apply(limitsTo: &settings)
            try settings.validate()
        }
    }

    func apply(to settings: inout ServerSettings) throws(SwiftletError) {
        apply(limitsTo: &settings)
        var keys = self.keys.flatMap { $0.split(separator: ",").map(String.init) }
        if let keyFile { keys += try APIKeys.read(keyFile) }
        settings.keys = APIKeys(keys)
        if let tlsKey, let tlsCertificates { settings.tls = (tlsKey, tlsCertificates) }
        settings.corsOrigins = origins?.split(separator: ",").map(String.init) ?? []
    }

    private func apply(limitsTo settings: inout ServerSettings) {
        settings.hosts = host.split(separator: ",").map(String.init)
        settings.port = port
        settings.timeoutSeconds = timeout ?? settings.timeoutSeconds
        settings.shutdownSeconds = shutdownTimeout ?? settings.shutdownSeconds
        settings.bodyLimit = bodyLimit ?? settings.bodyLimit
        if let pingInterval { settings.pingSeconds = pingInterval < 0 ? nil : pingInterval }
    }

    private static func byteCount(_ text: String) throws -> Int {
        guard let count = KVBudget.byteCount(text) ?? Int(text), count > 0 else {
            throw ValidationError("expected a size such as 64MiB")
        }
        return count
    }
}

/// What the server answers.
struct EndpointOptions: ParsableArguments {
    @Option(
        name: [.customLong("alias"), .customShort("a")], parsing: .unconditional,
        help: ArgumentHelp("Names of the model, with commas; default: its file's name.", valueName: "names"))
    var alias: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Words about the model for /v1/models, with commas.", valueName: "words"))
    var tags: String?

    @Flag(help: "Answer /metrics.") var metrics = false
    @Flag(inversion: .prefixedNo, help: "Answer /slots.") var slots = true
    @Flag(inversion: .prefixedNo, help: "Answer / with the web page.") var ui = true

    @Flag(
        name: [.customLong("embeddings"), .customLong("embedding")],
        help: "Embed texts instead of writing them; encoders such as BERT do nothing else.")
    var embeds = false

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "How tokens become one vector: mean, cls or last, or none for one of each; default: what the model's files say.",
            valueName: "pooling"))
    var pooling: Pooling?

    @Option(
        name: .customLong("slot-save-path"),
        help: ArgumentHelp("Directory for caches that /slots saves.", valueName: "directory"),
        completion: .directory)
    var slotPath: String?

    @OptionGroup var thinking: ReasoningFlags

    func apply(to settings: inout ServerSettings) {
        settings.aliases = Self.words(alias)
        settings.tags = Self.words(tags)
        settings.showsMetrics = metrics
        settings.showsSlots = slots
        settings.showsPage = ui
        settings.slotDirectory = slotPath
        settings.splitsReasoning = thinking.splitsThoughts
        thinking.apply(to: &settings.templateSettings)
    }

    private static func words(_ text: String?) -> [String] {
        var known: Set<String> = []
        return (text ?? "").split(separator: ",").map(String.init).filter { known.insert($0).inserted }
    }
}

/// What is written to standard error.
struct LogOptions: ParsableArguments {
    @Option(
        name: .customLong("log-format"), parsing: .unconditional,
        help: ArgumentHelp("How log lines look: text or json.", valueName: "format"))
    var format = LogFormat.text

    @Option(
        name: .customLong("log-level"), parsing: .unconditional,
        help: ArgumentHelp("Least level of log lines: debug, info, warning, error.", valueName: "level"))
    var level = "info"

    @Flag(
        name: [.customShort("v"), .customLong("verbose")], help: "Show clients their prompts in __verbose.")
    var isVerbose = false

    @Flag(name: [.customShort("q"), .customLong("quiet")], help: "Write only errors.") var isQuiet = false

    func validate() throws {
        guard Logger.Level(rawValue: level) != nil else {
            throw ValidationError("--log-level is '\(level)'; expected debug, info, warning or error")
        }
    }

    var logger: Logger {
        let format = format
        var logger = Logger(label: "swiftlet") { _ in LineLogHandler(format) { Console.draw($0) } }
        logger.logLevel = isQuiet ? .error : Logger.Level(rawValue: level) ?? .info
        return logger
    }
}

extension LogFormat: ExpressibleByArgument {}

extension Pooling: ExpressibleByArgument {}
