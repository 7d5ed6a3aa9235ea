import Foundation

/// Points over two axes, those of one series joined by a line.
struct ScatterChart {
    /// One measurement.
    struct Point {
        var x: Double
        var y: Double
        var name: String
        var title: String
    }

    /// Points of one policy.
    struct Series {
        var name: String
        var number: Int
        var style: SeriesStyle
        var points: [Point]
    }

    /// The meaning of an axis.
    struct Axis {
        var title: String
        var isLogarithmic = false
        var label: (Double) -> String
    }

    let title: String
    let x: Axis
    let y: Axis
    let series: [Series]
    /// Whether less is better along x; decides the front.
    let prefersLess: Bool
    private static let size = (width: 632.0, height: 420.0)
    private static let margin = (left: 58.0, top: 30.0, right: 30.0, bottom: 44.0)

    func picture(_ ink: SVG.Ink) -> SVG {
        var svg = SVG(width: Self.size.width, height: Self.size.height, ink: ink, label: title)
        svg.text(Self.margin.left, 17, title, size: 13)
        let points = series.flatMap(\.points)
        guard !points.isEmpty else {
            svg.text(Self.margin.left, 60, "nothing was measured")
            return svg
        }
        let across = Scale(points.map(\.x), isLogarithmic: x.isLogarithmic)
        let up = Scale(points.map(\.y) + [0], isLogarithmic: false)
        let frame = Frame(across, up)
        drawAxes(&svg, frame)
        let front = frontier(points)
        svg.path(steps(front, frame), stroke: ink.line, width: 5)
        for line in series {
            svg.group(series: line.number) { svg in
                svg.path(
                    line.points.map { (frame.x($0.x), frame.y($0.y)) }, stroke: line.style.color, width: 1)
                for point in line.points {
                    line.style.mark(&svg, frame.x(point.x), frame.y(point.y), point.title)
                }
            }
        }
        for point in front { label(point, &svg, frame) }
        return svg
    }

    /// Where values lie in the picture.
    private struct Frame {
        let across: Scale
        let up: Scale

        init(_ across: Scale, _ up: Scale) { (self.across, self.up) = (across, up) }

        let left = margin.left
        let right = size.width - margin.right
        let top = margin.top
        let bottom = size.height - margin.bottom

        func x(_ value: Double) -> Double { left + across.share(of: value) * (right - left) }
        func y(_ value: Double) -> Double { bottom - up.share(of: value) * (bottom - top) }
    }

    /// Names a point of the front, on the side where there is room.
    private func label(_ point: Point, _ svg: inout SVG, _ frame: Frame) {
        let (x, y) = (frame.x(point.x), frame.y(point.y))
        let isFarRight = x > frame.right - 90
        svg.text(
            isFarRight ? x - 8 : x + 8, y - 7, point.name, size: 10, anchor: isFarRight ? "end" : "start")
    }

    private func drawAxes(_ svg: inout SVG, _ frame: Frame) {
        for tick in frame.up.ticks {
            svg.line(frame.left, frame.y(tick), frame.right, frame.y(tick), stroke: svg.ink.line, width: 0.6)
            svg.text(frame.left - 6, frame.y(tick) + 4, y.label(tick), anchor: "end")
        }
        for tick in frame.across.ticks {
            svg.line(frame.x(tick), frame.top, frame.x(tick), frame.bottom, stroke: svg.ink.line, width: 0.6)
            svg.text(frame.x(tick), frame.bottom + 15, x.label(tick), anchor: "middle")
        }
        svg.text((frame.left + frame.right) / 2, frame.bottom + 34, x.title, anchor: "middle")
        svg.text(14, (frame.top + frame.bottom) / 2, y.title, anchor: "middle", turned: true)
    }

    /// The points that none other beats in both directions, by ascending x.
    private func frontier(_ points: [Point]) -> [Point] {
        let order = points.sorted { a, b in
            a.x != b.x ? (prefersLess ? a.x < b.x : a.x > b.x) : a.y > b.y
        }
        var best = -Double.infinity
        let front = order.filter { point in
            defer { best = max(best, point.y) }
            return point.y > best
        }
        return prefersLess ? front : front.reversed()
    }

    private func steps(_ front: [Point], _ frame: Frame) -> [(x: Double, y: Double)] {
        var path: [(x: Double, y: Double)] = []
        for (index, point) in front.enumerated() {
            if index > 0 {
                let before = front[index - 1]
                path.append(
                    prefersLess
                        ? (frame.x(point.x), frame.y(before.y)) : (frame.x(before.x), frame.y(point.y)))
            }
            path.append((frame.x(point.x), frame.y(point.y)))
        }
        return path
    }
}

/// A range of values with round ticks.
struct Scale {
    let low: Double
    let high: Double
    let ticks: [Double]
    private let isLogarithmic: Bool

    /// - Parameter values: at least one; positive if the scale is logarithmic.
    init(_ values: [Double], isLogarithmic: Bool) {
        self.isLogarithmic = isLogarithmic
        let (least, most) = (values.min() ?? 0, values.max() ?? 1)
        if isLogarithmic {
            let (first, last) = (log2(max(least, 1e-9)), log2(max(most, 1e-9)))
            let step = max(((last - first) / 5).rounded(.up), 1)
            let start = (first - 0.05).rounded(.down)
            let end = max(((last + 0.05 - start) / step).rounded(.up), 1) * step + start
            low = start
            high = end
            ticks = stride(from: start, through: end, by: step).map { exp2($0) }
        } else {
            let span = max(most - least, 1e-9)
            let power = pow(10, log10(span / 5).rounded(.down))
            let step = [1, 2, 5, 10].map { $0 * power }.first { span / $0 <= 6 } ?? power * 10
            let start = (least / step).rounded(.down) * step
            let end = (most / step).rounded(.up) * step
            low = start
            high = max(end, start + step)
            ticks = (0...Int(((high - start) / step).rounded())).map { start + Double($0) * step }
        }
    }

    /// 0 at the low end, 1 at the high one.
    func share(of value: Double) -> Double {
        ((isLogarithmic ? log2(max(value, 1e-9)) : value) - low) / (high - low)
    }
}

/// What tells a series from others: colours that differ for nearly everybody, then shapes.
struct SeriesStyle: Hashable {
    let color: String
    let shape: Int

    private static let colors = [
        "#4477aa", "#ee6677", "#228833", "#b8a000", "#66a9cc", "#aa3377", "#d9822b", "#888888",
    ]

    init(index: Int) {
        color = Self.colors[index % Self.colors.count]
        shape = index / Self.colors.count % 4
    }

    func mark(_ svg: inout SVG, _ x: Double, _ y: Double, _ title: String?) {
        switch shape {
        case 0: svg.circle(x, y, 4.5, fill: color, title: title)
        case 1: svg.rectangle(x - 4, y - 4, 8, 8, fill: color, title: title)
        case 2: svg.polygon([(x, y - 5.5), (x + 5, y + 4), (x - 5, y + 4)], fill: color, title: title)
        default: svg.polygon([(x, y - 6), (x + 6, y), (x, y + 6), (x - 6, y)], fill: color, title: title)
        }
    }
}
