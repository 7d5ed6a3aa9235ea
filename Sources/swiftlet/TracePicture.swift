import SwiftletEngine

/// Layers × tokens as a picture: what is kept, merged, shared and gone, and beside it the budget of each layer.
///
/// The darker a cell, the more KV heads keep the tokens that it stands for.
struct TracePicture {
    private let trace: CacheTrace
    private let columns: Int
    private let tokens: Int

    private static let cellWidth = 2.0
    private static let widest = 480  // cells
    private static let margin = (left: 48.0, top: 44.0)
    private static let barWidth = 120.0
    private static let shades = 4

    /// What a cell shows.
    private struct Cell: Hashable {
        var kind: Kind
        var shade: Int  // 0 is nothing

        enum Kind: String, CaseIterable {
            case kept = "#2166ac"
            case merged = "#e08214"
            case shared = "#1b7837"
        }
    }

    init(_ trace: CacheTrace) {
        self.trace = trace
        tokens = max(trace.moments.last?.report.tokenCount ?? 1, 1)
        columns = min(tokens, Self.widest)
    }

    private var layerCount: Int { trace.moments.first?.layers.count ?? 0 }
    private var rowHeight: Double { layerCount > 40 ? 6 : 10 }
    private var mapWidth: Double { Double(columns) * cellWidth }
    private var cellWidth: Double { max(Self.cellWidth, 240 / Double(columns)) }
    private var panelHeight: Double { Double(layerCount) * rowHeight + 52 }

    /// The picture, complete in itself.
    var svg: String {
        let width = Self.margin.left + mapWidth + 24 + Self.barWidth + 72
        let height = Self.margin.top + Double(trace.moments.count) * panelHeight + 24
        var parts = [
            """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(number(width))" height="\(number(height))" \
            viewBox="0 0 \(number(width)) \(number(height))" font-family="sans-serif" font-size="10">
            """,
            rectangle(0, 0, width, height, "#ffffff"),
            text(Self.margin.left, 18, title, size: 13),
        ]
        for (index, moment) in trace.moments.enumerated() {
            parts += panel(moment, top: Self.margin.top + Double(index) * panelHeight)
        }
        parts += legend(top: height - 18)
        parts.append("</svg>\n")
        return parts.joined(separator: "\n")
    }

    private var title: String {
        let report = trace.moments.first?.report
        let budget = report?.budget.map { ", budget \($0)" } ?? ""
        return "\(report?.policy ?? "")\(budget), \(trace.model)"
    }

    // MARK: A moment

    private func panel(_ moment: CacheTrace.Moment, top: Double) -> [String] {
        let height = Double(moment.layers.count) * rowHeight
        let (left, bars) = (Self.margin.left, Self.margin.left + mapWidth + 24)
        var parts = [
            text(left, top - 6, CacheTrace.title(of: moment)),
            text(bars, top - 6, "rows per KV head; outlined: budget"),
            rectangle(left, top, width(of: moment), height, "#eeeeee"),
        ]
        let longest = moment.layers.map { max($0.meanRows, Double($0.budget ?? 0)) }.max() ?? 1
        for (number, layer) in moment.layers.enumerated() {
            let y = top + Double(number) * rowHeight
            if number % 5 == 0 { parts.append(text(left - 6, y + rowHeight, "\(number)", anchor: "end")) }
            let isShared = layer.owner != number
            parts += runs(of: cells(moment.layers[layer.owner], isShared: isShared), y: y)
            if isShared {
                parts.append(text(bars, y + rowHeight - 1, "reads layer \(layer.owner)", size: rowHeight - 2))
            } else {
                parts += bar(layer, x: bars, y: y, longest: max(longest, 1))
            }
        }
        parts.append(text(left - 6, top - 6, "layer", anchor: "end"))
        parts += ticks(y: top + height + 12)
        return parts
    }

    /// The width of the tokens that were there.
    private func width(of moment: CacheTrace.Moment) -> Double {
        mapWidth * Double(moment.report.tokenCount) / Double(tokens)
    }

    /// The cells of one layer: what most of the tokens of a cell are, and how many of them every head keeps.
    private func cells(_ layer: CacheTrace.Layer, isShared: Bool) -> [Cell] {
        var kept = [Double](repeating: 0, count: columns)
        var merged = kept
        for head in layer.heads {
            for position in head.positions { kept[column(of: position)] += 1 }
            for position in head.merged { merged[column(of: position)] += 1 }
        }
        return (0..<columns).map { column in
            let first = column * tokens / columns
            let all = Double(((column + 1) * tokens / columns - first) * max(layer.heads.count, 1))
            let kind: Cell.Kind = isShared ? .shared : merged[column] * 2 > kept[column] ? .merged : .kept
            return Cell(kind: kind, shade: Int((kept[column] / all * Double(Self.shades)).rounded(.up)))
        }
    }

    /// The cell in which a position lies: the last whose first token is not behind it.
    private func column(of position: Int32) -> Int {
        let token = min(max(Int(position), 0), tokens - 1)
        return min(((token + 1) * columns - 1) / tokens, columns - 1)
    }

    /// Equal neighbours become one rectangle.
    private func runs(of cells: [Cell], y: Double) -> [String] {
        var parts: [String] = []
        var start = 0
        for end in 1...max(cells.count, 1) where end == cells.count || cells[end] != cells[start] {
            let cell = cells[start]
            if cell.shade > 0 {
                let x = Self.margin.left + Double(start) * cellWidth
                let shade = Double(min(cell.shade, Self.shades)) / Double(Self.shades)
                parts.append(
                    rectangle(
                        x, y, Double(end - start) * cellWidth, rowHeight - 1, cell.kind.rawValue,
                        opacity: 0.25 + 0.75 * shade))
            }
            start = end
        }
        return parts
    }

    private func bar(_ layer: CacheTrace.Layer, x: Double, y: Double, longest: Double) -> [String] {
        let scale = Self.barWidth / longest
        var parts = [
            rectangle(x, y, layer.meanRows * scale, rowHeight - 1, Cell.Kind.kept.rawValue, opacity: 0.7)
        ]
        if let budget = layer.budget {
            parts.append(
                """
                <rect x="\(number(x))" y="\(number(y))" width="\(number(Double(budget) * scale))" \
                height="\(number(rowHeight - 1))" fill="none" stroke="#333333" stroke-width="0.7"/>
                """)
        }
        parts.append(
            text(
                x + Self.barWidth + 6, y + rowHeight - 1, formatNumber(layer.meanRows, 0), size: rowHeight - 2
            ))
        return parts
    }

    private func ticks(y: Double) -> [String] {
        (0...4).map { quarter in
            let token = tokens * quarter / 4
            return text(
                Self.margin.left + mapWidth * Double(quarter) / 4, y, "\(token)",
                anchor: quarter == 0 ? "start" : quarter == 4 ? "end" : "middle")
        }
    }

    private func legend(top: Double) -> [String] {
        let entries = [
            ("kept", Cell.Kind.kept.rawValue), ("kept, with others merged in", Cell.Kind.merged.rawValue),
            ("read from another layer", Cell.Kind.shared.rawValue), ("evicted", "#eeeeee"),
        ]
        var x = Self.margin.left
        return entries.flatMap { name, colour in
            defer { x += 34 + 5 * Double(name.count) }
            return [rectangle(x, top, 10, 10, colour), text(x + 14, top + 9, name)]
        }
    }

    // MARK: Elements

    private func rectangle(
        _ x: Double, _ y: Double, _ width: Double, _ height: Double, _ fill: String, opacity: Double = 1
    ) -> String {
        let opacity = opacity < 1 ? " opacity=\"\(number(opacity))\"" : ""
        return """
            <rect x="\(number(x))" y="\(number(y))" width="\(number(width))" height="\(number(height))" \
            fill="\(fill)"\(opacity)/>
            """
    }

    private func text(
        _ x: Double, _ y: Double, _ text: String, size: Double = 10, anchor: String = "start"
    ) -> String {
        let safe = text.map { ["&": "&amp;", "<": "&lt;", ">": "&gt;"][$0] ?? String($0) }.joined()
        return """
            <text x="\(number(x))" y="\(number(y))" font-size="\(number(size))" text-anchor="\(anchor)">\(safe)</text>
            """
    }

    private func number(_ value: Double) -> String {
        let text = formatNumber(value, 2)
        return text.hasSuffix(".00") ? String(text.dropLast(3)) : text
    }
}

extension CacheTrace.Layer {
    /// Rows per KV head.
    fileprivate var meanRows: Double {
        heads.isEmpty ? 0 : Double(heads.reduce(0) { $0 + $1.positions.count }) / Double(heads.count)
    }
}
