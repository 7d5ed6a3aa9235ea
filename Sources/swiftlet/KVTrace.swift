import ArgumentParser
import SwiftletCache
import SwiftletEngine
import SwiftletFormats
import SwiftletTensor
import SwiftletText

/// Shows what a policy keeps of a text.
struct KVTrace: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace",
        abstract: "Show which positions a cache policy keeps of a text.",
        discussion: """
            Reads the text, continues it greedily for -n tokens, and shows budgets, rows and bytes of every layer \
            after the prompt and at the end. --json adds the kept positions of every KV head.

              swiftlet kv trace -f prompt.txt --kv-policy snapkv --kv-budget 20%
              swiftlet kv trace -f prompt.txt --kv-policy zigzag+h2o -n 64 --json
              swiftlet kv trace -f prompt.txt --kv-policy d2o --picture kept.svg
            """)

    @OptionGroup var text: TextOptions

    @Option(
        name: [.customShort("n"), .customLong("predict"), .customLong("n-predict")], parsing: .unconditional,
        help: ArgumentHelp("Tokens to write after the text; default: 0.", valueName: "tokens"),
        transform: FlagValues.integer)
    var count = 0

    @Flag(name: .customLong("json"), help: "Print one JSON object with the kept positions.") var isJSON =
        false

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Draw layers × tokens into this file, a name that ends in .svg.", valueName: "file"),
        completion: .file(extensions: ["svg"]))
    var picture: String?

    @OptionGroup(title: "Model") var model: ModelOptions

    func validate() throws {
        if count < 0 { throw ValidationError("-n is \(count); expected 0 tokens or more") }
        if let picture, !picture.lowercased().hasSuffix(".svg") {
            throw ValidationError("--picture is '\(picture)'; expected a name that ends in .svg")
        }
    }

    func run() throws {
        let bytes = try text.read(example: "swiftlet kv trace -f prompt.txt --kv-policy snapkv")
        let loaded = try Model.load(model.choice.model)
        let ids = loaded.tokenizer?.encode(bytes) ?? []
        guard !bytes.isEmpty else {
            throw SwiftletError(.invalidArgument, "the text is empty, expected one whose cache can be shown")
        }
        let session = try model.session(loaded)
        Interrupt.listen()
        var bar = ProgressBar("Reading the text", total: ids.count + count)
        let trace = try CacheTrace.record(session, prompt: ids, generating: count) {
            bar.update($0)
            return !Interrupt.isRequested
        }
        bar.finish()
        guard let trace else {
            Console.note("swiftlet: stopped by Ctrl-C; there is nothing to show")
            throw ExitCode(130)
        }
        if let picture {
            try AtomicFile.write(Array(TracePicture(trace).svg.utf8), to: picture)
            Console.note("swiftlet: wrote \(picture)")
        }
        try Console.write(isJSON ? trace.json + "\n" : trace.table)
    }
}

extension CacheTrace {
    /// What the moment is called.
    static func title(of moment: Moment) -> String {
        moment.generatedTokens == 0
            ? "after the prompt of \(moment.report.tokenCount) tokens"
            : "after \(moment.generatedTokens) more tokens"
    }

    fileprivate var table: String { moments.map(Self.table).joined(separator: "\n") }

    private static func table(_ moment: Moment) -> String {
        var lines = ["\(title(of: moment)):", line("layer", "budget", "rows of each KV head", "bytes")]
        for (number, layer) in moment.layers.enumerated() {
            guard layer.owner == number else {
                lines.append(line("\(number)", "", "reads layer \(layer.owner)", ""))
                continue
            }
            let rows = layer.heads.map { head in
                "\(head.positions.count)" + (head.merged.isEmpty ? "" : " (\(head.merged.count) merged)")
            }
            lines.append(
                line(
                    "\(number)", layer.budget.map(String.init) ?? "", rows.joined(separator: " "),
                    formatBytes(layer.bytes)))
        }
        let use = moment.report.use
        lines.append(
            "rows \(formatBytes(use.pages)) · positions \(formatBytes(use.positions)) · evidence "
                + "\(formatBytes(use.evidence)) · index \(formatBytes(use.index)) · in all "
                + formatBytes(use.bytes))
        if let summary = moment.report.summary { lines.append(summary) }
        return lines.map { $0 + "\n" }.joined()
    }

    private static func line(_ layer: String, _ budget: String, _ rows: String, _ bytes: String) -> String {
        "  \(pad(layer, 5))  \(pad(budget, 6))  \(pad(rows, 24))  \(bytes)"
    }

    fileprivate var json: String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("model", model)
            writer.member("prompt_tokens", promptTokens)
            writer.member("positions", positions == .slot ? "slot" : "original")
            writer.key("moments")
            writer.array { writer in
                for moment in moments {
                    writer.object { writer in
                        writer.member("generated_tokens", moment.generatedTokens)
                        writer.key("cache")
                        moment.report.write(to: &writer)
                        writer.key("layers")
                        writer.array { writer in
                            for (number, layer) in moment.layers.enumerated() {
                                Self.write(layer, number, to: &writer)
                            }
                        }
                    }
                }
            }
        }
        return writer.text
    }

    private static func write(_ layer: Layer, _ number: Int, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("layer", number)
            writer.member("owner", layer.owner)
            writer.key("budget")
            if let budget = layer.budget { writer.value(budget) } else { writer.null() }
            writer.member("bytes", layer.bytes)
            writer.key("heads")
            writer.array { writer in
                for (number, head) in layer.heads.enumerated() {
                    writer.object { writer in
                        writer.member("kv_head", number)
                        writer.member("rows", head.positions.count)
                        writer.key("positions")
                        writer.array { writer in for position in head.positions { writer.value(position) } }
                        writer.key("merged")
                        writer.array { writer in for position in head.merged { writer.value(position) } }
                    }
                }
            }
        }
    }
}
