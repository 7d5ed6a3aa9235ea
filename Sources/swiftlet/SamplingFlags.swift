import ArgumentParser
import Foundation
import SwiftletEngine
import SwiftletTensor

/// How tokens are drawn; what is not given comes from the model's own settings.
struct SamplingFlags: ParsableArguments {
    @Option(
        name: [.customLong("temp"), .customLong("temperature")], parsing: .unconditional,
        help: "Temperature; 0 always takes the likeliest token.", transform: FlagValues.number)
    var temperature: Double?

    @Option(
        parsing: .unconditional, help: "Draw from the k likeliest tokens; 0 is all.",
        transform: FlagValues.integer)
    var topK: Int?

    @Option(
        parsing: .unconditional,
        help: "Draw from the likeliest tokens that hold this much probability; 1 is all.",
        transform: FlagValues.number)
    var topP: Double?

    @Option(
        parsing: .unconditional,
        help: "Leave out tokens below this share of the likeliest one's probability; 0 is off.",
        transform: FlagValues.number)
    var minP: Double?

    @Option(
        name: [.customLong("typical"), .customLong("typical-p")], parsing: .unconditional,
        help: "Locally typical sampling: how much probability to keep; 1 is off.",
        transform: FlagValues.number)
    var typicalP: Double?

    @Option(
        parsing: .unconditional, help: "Divide the logits of recent tokens by this; 1 is off.",
        transform: FlagValues.number)
    var repeatPenalty: Double?

    @Option(
        parsing: .unconditional, help: "Subtract this from the logits of recent tokens.",
        transform: FlagValues.number)
    var presencePenalty: Double?

    @Option(
        parsing: .unconditional,
        help: "Subtract this from the logits of recent tokens, for every occurrence.",
        transform: FlagValues.number)
    var frequencyPenalty: Double?

    @Option(
        parsing: .unconditional, help: "How many recent tokens the penalties look at; -1 is all.",
        transform: FlagValues.integer)
    var repeatLastN: Int?

    @Option(
        name: [.short, .long], parsing: .unconditional,
        help: "Seed of the draws: the same seed draws the same text; -1 picks one.",
        transform: FlagValues.seed)
    var seed: Seed?

    func validate() throws {
        try SwiftletError.asUsageError { () throws(SwiftletError) in
            var options = SamplingOptions()
            apply(to: &options)
            try options.validate()
        }
    }

    func apply(to options: inout SamplingOptions) {
        options.temperature = temperature ?? options.temperature
        options.topK = topK ?? options.topK
        options.topP = topP ?? options.topP
        options.minP = minP ?? options.minP
        options.typicalP = typicalP ?? options.typicalP
        options.repeatPenalty = repeatPenalty ?? options.repeatPenalty
        options.presencePenalty = presencePenalty ?? options.presencePenalty
        options.frequencyPenalty = frequencyPenalty ?? options.frequencyPenalty
        options.repeatLastN = repeatLastN ?? options.repeatLastN
        options.seed = seed?.value
    }
}

extension SamplingOptions {
    /// The chain with its settings, for `-v`.
    var summary: String {
        func text(_ value: Double) -> String { String(format: "%g", value) }
        return """
            sampling: \(Sampler.stageOrder.joined(separator: " → "))
              penalties repeat \(text(repeatPenalty)), presence \(text(presencePenalty)), \
            frequency \(text(frequencyPenalty)), last \(repeatLastN)
              top-k \(topK), typical \(text(typicalP)), top-p \(text(topP)), min-p \(text(minP)), \
            temperature \(text(temperature))
            """
    }
}
