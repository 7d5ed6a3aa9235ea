import Foundation

/// Builds a picture out of elements, as text.
struct SVG {
    /// Colours of what belongs to no series.
    struct Ink: Hashable {
        var text: String
        var line: String
        var paper: String?

        /// A picture of its own, on white.
        static let file = Ink(text: "#222222", line: "#cccccc", paper: "#ffffff")
        /// Part of a page, whose style sheet decides.
        static let page = Ink(text: "currentColor", line: "var(--line)", paper: nil)
    }

    let ink: Ink
    private let width: Double
    private let height: Double
    private let label: String
    private var elements: [String] = []

    /// - Parameter label: what the picture shows, for those who cannot see it.
    init(width: Double, height: Double, ink: Ink, label: String) {
        self.width = width
        self.height = height
        self.ink = ink
        self.label = label
        if let paper = ink.paper { rectangle(0, 0, width, height, fill: paper) }
    }

    /// The picture.
    var text: String {
        """
        <svg xmlns="http://www.w3.org/2000/svg" width="\(Self.number(width))" height="\(Self.number(height))" \
        viewBox="0 0 \(Self.number(width)) \(Self.number(height))" font-family="sans-serif" font-size="11" \
        role="img" aria-label="\(Markup.escape(label))">
        \(elements.joined(separator: "\n"))
        </svg>

        """
    }

    /// Adds elements that a page can find together.
    ///
    /// - Parameter series: which of the page's series they are.
    mutating func group(series: Int, _ body: (inout SVG) -> Void) {
        elements.append("<g class=\"series\" data-series=\"\(series)\">")
        body(&self)
        elements.append("</g>")
    }

    // MARK: Elements

    /// - Parameter title: shown where a pointer rests.
    mutating func rectangle(
        _ x: Double, _ y: Double, _ width: Double, _ height: Double, fill: String, opacity: Double = 1,
        radius: Double = 0, title: String? = nil
    ) {
        add(
            "rect",
            [
                ("x", x), ("y", y), ("width", max(width, 0)), ("height", max(height, 0)),
                ("rx", radius > 0 ? radius : nil), ("opacity", opacity < 1 ? opacity : nil),
            ], [("fill", fill)], title: title)
    }

    mutating func line(
        _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, stroke: String, width: Double = 1,
        dashes: String? = nil
    ) {
        add(
            "line", [("x1", x1), ("y1", y1), ("x2", x2), ("y2", y2), ("stroke-width", width)],
            [("stroke", stroke)] + (dashes.map { [("stroke-dasharray", $0)] } ?? []))
    }

    mutating func path(_ points: [(x: Double, y: Double)], stroke: String, width: Double = 1.5) {
        guard points.count > 1 else { return }
        let text = points.map { "\(Self.number($0.x)),\(Self.number($0.y))" }.joined(separator: " ")
        add(
            "polyline", [("stroke-width", width)],
            [("points", text), ("fill", "none"), ("stroke", stroke), ("stroke-linejoin", "round")])
    }

    mutating func circle(_ x: Double, _ y: Double, _ radius: Double, fill: String, title: String? = nil) {
        add("circle", [("cx", x), ("cy", y), ("r", radius)], [("fill", fill)], title: title)
    }

    mutating func polygon(_ points: [(x: Double, y: Double)], fill: String, title: String? = nil) {
        let text = points.map { "\(Self.number($0.x)),\(Self.number($0.y))" }.joined(separator: " ")
        add("polygon", [], [("points", text), ("fill", fill)], title: title)
    }

    /// - Parameter turned: reads upwards.
    mutating func text(
        _ x: Double, _ y: Double, _ text: String, size: Double = 11, anchor: String = "start",
        fill: String? = nil, turned: Bool = false
    ) {
        let turn =
            turned ? " transform=\"rotate(-90 \(Self.number(x)) \(Self.number(y)))\"" : ""
        elements.append(
            """
            <text x="\(Self.number(x))" y="\(Self.number(y))" font-size="\(Self.number(size))" \
            text-anchor="\(anchor)" fill="\(fill ?? ink.text)"\(turn)>\(Markup.escape(text))</text>
            """)
    }

    private mutating func add(
        _ name: String, _ numbers: [(String, Double?)], _ words: [(String, String)], title: String? = nil
    ) {
        var element = "<\(name)"
        for (key, value) in numbers { if let value { element += " \(key)=\"\(Self.number(value))\"" } }
        for (key, value) in words { element += " \(key)=\"\(value)\"" }
        elements.append(element + (title.map { "><title>\(Markup.escape($0))</title></\(name)>" } ?? "/>"))
    }

    private static func number(_ value: Double) -> String {
        let text = String(format: "%.2f", value.isFinite ? value : 0)
        return text.hasSuffix(".00") ? String(text.dropLast(3)) : text
    }
}

/// Text inside HTML and SVG.
enum Markup {
    /// Replaces everything that is not plain text, inside elements and attributes; control characters become spaces.
    static func escape(_ text: String) -> String {
        var safe = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": safe += "&amp;"
            case "<": safe += "&lt;"
            case ">": safe += "&gt;"
            case "\"": safe += "&quot;"
            case "'": safe += "&#39;"
            case _ where scalar.value < 0x20 && !["\n", "\t"].contains(scalar), "\u{7F}", "\u{FFFE}",
                "\u{FFFF}":
                safe += " "
            default: safe.unicodeScalars.append(scalar)
            }
        }
        return safe
    }
}
