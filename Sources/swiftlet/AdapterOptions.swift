import ArgumentParser
import SwiftletEngine
import SwiftletTensor

/// LoRA adapters, with the flags of llama.cpp.
struct AdapterOptions: ParsableArguments {
    @Option(
        name: .customLong("lora"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "LoRA adapter: GGUF file or PEFT directory; several with commas or by repeating.",
            valueName: "path"),
        completion: .file())
    var plain: [String] = []

    @Option(
        name: .customLong("lora-scaled"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "The same with a scale, such as poems.gguf:0.5; 1 is what an adapter was trained for.",
            valueName: "path:scale"),
        completion: .file())
    var scaled: [String] = []

    func validate() throws {
        try SwiftletError.asUsageError { () throws(SwiftletError) in _ = try paths() }
    }

    /// Paths and scales, those without a scale first.
    func paths() throws(SwiftletError) -> [(path: String, scale: Float)] {
        var paths: [(path: String, scale: Float)] = []
        for text in plain {
            for part in try Self.parts(text, flag: "--lora") { paths.append((part, 1)) }
        }
        for text in scaled {
            for part in try Self.parts(text, flag: "--lora-scaled") { paths.append(try Self.scaled(part)) }
        }
        return paths
    }

    /// The adapters, read for a model.
    func uses(for model: Model) throws(SwiftletError) -> [AdapterUse] {
        var uses: [AdapterUse] = []
        for (path, scale) in try paths() {
            uses.append(AdapterUse(try model.adapter(at: path), scale: scale))
        }
        return uses
    }

    private static func parts(_ text: String, flag: String) throws(SwiftletError) -> [String] {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        guard !parts.contains("") else {
            throw SwiftletError(
                .invalidArgument, "\(flag) '\(text)' has an empty path; expected paths, separated by commas")
        }
        return parts
    }

    private static func scaled(_ text: String) throws(SwiftletError) -> (path: String, scale: Float) {
        guard let colon = text.lastIndex(of: ":"), colon > text.startIndex,
            let scale = Float(text[text.index(after: colon)...]), scale.isFinite
        else {
            throw SwiftletError(
                .invalidArgument,
                "--lora-scaled '\(text)' has no scale; expected a path and a scale, such as poems.gguf:0.5")
        }
        return (String(text[..<colon]), scale)
    }
}
