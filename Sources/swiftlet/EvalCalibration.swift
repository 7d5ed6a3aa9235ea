import ArgumentParser
import SwiftletEngine
import SwiftletEval
import SwiftletFormats
import SwiftletModels
import SwiftletTensor

struct EvalCalibration: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "calibration",
        abstract: "Measure whether probabilities come true, and what a cache policy does to that.",
        discussion: """
            Of all pairs of a position and a token that got probability p, a share of p should be the text's next \
            token. Full-ECE measures how far that is missed over the whole vocabulary, ECE for the likeliest token \
            only, classwise ECE for every token by itself. With --kv-policy, -ctk or -ctv, the same positions are \
            measured with that cache, too, and compared; intervals hold 95 % and come from drawing windows again.

              swiftlet eval calibration -f text.txt
              swiftlet eval calibration -m model.gguf -f text.txt --kv-policy snapkv --kv-budget 20%
              swiftlet eval calibration -f text.txt --bins 20 --picture reliability.svg --json
            """)

    @OptionGroup var text: EvalTextOptions

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Bins of equal width; default: 10.", valueName: "count"),
        transform: FlagValues.integer)
    var bins = 10

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Temperature of the probabilities; default: 1.", valueName: "number"),
        transform: FlagValues.number)
    var temp = 1.0

    @Flag(help: "Measure classwise ECE even where that needs more than 64 MiB.") var classwise = false

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Draw reliability diagrams into this file, a name that ends in .svg.", valueName: "file"),
        completion: .file(extensions: ["svg"]))
    var picture: String?

    @Flag(name: .customLong("json"), help: "Print one JSON object.") var isJSON = false
    @OptionGroup(title: "Model") var model: EvalModelOptions

    private static let most = 1_000  // bins
    private static let affordable = 64 << 20  // bytes

    func validate() throws {
        guard (1...Self.most).contains(bins) else {
            throw ValidationError("--bins is \(bins); expected 1 to \(Self.most)")
        }
        guard temp > 0 else { throw ValidationError("--temp is \(temp); expected a number above 0") }
        if let picture, !picture.lowercased().hasSuffix(".svg") {
            throw ValidationError("--picture is '\(picture)'; expected a name that ends in .svg")
        }
    }

    func run() throws {
        let loaded = try Model.load(model.choice.model)
        var caches = [Cache("full", try model.fullCacheOptions(), empty(loaded))]
        if model.changesCache {
            caches.append(Cache(model.cacheName, try model.sessionOptions(loaded), empty(loaded)))
        }
        let text = try text.read(for: loaded)
        var run = EvalRun(model: loaded, text: text, windows: try self.text.windows(of: text))
        run.announce(caches.map(\.name).joined(separator: ", and "))
        try measure(&run, &caches)
        if isJSON {
            try Console.write(json(run, caches))
        } else if run.finished > 0 {
            try Console.write(table(caches) + "\n" + diagram(caches).text)
        }
        if run.finished > 0, let picture {
            try AtomicFile.write(Array(diagram(caches).svg.utf8), to: picture)
            Console.note("swiftlet: wrote \(picture)")
        }
        for cache in caches { if let summary = cache.report?.summary { Console.note(summary) } }
        try run.finish()
    }

    /// A cache that is measured.
    private struct Cache {
        let name: String
        let options: Session.Options
        let empty: Calibration
        var series: CalibrationSeries
        var report: CacheReport?

        init(_ name: String, _ options: Session.Options, _ empty: Calibration) {
            (self.name, self.options, self.empty) = (name, options, empty)
            series = CalibrationSeries(empty)
        }
    }

    private func empty(_ model: Model) -> Calibration {
        let bytes = Calibration.classBytes(vocabulary: model.configuration.vocabularySize, bins: bins)
        let keepsClasses = classwise || bytes <= Self.affordable
        if !keepsClasses {
            Console.note(
                "swiftlet: classwise ECE would hold \(formatBytes(bytes)) and is left out; add --classwise")
        }
        return Calibration(bins: bins, temperature: temp, keepsClasses: keepsClasses)
    }

    private func measure(_ run: inout EvalRun, _ caches: inout [Cache]) throws {
        Interrupt.listen()
        var bar = ProgressBar("Measuring", total: caches.count * run.windows.tokenCount)
        defer { bar.finish() }
        var evaluation = TextEvaluation(run.model, run.windows)
        evaluation.progress = { done in
            bar.update(done)
            return !Interrupt.isRequested
        }
        for window in run.windows.windows {
            var found: [(Calibration, CacheReport)] = []
            for cache in caches {
                var calibration = cache.empty
                let report = try evaluation.score(window, cache.options) { target, logits in
                    calibration.add(logits, target: target)
                }
                guard let report else { return }
                found.append((calibration, report))
            }
            for (index, (calibration, report)) in found.enumerated() {
                caches[index].series.add(calibration)
                caches[index].report = report
            }
            run.finished += 1
        }
    }

    // MARK: Output

    private static let measures: [(CalibrationSeries.Measure, title: String)] = [
        (.fullECE, "Full-ECE"), (.topECE, "ECE"), (.loss, "NLL, nats"), (.brier, "Brier score"),
        (.accuracy, "accuracy"),
    ]

    private func diagram(_ caches: [Cache]) -> ReliabilityDiagram {
        let total = caches.first?.series.total
        return ReliabilityDiagram(
            title:
                "\(total?.positionCount ?? 0) positions, \(total?.classCount ?? 0) tokens in the vocabulary",
            rows: caches.map { cache in
                let total = cache.series.total
                return [
                    .init(
                        "\(cache.name): likeliest token, ECE \(formatNumber(total.topError, 4))", total.top),
                    .init(
                        "\(cache.name): all tokens, Full-ECE \(formatNumber(total.fullError, 4))", total.all),
                ]
            })
    }

    private func table(_ caches: [Cache]) -> String {
        var lines = [
            Self.line("", caches.map(\.name) + (caches.count > 1 ? ["difference", "95 %"] : ["95 %"]))
        ]
        for (measure, title) in Self.measures {
            let intervals = caches.map { $0.series.interval(measure, Bootstrap()) }
            var cells = intervals.map { formatNumber($0.value, 5) }
            if let difference = difference(measure, caches) {
                cells += [Self.signed(difference.value), Self.bounds(difference, Self.signed)]
            } else if let interval = intervals.first {
                cells.append(Self.bounds(interval) { formatNumber($0, 5) })
            }
            lines.append(Self.line(title, cells))
        }
        let classwise = caches.compactMap(\.series.total.classwiseError)
        if classwise.count == caches.count {
            lines.append(Self.line("classwise ECE, 10⁻³", classwise.map { formatNumber(1_000 * $0, 5) }))
        }
        let total = caches.first?.series.total
        lines.append("\(total?.positionCount ?? 0) positions, \(total?.binCount ?? 0) bins")
        return lines.map { $0 + "\n" }.joined()
    }

    private func difference(
        _ measure: CalibrationSeries.Measure, _ caches: [Cache]
    ) -> Bootstrap.Interval? {
        guard caches.count == 2 else { return nil }
        return caches[1].series.difference(measure, from: caches[0].series, Bootstrap())
    }

    private static func signed(_ value: Double) -> String { (value < 0 ? "" : "+") + formatNumber(value, 5) }

    private static func bounds(_ interval: Bootstrap.Interval, _ format: (Double) -> String) -> String {
        "\(format(interval.low)) to \(format(interval.high))"
    }

    private static func line(_ title: String, _ cells: [String]) -> String {
        let cells = cells.enumerated().map { $0 + 1 < cells.count ? pad($1, 20) : $1 }
        return ([pad(title, 20)] + cells).joined(separator: "  ")
    }

    private func json(_ run: EvalRun, _ caches: [Cache]) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            run.write(to: &writer)
            writer.member("positions", caches.first?.series.total.positionCount ?? 0)
            writer.member("vocabulary", run.model.configuration.vocabularySize)
            writer.member("temperature", temp)
            writer.key("caches")
            writer.array { writer in for cache in caches { Self.write(cache, to: &writer) } }
            writer.key("difference")
            guard caches.count == 2 else { return writer.null() }
            writer.object { writer in
                for (measure, _) in Self.measures {
                    Self.write(measure, difference(measure, caches), to: &writer)
                }
            }
        }
        return writer.text + "\n"
    }

    private static func write(_ cache: Cache, to writer: inout JSONWriter) {
        let total = cache.series.total
        writer.object { writer in
            writer.member("name", cache.name)
            for (measure, _) in measures {
                write(measure, cache.series.interval(measure, Bootstrap()), to: &writer)
            }
            writer.member("full_ece_nk", total.fullErrorPerPair)
            writer.key("classwise_ece")
            if let error = total.classwiseError { writer.value(error) } else { writer.null() }
            for (key, bins) in [("bins_all", total.all), ("bins_top", total.top)] {
                writer.key(key)
                writer.array { writer in
                    for bin in bins.count.indices {
                        writer.object { writer in
                            writer.member("count", bins.count[bin])
                            writer.member("hits", bins.hits[bin])
                            writer.member("confidence_sum", bins.confidence[bin])
                        }
                    }
                }
            }
            writer.key("cache")
            if let report = cache.report { report.write(to: &writer) } else { writer.null() }
        }
    }

    private static func write(
        _ measure: CalibrationSeries.Measure, _ interval: Bootstrap.Interval?, to writer: inout JSONWriter
    ) {
        writer.member(measure.rawValue, interval?.value ?? .nan)
        writer.key("\(measure.rawValue)_interval")
        writer.array { writer in
            writer.value(interval?.low ?? .nan)
            writer.value(interval?.high ?? .nan)
        }
    }
}
