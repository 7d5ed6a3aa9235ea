/// Rows per KV head of every layer, as bars.
struct LayerBars {
    let title: String
    let rows: [Double]
    /// Rows of the full cache.
    let most: Double
    private static let bar = 11.0
    private static let width = 190.0

    func picture(_ ink: SVG.Ink) -> SVG {
        let thick = rows.count > 48 ? 4 : Self.bar
        let height = 30 + Double(rows.count) * thick
        var svg = SVG(width: Self.width, height: height, ink: ink, label: title)
        svg.text(0, 13, title, size: 11)
        let scale = (Self.width - 62) / max(most, 1)
        for (layer, count) in rows.enumerated() {
            let y = 22 + Double(layer) * thick
            svg.rectangle(20, y, (Self.width - 62), thick - 2, fill: ink.line, opacity: 0.35)
            svg.rectangle(
                20, y, count * scale, thick - 2, fill: "#4477aa",
                title: "layer \(layer): \(ReportText.number(count, 1))")
            if layer % (thick < Self.bar ? 8 : 1) == 0 {
                svg.text(15, y + thick - 3, "\(layer)", size: 9, anchor: "end")
                svg.text(Self.width - 38, y + thick - 3, ReportText.number(count, 0), size: 9)
            }
        }
        return svg
    }
}
