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
    /// What changes the weights, by the numbers that requests use.
    let adapters: AdapterScales
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
        adapters = AdapterScales(scheduler.options.adapters)
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
