import SwiftletTensor

/// Methods of strings.
enum StringMethod: String {
    case capitalize, casefold, center, count, encode, endswith, expandtabs, find, format
    case formatMap = "format_map"
    case index, isalnum, isalpha, isascii, isdecimal, isdigit, isidentifier, islower, isnumeric, isprintable
    case isspace, istitle, isupper, join, ljust, lower, lstrip, maketrans, partition, removeprefix
    case removesuffix, replace, rfind, rindex, rjust, rpartition, rsplit, rstrip, split, splitlines
    case startswith, strip, swapcase, title, translate, upper, zfill
}

extension Interpreter {
    /// Calls a method of a text.
    func call(_ method: StringMethod, of receiver: Value, _ arguments: Arguments) throws(SwiftletError)
        -> Value
    {
        let text = receiver.string ?? ""
        try charge(text.utf8.count)
        try step(text.utf8.count / 64)
        switch method {
        case .format, .formatMap: return try format(method, receiver, text, arguments)
        case .encode, .maketrans, .translate:
            throw problem("the string method '\(method.rawValue)' is not supported in chat templates")
        case .lower, .upper, .title, .capitalize, .swapcase, .casefold:
            _ = try bind(arguments, [], for: method.rawValue)
            return receiver.sameText(Self.changeCase(text, method))
        case .isalnum, .isalpha, .isascii, .isdecimal, .isdigit, .isidentifier, .islower, .isnumeric,
            .isprintable, .isspace, .istitle, .isupper:
            _ = try bind(arguments, [], for: method.rawValue)
            return .bool(text.has(method))
        case .strip, .lstrip, .rstrip:
            let given = try bind(arguments, ["chars"], for: method.rawValue)[0]
            let set = try optionalString(given, "the argument of \(method.rawValue)")
            return receiver.sameText(text.stripped(set, left: method != .rstrip, right: method != .lstrip))
        case .split, .rsplit: return try split(method, receiver, text, arguments)
        case .splitlines:
            let given = try bind(arguments, ["keepends"], for: "splitlines")[0]
            let keeps = try integer(given, "the argument of splitlines") ?? 0
            return try list(text.lines(keepingEnds: keeps != 0).map(receiver.sameText))
        case .partition, .rpartition: return try partition(method, receiver, text, arguments)
        case .startswith, .endswith: return .bool(try matches(method, text, arguments))
        case .find, .rfind, .index, .rindex, .count: return .int(try search(method, text, arguments))
        case .join: return try join(receiver, arguments)
        case .replace: return try replace(receiver, text, arguments)
        case .removeprefix, .removesuffix:
            let part =
                try string(try bind(arguments, ["affix"], required: 1, for: method.rawValue)[0], "the affix")
                ?? ""
            if method == .removeprefix, text.firstIndex(ofBytes: part) == 0 {
                return receiver.sameText(text.bytes(from: part.utf8.count))
            }
            let start = text.utf8.count - part.utf8.count
            if method == .removesuffix, start >= 0, text.firstIndex(ofBytes: part, from: start) == start {
                return receiver.sameText(text.bytes(0..<start))
            }
            return receiver
        case .center, .ljust, .rjust, .zfill: return receiver.sameText(try pad(method, text, arguments))
        case .expandtabs:
            let size =
                try integer(try bind(arguments, ["tabsize"], for: "expandtabs")[0], "the tab size") ?? 8
            return receiver.sameText(try expandTabs(text, size))
        }
    }

    /// An argument that is text or `none`.
    func optionalString(_ value: Value?, _ what: String) throws(SwiftletError) -> String? {
        if case .none? = value { return nil }
        return try string(value, what)
    }

    private static func changeCase(_ text: String, _ method: StringMethod) -> String {
        switch method {
        case .lower: text.lowercasedByScalars
        case .upper: text.uppercasedByScalars
        case .title: text.titledByScalars
        case .capitalize: text.capitalizedByScalars
        case .casefold:
            text.unicodeScalars.map { $0 == "ß" ? "ss" : $0 == "ς" ? "σ" : $0.properties.lowercaseMapping }
                .joined()
        default:
            text.unicodeScalars.map {
                $0.properties.isUppercase ? $0.properties.lowercaseMapping : $0.properties.uppercaseMapping
            }.joined()
        }
    }

    // MARK: Splitting

    private func split(
        _ method: StringMethod, _ receiver: Value, _ text: String, _ arguments: Arguments
    ) throws(SwiftletError) -> Value {
        let values = try bind(arguments, ["sep", "maxsplit"], for: method.rawValue)
        let separator = try optionalString(values[0], "the separator")
        let limit = try integer(values[1], "the number of splits") ?? -1
        let most = limit < 0 ? Int.max : limit
        if separator?.isEmpty == true {
            throw problem("\(method.rawValue) needs a separator that is not empty")
        }
        let parts: [String]
        switch (method, separator) {
        case (.split, let separator?): parts = Self.split(text, separator, most)
        case (_, let separator?): parts = Self.splitFromEnd(text, separator, most)
        case (.split, nil): parts = Self.splitAtBlanks(text, most)
        default: parts = Self.splitAtBlanksFromEnd(text, most)
        }
        return try list(parts.map(receiver.sameText))
    }

    private static func split(_ text: String, _ separator: String, _ most: Int) -> [String] {
        var parts: [String] = []
        var start = 0
        while parts.count < most, let place = text.firstIndex(ofBytes: separator, from: start) {
            parts.append(text.bytes(start..<place))
            start = place + separator.utf8.count
        }
        parts.append(text.bytes(from: start))
        return parts
    }

    private static func splitFromEnd(_ text: String, _ separator: String, _ most: Int) -> [String] {
        var parts: [String] = []
        var end = text.utf8.count
        while parts.count < most, let place = text.lastIndex(ofBytes: separator, endingBy: end) {
            parts.append(text.bytes(place + separator.utf8.count..<end))
            end = place
        }
        parts.append(text.bytes(0..<end))
        return parts.reversed()
    }

    private static func splitAtBlanks(_ text: String, _ most: Int) -> [String] {
        var parts: [String] = []
        var rest = Substring(text).unicodeScalars.drop(while: \.isPythonSpace)
        while !rest.isEmpty {
            guard parts.count < most else {
                parts.append(String(rest))
                break
            }
            let word = rest.prefix { !$0.isPythonSpace }
            parts.append(String(word))
            rest = rest[word.endIndex...].drop(while: \.isPythonSpace)
        }
        return parts
    }

    private static func splitAtBlanksFromEnd(_ text: String, _ most: Int) -> [String] {
        var parts: [String] = []
        var rest = Substring(text).unicodeScalars
        func dropBlanks() {
            while rest.last?.isPythonSpace == true { rest.removeLast() }
        }
        dropBlanks()
        while !rest.isEmpty {
            guard parts.count < most else {
                parts.append(String(rest))
                break
            }
            let start = rest.lastIndex(where: \.isPythonSpace).map(rest.index(after:)) ?? rest.startIndex
            parts.append(String(rest[start...]))
            rest = rest[..<start]
            dropBlanks()
        }
        return parts.reversed()
    }

    private func partition(
        _ method: StringMethod, _ receiver: Value, _ text: String, _ arguments: Arguments
    ) throws(SwiftletError) -> Value {
        let given = try bind(arguments, ["sep"], required: 1, for: method.rawValue)[0]
        let separator = try string(given, "the separator") ?? ""
        guard !separator.isEmpty else {
            throw problem("\(method.rawValue) needs a separator that is not empty")
        }
        let place =
            method == .partition
            ? text.firstIndex(ofBytes: separator)
            : text.lastIndex(ofBytes: separator, endingBy: text.utf8.count)
        guard let place else {
            let empty = receiver.sameText("")
            return try tuple(method == .partition ? [receiver, empty, empty] : [empty, empty, receiver])
        }
        let parts = [text.bytes(0..<place), separator, text.bytes(from: place + separator.utf8.count)]
        return try tuple(parts.map(receiver.sameText))
    }

    // MARK: Searching

    /// The bytes between two places counted in scalars; `nil` if the first is behind the second or the end.
    private func window(
        _ text: String, _ start: Value?, _ end: Value?
    ) throws(SwiftletError) -> Range<Int>? {
        func given(_ value: Value?) throws(SwiftletError) -> Int? {
            if case .none? = value { return nil }
            return try integer(value, "a place in a string")
        }
        let (first, last) = (try given(start), try given(end))
        if first == nil, last == nil { return 0..<text.utf8.count }
        let count = text.unicodeScalars.count
        func place(_ index: Int) -> Int { index < 0 ? max(index + count, 0) : index }
        let low = place(first ?? 0)
        let high = min(place(last ?? count), count)
        guard low <= high else { return nil }
        return text.byteOffset(ofScalar: low)..<text.byteOffset(ofScalar: high)
    }

    private func matches(
        _ method: StringMethod, _ text: String, _ arguments: Arguments
    ) throws(SwiftletError) -> Bool {
        let values = try bind(arguments, ["affix", "start", "end"], required: 1, for: method.rawValue)
        var candidates: [Value] = []
        switch values[0] {
        case .tuple(let items): candidates = items.values
        case let value?: candidates = [value]
        case nil: break
        }
        guard let window = try window(text, values[1], values[2]) else { return false }
        for candidate in candidates {
            let part = try string(candidate, "the argument of \(method.rawValue)") ?? ""
            try step()
            let start = method == .startswith ? window.lowerBound : window.upperBound - part.utf8.count
            guard start >= window.lowerBound, start + part.utf8.count <= window.upperBound else { continue }
            if text.utf8.dropFirst(start).starts(with: part.utf8) { return true }
        }
        return false
    }

    private func search(
        _ method: StringMethod, _ text: String, _ arguments: Arguments
    ) throws(SwiftletError) -> Int {
        let values = try bind(arguments, ["sub", "start", "end"], required: 1, for: method.rawValue)
        let part = try string(values[0], "what is looked for") ?? ""
        guard let window = try window(text, values[1], values[2]) else {
            if method == .index || method == .rindex { throw problem("the string was not found") }
            return method == .count ? 0 : -1
        }
        let inside = text.bytes(window)
        if method == .count { return Self.count(part, in: inside) }
        let isFirst = method == .find || method == .index
        let place =
            isFirst
            ? inside.firstIndex(ofBytes: part)
            : inside.lastIndex(ofBytes: part, endingBy: inside.utf8.count)
        if let place { return text.scalarCount(ofBytes: window.lowerBound + place) }
        if method == .index || method == .rindex { throw problem("the string was not found") }
        return -1
    }

    private static func count(_ part: String, in text: String) -> Int {
        guard !part.isEmpty else { return text.unicodeScalars.count + 1 }
        var count = 0
        var start = 0
        while let place = text.firstIndex(ofBytes: part, from: start) {
            count += 1
            start = place + part.utf8.count
        }
        return count
    }

    // MARK: Building

    private func join(_ receiver: Value, _ arguments: Arguments) throws(SwiftletError) -> Value {
        let given = try bind(arguments, ["iterable"], required: 1, for: "join")[0]
        let separator = receiver.string ?? ""
        var result = ""
        for (place, value) in try elements(of: given ?? .none).enumerated() {
            guard let part = value.string else {
                throw mismatch(value, "element \(place) of join", "a string")
            }
            try charge(part.utf8.count + separator.utf8.count)
            if place > 0 { result += separator }
            result += part
        }
        return receiver.sameText(result)
    }

    private func replace(_ receiver: Value, _ text: String, _ arguments: Arguments) throws(SwiftletError)
        -> Value
    {
        let values = try bind(arguments, ["old", "new", "count"], required: 2, for: "replace")
        let old = try string(values[0], "what is replaced") ?? ""
        let new = try string(values[1], "the replacement") ?? ""
        let most = try integer(values[2], "the number of replacements") ?? -1
        return receiver.sameText(try replaced(text, old, new, most))
    }

    /// Python's `text.replace(old, new, most)`; a negative number means all.
    func replaced(_ text: String, _ old: String, _ new: String, _ most: Int) throws(SwiftletError) -> String {
        let most = most < 0 ? Int.max : most
        var result = ""
        var count = 0
        if old.isEmpty {
            for scalar in text.unicodeScalars {
                if count < most {
                    try charge(new.utf8.count)
                    result += new
                    count += 1
                }
                result.unicodeScalars.append(scalar)
            }
            if count < most {
                try charge(new.utf8.count)
                result += new
            }
            return result
        }
        var start = 0
        while count < most, let place = text.firstIndex(ofBytes: old, from: start) {
            try charge(new.utf8.count + place - start)
            result += text.bytes(start..<place)
            result += new
            start = place + old.utf8.count
            count += 1
        }
        return count == 0 ? text : result + text.bytes(from: start)
    }

    private func pad(_ method: StringMethod, _ text: String, _ arguments: Arguments) throws(SwiftletError)
        -> String
    {
        let names = method == .zfill ? ["width"] : ["width", "fillchar"]
        let values = try bind(arguments, names, required: 1, for: method.rawValue)
        let width = try integer(values[0], "the width") ?? 0
        let fill = method == .zfill ? "0" : try string(values[1], "the fill character") ?? " "
        guard fill.unicodeScalars.count == 1 else {
            throw problem("the fill character must be one character")
        }
        let missing = width.subtractingReportingOverflow(text.unicodeScalars.count)
        guard !missing.overflow, missing.partialValue > 0 else { return text }
        let count = missing.partialValue
        try charge(fill.utf8.count, times: count)
        switch method {
        case .ljust: return text + String(repeating: fill, count: count)
        case .rjust: return String(repeating: fill, count: count) + text
        case .zfill:
            let hasSign = text.utf8.first == UInt8(ascii: "-") || text.utf8.first == UInt8(ascii: "+")
            let sign = hasSign ? text.bytes(0..<1) : ""
            return sign + String(repeating: "0", count: count) + text.bytes(from: sign.utf8.count)
        default:
            let left = count / 2 + (count & width & 1)
            return String(repeating: fill, count: left) + text + String(repeating: fill, count: count - left)
        }
    }

    private func expandTabs(_ text: String, _ size: Int) throws(SwiftletError) -> String {
        var result = ""
        var column = 0
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\t":
                guard size > 0 else { continue }
                let count = size - column % size
                try charge(count)
                result += String(repeating: " ", count: count)
                column += count
            case "\n", "\r":
                result.unicodeScalars.append(scalar)
                column = 0
            default:
                result.unicodeScalars.append(scalar)
                column += 1
            }
        }
        return result
    }
}

extension String {
    /// What the methods `isalpha`, `isdigit` and so on tell.
    func has(_ method: StringMethod) -> Bool {
        let scalars = unicodeScalars
        switch method {
        case .isascii: return isASCII
        case .isprintable: return scalars.allSatisfy(\.isPythonPrintable)
        case .islower:
            return scalars.contains { $0.properties.isLowercase }
                && !scalars.contains { $0.properties.isUppercase || $0.isTitlecase }
        case .isupper:
            return scalars.contains { $0.properties.isUppercase }
                && !scalars.contains { $0.properties.isLowercase || $0.isTitlecase }
        case .istitle: return isTitle
        case .isidentifier:
            guard let first = scalars.first, first.properties.isIDStart || first == "_" else { return false }
            return scalars.allSatisfy { $0.properties.isIDContinue }
        case .isspace: return !isEmpty && scalars.allSatisfy(\.isPythonSpace)
        case .isalpha: return !isEmpty && scalars.allSatisfy(\.isLetter)
        case .isdecimal: return !isEmpty && scalars.allSatisfy { $0.properties.numericType == .decimal }
        case .isdigit: return !isEmpty && scalars.allSatisfy(\.isDigit)
        case .isnumeric: return !isEmpty && scalars.allSatisfy { $0.properties.numericType != nil }
        default: return !isEmpty && scalars.allSatisfy { $0.isLetter || $0.properties.numericType != nil }
        }
    }

    private var isTitle: Bool {
        var isInside = false
        var hasLetters = false
        for scalar in unicodeScalars {
            if scalar.properties.isUppercase || scalar.isTitlecase {
                if isInside { return false }
                hasLetters = true
                isInside = true
            } else if scalar.properties.isLowercase {
                if !isInside { return false }
                hasLetters = true
            } else {
                isInside = false
            }
        }
        return hasLetters
    }
}

extension Unicode.Scalar {
    var isTitlecase: Bool { properties.generalCategory == .titlecaseLetter }

    var isDigit: Bool { properties.numericType == .decimal || properties.numericType == .digit }

    var isLetter: Bool {
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
        default: false
        }
    }
}
