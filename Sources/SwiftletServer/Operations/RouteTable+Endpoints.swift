import HTTPTypes

extension RouteTable {
    /// Everything that the server answers.
    init(_ context: ServerContext) {
        let info = InfoEndpoints(context: context)
        var routes = Self.generation(context) + Self.tokens(context) + Self.information(info)
        routes += Self.embeddings(context) + Self.slots(context) + Self.missing(info)
        let document = OpenAPI.document(routes)
        routes.append(
            Route(.get, "/openapi.json", "This description.") { _ throws(APIError) in .json(document) })
        self.init(routes: routes)
    }

    private static func generation(_ context: ServerContext) -> [Route] {
        let chat = ChatCompletions(context: context)
        let completions = Completions(context: context)
        let native = NativeCompletion(context: context)
        let messages = Messages(context: context)
        let responses = Responses(context: context)
        return ["/v1/chat/completions", "/chat/completions"].flatMap { path in
            [
                Route(.post, path, "Answer a conversation.") { r async throws(APIError) in try await chat(r)
                },
                Route(.post, path + "/input_tokens", "Count the tokens of a conversation.") {
                    r throws(APIError) in try chat.countTokens(r)
                },
            ]
        } + [
            Route(.post, "/apply-template", "Show the text of a conversation.") { r throws(APIError) in
                try chat.applyTemplate(r)
            },
            Route(.post, "/v1/completions", "Continue texts.") { r async throws(APIError) in
                try await completions(r)
            },
            Route(.post, "/completion", "Continue texts, in llama-server's shape.") {
                r async throws(APIError) in try await native(r)
            },
            Route(.post, "/completions", "Continue texts, in llama-server's shape.") {
                r async throws(APIError) in try await native(r)
            },
            Route(.post, "/v1/messages", "Answer a conversation, in Anthropic's shape.", dialect: .anthropic)
            {
                r async throws(APIError) in try await messages(r)
            },
            Route(
                .post, "/v1/messages/count_tokens", "Count the tokens of a conversation.", dialect: .anthropic
            ) { r throws(APIError) in try messages.countTokens(r) },
            Route(.post, "/v1/responses", "Answer a conversation, in the shape of responses.") {
                r async throws(APIError) in try await responses(r)
            },
            Route(.post, "/responses", "Answer a conversation, in the shape of responses.") {
                r async throws(APIError) in try await responses(r)
            },
        ]
    }

    private static func embeddings(_ context: ServerContext) -> [Route] {
        let embeddings = Embeddings(context: context)
        return ["/v1/embeddings", "/embeddings"].map { path in
            Route(.post, path, "Embed texts.") { r async throws(APIError) in try await embeddings(r) }
        } + [
            Route(.post, "/embedding", "Embed texts, in llama-server's shape.") { r async throws(APIError) in
                try await embeddings.native(r)
            }
        ]
    }

    private static func tokens(_ context: ServerContext) -> [Route] {
        let tokens = TokenEndpoints(context: context)
        return [
            Route(.post, "/tokenize", "The tokens of a text.") { r throws(APIError) in try tokens.tokenize(r)
            },
            Route(.post, "/detokenize", "The text of tokens.") { r throws(APIError) in
                try tokens.detokenize(r)
            },
            Route(.get, "/tokenizer_info", "What there is to know about the tokenizer.") {
                r throws(APIError) in try tokens.information(r)
            },
        ]
    }

    private static func information(_ info: InfoEndpoints) -> [Route] {
        let health = ["/health", "/v1/health"].map { path in
            Route(.get, path, "Whether the model is ready.", isPublic: true) { r throws(APIError) in
                try info.health(r)
            }
        }
        let models = ["/v1/models", "/models"].flatMap { path in
            [
                Route(.get, path, "The model.") { r throws(APIError) in info.models(r) },
                Route(.get, path + "/*", "The model, by name.") { r throws(APIError) in try info.model(r) },
            ]
        }
        let pages = ["/", "/index.html"].map { path in
            Route(.get, path, "The web page.", isPublic: true) { r throws(APIError) in try info.page(r) }
        }
        return health + models + pages + [
            Route(.get, "/version", "The version of this program.") { r throws(APIError) in info.version(r) },
            Route(.get, "/props", "The server's settings.") { r throws(APIError) in try info.properties(r) },
            Route(.get, "/metrics", "Metrics in Prometheus' format.") { r throws(APIError) in
                try info.metrics(r)
            },
        ]
    }

    private static func slots(_ context: ServerContext) -> [Route] {
        let slots = SlotEndpoints(context: context), adapters = AdapterEndpoints(context: context)
        return [
            Route(.get, "/lora-adapters", "The adapters and their scales.") { r throws(APIError) in
                try adapters.list(r)
            },
            Route(.post, "/lora-adapters", "Set the scales of adapters for requests that do not say.") {
                r throws(APIError) in try adapters.set(r)
            },
            Route(.get, "/slots", "What every slot does.") { r throws(APIError) in try slots.list(r) },
            Route(.post, "/slots/*", "Save, restore or erase the cache of a slot.") {
                r async throws(APIError) in try await slots.act(r)
            },
            Route(.post, "/reset_prefix_cache", "Give up what is kept of prompts.") {
                r async throws(APIError) in try await slots.forget(r)
            },
            Route(.get, "/v1/cache/*", "Which positions the cache of a running answer holds.") {
                r async throws(APIError) in try await slots.view(r)
            },
        ]
    }

    /// What clients may look for, and why it is not here.
    private static func missing(_ info: InfoEndpoints) -> [Route] {
        let others = [
            ("/infill", "texts to be filled in"), ("/reranking", "ranking"), ("/rerank", "ranking"),
            ("/v1/rerank", "ranking"), ("/v1/reranking", "ranking"),
            ("/v1/audio/speech", "speech"), ("/v1/audio/transcriptions", "speech"),
            ("/v1/images/generations", "images"), ("/v1/moderations", "moderation"),
            ("/props", "settings that change while it runs"),
        ]
        return others.map { path, what in Route(.post, path, "Not offered: \(what).", info.missing(what)) }
    }
}
