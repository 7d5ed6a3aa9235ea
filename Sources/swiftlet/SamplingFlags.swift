import ArgumentParser
import SwiftletEngine

/// How tokens are drawn; what is not given comes from the model's own settings.
struct SamplingFlags: ParsableArguments {
    @Option(name: .customLong("temp"), help: "Temperature; 0 always takes the likeliest token.")
    var temperature: Double?

    @Option(help: "Draw from the k likeliest tokens; 0 is all.")
    var topK: Int?

    @Option(help: "Draw from the likeliest tokens that hold this much probability; 1 is all.")
    var topP: Double?

    @Option(help: "Leave out tokens below this share of the likeliest one's probability; 0 is off.")
    var minP: Double?

    @Option(
        name: [.customLong("typical"), .customLong("typical-p")], help: "Locally typical sampling; 1 is off.")
    var typicalP: Double?

    @Option(help: "Divide the logits of recent tokens by this; 1 is off.")
    var repeatPenalty: Double?

    @Option(help: "Subtract this from the logits of recent tokens.")
    var presencePenalty: Double?

    @Option(help: "Subtract this from the logits of recent tokens, for every occurrence.")
    var frequencyPenalty: Double?

    @Option(help: "How many recent tokens the penalties look at; -1 is all.")
    var repeatLastN: Int?

    @Option(name: [.customShort("s"), .long], help: "Seed of the draws; the same seed draws the same text.")
    var seed: UInt64?

    func apply(to options: inout SamplingOptions) throws {
        options.temperature = temperature ?? options.temperature
        options.topK = topK ?? options.topK
        options.topP = topP ?? options.topP
        options.minP = minP ?? options.minP
        options.typicalP = typicalP ?? options.typicalP
        options.repeatPenalty = repeatPenalty ?? options.repeatPenalty
        options.presencePenalty = presencePenalty ?? options.presencePenalty
        options.frequencyPenalty = frequencyPenalty ?? options.frequencyPenalty
        options.repeatLastN = repeatLastN ?? options.repeatLastN
        options.seed = seed
        try options.validate()
    }
}

extension SamplingOptions {
    /// The chain with its settings, for `-v`.
    var summary: String {
        """
        sampling: \(Sampler.stageOrder.joined(separator: " → "))
          penalties repeat \(repeatPenalty), presence \(presencePenalty), frequency \(frequencyPenalty), \
        last \(repeatLastN)
          top-k \(topK), typical \(typicalP), top-p \(topP), min-p \(minP), temperature \(temperature)
        """
    }
}
