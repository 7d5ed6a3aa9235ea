/// Python's view of text: a sequence of Unicode scalars that is compared byte by byte.
///
/// Swift's own comparison and search work on grapheme clusters and canonical equivalence, so they are not used.
extension String {
    func hasSameBytes(as other: String) -> Bool {
        utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8)
    }

    /// Negative, 0 or positive as this text comes before, equals or comes after another.
    func compareBytes(with other: String) -> Int {
        if utf8.lexicographicallyPrecedes(other.utf8) { return -1 }
        return hasSameBytes(as: other) ? 0 : 1
    }

    /// Whether every scalar is one byte.
    var isASCII: Bool { utf8.allSatisfy { $0 < 0x80 } }

    /// Where `part` begins, in bytes, at or after a place.
    func firstIndex(ofBytes part: String, from start: Int = 0) -> Int? {
        withBytes { whole in part.withBytes { part in Self.find(part, in: whole, from: start) } }
    }

    /// Where `part` begins for the last time, in bytes, so that it ends at or before a place.
    func lastIndex(ofBytes part: String, endingBy end: Int) -> Int? {
        withBytes { whole in
            part.withBytes { part in
                var place = end - part.count
                while place >= 0 {
                    if whole[place..<place + part.count].elementsEqual(part) { return place }
                    place -= 1
                }
                return nil
            }
        }
    }

    private static func find(
        _ part: UnsafeBufferPointer<UInt8>, in whole: UnsafeBufferPointer<UInt8>, from start: Int
    ) -> Int? {
        guard let first = part.first else { return start <= whole.count ? start : nil }
        guard part.count <= whole.count else { return nil }
        var place = start
        while place <= whole.count - part.count {
            if whole[place] == first {
                var i = 1
                while i < part.count, whole[place + i] == part[i] { i += 1 }
                if i == part.count { return place }
            }
            place += 1
        }
        return nil
    }

    /// Calls `body` with the UTF-8.
    func withBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        if let result = utf8.withContiguousStorageIfAvailable(body) { return result }
        return Array(utf8).withUnsafeBufferPointer(body)
    }

    /// The text between two places in bytes, which must not split a scalar.
    func bytes(_ range: Range<Int>) -> String {
        let start = utf8.index(utf8.startIndex, offsetBy: range.lowerBound)
        return String(self[start..<utf8.index(start, offsetBy: range.count)])
    }

    /// The text from a place in bytes on.
    func bytes(from start: Int) -> String { bytes(start..<utf8.count) }

    /// The scalar at a place counted from either end.
    func scalar(at index: Int) -> Unicode.Scalar? {
        if index < 0 {
            guard index > -(utf8.count + 1) else { return nil }
            let place = unicodeScalars.index(
                unicodeScalars.endIndex, offsetBy: index, limitedBy: unicodeScalars.startIndex)
            return place.map { unicodeScalars[$0] }
        }
        guard index < utf8.count,
            let place = unicodeScalars.index(
                unicodeScalars.startIndex, offsetBy: index, limitedBy: unicodeScalars.endIndex),
            place != unicodeScalars.endIndex
        else { return nil }
        return unicodeScalars[place]
    }

    /// A slice in Python's rules.
    func sliced(_ bounds: Interpreter.SliceBounds) -> String {
        let count = unicodeScalars.count
        let places = Interpreter.slice(bounds, count)
        guard bounds.step == 1 else {
            let scalars = Array(unicodeScalars)
            var result = String.UnicodeScalarView()
            for place in places { result.append(scalars[place]) }
            return String(result)
        }
        guard let first = places.first else { return "" }
        let start = unicodeScalars.index(unicodeScalars.startIndex, offsetBy: first)
        let end = unicodeScalars.index(start, offsetBy: places.count)
        return String(unicodeScalars[start..<end])
    }

    /// How many scalars the first bytes are.
    func scalarCount(ofBytes count: Int) -> Int { utf8.prefix(count).count { $0 & 0xC0 != 0x80 } }

    /// The place in bytes of a scalar; the end if there are fewer.
    func byteOffset(ofScalar index: Int) -> Int {
        guard index < utf8.count else { return utf8.count }
        var seen = 0
        for (place, byte) in utf8.enumerated() where byte & 0xC0 != 0x80 {
            if seen == index { return place }
            seen += 1
        }
        return utf8.count
    }

    /// This text with the five characters that mean something in HTML replaced.
    var escapedForHTML: String {
        var result = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "'": result += "&#39;"
            case "\"": result += "&#34;"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    // MARK: Case

    var lowercasedByScalars: String {
        var result = ""
        let scalars = unicodeScalars
        for index in scalars.indices {
            let scalar = scalars[index]
            if scalar == "Σ" {
                result += Self.isFinal(index, in: scalars) ? "ς" : "σ"
            } else {
                result += scalar.properties.lowercaseMapping
            }
        }
        return result
    }

    /// Whether a letter ends its word: letters before it, none after.
    private static func isFinal(
        _ index: String.UnicodeScalarView.Index, in scalars: String.UnicodeScalarView
    ) -> Bool {
        let before = scalars[..<index].last { !$0.properties.isCaseIgnorable }
        let after = scalars[scalars.index(after: index)...].first { !$0.properties.isCaseIgnorable }
        return before?.properties.isCased == true && after?.properties.isCased != true
    }

    var uppercasedByScalars: String {
        var result = ""
        for scalar in unicodeScalars { result += scalar.properties.uppercaseMapping }
        return result
    }

    /// The first letter as a title has it, the rest small.
    var capitalizedByScalars: String {
        guard let first = unicodeScalars.first else { return "" }
        // The rest is lowered as part of the whole, because the end of a word matters.
        let rest = String(String.UnicodeScalarView(unicodeScalars.dropFirst()))
        return first.properties.titlecaseMapping + rest.lowercasedByScalars
    }

    /// Every word with a large first letter.
    var titledByScalars: String {
        var result = ""
        var isInside = false
        for scalar in unicodeScalars {
            let properties = scalar.properties
            result += isInside ? properties.lowercaseMapping : properties.titlecaseMapping
            isInside = properties.isCased
        }
        return result
    }

    // MARK: Strips and lines

    /// Without blanks, or the scalars of `set`, at the chosen ends.
    func stripped(_ set: String?, left: Bool = true, right: Bool = true) -> String {
        let members = set.map { Set($0.unicodeScalars) }
        func goes(_ scalar: Unicode.Scalar) -> Bool { members?.contains(scalar) ?? scalar.isPythonSpace }
        var rest = Substring(self).unicodeScalars
        if left { rest = rest.drop(while: goes) }
        if right {
            while let last = rest.last, goes(last) { rest.removeLast() }
        }
        return String(rest)
    }

    /// The lines, with or without their ends.
    func lines(keepingEnds: Bool) -> [String] {
        var lines: [String] = []
        let scalars = unicodeScalars
        var start = scalars.startIndex
        var index = start
        while index < scalars.endIndex {
            let scalar = scalars[index]
            let place = index
            index = scalars.index(after: index)
            guard scalar.isPythonLineEnd else { continue }
            if scalar == "\r", index < scalars.endIndex, scalars[index] == "\n" {
                index = scalars.index(after: index)
            }
            lines.append(String(scalars[start..<(keepingEnds ? index : place)]))
            start = index
        }
        if start < scalars.endIndex { lines.append(String(scalars[start...])) }
        return lines
    }
}

extension Unicode.Scalar {
    /// What Python's `str.isspace` takes for blank.
    var isPythonSpace: Bool {
        switch value {
        case 9...13, 28...32, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000:
            true
        default: false
        }
    }

    /// What Python's `str.splitlines` splits at.
    var isPythonLineEnd: Bool {
        switch value {
        case 10...13, 0x1C...0x1E, 0x85, 0x2028, 0x2029: true
        default: false
        }
    }

    /// What `repr` writes as it is.
    var isPythonPrintable: Bool {
        if value < 0x7F { return value >= 0x20 }
        switch properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator,
            .spaceSeparator:
            return false
        default: return true
        }
    }
}

extension Value {
    /// Text of the same kind as this text: safe or not.
    func sameText(_ text: String) -> Value {
        if case .markup = self { .markup(text) } else { .string(text) }
    }
}
