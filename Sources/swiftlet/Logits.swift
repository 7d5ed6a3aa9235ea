import ArgumentParser
import SwiftletEngine
import SwiftletFormats
import SwiftletTensor
import SwiftletText

struct Logits: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print raw logits, to compare with other implementations.",
        discussion: """
            Needs no tokenizer. The cache is f32 unless -ctk and -ctv say otherwise.

              swiftlet logits -m model --ids 1,2,3 --json
              swiftlet logits -m model --ids 1,2,3 --all --json
            """)

    @Option(help: "Token ids, separated by commas.") var ids: String
    @Flag(help: "Logits of all positions, not just the last.") var all = false
    @Flag(name: .customLong("json"), help: "Print {\"logits\": [[…]]}.") var isJSON = false
    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Cache") var cache: CacheFormatOptions

    func run() throws {
        let ids = try TokenList.parse(ids)
        let loaded = try Model.load(model.choice.model, needsTokenizer: false)
        var options = Session.Options()
        options.threadCount = model.threads
        options.contextLength = model.contextLength
        options.batchSize = model.batchSize
        options.cacheFormat = try cache.format(default: .f32)
        let session = try Session(loaded, options)
        if isJSON {
            try printJSON(ids, session)
        } else {
            try printTable(ids, session)
        }
    }

    private func printJSON(_ ids: [TokenID], _ session: Session) throws {
        var writer = JSONWriter()
        try writer.object { writer throws(SwiftletError) in
            writer.key("logits")
            try writer.array { writer throws(SwiftletError) in
                try forEachRow(ids, session) { _, logits in
                    writer.array { writer in for logit in logits { writer.value(logit) } }
                }
            }
        }
        Console.write(writer.bytes + Array("\n".utf8))
    }

    private func printTable(_ ids: [TokenID], _ session: Session) throws {
        try forEachRow(ids, session) { position, logits in
            let best = logits.indices.sorted {
                logits[$0] != logits[$1] ? logits[$0] > logits[$1] : $0 < $1
            }.prefix(10)
            Console.write("after position \(position):\n")
            for id in best {
                let piece = session.model.tokenizer?.piece(TokenID(id)).map(\.debugDescription) ?? ""
                Console.write("  \(id)\t\(formatNumber(Double(logits[id]), 4))\t\(piece)\n")
            }
        }
    }

    private func forEachRow(
        _ ids: [TokenID], _ session: Session, _ body: (Int, UnsafeBufferPointer<Float>) -> Void
    ) throws(SwiftletError) {
        if all {
            try session.feed(ids, emittingAll: body)
        } else if let logits = try session.feed(ids) {
            logits.withUnsafeBufferPointer { body(ids.count - 1, $0) }
        }
    }
}
