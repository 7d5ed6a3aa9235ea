import ArgumentParser
import SwiftletCache
import SwiftletEngine
import SwiftletEval
import SwiftletFormats
import SwiftletTensor

struct EvalPerplexity: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ppl",
        abstract: "Measure perplexity on a text, as llama-perplexity or as the guide of transformers does.",
        discussion: """
            --mode chunks cuts the text into windows side by side and scores the second half of each, like \
            llama-perplexity. --mode stride lets windows overlap and scores every token but the first, like the \
            guide to perplexity of Hugging Face transformers.

            With --kv-policy, the first half of each window is read as a prompt, the cache is compressed, and the \
            rest is scored through what is left.

              swiftlet eval ppl -m model.gguf -f wiki.test.raw
              swiftlet eval ppl -m model.gguf -f wiki.test.raw --kv-policy snapkv --kv-budget 20%
              swiftlet eval ppl -m model.gguf -f wiki.test.raw -c 1024 --ppl-stride 512
              swiftlet eval ppl -f text.txt -ctk q8_0 -ctv q8_0 --chunks 10 --json
            """)

    @OptionGroup var text: EvalTextOptions

    @Option(help: "How the text is cut: chunks, the default, or stride.") var mode: Mode?

    /// The ways by their names in flags.
    enum Mode: String, CaseIterable, ExpressibleByArgument {
        case chunks, stride
    }

    @Option(
        name: [.customLong("ppl-stride"), .customLong("stride")], parsing: .unconditional,
        help: ArgumentHelp(
            "Tokens between the beginnings of overlapping windows; implies --mode stride; default: half of -c.",
            valueName: "tokens"),
        transform: FlagValues.integer)
    var stride: Int?

    @Flag(name: .customLong("json"), help: "Print one JSON object.") var isJSON = false
    @OptionGroup(title: "Model") var model: EvalModelOptions

    private var isSliding: Bool { mode == .stride || (mode == nil && stride != nil) }

    func validate() throws {
        if mode == .chunks, stride != nil {
            throw ValidationError("--ppl-stride belongs to --mode stride; drop one of the two")
        }
        if isSliding, text.prefix != nil {
            throw ValidationError(
                "--prefix belongs to --mode chunks; with --mode stride the stride says what is scored")
        }
    }

    func run() throws {
        let loaded = try Model.load(model.choice.model)
        let options = try model.sessionOptions(loaded)
        if isSliding, options.policy.evicts {
            throw SwiftletError(
                .invalidArgument,
                "--mode stride scores the text from its second token on, before there is a prompt whose cache "
                    + "'\(options.policy.specification)' could compress; use --mode chunks")
        }
        let text = try text.read(for: loaded)
        let windows =
            isSliding
            ? try TextWindows.sliding(
                text, size: self.text.size, stride: stride ?? max(self.text.size / 2, 1),
                limit: self.text.limit)
            : try self.text.windows(of: text)
        try measure(EvalRun(model: loaded, text: text, windows: windows), options)
    }

    private func measure(_ run: EvalRun, _ options: Session.Options) throws {
        var (run, result) = (run, Result())
        run.announce(model.cacheName)
        Interrupt.listen()
        // Running values show the progress where a person sees them; a bar would run through their line.
        let start = ContinuousClock.now
        var bar = ProgressBar("Scoring", total: isJSON || !Console.isInteractive ? run.windows.tokenCount : 0)
        var evaluation = TextEvaluation(run.model, run.windows)
        evaluation.progress = { done in
            bar.update(done)
            return !Interrupt.isRequested
        }
        for window in run.windows.windows {
            var scores: [Double] = []
            let report = try evaluation.score(window, options) { target, logits in
                scores.append(LogSoftmax(logits).logProbability(of: target))
            }
            guard let report else { break }
            result.add(scores, window, report)
            run.finished += 1
            if !isJSON {
                bar.finish()
                if run.finished == 1, Console.isInteractive { run.announceTime(since: start) }
                try Console.write("[\(run.finished)]\(formatNumber(result.perplexity.value, 4)),")
            }
        }
        bar.finish()
        if isJSON { try Console.write(json(run, result)) } else { try Console.write(table(run, result)) }
        if let summary = result.cache?.summary { Console.note(summary) }
        try run.finish()
    }

    /// What was measured.
    private struct Result {
        var perplexity = Perplexity()
        var guide = GuideMean()
        /// The perplexity after every window.
        var running: [Double] = []
        var cache: CacheReport?

        mutating func add(_ scores: [Double], _ window: TextWindows.Window, _ report: CacheReport) {
            var mean = Mean()
            for score in scores {
                perplexity.add(logProbability: score)
                mean.add(-score)
            }
            guide.add(meanLoss: mean.value, newTokens: window.newCount)
            running.append(perplexity.value)
            cache = report
        }
    }

    private func table(_ run: EvalRun, _ result: Result) -> String {
        guard run.finished > 0 else { return "" }
        let (value, error) = (result.perplexity.value, result.perplexity.standardError)
        var text = "\nFinal estimate: PPL = \(formatNumber(value, 4)) +/- \(formatNumber(error, 5))\n"
        if isSliding {
            text +=
                "Averaged as in the guide, where a window counts one token less: PPL = "
                + "\(formatNumber(result.guide.perplexity, 4))\n"
        }
        return text
    }

    private func json(_ run: EvalRun, _ result: Result) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            run.write(to: &writer)
            writer.member("mode", (isSliding ? Mode.stride : .chunks).rawValue)
            writer.member("tokens", result.perplexity.loss.count)
            writer.member("ppl", result.perplexity.value)
            writer.member("ppl_error", result.perplexity.standardError)
            writer.member("nll", result.perplexity.loss.value)
            writer.member("nll_error", result.perplexity.loss.standardError)
            if isSliding { writer.member("ppl_guide", result.guide.perplexity) }
            writer.key("running_ppl")
            writer.array { writer in for value in result.running { writer.value(value) } }
            writer.key("cache")
            if let cache = result.cache { cache.write(to: &writer) } else { writer.null() }
        }
        return writer.text + "\n"
    }
}
