import Foundation

/// What is promised against what comes true, bin by bin: as a picture and as text.
///
/// A bar shows how many of a bin's predictions came true; the part that the mean probability of the bin promised
/// too much or too little is drawn in another colour.
package struct ReliabilityDiagram {
    /// One set of bins.
    package struct Panel {
        let title: String
        let bins: CalibrationBins

        /// - Parameter title: what the predictions are, and their calibration error.
        package init(_ title: String, _ bins: CalibrationBins) {
            (self.title, self.bins) = (title, bins)
        }
    }

    /// Rows of panels.
    private let rows: [[Panel]]
    private let title: String

    private static let side = 220.0
    private static let margin = (left: 52.0, top: 40.0)
    private static let step = (x: side + 76, y: side + 84)
    private static let colour = (true: "#2166ac", over: "#d6604d", under: "#1b7837")

    /// - Parameters:
    ///   - title: stands above all.
    ///   - rows: at least one panel.
    package init(title: String, rows: [[Panel]]) {
        (self.title, self.rows) = (title, rows)
    }

    // MARK: Picture

    /// The picture, complete in itself.
    package var svg: String {
        let columns = rows.reduce(1) { max($0, $1.count) }
        let width = Self.margin.left + Double(columns) * Self.step.x
        let height = Self.margin.top + Double(rows.count) * Self.step.y + 24
        var picture = SVG(width: width, height: height, ink: .file, label: title)
        picture.text(Self.margin.left, 20, title, size: 13)
        for (row, panels) in rows.enumerated() {
            for (column, panel) in panels.enumerated() {
                draw(
                    panel, x: Self.margin.left + Double(column) * Self.step.x,
                    y: Self.margin.top + Double(row) * Self.step.y + 24, on: &picture)
            }
        }
        var x = Self.margin.left
        for (name, colour) in [
            ("came true", Self.colour.true), ("promised, but not true", Self.colour.over),
            ("true, but not promised", Self.colour.under),
        ] {
            picture.rectangle(x, height - 20, 10, 10, fill: colour, opacity: 0.8)
            picture.text(x + 14, height - 11, name)
            x += 40 + 6 * Double(name.count)
        }
        return picture.text
    }

    private func draw(_ panel: Panel, x: Double, y: Double, on picture: inout SVG) {
        let side = Self.side
        picture.text(x, y - 8, panel.title)
        let width = side / Double(panel.bins.count.count)
        for bin in panel.bins.count.indices {
            guard let accuracy = panel.bins.accuracy(bin), let promised = panel.bins.meanConfidence(bin)
            else {
                continue
            }
            let left = x + Double(bin) * width
            let (low, high) = (min(accuracy, promised, 1), min(max(accuracy, promised), 1))
            let tip = Self.tip(panel.bins, bin)
            picture.rectangle(
                left + 0.5, y + side * (1 - low), width - 1, side * low, fill: Self.colour.true, opacity: 0.8,
                title: tip)
            picture.rectangle(
                left + 0.5, y + side * (1 - high), width - 1, side * (high - low),
                fill: accuracy < promised ? Self.colour.over : Self.colour.under, opacity: 0.8, title: tip)
        }
        for quarter in 0...4 {
            let share = Double(quarter) / 4
            picture.line(x - 4, y + side * (1 - share), x, y + side * (1 - share), stroke: picture.ink.line)
            picture.text(x - 7, y + side * (1 - share) + 4, "\(share)", size: 9, anchor: "end")
            picture.text(x + side * share, y + side + 14, "\(share)", size: 9, anchor: "middle")
        }
        picture.line(x, y, x, y + side, stroke: picture.ink.text)
        picture.line(x, y + side, x + side, y + side, stroke: picture.ink.text)
        picture.line(x, y + side, x + side, y, stroke: picture.ink.text, dashes: "4 3")
        picture.text(x + side / 2, y + side + 30, "probability", anchor: "middle")
        picture.text(x - 36, y + side / 2, "came true", anchor: "middle", turned: true)
    }

    private static func tip(_ bins: CalibrationBins, _ bin: Int) -> String {
        "\(bounds(bins, bin)): \(bins.count[bin]) predictions, \(share(bins.meanConfidence(bin))) promised, "
            + "\(share(bins.accuracy(bin))) came true"
    }

    // MARK: Text

    /// A table per panel, with a bar for what came true and a mark where that was promised.
    package var text: String {
        rows.joined().map { panel in
            ([panel.title, "  probability        count  promised  came true"]
                + panel.bins.count.indices.map { Self.line(panel.bins, $0) })
                .map { $0 + "\n" }.joined()
        }.joined(separator: "\n")
    }

    private static let barWidth = 40

    private static func line(_ bins: CalibrationBins, _ bin: Int) -> String {
        let cells = [
            (bounds(bins, bin), 13), ("\(bins.count[bin])", 11), (share(bins.meanConfidence(bin)), 10),
            (share(bins.accuracy(bin)), 11),
        ]
        let text = cells.map { String(repeating: " ", count: max($0.1 - $0.0.count, 1)) + $0.0 }.joined()
        return text + "  " + bar(bins, bin)
    }

    private static func bar(_ bins: CalibrationBins, _ bin: Int) -> String {
        guard let accuracy = bins.accuracy(bin), let promised = bins.meanConfidence(bin) else { return "" }
        let filled = Int((accuracy * Double(barWidth)).rounded())
        let mark = min(Int(min(max(promised, 0), 1) * Double(barWidth)), barWidth - 1)
        return String((0..<barWidth).map { $0 == mark ? "│" : $0 < filled ? "█" : "·" } as [Character])
    }

    private static func bounds(_ bins: CalibrationBins, _ bin: Int) -> String {
        let count = Double(bins.count.count)
        let decimals = count > 50 ? 3 : 2
        return [bin, bin + 1].map { String(format: "%.\(decimals)f", Double($0) / count) }
            .joined(separator: "–")
    }

    private static func share(_ value: Double?) -> String {
        value.map { String(format: "%.4f", $0) } ?? ""
    }
}
