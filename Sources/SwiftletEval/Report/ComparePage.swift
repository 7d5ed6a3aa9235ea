/// A comparison as one page that needs nothing else.
struct ComparePage {
    private let report: CompareReport
    private let results: CompareResults
    private let styles: [String: SeriesStyle]

    init(_ report: CompareReport) {
        self.report = report
        results = report.results
        let names = results.entries.map(\.candidate.policy).reduce(into: [String]()) {
            if !$0.contains($1) { $0.append($1) }
        }
        policies = names
        styles = Dictionary(
            uniqueKeysWithValues: names.enumerated().map { ($0.element, SeriesStyle(index: $0.offset)) })
    }

    private let policies: [String]

    private var modes: [QuestionMode] {
        [.agnostic, .aware].filter(report.manifest.plan.modes.contains)
    }

    /// The page.
    var html: String {
        let title = "What cache policies cost \(report.manifest.model)"
        var parts = [
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">",
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
            "<title>\(Markup.escape(title))</title>\n<style>\(PageAssets.style)</style>\n</head>\n<body>",
            "<header><h1>\(Markup.escape(title))</h1>"
                + "<button id=\"theme\" type=\"button\">dark / light</button></header>\n<main>",
            notice, "<p class=\"lead\">\(Markup.escape(introduction))</p>", contents,
        ]
        parts.append(section("pareto", "Quality against bytes and against speed", legend + paretoCharts))
        parts.append(section("summary", "Quality and cost", CompareTables(results).summary))
        for mode in modes {
            parts.append(
                section(
                    "quality-\(mode.rawValue)", "Quality, question-\(mode.rawValue)",
                    CompareTables(results).quality(mode)))
        }
        parts.append(section("heat", "Needle by length and depth", heatMaps))
        parts.append(section("layers", "Rows of every layer after the prompt", layerBars))
        parts.append(section("cost", "Cost", CompareTables(results).cost))
        parts.append(section("refused", "Refused", refusals))
        parts.append(section("manifest", "What was measured", manifest))
        parts.append("</main>\n<script>\(PageAssets.script)</script>\n</body>\n</html>\n")
        return parts.joined(separator: "\n")
    }

    private var notice: String {
        guard !results.isComplete else { return "" }
        let percent = results.total > 0 ? 100 * results.done / results.total : 0
        return
            "<p class=\"notice\">This report is partial: \(results.done) of \(results.total) parts (\(percent) %) "
            + "are measured. Run the same command again to go on.</p>"
    }

    private var introduction: String {
        "Scores are percentages with the interval that holds 95 % of the means of resampled documents. "
            + "Question-agnostic: the context is compressed before the question is fed; question-aware: after it. "
            + "Differences are paired, over the same documents; those whose interval excludes 0 are bold. "
            + "Click the head of a column to sort."
    }

    private var contents: String {
        let entries =
            [("pareto", "Pareto"), ("summary", "Summary")]
            + modes.map { ("quality-\($0.rawValue)", "Question-\($0.rawValue)") } + [
                ("heat", "Needles"), ("layers", "Layers"), ("cost", "Cost"), ("manifest", "Manifest"),
            ]
        return "<nav>" + entries.map { "<a href=\"#\($0.0)\">\($0.1)</a>" }.joined(separator: " ") + "</nav>"
    }

    private func section(_ id: String, _ title: String, _ body: String) -> String {
        body.isEmpty ? "" : "<section id=\"\(id)\">\n<h2>\(title)</h2>\n\(body)\n</section>"
    }

    // MARK: Charts

    private var legend: String {
        let marks = policies.enumerated().compactMap { number, name -> String? in
            guard let style = styles[name] else { return nil }
            var svg = SVG(width: 14, height: 14, ink: .page, label: "mark")
            style.mark(&svg, 7, 7, nil)
            return "<button type=\"button\" class=\"key\" aria-pressed=\"false\" data-series=\"\(number)\">"
                + "\(svg.text)\(Markup.escape(name))</button>"
        }
        return "<p class=\"legend\">" + marks.joined(separator: " ") + "</p>"
    }

    private var paretoCharts: String {
        let charts = modes.flatMap { mode in
            [
                chart(
                    "Question-\(mode.rawValue): quality against bytes held", mode,
                    ScatterChart.Axis(title: "bytes of cache after the prompt", isLogarithmic: true) {
                        ReportText.tick(bytes: $0)
                    }, prefersLess: true
                ) { Double($0.bytesAfterPrompt) },
                chart(
                    "Question-\(mode.rawValue): quality against speed", mode,
                    ScatterChart.Axis(title: "generated tokens per second") { ReportText.number($0, 0) },
                    prefersLess: false
                ) { $0.tokensPerSecond },
            ]
        }
        return "<div class=\"charts\">" + charts.joined() + "</div>"
            + "<p class=\"note\">The wide line joins the measurements that none other beats in both directions. "
            + "Click names to show these policies alone. "
            + "Policies that refused documents are left out.</p>"
    }

    private func chart(
        _ title: String, _ mode: QuestionMode, _ x: ScatterChart.Axis, prefersLess: Bool,
        _ value: (CompareCost) -> Double
    ) -> String {
        let series = policies.enumerated().compactMap { number, name -> ScatterChart.Series? in
            guard let style = styles[name] else { return nil }
            let points = results.entries.compactMap { entry -> ScatterChart.Point? in
                guard entry.candidate.policy == name, entry.refusal == nil, let cost = entry.cost,
                    let quality = entry.quality(mode)
                else { return nil }
                let x = value(cost)
                return ScatterChart.Point(
                    x: x, y: quality.score.value, name: entry.candidate.name,
                    title: "\(entry.candidate.name): \(ReportText.percent(quality.score.value)) %, "
                        + (prefersLess ? ReportText.bytes(Int(x)) : "\(ReportText.number(x, 0)) tokens/s"))
            }
            return points.isEmpty
                ? nil : ScatterChart.Series(name: name, number: number, style: style, points: points)
        }
        let y = ScatterChart.Axis(title: "score in %") { ReportText.number(100 * $0, 0) }
        return "<figure>"
            + ScatterChart(title: title, x: x, y: y, series: series, prefersLess: prefersLess).picture(.page)
            .text
            + "</figure>"
    }

    // MARK: Small multiples

    private var budgets: [String?] {
        results.entries.map(\.candidate.budget).reduce(into: [String?]()) {
            if !$0.contains($1) { $0.append($1) }
        }
    }

    /// One folder per bound; the first one that has a bound is open.
    private func folders(_ content: (CompareResults.Entry) -> String) -> String {
        let groups = budgets.map { budget in
            (budget, results.entries.filter { $0.candidate.budget == budget }.map(content).joined())
        }.filter { !$0.1.isEmpty }
        let open = groups.first { $0.0 != nil }?.0
        return groups.map { budget, body in
            "<details\(budget == open ? " open" : "")><summary>\(Markup.escape(budget.map { "budget \($0)" } ?? "without budget"))"
                + "</summary><div class=\"tiles\">\(body)</div></details>"
        }.joined(separator: "\n")
    }

    private var heatMaps: String {
        guard !results.places.isEmpty else { return "" }
        let plan = report.manifest.plan
        return modes.map { mode in
            "<h3>Question-\(mode.rawValue)</h3>"
                + folders { entry in
                    plan.tasks.filter(\.isPlaced).map { heatMap(entry.candidate, mode, $0.rawValue, plan) }
                        .joined()
                }
        }.joined(separator: "\n")
    }

    private func heatMap(
        _ candidate: CompareCandidate, _ mode: QuestionMode, _ task: String, _ plan: ComparePlan
    ) -> String {
        var isEmpty = true
        let cells = plan.depths.map { depth in
            plan.lengths.map { length in
                let place = CompareResults.Place(
                    candidate: candidate, mode: mode, task: task, length: length, depth: depth)
                guard let scores = results.places[place], !scores.isEmpty else {
                    return HeatMap.Cell(score: nil, title: "not measured")
                }
                isEmpty = false
                let mean = scores.reduce(0, +) / Double(scores.count)
                return HeatMap.Cell(score: mean, title: "\(length) tokens: \(scores.count) cases")
            }
        }
        guard !isEmpty else { return "" }
        let map = HeatMap(
            title: "\(candidate.policy), \(task)", columns: plan.lengths.map(String.init),
            rows: plan.depths.map { NeedleGrid.name(of: $0) }, cells: cells)
        return "<figure>\(map.picture(.page).text)</figure>"
    }

    private var layerBars: String {
        let most = results.entries.compactMap(\.cost?.layerRows).flatMap(\.self).max() ?? 1
        return folders { entry in
            guard let rows = entry.cost?.layerRows, !rows.isEmpty else { return "" }
            return "<figure>"
                + LayerBars(title: entry.candidate.policy, rows: rows, most: most).picture(.page).text
                + "</figure>"
        }
    }

    // MARK: Text

    private var refusals: String {
        let refused = results.entries.filter { $0.refusal != nil }
        guard !refused.isEmpty else { return "" }
        let items = refused.map { entry in
            let times = entry.refusedCount > 0 ? ", \(entry.refusedCount) times" : ""
            return "<li><b>\(Markup.escape(entry.candidate.name))</b>\(times): "
                + "\(Markup.escape(entry.refusal ?? ""))</li>"
        }
        return
            "<p class=\"note\">Their scores are the means over the other documents, so only the paired differences "
            + "can be compared.</p><ul>\(items.joined())</ul>"
    }

    private var manifest: String {
        "<dl>"
            + report.manifest.lines.map {
                "<dt>\(Markup.escape($0.name))</dt><dd>\(Markup.escape($0.value))</dd>"
            }.joined() + "</dl>"
    }
}
