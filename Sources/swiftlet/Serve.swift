import ArgumentParser
import Foundation
import Logging
import SwiftletEngine
import SwiftletServer
import SwiftletTensor

struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve a model over HTTP.",
        discussion: """
            Speaks OpenAI's interface (chat completions, completions, responses), Anthropic's messages and \
            llama-server's own; /openapi.json lists everything, and / is a web page. Requests may choose their own \
            cache policy with kv_policy and kv_budget.

              swiftlet serve -m model.gguf
              swiftlet serve -m model.gguf --host 0.0.0.0 --api-key-file keys.txt --metrics
              swiftlet serve -m model.gguf --parallel 16 --kv-memory 2GiB --kv-policy snapkv
              curl http://127.0.0.1:8080/v1/chat/completions \\
                -d '{"messages": [{"role": "user", "content": "Hello"}]}'

            Every flag with a long name may stand in a JSON file (--config) as a member without the dashes, and in \
            the environment: --api-key is SWIFTLET_API_KEY. Flags count more than the environment, the environment \
            more than the file.
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Chat") var chatTemplate: ChatTemplateOptions
    @OptionGroup(title: "Prompt cache") var promptCache: PromptCacheOptions
    @OptionGroup(title: "Sampling of requests that do not say") var sampling: SamplingFlags
    @OptionGroup(title: "Scheduling") var scheduling: SchedulingOptions
    @OptionGroup(title: "Network") var network: NetworkOptions
    @OptionGroup(title: "Endpoints") var endpoints: EndpointOptions
    @OptionGroup(title: "Logs") var log: LogOptions

    @Option(
        name: .customLong("config"),
        help: ArgumentHelp("A JSON file with more flags.", valueName: "file"), completion: .file())
    var config: String?

    func run() throws {
        signal(SIGPIPE, SIG_IGN)  // a client that goes away must not end the server
        SystemHeap.keepSmall()
        let settings = try settings()
        let host = ModelHost()
        let logger = log.logger
        let server = try SwiftletServer(
            host: host, settings: settings, modelName: model.choice.fileName, logger: logger)
        let isQuiet = log.isQuiet
        try Blocking.run {
            DispatchQueue.global().async { load(into: host, isQuiet: isQuiet) }
            try await server.run { address, port in
                let scheme = settings.tls == nil ? "http" : "https"
                let name = address.contains(":") ? "[\(address)]" : address
                if !isQuiet { Console.note("swiftlet: listening at \(scheme)://\(name):\(port)") }
            }
        }
    }

    /// Loads the model; the process ends if it cannot.
    private func load(into host: ModelHost, isQuiet: Bool) {
        do throws(SwiftletError) {
            let loaded = try Model.load(model.choice.model)
            if endpoints.embeds || loaded.isEncoder {
                return try embed(with: loaded, host, isQuiet: isQuiet)
            }
            guard endpoints.pooling == nil else {
                throw SwiftletError(
                    .invalidArgument,
                    "--pooling is about embeddings, but \(loaded.name) is to write text; add --embeddings or leave it out"
                )
            }
            let engine = try engine(loaded)
            host.finish(.success(engine))
            guard !isQuiet else { return }
            let options = engine.scheduler.options
            Console.note(
                "swiftlet: \(engine.scheduler.model.name) is ready: \(options.slotCount) slots of "
                    + "\(engine.scheduler.contextLength) tokens, \(formatBytes(engine.scheduler.memoryBytes)) of cache"
            )
        } catch {
            host.finish(.failure(error))
            Console.note("swiftlet: error: \(error.message)")
            Foundation.exit(error.exitStatus)
        }
    }

    private func embed(with loaded: Model, _ host: ModelHost, isQuiet: Bool) throws(SwiftletError) {
        let session = try model.sessionOptions()
        var options = Embedder.Options()
        options.pooling = endpoints.pooling
        options.normalizes = false
        options.threadCount = session.threadCount
        let service = try EmbeddingService(
            loaded, options, queueLimit: scheduling.queueLimit ?? Scheduler.Options().queueLimit)
        host.finish(try EmbeddingEngine(service, contextLength: session.contextLength))
        if !isQuiet {
            Console.note(
                "swiftlet: \(loaded.name) is ready: embeddings of \(service.dimension) numbers, pooling "
                    + service.pooling.rawValue)
        }
    }

    private func engine(_ loaded: Model) throws(SwiftletError) -> Engine {
        _ = try model.policy.policy(for: loaded)
        let template = try chatTemplate.template(of: loaded)
        var sampling = loaded.generationDefaults.sampling
        self.sampling.apply(to: &sampling)
        return try Engine(
            try Scheduler(loaded, try schedulerOptions(loaded)), template: template,
            toolTemplate: chatTemplate.isGiven ? nil : try? loaded.chatTemplate(named: "tool_use"),
            sampling: sampling)
    }

    private func schedulerOptions(_ loaded: Model) throws(SwiftletError) -> Scheduler.Options {
        let session = try model.sessionOptions()
        var options = Scheduler.Options()
        scheduling.apply(to: &options)
        options.contextLength = session.contextLength.map { scheduling.contextPerSlot($0) }
        options.threadCount = session.threadCount
        options.batchSize = session.batchSize
        options.cacheFormat = session.cacheFormat
        options.promptCache = try promptCache.store()
        options.adapters = try model.adapters.uses(for: loaded)
        try options.validate()
        return options
    }

    private func settings() throws(SwiftletError) -> ServerSettings {
        var settings = ServerSettings()
        try network.apply(to: &settings)
        settings.templateSettings = try chatTemplate.settings()
        endpoints.apply(to: &settings)
        if let directory = settings.slotDirectory { try System.makeDirectory(directory) }
        settings.policy = model.policy.specification
        settings.budget = model.policy.budget
        settings.maxTokens = scheduling.maxTokens.flatMap { $0 < 0 ? nil : $0 }
        settings.isVerbose = log.isVerbose
        try settings.validate()
        return settings
    }
}

extension ModelChoice {
    /// The file's name without its extension.
    var fileName: String {
        guard let model else { return "built-in" }
        let last = model.split(separator: "/").last.map(String.init) ?? model
        return last.hasSuffix(".gguf") ? String(last.dropLast(".gguf".count)) : last
    }
}
