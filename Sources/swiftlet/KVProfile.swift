public import ArgumentParser
public import SwiftletEngine
import SwiftletModels
import SwiftletTensor

extension KVSharerStrategy.Order: ExpressibleByArgument {}

struct KVProfileCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "profile",
        abstract: "Measure a model on a text for the cache methods UNComp and KVSharer.",
        discussion: """
            Writes a file for --kv-policy, which is refused for any other model.

              swiftlet kv profile --method uncomp -m model.gguf -f text.txt -o heads.json
              swiftlet run -m model.gguf --kv-policy uncomp:heads.json --kv-budget 20% -f prompt.txt
              swiftlet kv profile --method kvsharer -m model.gguf -f text.txt -o map.json --share 25%
              swiftlet run -m model.gguf --kv-policy kvsharer:map.json -f prompt.txt
            """)

    @Option(help: "uncomp: effective ranks of heads; kvsharer: which layers share a cache.")
    var method: Method

    /// The methods by their names in flags.
    enum Method: String, CaseIterable, ExpressibleByArgument {
        case uncomp, kvsharer
    }

    @OptionGroup var model: ModelChoice

    @Option(name: .shortAndLong, help: "The text; - is standard input.", completion: .file())
    var file: String

    @Option(name: .shortAndLong, help: "The file to write.", completion: .file())
    var output: String

    @Option(
        help: ArgumentHelp("Pieces of the text; default: 32.", valueName: "count"),
        transform: FlagValues.integer)
    var samples: Int?

    @Option(
        help: ArgumentHelp(
            "Tokens of a piece; default: 4096 for uncomp, 64 for kvsharer, or what text and context allow.",
            valueName: "count"),
        transform: FlagValues.integer)
    var tokens: Int?

    @Option(
        help: ArgumentHelp("kvsharer: share of the layers that borrow; default: 25%.", valueName: "percent"))
    var share: String?

    @Option(
        help: ArgumentHelp("kvsharer: number of layers that borrow.", valueName: "count"),
        transform: FlagValues.integer)
    var layers: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "kvsharer: least cosine of the final hidden states; default: 0.5.", valueName: "cosine"),
        transform: FlagValues.number)
    var threshold: Double?

    @Option(help: "kvsharer: which pairs of layers are tried first; default: dissimilar.")
    var order: KVSharerStrategy.Order?

    @Option(
        help: ArgumentHelp("Where the pieces begin; default: 1.", valueName: "number"),
        transform: FlagValues.integer)
    var seed: Int?

    @Option(
        name: [.customShort("t"), .customLong("threads")],
        help: ArgumentHelp("Threads; default: one per physical core.", valueName: "count"),
        transform: FlagValues.integer)
    var threads: Int?

    @Flag(help: "Replace the file if it is there.") var force = false

    func validate() throws {
        if method == .uncomp, share != nil || layers != nil || threshold != nil || order != nil {
            throw ValidationError("--share, --layers, --threshold and --order belong to --method kvsharer.")
        }
        if share != nil, layers != nil {
            throw ValidationError("--share and --layers both say how many layers borrow; keep one of them.")
        }
        _ = try borrowers(of: 4)
    }

    func run() throws {
        if !force, System.kind(of: output) != nil {
            throw SwiftletError(
                .invalidArgument,
                "\(output) is there already; name another file, or replace it with --force")
        }
        let model = try Model.load(model.model)
        var options = KVCalibration.Options()
        options.samples = samples
        options.tokens = tokens
        options.seed = seed ?? options.seed
        options.threadCount = threads
        let calibration = try KVCalibration(
            text: try InputFile.read(file, flag: "-f"), named: file, model: model, options: options)
        Interrupt.listen()
        guard let profile = try profile(calibration, of: model) else {
            Console.note("swiftlet: stopped by Ctrl-C; \(output) was not written")
            throw ExitCode(130)
        }
        try profile.write(to: output)
        Console.note("swiftlet: \(summary(of: profile)); wrote \(output)")
    }

    private func profile(_ calibration: KVCalibration, of model: Model) throws -> KVProfile? {
        switch method {
        case .uncomp:
            var bar = ProgressBar("Measuring heads", total: 100)
            defer { bar.finish() }
            return try calibration.uncomp { done, total in
                bar.update(100 * done / max(total, 1))
                return !Interrupt.isRequested
            }
        case .kvsharer:
            let count = try borrowers(of: model.configuration.layerCount)
            var bar = ProgressBar("Searching layers that share", total: count)
            defer { bar.finish() }
            return try calibration.kvsharer(
                borrowers: count, threshold: threshold ?? 0.5, order: order ?? .dissimilar
            ) { _, found in
                bar.update(max(found, 0))
                return !Interrupt.isRequested
            }
        }
    }

    /// How many of some layers shall borrow.
    private func borrowers(of count: Int) throws -> Int {
        if let layers { return layers }
        let text = share ?? "25%"
        guard text.hasSuffix("%"), let percent = Double(text.dropLast()), (0..<100).contains(percent) else {
            throw ValidationError("--share is '\(text)'; expected a percentage below 100, such as 25%.")
        }
        return Int((Double(count) * percent / 100).rounded())
    }

    private func summary(of profile: KVProfile) -> String {
        switch profile.content {
        case .uncomp(let ranks):
            return "effective ranks of \(ranks.ranks.count) layers from \(profile.provenance.samples) pieces"
        case .kvsharer(let strategy):
            let wanted = strategy.borrowerCount == strategy.target ? "" : " of \(strategy.target) wanted"
            return
                "\(strategy.borrowerCount)\(wanted) layers borrow a cache, after \(strategy.trace.count) pairs"
        }
    }
}
