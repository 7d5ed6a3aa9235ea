import ArgumentParser
import SwiftletEngine
import SwiftletFormats
import SwiftletTensor
import SwiftletText

struct Logits: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print raw logits, to compare with other implementations.",
        discussion: """
            Needs no tokenizer. Activations are never quantised, and the cache is f32 unless -ctk and -ctv say \
            otherwise.

              swiftlet logits -m model.gguf --ids 1,2,3 --json
              swiftlet logits -m model.gguf --ids 1,2,3 --all --json
            """)

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Token ids, separated by commas or spaces.", valueName: "ids"))
    var ids: String

    @Flag(help: "Logits of all positions, not just the last.") var all = false

    @Flag(
        name: .customLong("json"),
        help: "Print {\"logits\": [[…]]}, one row per position; without it, the ten likeliest tokens.")
    var isJSON = false
    @OptionGroup(title: "Model") var model: ModelOptions

    func run() throws {
        let ids = try TokenList.parse(ids)
        guard !ids.isEmpty else {
            throw SwiftletError(.invalidArgument, "--ids is empty, expected token ids such as 1,2,3")
        }
        var options = try model.sessionOptions(cacheFormat: .f32)
        options.activations = .exact
        let loaded = try Model.load(model.choice.model, needsTokenizer: false)
        options.policy = try model.policy.policy(for: loaded)
        options.adapters = try model.adapters.uses(for: loaded)
        let session = try Session(loaded, options)
        if isJSON {
            try printJSON(ids, session)
        } else {
            try printTable(ids, session)
        }
        if let summary = session.cacheReport.summary { Console.note(summary) }
    }

    /// Writes row by row, so that a long text with a large vocabulary needs no more memory than one row.
    private func printJSON(_ ids: [TokenID], _ session: Session) throws {
        var separator = "{\"logits\":["
        try forEachRow(ids, session) { _, logits throws(SwiftletError) in
            var row = JSONWriter()
            row.array { row in for logit in logits { row.value(logit) } }
            try Console.write(Array(separator.utf8) + row.bytes)
            separator = ","
        }
        try Console.write("]}\n")
    }

    private func printTable(_ ids: [TokenID], _ session: Session) throws {
        try forEachRow(ids, session) { position, logits throws(SwiftletError) in
            let best = logits.indices.sorted {
                logits[$0] != logits[$1] ? logits[$0] > logits[$1] : $0 < $1
            }.prefix(10)
            try Console.write("after position \(position):\n")
            for id in best {
                let piece =
                    session.model.tokenizer?.piece(TokenID(id)).map { "\t\($0.debugDescription)" } ?? ""
                try Console.write("  \(id)\t\(formatNumber(Double(logits[id]), 4))\(piece)\n")
            }
        }
    }

    private func forEachRow(
        _ ids: [TokenID], _ session: Session,
        _ body: (Int, UnsafeBufferPointer<Float>) throws(SwiftletError) -> Void
    ) throws(SwiftletError) {
        guard all else {
            guard let logits = try session.feed(ids) else { return }
            return try logits.withUnsafeBufferPointer { row throws(SwiftletError) in
                try body(ids.count - 1, row)
            }
        }
        var failure: SwiftletError?
        try session.feed(ids) { position, logits in
            guard failure == nil else { return }
            do throws(SwiftletError) { try body(position, logits) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}
