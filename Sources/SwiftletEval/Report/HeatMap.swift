import Foundation

/// Scores over lengths and depths, as a picture.
struct HeatMap {
    /// One cell; `nil` values were not measured.
    struct Cell {
        var score: Double?
        var title: String
    }

    let title: String
    let columns: [String]
    let rows: [String]
    /// `[rows][columns]`.
    let cells: [[Cell]]
    var columnTitle = "tokens"
    var rowTitle = "depth"
    private static let margin = (left: 56.0, top: 34.0, right: 12.0, bottom: 36.0)
    private static let cell = (width: 58.0, height: 30.0)

    func picture(_ ink: SVG.Ink) -> SVG {
        let (margin, size) = (Self.margin, Self.cell)
        let width = max(
            margin.left + Double(columns.count) * size.width + margin.right, 7.2 * Double(title.count) + 16)
        let bottom = margin.top + Double(rows.count) * size.height
        var svg = SVG(width: width, height: bottom + margin.bottom, ink: ink, label: title)
        svg.text(6, 16, title, size: 13)
        for (row, name) in rows.enumerated() {
            let y = margin.top + Double(row) * size.height
            svg.text(margin.left - 6, y + size.height / 2 + 4, name, anchor: "end")
            for (column, cell) in cells[row].enumerated() {
                let x = margin.left + Double(column) * size.width
                let fill = cell.score.map(HeatColor.hexadecimal) ?? "none"
                svg.rectangle(x, y, size.width - 2, size.height - 2, fill: fill, radius: 3, title: cell.title)
                guard let score = cell.score else { continue }
                svg.text(
                    x + size.width / 2 - 1, y + size.height / 2 + 3, "\(Int((100 * score).rounded()))",
                    anchor: "middle", fill: HeatColor.isDark(score) ? "#ffffff" : "#222222")
            }
        }
        for (column, name) in columns.enumerated() {
            svg.text(margin.left + (Double(column) + 0.5) * size.width, bottom + 13, name, anchor: "middle")
        }
        svg.text(
            margin.left + Double(columns.count) * size.width / 2, bottom + 29, columnTitle, anchor: "middle")
        svg.text(
            14, margin.top + Double(rows.count) * size.height / 2, rowTitle, anchor: "middle", turned: true)
        return svg
    }
}

extension NeedleGrid {
    /// The grid as a picture, complete in itself.
    ///
    /// - Parameter title: what was measured.
    public func svg(title: String) -> String { heatMap(title: title).picture(.file).text }

    func heatMap(title: String) -> HeatMap {
        HeatMap(
            title: title, columns: plan.lengths.map(String.init), rows: plan.rows.map(Self.name),
            cells: plan.rows.map { depth in
                plan.lengths.map { length in
                    guard let cell = cell(length: length, depth: depth) else {
                        return HeatMap.Cell(score: nil, title: "not measured")
                    }
                    return HeatMap.Cell(
                        score: cell.score.value,
                        title: "\(length) tokens, depth \(Self.name(of: depth)): "
                            + String(format: "%.1f %%", 100 * cell.score.value)
                            + ", \(cell.outcomes.count) cases")
                }
            })
    }

    /// A depth for people.
    public static func name(of depth: Double?) -> String {
        depth.map { String(format: "%.0f %%", 100 * $0) } ?? "any"
    }
}
