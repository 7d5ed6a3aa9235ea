import SwiftletFormats
import SwiftletTensor

/// The keys `general.sampling.…` for a directory's `generation_config.json`.
enum GGUFSamplingKeys {
    /// No keys without the file. What the file leaves out gets the reference's default, since programs that
    /// read GGUF files have defaults of their own; without `do_sample`, the likeliest token is taken.
    static func entries(
        of directory: HuggingFaceDirectory
    ) throws(SwiftletError) -> [(key: String, value: GGUFValue)] {
        guard let json = try directory.generationConfig() else { return [] }
        let keys = ConfigurationReader(json: json, source: "\(directory.path)/generation_config.json")
        func entry(_ name: String, _ value: Double) -> (key: String, value: GGUFValue) {
            ("general.sampling.\(name)", GGUFValue(Float(value)))
        }
        var penalties: [(key: String, value: GGUFValue)] = []
        if let penalty = try keys.double("repetition_penalty") {
            // The reference looks at the whole text.
            penalties = [
                ("general.sampling.penalty_last_n", GGUFValue(Int32(-1))), entry("penalty_repeat", penalty),
            ]
        }
        guard try keys.bool("do_sample") ?? false else { return [entry("temp", 0)] + penalties }
        return [
            ("general.sampling.top_k", GGUFValue(Int32(clamping: try keys.int("top_k") ?? 50))),
            entry("top_p", try keys.double("top_p") ?? 1), entry("min_p", try keys.double("min_p") ?? 0),
            entry("temp", try keys.double("temperature") ?? 1),
        ] + penalties
    }
}
