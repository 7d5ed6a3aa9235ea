import HTTPTypes
import SwiftletEngine
import SwiftletFormats
import SwiftletModels
import SwiftletTemplate
import SwiftletTensor
import SwiftletText

/// What the server says about itself.
struct InfoEndpoints: Sendable {
    let context: ServerContext

    /// `GET /health`: 200 when the model is ready, 503 before.
    func health(_: ServerRequest) throws(APIError) -> Answer {
        _ = try context.host.loaded()
        var json = JSONWriter()
        json.object { $0.member("status", "ok") }
        return .json(json.bytes)
    }

    /// `GET /version`.
    func version(_: ServerRequest) -> Answer {
        var json = JSONWriter()
        json.object { json in
            json.member("version", Release.version)
            json.member("name", Release.name)
        }
        return .json(json.bytes)
    }

    /// `GET /`: the web page.
    func page(_: ServerRequest) throws(APIError) -> Answer {
        guard context.settings.showsPage else { throw APIError(.notFound, "the web page is switched off") }
        let nonce = Identifier.make("")
        var reply = Reply(contentType: "text/html; charset=utf-8", body: WebPage.shared.bytes(nonce: nonce))
        reply.headers[.cacheControl] = "no-store"
        for (name, value) in [
            ("Content-Security-Policy", WebPage.contentSecurityPolicy(nonce: nonce)),
            ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"),
        ] {
            if let name = HTTPField.Name(name) { reply.headers[name] = value }
        }
        return .whole(reply)
    }

    /// `GET /metrics`.
    func metrics(_: ServerRequest) throws(APIError) -> Answer {
        guard context.settings.showsMetrics else {
            throw APIError(.notSupported, "metrics are switched off; start the server with --metrics")
        }
        var reply = Reply(
            contentType: "text/plain; version=0.0.4; charset=utf-8",
            body: Array(context.metrics.text(context.host.ready).utf8))
        if let name = HTTPField.Name("Process-Start-Time-Unix") {
            reply.headers[name] = String(Int(ServerMetrics.processStart))
        }
        return .whole(reply)
    }

    // MARK: Models

    /// `GET /v1/models`.
    func models(_: ServerRequest) -> Answer {
        var json = JSONWriter()
        json.object { json in
            json.member("object", "list")
            json.key("data")
            json.array { model(&$0) }
        }
        return .json(json.bytes)
    }

    /// `GET /v1/models/NAME`.
    func model(_ request: ServerRequest) throws(APIError) -> Answer {
        let name = request.parameters.first ?? ""
        guard name == context.modelName || context.settings.aliases.contains(name) else {
            throw APIError(
                .notFound, "there is no model '\(name.prefix(100))'; this server has '\(context.modelName)'",
                parameter: "model", code: "model_not_found")
        }
        var json = JSONWriter()
        model(&json)
        return .json(json.bytes)
    }

    private func model(_ json: inout JSONWriter) {
        let loaded = try? context.host.loaded()
        json.object { json in
            json.member("id", context.modelName)
            json.member("object", "model")
            json.member("created", loaded?.created ?? Int(ServerMetrics.processStart))
            json.member("owned_by", "swiftlet")
            json.member("aliases", context.settings.aliases)
            json.member("tags", context.settings.tags)
            json.key("meta")
            guard let loaded else { return json.null() }
            let configuration = loaded.model.configuration
            json.object { json in
                json.member("architecture", configuration.architecture)
                json.member("n_vocab", configuration.vocabularySize)
                json.member("n_ctx", loaded.contextLength)
                json.member("n_ctx_train", configuration.contextLength)
                json.member("n_embd", configuration.hiddenSize)
                json.member("n_params", loaded.model.parameterCount)
                json.member("size", loaded.model.weightBytes)
            }
        }
    }

    // MARK: Properties

    /// `GET /props`, in llama-server's shape.
    func properties(_: ServerRequest) throws(APIError) -> Answer {
        if case .embedding(let engine) = context.host.state { return properties(of: engine) }
        let engine = try context.host.engine()
        var options = engine.defaults
        options.maxTokens = context.settings.maxTokens
        var json = JSONWriter()
        json.object { json in
            json.key("default_generation_settings")
            json.object { json in
                json.member("id", 0)
                json.member("id_task", -1)
                json.member("n_ctx", engine.scheduler.contextLength)
                json.member("speculative", false)
                json.member("is_processing", false)
                json.key("params")
                json.object { GenerationSettings(options: options, engine: engine).write(to: &$0) }
                json.member("prompt", "")
            }
            json.member("total_slots", engine.scheduler.options.slotCount)
            json.member("model_alias", context.modelName)
            json.member("model_path", engine.model.path)
            json.member("chat_template", optional: engine.templateSource)
            json.key("chat_template_caps")
            json.object { $0.member("supports_tools", engine.callStyle != .none) }
            json.key("modalities")
            json.object { json in
                json.member("vision", false)
                json.member("audio", false)
            }
            json.member(
                "bos_token", optional: engine.tokenizer.bos.flatMap { engine.tokenizer.piece($0) })
            json.member(
                "eos_token", optional: engine.tokenizer.eos.flatMap { engine.tokenizer.piece($0) })
            json.member("build_info", Fingerprint.name)
            json.member("is_sleeping", false)
            policies(&json)
        }
        return .json(json.bytes)
    }

    private func properties(of engine: EmbeddingEngine) -> Answer {
        var json = JSONWriter()
        json.object { json in
            json.member("total_slots", 1)
            json.member("model_alias", context.modelName)
            json.member("model_path", engine.service.model.path)
            json.member("n_ctx", engine.contextLength)
            json.member("n_embd", engine.service.dimension)
            json.member("pooling", engine.service.pooling.rawValue)
            json.member("build_info", Fingerprint.name)
        }
        return .json(json.bytes)
    }

    /// What the page offers to choose from.
    private func policies(_ json: inout JSONWriter) {
        json.member("kv_policy", context.settings.policy ?? "full")
        json.member("kv_budget", optional: context.settings.budget)
        json.member("kv_policies", KVPolicyNames.all)
    }

    /// What is known elsewhere and missing here.
    func missing(_ what: String) -> Handler {
        { _ throws(APIError) in throw APIError(.notSupported, "this server does not offer \(what)") }
    }
}
