import SwiftletCache
import SwiftletEngine
import SwiftletEval
import SwiftletFormats

/// A grid of scores for people and programs.
struct NeedleReport {
    private let grid: NeedleGrid
    private let model: String
    private let style: PromptStyle
    private let options: Session.Options

    init(_ grid: NeedleGrid, model: String, style: PromptStyle, _ options: Session.Options) {
        self.grid = grid
        self.model = model
        self.style = style
        self.options = options
    }

    /// What was measured.
    var title: String {
        let budget = options.policy.statedBudget.map { ", budget \($0)" } ?? ""
        return
            "\(grid.plan.task), \(options.policy.specification)\(budget), question-\(grid.plan.mode), \(model)"
    }

    /// Depths by lengths; coloured on a terminal.
    var table: String {
        var lines = [title, pad("depth", 8) + grid.plan.lengths.map { right("\($0)", 7) }.joined()]
        for depth in grid.plan.rows {
            let cells = grid.plan.lengths.map { length in
                grid.cell(length: length, depth: depth).map { colored($0.score.value) } ?? right("-", 7)
            }
            lines.append(pad(NeedleGrid.name(of: depth), 8) + cells.joined())
        }
        let count = grid.cells.reduce(0) { $0 + $1.outcomes.count }
        lines.append("mean \(grid.score.percent), \(count) cases")
        return lines.map { $0 + "\n" }.joined()
    }

    private func colored(_ score: Double) -> String {
        let text = right(formatNumber(100 * score, 0), 6)
        guard Console.isInteractive else { return " \(text)" }
        let color = HeatColor.components(of: score)
        let ink = HeatColor.isDark(score) ? 97 : 30
        return " \u{1B}[\(ink);48;2;\(color.red);\(color.green);\(color.blue)m\(text)\u{1B}[0m"
    }

    private func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(width - text.count, 0)) + text
    }

    /// One object and a line end.
    var json: String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("model", model)
            writer.member("task", grid.plan.task.rawValue)
            writer.member("policy", options.policy.specification)
            writer.key("budget")
            if let budget = options.policy.statedBudget { writer.value("\(budget)") } else { writer.null() }
            writer.member("mode", grid.plan.mode.rawValue)
            writer.member("style", style.rawValue)
            writer.member("seed", grid.plan.seed)
            writer.member("samples", grid.plan.samples)
            writer.member("complete", grid.isComplete)
            grid.score.write(to: &writer)
            writer.key("cells")
            writer.array { writer in for cell in grid.cells { Self.write(cell, to: &writer) } }
        }
        return writer.text + "\n"
    }

    private static func write(_ cell: NeedleGrid.Cell, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("length", cell.length)
            writer.key("depth")
            if let depth = cell.depth { writer.value(depth) } else { writer.null() }
            cell.score.write(to: &writer)
            writer.key("cases")
            writer.array { writer in for outcome in cell.outcomes { outcome.write(to: &writer) } }
        }
    }
}
