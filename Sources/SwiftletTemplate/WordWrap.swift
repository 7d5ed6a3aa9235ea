import SwiftletTensor

extension Interpreter {
    /// Lines that are not longer than a width, broken at blanks and behind hyphens.
    func wordWrap(_ text: String, _ arguments: Arguments) throws(SwiftletError) -> Value {
        let given = try bind(
            arguments, ["width", "break_long_words", "wrapstring", "break_on_hyphens"], for: "wordwrap")
        let width = try integer(given[0], "the width of wordwrap") ?? 79
        guard width > 0 else { throw problem("wordwrap needs a width above 0") }
        let breaksWords = given[1]?.isTrue ?? true
        let separator = try optionalString(given[2], "the line end of wordwrap") ?? "\n"
        let breaksHyphens = given[3]?.isTrue ?? true
        var lines: [String] = []
        for paragraph in text.lines(keepingEnds: false) {
            var wrapper = LineWrapper(width: width, breaksWords: breaksWords)
            let chunks = LineWrapper.chunks(of: paragraph, breaksHyphens: breaksHyphens)
            try charge(24, times: chunks.count)
            try step(paragraph.utf8.count / 8)
            let wrapped = wrapper.wrap(chunks)
            try charge(separator.utf8.count, times: wrapped.count)
            lines.append(wrapped.joined(separator: separator))
        }
        try charge(separator.utf8.count, times: lines.count)
        return .string(lines.joined(separator: separator))
    }
}

/// Fills lines with words, as Python's `textwrap` does.
private struct LineWrapper {
    let width: Int
    let breaksWords: Bool
    private var lines: [String] = []
    private var line: [[Unicode.Scalar]] = []
    private var length = 0

    init(width: Int, breaksWords: Bool) {
        self.width = width
        self.breaksWords = breaksWords
    }

    /// Words and the blanks between them; a word with hyphens between letters is several.
    static func chunks(of text: String, breaksHyphens: Bool) -> [[Unicode.Scalar]] {
        let scalars = Array(text.unicodeScalars)
        var chunks: [[Unicode.Scalar]] = []
        var start = 0
        for place in scalars.indices {
            let isLast = place + 1 == scalars.count
            let changes = isLast || isBlank(scalars[place]) != isBlank(scalars[place + 1])
            if changes || (breaksHyphens && isBreakable(scalars, start, place)) {
                chunks.append(Array(scalars[start...place]))
                start = place + 1
            }
        }
        return chunks
    }

    private static func isBlank(_ scalar: Unicode.Scalar) -> Bool {
        "\t\n\u{0B}\u{0C}\r ".unicodeScalars.contains(scalar)
    }

    /// A hyphen after two letters, or one that is not the first, and before two.
    private static func isBreakable(_ scalars: [Unicode.Scalar], _ start: Int, _ place: Int) -> Bool {
        guard scalars[place] == "-", place - start >= 2, place + 2 < scalars.count else { return false }
        let before = scalars[place - 1].isLetter && (scalars[place - 2].isLetter || scalars[place - 2] == "-")
        return before && scalars[place + 1].isLetter
            && (scalars[place + 2].isLetter || scalars[place + 2] == "-")
    }

    mutating func wrap(_ chunks: [[Unicode.Scalar]]) -> [String] {
        for chunk in chunks { add(chunk) }
        close()
        return lines
    }

    private mutating func add(_ chunk: [Unicode.Scalar]) {
        let isBlank = chunk.allSatisfy(\.isPythonSpace)
        if line.isEmpty, isBlank, !lines.isEmpty { return }
        if length + chunk.count <= width {
            line.append(chunk)
            length += chunk.count
            return
        }
        guard chunk.count > width else {
            close()
            if !isBlank || lines.isEmpty { add(chunk) }
            return
        }
        guard breaksWords else {
            if !line.isEmpty { close() }
            if isBlank, !lines.isEmpty { return }
            line = [chunk]
            length = chunk.count
            return
        }
        var rest = chunk[...]
        while rest.count > width {
            let room = width - length
            if room > 0 { line.append(Array(rest.prefix(room))) }
            rest = rest.dropFirst(room)
            close()
        }
        add(Array(rest))
    }

    /// Ends a line; blanks at its end go.
    private mutating func close() {
        if let last = line.last, last.allSatisfy(\.isPythonSpace) { line.removeLast() }
        if !line.isEmpty {
            var text = String.UnicodeScalarView()
            for chunk in line { text.append(contentsOf: chunk) }
            lines.append(String(text))
        }
        line = []
        length = 0
    }
}
