import ArgumentParser
import SwiftletEngine
import SwiftletTensor

struct Quantize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a model in other number formats, as one GGUF file.",
        discussion: """
            Reads a Hugging Face directory or a GGUF file. The type is one of llama-quantize's and gives every \
            matrix the format that llama-quantize gives it: most get the one in its name, sensitive ones more \
            bits (the output matrix q6_K), unless --pure or another flag says otherwise. Norms and biases stay \
            f32. Rows that do not fill blocks of 256 or 32 get the next larger format that fits.

              swiftlet quantize model-directory model-q8_0.gguf --type q8_0
              swiftlet quantize model-f16.gguf model-q4.gguf --type q4_K_M --tensor-type ffn_down=q8_0
              swiftlet quantize org/name model.gguf --type q5_1 --output-tensor-type f16 --json
              swiftlet quantize base merged.gguf --type f16 --lora-scaled adapter:0.5
            """)

    @Argument(help: "GGUF file, Hugging Face directory, or hub name.", completion: .file()) var input: String

    @Argument(help: "The GGUF file to write.", completion: .file()) var output: String

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Kind of file: \(Self.types).", valueName: "type"),
        completion: .list(QuantizationType.allCases.map(\.rawValue)))
    var type: String

    @Option(
        name: .customLong("tensor-type"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "Format of tensors whose name a regular expression finds; may be repeated, the first that fits counts.",
            valueName: "pattern=type"))
    var tensorTypes: [String] = []

    @Option(
        name: .customLong("token-embedding-type"), parsing: .unconditional,
        help: ArgumentHelp("Format of the token embedding.", valueName: "type"))
    var embeddingType: String?

    @Option(
        name: .customLong("output-tensor-type"), parsing: .unconditional,
        help: ArgumentHelp("Format of the output matrix.", valueName: "type"))
    var outputType: String?

    @OptionGroup(title: "Adapters to merge") var adapters: AdapterOptions

    @Flag(help: "Use one type for all matrices, the output matrix included.") var pure = false

    @Option(
        name: [.customShort("t"), .customLong("threads")], parsing: .unconditional,
        help: ArgumentHelp("Threads; default: one per physical core.", valueName: "count"),
        transform: FlagValues.integer)
    var threads: Int?

    @Flag(help: "Replace the file if it is there.") var force = false

    @Flag(name: .customLong("json"), help: "Print one JSON object instead of a table.") var isJSON = false

    private static let types = QuantizationType.allCases.map(\.rawValue).joined(separator: ", ")

    func validate() throws {
        try SwiftletError.asUsageError { () throws(SwiftletError) in _ = try quantization() }
    }

    func run() throws {
        let quantization = try quantization()
        if !force, System.kind(of: output) != nil {
            throw SwiftletError(
                .invalidArgument,
                "\(output) is there already; name another file, or replace it with --force")
        }
        Interrupt.listen()
        var bar = ProgressBar("Writing \(output)", total: 100)
        let report = try quantization.convert(
            input, to: output, threadCount: threads, merging: try adapters.paths()
        ) { done, total in
            bar.update(Int(100 * Double(done) / Double(max(total, 1))))
            return !Interrupt.isRequested
        }
        bar.finish()
        guard let report else {
            Console.note("swiftlet: stopped by Ctrl-C; \(output) was not written")
            throw ExitCode(130)
        }
        if report.requantizes {
            Console.note(
                "swiftlet: \(input) was quantised before, so errors add up; start from f16, bf16 or f32 if you can"
            )
        }
        try Console.write(isJSON ? report.json + "\n" : table(report))
    }

    /// What the flags ask for.
    private func quantization() throws(SwiftletError) -> Quantization {
        var quantization = Quantization(try Self.type(type))
        quantization.isPure = pure
        if let embeddingType {
            quantization.embeddingFormat = try Self.format("--token-embedding-type", embeddingType)
        }
        if let outputType {
            quantization.outputFormat = try Self.format("--output-tensor-type", outputType)
        }
        for text in tensorTypes {
            guard let separator = text.lastIndex(of: "=") else {
                throw SwiftletError(
                    .invalidArgument, "--tensor-type \(text) has no type; expected one such as ffn_down=q8_0")
            }
            let format = try Self.format("--tensor-type", String(text[text.index(after: separator)...]))
            quantization.overrides.append(
                try Quantization.Override(pattern: String(text[..<separator]), format: format))
        }
        return quantization
    }

    private static func type(_ name: String) throws(SwiftletError) -> QuantizationType {
        do {
            return try QuantizationType(named: name)
        } catch {
            throw SwiftletError(error.code, "--type: \(error.message)")
        }
    }

    private static func format(_ flag: String, _ name: String) throws(SwiftletError) -> NumberFormat {
        do {
            return try Quantization.format(named: name)
        } catch {
            throw SwiftletError(error.code, "\(flag): \(error.message)")
        }
    }

    private func table(_ report: QuantizationReport) -> String {
        let width = max(report.rows.map(\.name.count).max() ?? 0, 6)
        var lines = [
            "\(pad("tensor", width))  \(pad("format", 14))  \(pad("size", 23))  \(pad("rms error", 9))  max error"
        ]
        for row in report.rows {
            let format =
                row.oldFormat == row.newFormat ? "\(row.newFormat)" : "\(row.oldFormat) → \(row.newFormat)"
            let size = "\(formatBytes(row.oldBytes)) → \(formatBytes(row.newBytes))"
            lines.append(
                "\(pad(row.name, width))  \(pad(format, 14))  \(pad(size, 23))  "
                    + "\(pad(formatNumber(row.relativeRMSError, 5), 9))  \(formatNumber(row.relativeMaxError, 5))"
                    + (row.note.map { "  (\($0))" } ?? ""))
        }
        lines.append(
            "\(report.path): \(formatBytes(report.oldBytes)) → \(formatBytes(report.newBytes)), "
                + "\(formatNumber(report.bitsPerWeight, 2)) bits per weight; errors are relative to the root mean "
                + "square of a tensor")
        return lines.joined(separator: "\n") + "\n"
    }
}
