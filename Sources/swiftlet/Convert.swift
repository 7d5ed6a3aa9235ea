import ArgumentParser
import SwiftletEngine
import SwiftletTensor

struct Convert: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Convert a Hugging Face directory to a GGUF file, or a GGUF file to a directory.",
        discussion: """
            A directory becomes a file that llama.cpp loads, too; a file becomes config.json, model.safetensors and \
            tokenizer.json, which Hugging Face's libraries load. Types are those of llama.cpp's converter and of \
            quantize; auto keeps 16-bit numbers, makes f32 bf16, and of blocks f16. A directory holds f32, f16 or \
            bf16.

              swiftlet convert model-directory model.gguf --outtype f16
              swiftlet convert org/name model-q8_0.gguf --outtype q8_0
              swiftlet convert model.gguf model-directory
            """)

    @Argument(help: "GGUF file, Hugging Face directory, or hub name.", completion: .file()) var input: String

    @Argument(help: "The GGUF file or the directory to write.", completion: .file()) var output: String

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Numbers of the weights: auto, \(Self.types).", valueName: "type"),
        completion: .list(["auto"] + QuantizationType.allCases.map(\.rawValue)))
    var outtype = "auto"

    @Option(
        name: [.customShort("t"), .customLong("threads")], parsing: .unconditional,
        help: ArgumentHelp("Threads; default: one per physical core.", valueName: "count"),
        transform: FlagValues.integer)
    var threads: Int?

    @Flag(help: "Replace the file if it is there.") var force = false

    @Flag(name: .customLong("json"), help: "Print one JSON object.") var isJSON = false

    private static let types = QuantizationType.allCases.map(\.rawValue).joined(separator: ", ")

    func validate() throws {
        try SwiftletError.asUsageError { () throws(SwiftletError) in _ = try conversion() }
    }

    func run() throws {
        let conversion = try conversion()
        if !force, System.kind(of: output) == .file {
            throw SwiftletError(
                .invalidArgument,
                "\(output) is there already; name another file, or replace it with --force")
        }
        Interrupt.listen()
        var bar = ProgressBar("Writing \(output)", total: 100)
        let report = try conversion.convert(input, to: output, threadCount: threads) { done, total in
            bar.update(Int(100 * Double(done) / Double(max(total, 1))))
            return !Interrupt.isRequested
        }
        bar.finish()
        guard let report else {
            Console.note("swiftlet: stopped by Ctrl-C; \(output) was not written")
            throw ExitCode(130)
        }
        if !report.hasTokenizer {
            Console.note("swiftlet: \(input) has no tokenizer, so \(output) has none")
        }
        try Console.write(isJSON ? report.json + "\n" : summary(report))
    }

    private func conversion() throws(SwiftletError) -> Conversion {
        do {
            return try Conversion(type: outtype)
        } catch {
            throw SwiftletError(error.code, "--outtype: \(error.message), or auto")
        }
    }

    private func summary(_ report: Conversion.Report) -> String {
        "\(report.path): \(report.tensorCount) tensors, \(formatBytes(report.oldBytes)) → "
            + "\(formatBytes(report.newBytes)) (\(report.type))\n"
    }
}
