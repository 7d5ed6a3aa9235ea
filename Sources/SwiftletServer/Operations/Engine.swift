public import SwiftletEngine
import SwiftletTemplate
public import SwiftletTensor
import SwiftletText
import Synchronization

/// A model that is ready to serve: its scheduler, and how conversations are written for it.
public struct Engine: Sendable {
    /// Runs the requests.
    public let scheduler: Scheduler
    /// Writes conversations.
    public let template: ChatTemplate
    /// Writes conversations with tools.
    let toolTemplate: ChatTemplate
    /// How the model writes calls of tools.
    let callStyle: CallStyle
    let tokenizer: Tokenizer
    let defaults: GenerationOptions
    /// When it was ready, in seconds since 1970.
    let created: Int

    /// - Parameters:
    ///   - template: how conversations are written; usually the model's own.
    ///   - toolTemplate: how conversations with tools are written, if the model has a template of its own for them.
    ///   - sampling: of requests that do not say; `nil` takes the model's own.
    /// - Throws: `.missing` for a model without tokenizer.
    public init(
        _ scheduler: Scheduler, template: ChatTemplate, toolTemplate: ChatTemplate? = nil,
        sampling: SamplingOptions? = nil
    ) throws(SwiftletError) {
        guard let tokenizer = scheduler.model.tokenizer else {
            throw SwiftletError(
                .missing, "\(scheduler.model.name) has no tokenizer, so it cannot be served")
        }
        self.scheduler = scheduler
        self.template = template
        self.toolTemplate = toolTemplate ?? template
        self.tokenizer = tokenizer
        callStyle = self.toolTemplate.source.map(CallStyle.init(template:)) ?? .none
        var defaults = GenerationOptions(defaultsOf: scheduler.model)
        if let sampling { defaults.sampling = sampling }
        self.defaults = defaults
        created = Clock.seconds
    }

    var model: Model { scheduler.model }
    var templateSource: String? { template.source }
}

/// The model of a server: not there yet, ready, or a failure.
public final class ModelHost: Sendable {
    enum State: Sendable {
        case loading
        case ready(Engine)
        case failed(SwiftletError)
    }

    private let current = Mutex(State.loading)

    /// A model that is being loaded.
    public init() {}

    /// A model that is ready.
    public init(_ engine: Engine) { current.withLock { $0 = .ready(engine) } }

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

    /// The model, if it is ready.
    public var ready: Engine? {
        if case .ready(let engine) = state { engine } else { nil }
    }

    /// The model, or why there is none.
    func engine() throws(APIError) -> Engine {
        switch state {
        case .ready(let engine): return engine
        case .failed(let error): throw APIError(.server, "the model cannot be loaded: \(error.message)")
        case .loading:
            var error = APIError(.unavailable, "Loading model", code: "model_loading")
            error.retryAfter = 1
            throw error
        }
    }
}
