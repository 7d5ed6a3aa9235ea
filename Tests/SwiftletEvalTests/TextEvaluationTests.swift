import Foundation
import SwiftletEngine
import SwiftletText
import Testing

@testable import SwiftletEval

@Suite struct TextEvaluationTests {
    private func windows(_ size: Int = 30, count: Int = 70) throws -> TextWindows {
        try .chunks(EvaluationText(EvalFixture.tokens(count), start: 1), size: size)
    }

    @Test("losses are those of all logits of a window, computed the obvious way")
    func losses() throws {
        let model = try EvalFixture.model()
        let windows = try windows()
        let options = try EvalFixture.options(model: model)
        var evaluation = TextEvaluation(model, windows)
        for window in windows.windows {
            var rows: [[Float]] = []
            try Session(model, options).feed(window.tokens) { rows.append(Array($1)) }
            let expected = (window.promptCount..<window.tokens.count).map { index in
                let weights = rows[index - 1].map { exp(Double($0)) }
                return log(weights[Int(window.tokens[index])] / weights.reduce(0, +))
            }
            var found: [Double] = []
            let report = try evaluation.score(window, options) {
                found.append(LogSoftmax($1).logProbability(of: $0))
            }
            #expect(report?.tokenCount == window.tokens.count - 1)
            #expect(found.count == expected.count)
            #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-12 })
        }
    }

    @Test(
        "two caches see the same tokens, whatever waits for the other", arguments: ["h2o", "snapkv:window=2"])
    func sideBySide(policy: String) throws {
        let model = try EvalFixture.model()
        let windows = try windows()
        let full = try EvalFixture.options(model: model)
        let tested = try EvalFixture.options(policy, budget: "5", model: model)
        for window in windows.windows {
            var (left, right) = (Scored(), Scored())
            var evaluation = TextEvaluation(model, windows)
            #expect(try evaluation.score(window, full) { left.add($0, $1) } != nil)
            #expect(try evaluation.score(window, tested) { right.add($0, $1) } != nil)
            var (first, second) = (Scored(), Scored())
            let reports = try evaluation.compare(window, full, tested) {
                first.add($0, $1)
                second.add($0, $2)
            }
            #expect(first == left && second == right && left != right)
            #expect(reports?.1.meanRows ?? 99 < reports?.0.meanRows ?? 0)
        }
    }

    @Test("progress counts the tokens that went through the model; a stop between windows is one, too")
    func progress() throws {
        let model = try EvalFixture.model()
        let windows = try windows()
        for (policy, last) in [(nil, 59), ("h2o", 40)] as [(String?, Int)] {
            var seen: [Int] = []
            var evaluation = TextEvaluation(model, windows)
            evaluation.progress = {
                seen.append($0)
                return $0 < 40
            }
            let options = try EvalFixture.options(policy, budget: policy == nil ? nil : "6", model: model)
            #expect(try evaluation.score(windows.windows[0], options) { _, _ in } != nil)
            let isWhole = try evaluation.score(windows.windows[1], options) { _, _ in } != nil
            #expect(isWhole == (policy == nil))
            #expect(seen == seen.sorted() && abs((seen.last ?? 0) - last) <= 10, "\(seen)")
            let count = seen.count
            #expect(try evaluation.score(windows.windows[0], options) { _, _ in } == nil)
            #expect(seen.count == count)
        }
    }

    @Test("windows are drawn again as wholes")
    func series() throws {
        let rows: [[Float]] = [[0.7, 0.3], [0.2, 0.8], [0.6, 0.4]]
        func window(_ labels: [TokenID]) -> Calibration {
            var calibration = Calibration(bins: 4, keepsClasses: true)
            for (row, label) in zip(rows, labels) { calibration.add(probabilities: row, target: label) }
            return calibration
        }
        let empty = Calibration(bins: 4, keepsClasses: true)
        var (series, other) = (CalibrationSeries(empty), CalibrationSeries(empty))
        for labels: [TokenID] in [[0, 1, 0], [1, 0, 1], [0, 0, 0]] {
            series.add(window(labels))
            other.add(window([0, 1, 0]))
        }
        let total = series.total
        let expected: [CalibrationSeries.Measure: Double] = [
            .fullECE: total.fullError, .topECE: total.topError, .loss: total.loss.value,
            .brier: total.brier.value, .accuracy: total.accuracy,
        ]
        #expect(total.positionCount == 9 && series.windowCount == 3)
        for measure in CalibrationSeries.Measure.allCases {
            let interval = series.interval(measure, Bootstrap())
            #expect(abs(interval.value - (expected[measure] ?? .nan)) < 1e-12)
            #expect(interval.low <= interval.value + 1e-12 || measure == .fullECE || measure == .topECE)
            let none = other.difference(measure, from: other, Bootstrap())
            #expect(none.value == 0 && none.low == 0 && none.high == 0)
            let difference = series.difference(measure, from: other, Bootstrap())
            #expect(
                abs(difference.value - interval.value + other.interval(measure, Bootstrap()).value) < 1e-12)
        }
        #expect(other.difference(.accuracy, from: series, Bootstrap()).value == 1 - total.accuracy)
    }

    @Test("a diagram has a row per bin and is well-formed")
    func diagram() {
        var bins = CalibrationBins(4)
        for (p, isHit) in [(0.1, false), (0.3, true), (0.9, true), (1, false)] { bins.add(p, isHit: isHit) }
        let diagram = ReliabilityDiagram(title: "a < b", rows: [[.init("some", bins)]])
        let lines = diagram.text.split(separator: "\n")
        #expect(lines.count == 6)
        #expect(lines[2].contains("0.00–0.25") && lines[2].contains("0.1000"))
        #expect(lines[4].contains("0.50–0.75") && !lines[4].contains("█"))
        #expect(lines[5].contains("0.9500") && lines[5].contains("0.5000"))
        #expect(diagram.svg.hasPrefix("<svg") && diagram.svg.contains("a &lt; b"))
        #expect(diagram.svg.components(separatedBy: "<rect").count == 1 + 1 + 3 + 2 * 3)
        #expect(!diagram.svg.contains("nan"))
    }
}
