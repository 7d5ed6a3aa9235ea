import SwiftletFormats

/// Sampling stages of llama-server that Swiftlet does not have.
enum SamplingStages {
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
        try fields.refuse("samplers", "the order of the stages is fixed")
        if let adapters = fields.value("lora"), adapters.count > 0 || adapters.kind != .array {
            throw .refused(fields.path("lora"), "there are no adapters")
        }
    }
}
