import ArgumentParser
import SwiftletEngine
import SwiftletFormats
import SwiftletTensor

struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what a model is made of and what it needs.",
        discussion: """
            Reads the headers only. Files that cannot be run are shown, too, with the reason.

              swiftlet inspect
              swiftlet inspect model.gguf --tensors
              swiftlet inspect HuggingFaceTB/SmolLM2-135M --json
            """)

    @Argument(
        help: "GGUF file, Hugging Face directory or hub name; default: the built-in model.",
        completion: .file())
    var path: String?
    @OptionGroup var model: ModelChoice
    @Flag(help: "List every tensor.") var tensors = false
    @Flag(name: .customLong("json"), help: "Print one JSON object.") var isJSON = false

    func validate() throws {
        if path != nil, model.model != nil {
            throw ValidationError("There is more than one model, expected one: as an argument or with -m")
        }
    }

    func run() throws {
        let report = try ModelReport(path ?? model.model)
        if isJSON {
            try Console.write(report.json + "\n")
        } else {
            try Console.write(table(report))
        }
    }

    private func table(_ report: ModelReport) -> String {
        var lines = report.summary.map { name, value in
            pad(name, 22) + value
        }
        lines.append("")
        lines.append("memory by part")
        for part in report.parts {
            lines.append(
                "  \(pad(part.name, 20)) \(pad(formatBytes(part.bytes), 12)) \(part.formats.joined(separator: ", "))"
            )
        }
        for format in ModelReport.cacheFormats {
            guard let cache = report.cacheBytesPerToken(format) else { continue }
            lines.append(
                "  \(pad("cache (\(format.rawValue))", 20)) \(formatBytes(cache)) per token, "
                    + "\(formatBytes(cache * report.contextLength)) for \(report.contextLength) tokens")
        }
        if tensors {
            lines.append("")
            lines.append("tensors")
            for tensor in report.tensors {
                lines.append(
                    "  \(pad(tensor.name, 48)) \(pad(tensor.format, 6)) \(tensor.shape) \(formatBytes(tensor.bytes))"
                )
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
