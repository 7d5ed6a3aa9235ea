import ArgumentParser
import SwiftletEngine
import SwiftletEval
import SwiftletFormats
import SwiftletTensor

struct EvalDivergence: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kl",
        abstract: "Measure how far a cache policy or number format moves the predictions of the full cache.",
        discussion: """
            Reads the same windows of the text with two caches side by side, the full one in f16 and the one that \
            the flags describe, and compares what they predict for every token after the prompt of a window: \
            Kullback–Leibler divergence both ways, whether both pick the same token, and how much less likely the \
            text's own token becomes.

              swiftlet eval kl -f text.txt --kv-policy snapkv --kv-budget 20%
              swiftlet eval kl -m model.gguf -f text.txt -c 2048 --prefix 1536 --kv-policy h2o --json
              swiftlet eval kl -m model.gguf -f text.txt -ctk q8_0 -ctv q4_0
            """)

    @OptionGroup var text: EvalTextOptions
    @Flag(name: .customLong("json"), help: "Print one JSON object.") var isJSON = false
    @OptionGroup(title: "Model") var model: EvalModelOptions

    func validate() throws {
        if !model.changesCache {
            throw ValidationError(
                "there is nothing to compare with the full cache; add --kv-policy, -ctk or -ctv")
        }
    }

    func run() throws {
        let loaded = try Model.load(model.choice.model)
        let (tested, full) = (try model.sessionOptions(loaded), try model.fullCacheOptions())
        let text = try text.read(for: loaded)
        var run = EvalRun(model: loaded, text: text, windows: try self.text.windows(of: text))
        run.announce("\(model.cacheName), beside the full one")
        Interrupt.listen()
        var bar = ProgressBar("Comparing", total: 2 * run.windows.tokenCount)
        var evaluation = TextEvaluation(loaded, run.windows)
        evaluation.progress = { done in
            bar.update(done)
            return !Interrupt.isRequested
        }
        var divergence = Divergence()
        var cache: CacheReport?
        for window in run.windows.windows {
            var found = Divergence()
            let reports = try evaluation.compare(window, full, tested) {
                found.add($0, full: $1, tested: $2)
            }
            guard let reports else { break }
            divergence.merge(found)
            cache = reports.1
            run.finished += 1
        }
        bar.finish()
        if isJSON {
            try Console.write(json(run, divergence, cache))
        } else if run.finished > 0 {
            try Console.write(table(divergence))
        }
        if let summary = cache?.summary { Console.note(summary) }
        try run.finish()
    }

    /// The quantiles that are shown.
    private static let shares = [0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1]

    private static func measures(_ found: Divergence) -> [(key: String, title: String, Divergence.Measure)] {
        [
            ("kl", "KL(full ‖ tested), nats", found.forward),
            ("reverse_kl", "KL(tested ‖ full), nats", found.reverse),
            ("delta_log_p", "Δ log P of the text's token, nats", found.change),
        ]
    }

    private func table(_ found: Divergence) -> String {
        var lines = [Self.line("", ["mean", "± std. error"])]
        for (title, perplexity) in [
            ("PPL, full cache", found.full), ("PPL, \(model.cacheName)", found.tested),
        ] {
            lines.append(Self.line(title, perplexity.value, perplexity.standardError, decimals: 4))
        }
        for (_, title, measure) in Self.measures(found) {
            lines.append(Self.line(title, measure.mean.value, measure.mean.standardError, decimals: 6))
        }
        let same = found.agreement
        lines.append(
            Self.line("same likeliest token, %", 100 * same.value, 100 * same.standardError, decimals: 3))
        lines += ["", "quantiles over \(same.count) tokens:"]
        lines.append(Self.line("", ["KL", "reverse KL", "Δ log P"]))
        let columns = Self.measures(found).map { $0.2.quantiles(Self.shares) }
        for (row, share) in Self.shares.enumerated() {
            lines.append(Self.line(Self.name(of: share), columns.map { formatNumber($0[row], 6) }))
        }
        return lines.map { $0 + "\n" }.joined()
    }

    private static func name(of share: Double) -> String {
        switch share {
        case 0: "smallest"
        case 0.5: "median"
        case 1: "largest"
        default: formatNumber(100 * share, share * 100 == (share * 100).rounded() ? 0 : 1) + " %"
        }
    }

    private static func line(_ title: String, _ value: Double, _ error: Double, decimals: Int) -> String {
        line(title, [formatNumber(value, decimals), "± " + formatNumber(error, decimals)])
    }

    private static func line(_ title: String, _ cells: [String]) -> String {
        pad(title, 36) + cells.map { String(repeating: " ", count: max(14 - $0.count, 1)) + $0 }.joined()
    }

    private func json(_ run: EvalRun, _ found: Divergence, _ cache: CacheReport?) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            run.write(to: &writer)
            writer.member("tokens", found.agreement.count)
            for (name, perplexity) in [("full", found.full), ("tested", found.tested)] {
                writer.member("ppl_\(name)", perplexity.value)
                writer.member("ppl_\(name)_error", perplexity.standardError)
            }
            for (key, _, measure) in Self.measures(found) {
                writer.key(key)
                writer.object { writer in
                    writer.member("mean", measure.mean.value)
                    writer.member("error", measure.mean.standardError)
                    writer.key("quantiles")
                    writer.object { writer in
                        for (share, value) in zip(Self.shares, measure.quantiles(Self.shares)) {
                            writer.member("\(share)", value)
                        }
                    }
                }
            }
            writer.member("top1_agreement", found.agreement.value)
            writer.member("top1_agreement_error", found.agreement.standardError)
            writer.key("cache")
            if let cache { cache.write(to: &writer) } else { writer.null() }
        }
        return writer.text + "\n"
    }
}
