import SwiftletTensor

extension Interpreter {
    /// Filters that take a text.
    func applyText(_ filter: Filter, _ value: Value, _ arguments: Arguments) throws(SwiftletError) -> Value {
        switch filter {
        case .string:
            _ = try bind(arguments, [], for: "string")
            return value.string == nil ? .string(try text(of: value)) : value
        case .safe:
            _ = try bind(arguments, [], for: "safe")
            return .markup(try text(of: value))
        case .escape, .e, .forceescape:
            _ = try bind(arguments, [], for: filter.rawValue)
            if filter != .forceescape, case .markup = value { return value }
            return .markup(try escaped(.string(try text(of: value))))
        case .replace: return try replace(value, arguments)
        case .truncate: return try truncate(value, arguments)
        case .indent: return try indent(value, arguments)
        default: break
        }
        let text = try text(of: value)
        let same = value.string == nil ? Value.string("") : value
        try charge(text.utf8.count, times: 2)
        switch filter {
        case .upper, .lower, .capitalize:
            guard let method = StringMethod(rawValue: filter.rawValue) else { return value }
            return try call(method, of: same.sameText(text), arguments)
        case .title:
            _ = try bind(arguments, [], for: "title")
            return .string(Self.title(text))
        case .trim:
            let set = try optionalString(
                try bind(arguments, ["chars"], for: "trim")[0], "the argument of trim")
            return same.sameText(text.stripped(set))
        case .center:
            let width = try bind(arguments, ["width"], for: "center")[0] ?? .int(80)
            return try call(.center, of: same.sameText(text), Arguments(positional: [width]))
        case .format: return try percentFormat(same.sameText(text), text, arguments)
        case .striptags:
            _ = try bind(arguments, [], for: "striptags")
            return .string(try stripTags(text))
        case .wordcount:
            _ = try bind(arguments, [], for: "wordcount")
            return .int(Self.wordCount(text))
        case .wordwrap:
            guard value.string != nil else { throw mismatch(value, "what wordwrap takes", "a string") }
            return try wordWrap(text, arguments)
        case .pprint:
            _ = try bind(arguments, [], for: "pprint")
            return .string(try prettyPrinted(value))
        default: throw problem("the filter '\(filter.rawValue)' is not supported in chat templates")
        }
    }

    /// The text of a value as HTML; what is safe stays as it is.
    func escaped(_ value: Value) throws(SwiftletError) -> String {
        if case .markup(let text) = value { return text }
        let text = try text(of: value)
        try charge(text.utf8.count, times: 5)
        return text.escapedForHTML
    }

    private func percentFormat(
        _ value: Value, _ text: String, _ arguments: Arguments
    ) throws(SwiftletError) -> Value {
        guard arguments.positional.isEmpty || arguments.keywords.isEmpty else {
            throw problem("format takes values or named values, not both")
        }
        guard arguments.keywords.isEmpty else {
            var builder = Mapping.Builder()
            for (name, value) in arguments.keywords { builder.set(name, value) }
            return value.sameText(try formatted(text, with: try dictionary(builder)))
        }
        return value.sameText(try formatted(text, with: try tuple(arguments.positional)))
    }

    private func replace(_ value: Value, _ arguments: Arguments) throws(SwiftletError) -> Value {
        let given = try bind(arguments, ["old", "new", "count"], required: 2, for: "replace")
        let most = given[2]?.isNone == true ? -1 : try integer(given[2], "the number of replacements") ?? -1
        let old = try text(of: given[0] ?? .none)
        let new = try text(of: given[1] ?? .none)
        return .string(try replaced(try text(of: value), old, new, most))
    }

    private func truncate(_ value: Value, _ arguments: Arguments) throws(SwiftletError) -> Value {
        let given = try bind(arguments, ["length", "killwords", "end", "leeway"], for: "truncate")
        let length = try integer(given[0], "the length of truncate") ?? 255
        let end = try string(given[2], "the end of truncate") ?? "..."
        let leeway = given[3]?.isNone == true ? 5 : try integer(given[3], "the leeway of truncate") ?? 5
        let endCount = end.unicodeScalars.count
        guard length >= endCount else { throw problem("truncate needs a length of at least \(endCount)") }
        guard leeway >= 0 else { throw problem("truncate needs a leeway of at least 0") }
        if value.string == nil,
            try self.length(of: value) <= length.addingReportingOverflow(leeway).partialValue
        {
            return value
        }
        guard let text = value.string else { throw mismatch(value, "what truncate takes", "a string") }
        let (most, overflow) = length.addingReportingOverflow(leeway)
        guard !overflow, text.unicodeScalars.count > most else { return value }
        try charge(text.utf8.count)
        let cut = text.sliced((nil, length - endCount, 1))
        if given[1]?.isTrue ?? false { return value.sameText(cut + end) }
        let space = cut.lastIndex(ofBytes: " ", endingBy: cut.utf8.count)
        return value.sameText((space.map { cut.bytes(0..<$0) } ?? cut) + end)
    }

    private func indent(_ value: Value, _ arguments: Arguments) throws(SwiftletError) -> Value {
        let given = try bind(arguments, ["width", "first", "blank"], for: "indent")
        guard let text = value.string else { throw mismatch(value, "what indent takes", "a string") }
        let indention: String
        if let own = given[0]?.string {
            indention = own
        } else {
            let width = max(0, try integer(given[0], "the width of indent") ?? 4)
            try charge(width)
            indention = String(repeating: " ", count: width)
        }
        let isBlankIndented = given[2]?.isTrue ?? false
        var result = given[1]?.isTrue ?? false ? indention : ""
        for (place, line) in (text + "\n").lines(keepingEnds: false).enumerated() {
            try charge(line.utf8.count + indention.utf8.count + 1)
            if place > 0 {
                result += "\n"
                if isBlankIndented || !line.isEmpty { result += indention }
            }
            result += line
        }
        return value.sameText(result)
    }

    /// Every word, also behind brackets and hyphens, with a large first letter.
    private static func title(_ text: String) -> String {
        var result = ""
        var word = ""
        func closed() -> String {
            guard let first = word.unicodeScalars.first else { return "" }
            let rest = String(String.UnicodeScalarView(word.unicodeScalars.dropFirst()))
            return first.properties.uppercaseMapping + rest.lowercasedByScalars
        }
        for scalar in text.unicodeScalars {
            if scalar.isPythonSpace || "-({[<".unicodeScalars.contains(scalar) {
                result += closed()
                word = ""
                result.unicodeScalars.append(scalar)
            } else {
                word.unicodeScalars.append(scalar)
            }
        }
        return result + closed()
    }

    private static func wordCount(_ text: String) -> Int {
        var count = 0
        var isInside = false
        for scalar in text.unicodeScalars {
            let isWord = scalar.isLetter || scalar.properties.numericType != nil || scalar == "_"
            if isWord, !isInside { count += 1 }
            isInside = isWord
        }
        return count
    }

    /// Without comments and tags, blanks joined to one, and the usual HTML characters decoded.
    private func stripTags(_ text: String) throws(SwiftletError) -> String {
        var rest = text
        var result = ""
        for (open, close) in [("<!--", "-->"), ("<", ">")] {
            result = ""
            var start = 0
            while let tag = rest.firstIndex(ofBytes: open, from: start),
                let end = rest.firstIndex(ofBytes: close, from: tag + open.utf8.count)
            {
                try step()
                result += rest.bytes(start..<tag)
                start = end + close.utf8.count
            }
            rest = result + rest.bytes(from: start)
        }
        let words = rest.unicodeScalars.split(whereSeparator: \.isPythonSpace)
        var joined = words.map { String($0) }.joined(separator: " ")
        for (entity, meaning) in Self.entities { joined = try replaced(joined, entity, meaning, -1) }
        return joined
    }

    private static let entities = [
        ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#34;", "\""), ("&#39;", "'"), ("&apos;", "'"),
        ("&nbsp;", "\u{A0}"), ("&amp;", "&"),
    ]
}
