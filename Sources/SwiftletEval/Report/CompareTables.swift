/// The tables of a comparison, whose columns sort.
struct CompareTables {
    private let results: CompareResults

    init(_ results: CompareResults) { self.results = results }

    /// Both modes and what matters of the cost.
    var summary: String {
        var table = HTMLTable()
        table.columns = [
            .text("policy"), .number("budget"), .number("agnostic %"), .number("aware %"), .number("Δ full"),
            .number("Δ streaming"), .number("Δ random"), .number("first token ms"), .number("tokens/s"),
            .number("bytes held"), .number("peak bytes"), .number("cache read/token"),
        ]
        for entry in results.entries where !entry.qualities.isEmpty {
            let agnostic = entry.quality(.agnostic)
            let main = agnostic ?? entry.quality(.aware)
            table.rows.append(
                name(entry) + [
                    score(agnostic?.score), score(entry.quality(.aware)?.score), difference(main?.overFull),
                    difference(main?.overStreaming), difference(main?.overRandom),
                ] + [
                    number(entry.cost?.firstTokenSeconds, scale: 1_000, decimals: 0),
                    number(entry.cost?.tokensPerSecond, decimals: 0), bytes(entry.cost?.bytesAfterPrompt),
                    bytes(entry.cost?.peakBytes), bytes(entry.cost?.cacheBytesPerToken),
                ])
        }
        return table.html
    }

    /// Scores of one mode with intervals, differences and tasks.
    func quality(_ mode: QuestionMode) -> String {
        var table = HTMLTable()
        table.columns =
            [
                .text("policy"), .number("budget"), .number("score %"), .number("95 % interval"),
                .number("Δ full"),
                .number("Δ streaming"), .number("Δ random"), .number("cases"),
            ] + results.tasks.map { .number($0) }
        for entry in results.entries {
            guard let quality = entry.quality(mode) else { continue }
            let tasks = results.tasks.map { name in score(quality.tasks.first { $0.task == name }?.score) }
            table.rows.append(
                name(entry) + [
                    score(quality.score), interval(quality.score), differenceWithInterval(quality.overFull),
                    differenceWithInterval(quality.overStreaming), differenceWithInterval(quality.overRandom),
                    HTMLTable.Cell("\(quality.caseCount)", sortedBy: Double(quality.caseCount)),
                ] + tasks)
        }
        return table.rows.isEmpty ? "" : table.html
    }

    /// Times and bytes.
    var cost: String {
        var table = HTMLTable()
        table.columns = [
            .text("policy"), .number("budget"), .number("prompt tokens"), .number("first token ms"),
            .number("tokens/s"), .number("bytes after prompt"), .number("bytes at the end"),
            .number("peak bytes"),
            .number("cache read/token"), .number("weights read/token"), .number("mean rows"),
        ]
        for entry in results.entries {
            guard let cost = entry.cost else { continue }
            let storing = cost.layerRows.filter { $0 > 0 }
            table.rows.append(
                name(entry) + [
                    number(Double(cost.promptTokens), decimals: 0),
                    number(cost.firstTokenSeconds, scale: 1_000, decimals: 1),
                    number(cost.tokensPerSecond, decimals: 1), bytes(cost.bytesAfterPrompt),
                    bytes(cost.heldBytes),
                    bytes(cost.peakBytes), bytes(cost.cacheBytesPerToken), bytes(cost.weightBytesPerToken),
                    number(storing.isEmpty ? nil : storing.reduce(0, +) / Double(storing.count), decimals: 1),
                ])
        }
        return table.rows.isEmpty ? "" : table.html
    }

    // MARK: Cells

    private func name(_ entry: CompareResults.Entry) -> [HTMLTable.Cell] {
        let budget = entry.candidate.budget ?? ""
        let isWhole = entry.refusal == nil
        return [
            HTMLTable.Cell(
                entry.candidate.policy + (isWhole ? "" : " *"),
                title: isWhole ? nil : "refused some documents; see below"),
            HTMLTable.Cell(
                budget.isEmpty ? "–" : budget, sortedBy: Double(budget.prefix { $0.isNumber || $0 == "." })),
        ]
    }

    private func score(_ interval: Bootstrap.Interval?) -> HTMLTable.Cell {
        guard let interval else { return .empty }
        return HTMLTable.Cell(
            ReportText.percent(interval.value), sortedBy: interval.value,
            title: "\(ReportText.percent(interval.low)) to \(ReportText.percent(interval.high))",
            shade: interval.value)
    }

    private func interval(_ interval: Bootstrap.Interval) -> HTMLTable.Cell {
        HTMLTable.Cell(
            "\(ReportText.percent(interval.low)) – \(ReportText.percent(interval.high))",
            sortedBy: interval.low)
    }

    private func difference(_ interval: Bootstrap.Interval?) -> HTMLTable.Cell {
        guard let interval else { return .empty }
        return HTMLTable.Cell(
            ReportText.difference(interval.value), sortedBy: interval.value,
            title: "\(ReportText.difference(interval.low)) to \(ReportText.difference(interval.high))",
            isStrong: interval.excludes(0))
    }

    private func differenceWithInterval(_ interval: Bootstrap.Interval?) -> HTMLTable.Cell {
        guard let interval else { return .empty }
        return HTMLTable.Cell(
            "\(ReportText.difference(interval.value)) (\(ReportText.difference(interval.low)), "
                + "\(ReportText.difference(interval.high)))", sortedBy: interval.value,
            isStrong: interval.excludes(0))
    }

    private func number(_ value: Double?, scale: Double = 1, decimals: Int) -> HTMLTable.Cell {
        guard let value else { return .empty }
        return HTMLTable.Cell(ReportText.number(scale * value, decimals), sortedBy: value)
    }

    private func bytes(_ count: Int?) -> HTMLTable.Cell {
        guard let count else { return .empty }
        return HTMLTable.Cell(ReportText.bytes(count), sortedBy: Double(count), title: "\(count) bytes")
    }
}

/// A table in a page.
struct HTMLTable {
    /// The head of a column.
    struct Column {
        var title: String
        var isNumber: Bool

        static func text(_ title: String) -> Column { Column(title: title, isNumber: false) }
        static func number(_ title: String) -> Column { Column(title: title, isNumber: true) }
    }

    /// One value.
    struct Cell {
        var text: String
        var key: Double?
        var title: String?
        var shade: Double?
        var isStrong: Bool

        static let empty = Cell("–")

        init(
            _ text: String, sortedBy key: Double? = nil, title: String? = nil, shade: Double? = nil,
            isStrong: Bool = false
        ) {
            (self.text, self.key, self.title, self.shade, self.isStrong) = (text, key, title, shade, isStrong)
        }
    }

    var columns: [Column] = []
    var rows: [[Cell]] = []

    var html: String {
        var lines = ["<div class=\"wide\"><table>", "<thead><tr>"]
        for column in columns {
            lines.append(
                "<th\(column.isNumber ? " class=\"number\"" : "") scope=\"col\"><button type=\"button\">"
                    + "\(Markup.escape(column.title))</button></th>")
        }
        lines.append("</tr></thead>\n<tbody>")
        for row in rows {
            lines.append("<tr>" + zip(row, columns).map { html($0, $1) }.joined() + "</tr>")
        }
        return lines.joined(separator: "\n") + "\n</tbody></table></div>"
    }

    private func html(_ cell: Cell, _ column: Column) -> String {
        var attributes = column.isNumber ? " class=\"number\"" : ""
        if column.isNumber { attributes += " data-key=\"\(cell.key.map { "\($0)" } ?? "")\"" }
        if let title = cell.title { attributes += " title=\"\(Markup.escape(title))\"" }
        if let shade = cell.shade {
            let color = HeatColor.components(of: shade)
            attributes += " style=\"background: rgba(\(color.red), \(color.green), \(color.blue), 0.35)\""
        }
        let text = Markup.escape(cell.text)
        return "<td\(attributes)>\(cell.isStrong ? "<b>\(text)</b>" : text)</td>"
    }
}
