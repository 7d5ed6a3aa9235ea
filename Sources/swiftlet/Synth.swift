import ArgumentParser
import SwiftletEngine
import SwiftletFormats
import SwiftletModels
import SwiftletTensor

struct Synth: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a model of random weights, to measure speed and memory.",
        discussion: """
            The file loads in Swiftlet and in llama.cpp. It writes nonsense, with the tokenizer of the built-in \
            model. A shape is a name, numbers, or a name with numbers to change; the numbers are hidden, inner, \
            layers, heads, kv-heads, head-size, vocab, context, rope-base, window and tied (0 or 1).

              swiftlet synth --shape 135m --type q8_0 135m.gguf
              swiftlet synth --arch qwen3 --shape 1b,layers=4 --type q4_0 qwen3.gguf
              swiftlet synth --shape hidden=64,layers=2,heads=4 --type f32 tiny.gguf
            """)

    @Argument(help: "The GGUF file to write.", completion: .file()) var path: String

    @Option(
        name: .customLong("arch"), parsing: .unconditional,
        help: ArgumentHelp("Architecture: \(Self.architectures).", valueName: "name"),
        completion: .list(SyntheticModel.Architecture.allCases.map(\.rawValue)))
    var architecture = SyntheticModel.Architecture.llama.rawValue

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Sizes: \(SyntheticShape.names.joined(separator: ", ")), or numbers.", valueName: "shape"),
        completion: .list(SyntheticShape.names))
    var shape = "15m"

    @Option(
        name: .customLong("type"), parsing: .unconditional,
        help: ArgumentHelp("Number format of matrices: \(Self.types).", valueName: "type"),
        completion: .list(Self.formats.map(\.rawValue)))
    var type = NumberFormat.q8_0.rawValue

    @Option(
        name: [.short, .long], parsing: .unconditional,
        help: "Seed of the weights; the same seed makes the same file.", transform: FlagValues.seed)
    var seed = Seed(value: 1)

    @Flag(help: "Write no weights: a small file, for 'plan' alone.") var headerOnly = false

    @Flag(help: "Replace the file if it is there.") var force = false

    @Flag(name: .customLong("json"), help: "Print one JSON object about the file.") var isJSON = false

    private static let architectures =
        SyntheticModel.Architecture.allCases.map(\.rawValue).joined(separator: ", ")
    private static let formats = NumberFormat.allCases.filter(\.isWritable)
    private static let types = formats.map(\.rawValue).joined(separator: ", ")

    func run() throws {
        let model = try model()
        let bytes = try model.byteCount()
        if !force, System.kind(of: path) != nil {
            throw SwiftletError(
                .invalidArgument, "\(path) is there already; name another file, or replace it with --force")
        }
        guard !headerOnly else {
            try model.writeHeader(to: path)
            return try report(model, bytes)
        }
        Interrupt.listen()
        var bar = ProgressBar("Writing \(path)", total: 100)
        let isComplete = try model.write(to: path) { done, total in
            bar.update(100 * done / max(total, 1))
            return !Interrupt.isRequested
        }
        bar.finish()
        guard isComplete else {
            Console.note("swiftlet: stopped by Ctrl-C; \(path) was not written")
            throw ExitCode(130)
        }
        try report(model, bytes)
    }

    private func report(_ model: SyntheticModel, _ bytes: Int) throws(SwiftletError) {
        if isJSON {
            try Console.write(json(model, bytes))
        } else {
            Console.note("\(path): \(architecture) \(shape), \(formatBytes(bytes)) of weights")
        }
    }

    /// What the flags describe.
    private func model() throws(SwiftletError) -> SyntheticModel {
        guard let known = SyntheticModel.Architecture(rawValue: architecture) else {
            throw SwiftletError(
                .invalidArgument,
                "--arch \(architecture) cannot be made; expected one of \(Self.architectures)")
        }
        guard let format = Self.formats.first(where: { $0.rawValue.lowercased() == type.lowercased() }) else {
            throw SwiftletError(
                .invalidArgument, "--type \(type) cannot be written; expected one of \(Self.types)")
        }
        let seed = seed.value ?? UInt64.random(in: 0...UInt64(UInt32.max))
        return SyntheticModel(known, try SyntheticShape(shape), format: format, seed: seed)
    }

    private func json(_ model: SyntheticModel, _ bytes: Int) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("path", path)
            writer.member("architecture", model.architecture.rawValue)
            writer.member("shape", shape)
            writer.member("type", model.format.rawValue)
            writer.member("seed", model.seed)
            writer.member("weight_bytes", bytes)
        }
        return writer.text + "\n"
    }
}
