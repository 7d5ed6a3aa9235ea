import SwiftletFormats

/// Reads `[name(key=value, …), …]`, with values as Python writes them.
enum PythonicCalls {
    struct Call {
        let name: String
        /// JSON text.
        let arguments: String
    }

    /// The calls, or `nil` if the text is something else.
    static func parse(_ bytes: [UInt8]) -> [Call]? {
        var reader = Reader(scalars: Array(String(decoding: bytes, as: UTF8.self).unicodeScalars))
        return reader.calls()
    }

    private struct Reader {
        let scalars: [Unicode.Scalar]
        var position = 0

        init(scalars: [Unicode.Scalar]) { self.scalars = scalars }

        mutating func calls() -> [Call]? {
            guard take("[") else { return nil }
            var calls: [Call] = []
            while !take("]") {
                if !calls.isEmpty, !take(",") { return nil }
                guard let call = call() else { return nil }
                calls.append(call)
            }
            skipBlanks()
            return calls.isEmpty || position < scalars.count ? nil : calls
        }

        private mutating func call() -> Call? {
            guard let name = name(), take("(") else { return nil }
            var parts: [String] = []
            while !take(")") {
                if !parts.isEmpty, !take(",") { return nil }
                if take(")") { break }
                guard let key = self.name(), take("="), let value = value(depth: 0) else { return nil }
                parts.append("\(Self.quoted(key)): \(value)")
            }
            return Call(name: name, arguments: "{" + parts.joined(separator: ", ") + "}")
        }

        /// A value as JSON.
        private mutating func value(depth: Int) -> String? {
            guard depth < 100 else { return nil }
            skipBlanks()
            guard position < scalars.count else { return nil }
            switch scalars[position] {
            case "'", "\"": return string().map(Self.quoted)
            case "[": return list("[", "]", depth)
            case "(": return list("(", ")", depth)
            case "{": return dictionary(depth)
            default: return word()
            }
        }

        private mutating func list(_ open: Unicode.Scalar, _ close: Unicode.Scalar, _ depth: Int) -> String? {
            guard take(open) else { return nil }
            var parts: [String] = []
            while !take(close) {
                if !parts.isEmpty, !take(",") { return nil }
                if take(close) { break }
                guard let value = value(depth: depth + 1) else { return nil }
                parts.append(value)
            }
            return "[" + parts.joined(separator: ", ") + "]"
        }

        private mutating func dictionary(_ depth: Int) -> String? {
            guard take("{") else { return nil }
            var parts: [String] = []
            while !take("}") {
                if !parts.isEmpty, !take(",") { return nil }
                if take("}") { break }
                guard let key = string(), take(":"), let value = value(depth: depth + 1) else { return nil }
                parts.append("\(Self.quoted(key)): \(value)")
            }
            return "{" + parts.joined(separator: ", ") + "}"
        }

        private mutating func word() -> String? {
            let start = position
            while position < scalars.count, !",)]}: \n".unicodeScalars.contains(scalars[position]) {
                position += 1
            }
            let word = String(String.UnicodeScalarView(scalars[start..<position]))
            switch word {
            case "True", "true": return "true"
            case "False", "false": return "false"
            case "None", "null": return "null"
            default:
                if let whole = Int(word) { return String(whole) }
                return NumberText.double(word).flatMap { $0.isFinite ? NumberText.representation($0) : nil }
            }
        }

        private mutating func string() -> String? {
            skipBlanks()
            guard position < scalars.count, scalars[position] == "'" || scalars[position] == "\"" else {
                return nil
            }
            let quote = scalars[position]
            position += 1
            var result = String.UnicodeScalarView()
            while position < scalars.count {
                let scalar = scalars[position]
                position += 1
                if scalar == quote { return String(result) }
                guard scalar == "\\", position < scalars.count else {
                    result.append(scalar)
                    continue
                }
                let escaped = scalars[position]
                position += 1
                switch escaped {
                case "n": result.append("\n")
                case "t": result.append("\t")
                case "r": result.append("\r")
                case "\\", "'", "\"": result.append(escaped)
                default: result.append(contentsOf: ["\\", escaped])
                }
            }
            return nil
        }

        private mutating func name() -> String? {
            skipBlanks()
            let start = position
            while position < scalars.count,
                scalars[position].properties.isIDContinue || scalars[position] == "."
                    || scalars[position] == "-"
            {
                position += 1
            }
            return position > start ? String(String.UnicodeScalarView(scalars[start..<position])) : nil
        }

        private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
            skipBlanks()
            guard position < scalars.count, scalars[position] == scalar else { return false }
            position += 1
            return true
        }

        private mutating func skipBlanks() {
            while position < scalars.count, scalars[position].isPythonSpace { position += 1 }
        }

        private static func quoted(_ text: String) -> String {
            var writer = JSONWriter()
            writer.value(text)
            return writer.text
        }
    }
}
