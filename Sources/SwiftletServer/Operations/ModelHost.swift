public import SwiftletEngine
import SwiftletModels
public import SwiftletTensor
import SwiftletText
import Synchronization

/// A model that is ready to embed texts.
public struct EmbeddingEngine: Sendable {
    /// Does the work.
    public let service: EmbeddingService
    let tokenizer: Tokenizer
    /// Most tokens of a text.
    let contextLength: Int
    /// When it was ready, in seconds since 1970.
    let created = Clock.seconds

    /// - Parameters:
    ///   - service: its vectors have the lengths that the model gives them.
    ///   - contextLength: most tokens of a text; `nil` is what the model takes.
    /// - Throws: `.missing` for a model without tokenizer.
    public init(_ service: EmbeddingService, contextLength: Int? = nil) throws(SwiftletError) {
        guard let tokenizer = service.model.tokenizer else {
            throw SwiftletError(.missing, "\(service.model.name) has no tokenizer, so it cannot be served")
        }
        self.service = service
        self.tokenizer = tokenizer
        let most = service.model.configuration.contextLength
        self.contextLength = min(contextLength ?? most, most)
    }
}

/// What is known of a model, whatever it is loaded for.
struct LoadedModel {
    let model: Model
    let tokenizer: Tokenizer
    let contextLength: Int
    let created: Int
    let templateSource: String?
}

/// The model of a server: not there yet, ready, or a failure.
public final class ModelHost: Sendable {
    enum State: Sendable {
        case loading
        case ready(Engine)
        case embedding(EmbeddingEngine)
        case failed(SwiftletError)
    }

    private let current = Mutex(State.loading)

    /// A model that is being loaded.
    public init() {}

    /// A model that is ready.
    public init(_ engine: Engine) { current.withLock { $0 = .ready(engine) } }

    /// A model that is ready to embed texts.
    public init(_ engine: EmbeddingEngine) { finish(engine) }

    var state: State { current.withLock { $0 } }

    /// Says that loading has ended.
    public func finish(_ result: Result<Engine, SwiftletError>) {
        current.withLock { state in
            switch result {
            case .success(let engine): state = .ready(engine)
            case .failure(let error): state = .failed(error)
            }
        }
    }

    /// Says that a model is ready to embed texts.
    public func finish(_ engine: EmbeddingEngine) { current.withLock { $0 = .embedding(engine) } }

    /// The model, if it is ready to write.
    public var ready: Engine? {
        if case .ready(let engine) = state { engine } else { nil }
    }

    /// The model that writes text, or why there is none.
    func engine() throws(APIError) -> Engine {
        switch state {
        case .ready(let engine): return engine
        case .embedding(let engine):
            throw APIError(
                .notSupported,
                "\(engine.service.model.name) is loaded for embeddings and writes no text; use /v1/embeddings, or start "
                    + "the server without --embeddings and with a model that writes",
                code: "completions_not_supported")
        case .failed(let error): throw Self.failure(error)
        case .loading: throw Self.loading
        }
    }

    /// The model that embeds texts, or why there is none.
    func embeddingEngine() throws(APIError) -> EmbeddingEngine {
        switch state {
        case .embedding(let engine): return engine
        case .ready(let engine):
            throw APIError(
                .notSupported,
                "\(engine.model.name) is loaded to write text; start the server with --embeddings to embed texts with it, "
                    + "or with an embedding model",
                code: "embeddings_not_supported")
        case .failed(let error): throw Self.failure(error)
        case .loading: throw Self.loading
        }
    }

    /// The model, whatever it is loaded for, or why there is none.
    func loaded() throws(APIError) -> LoadedModel {
        switch state {
        case .ready(let engine):
            return LoadedModel(
                model: engine.model, tokenizer: engine.tokenizer,
                contextLength: engine.scheduler.contextLength, created: engine.created,
                templateSource: engine.templateSource)
        case .embedding(let engine):
            return LoadedModel(
                model: engine.service.model, tokenizer: engine.tokenizer, contextLength: engine.contextLength,
                created: engine.created, templateSource: nil)
        case .failed(let error): throw Self.failure(error)
        case .loading: throw Self.loading
        }
    }

    /// Gives back memory that only speeds up what comes next.
    func rest() {
        switch state {
        case .ready(let engine): engine.scheduler.rest()
        case .embedding(let engine): engine.tokenizer.forgetWords()
        case .failed, .loading: break
        }
    }

    private static func failure(_ error: SwiftletError) -> APIError {
        APIError(.server, "the model cannot be loaded: \(error.message)")
    }

    private static var loading: APIError {
        var error = APIError(.unavailable, "Loading model", code: "model_loading")
        error.retryAfter = 1
        return error
    }
}
