import SwiftletEngine
import SwiftletFormats

/// Sampling stages under llama-server's names.
enum SamplingStages {
    /// The stages that Swiftlet has, in the order in which they run.
    static let order = ["penalties", "top_k", "typ_p", "top_p", "min_p", "temperature"]

    private static let missing = ["dry", "top_n_sigma", "xtc", "infill", "adaptive_p"]
    private static let otherNames = [
        "top-k": "top_k", "top-p": "top_p", "nucleus": "top_p", "typical-p": "typ_p", "typical": "typ_p",
        "typ-p": "typ_p", "typ": "typ_p", "min-p": "min_p", "temp": "temperature",
        "top-n-sigma": "top_n_sigma",
        "adaptive-p": "adaptive_p",
    ]
    private static let letters: [Character: String] = [
        "e": "penalties", "d": "dry", "s": "top_n_sigma", "k": "top_k", "y": "typ_p", "p": "top_p",
        "m": "min_p", "x": "xtc", "t": "temperature", "i": "infill", "a": "adaptive_p",
    ]

    /// Reads `samplers`: stages that are not named are switched off, and the others must come in their order as far as
    /// they do something.
    static func readOrder(
        _ fields: inout RequestFields, _ sampling: inout SamplingOptions
    ) throws(APIError) {
        guard let value = fields.value("samplers") else { return }
        let path = fields.path("samplers")
        let names: [String]
        if let text = value.string {
            names = text.prefix(64).map { letters[$0] ?? String($0) }
        } else {
            names = try fields.strings("samplers", maximum: 64) ?? []
        }
        var places: [Int] = []
        for name in names.map({ otherNames[$0] ?? $0 }) where !missing.contains(name) {
            guard let place = order.firstIndex(of: name) else {
                throw .field(
                    path, "names '\(name.prefix(60))', expected \((order + missing).joined(separator: ", "))")
            }
            places.append(place)
        }
        for place in order.indices where !places.contains(place) { switchOff(place, &sampling) }
        let active = places.filter { isActive($0, sampling) }
        if let (before, after) = zip(active, active.dropFirst()).first(where: { $0 >= $1 }) {
            throw .refused(
                path,
                "'\(order[after])' cannot come behind '\(order[before])'; the order is "
                    + order.joined(separator: ", "))
        }
    }

    private static func isActive(_ place: Int, _ sampling: SamplingOptions) -> Bool {
        var without = sampling
        switchOff(place, &without)
        return without != sampling
    }

    private static func switchOff(_ place: Int, _ sampling: inout SamplingOptions) {
        let off = SamplingOptions.neutral
        switch order[place] {
        case "penalties":
            sampling.repeatPenalty = off.repeatPenalty
            sampling.presencePenalty = off.presencePenalty
            sampling.frequencyPenalty = off.frequencyPenalty
        case "top_k": sampling.topK = off.topK
        case "typ_p": sampling.typicalP = off.typicalP
        case "top_p": sampling.topP = off.topP
        case "min_p": sampling.minP = off.minP
        default: sampling.temperature = off.temperature
        }
    }

    /// Takes their fields only with values that switch the stages off.
    static func refuseMissing(_ fields: inout RequestFields) throws(APIError) {
        try fields.acceptOff("mirostat", { $0 == 0 }, "mirostat sampling")
        try fields.acceptOff("dynatemp_range", { $0 == 0 }, "dynamic temperature")
        try fields.acceptOff("dry_multiplier", { $0 == 0 }, "DRY sampling")
        try fields.acceptOff("xtc_probability", { $0 == 0 }, "XTC sampling")
        try fields.acceptOff("top_n_sigma", { $0 <= 0 }, "top-n-sigma sampling")
        try fields.acceptOff("adaptive_target", { $0 < 0 }, "adaptive sampling")
        try fields.acceptOff("n_indent", { $0 == 0 }, "least indentation")
        try fields.acceptOff("min_keep", { $0 <= 1 }, "least number of candidates")
        try fields.acceptOff("t_max_predict_ms", { $0 <= 0 }, "limit of time")
        fields.accept([
            "mirostat_tau", "mirostat_eta", "dynatemp_exponent", "dry_base", "dry_allowed_length",
            "dry_penalty_last_n", "dry_sequence_breakers", "xtc_threshold", "adaptive_decay",
        ])
        try fields.refuse("best_of", "answers are not ranked; ask for several with n")
        try fields.refuse("use_beam_search", "there is no beam search")
    }
}

extension SamplingOptions {
    /// Every stage does nothing.
    fileprivate static var neutral: SamplingOptions {
        var options = SamplingOptions()
        options.repeatPenalty = 1
        options.presencePenalty = 0
        options.frequencyPenalty = 0
        options.topK = 0
        options.typicalP = 1
        options.topP = 1
        options.minP = 0
        options.temperature = 1
        return options
    }
}
