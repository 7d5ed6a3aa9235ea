import SwiftletTensor

extension Interpreter {
    /// Python's `str(value)`.
    func text(of value: Value) throws(SwiftletError) -> String {
        if let text = value.string { return text }
        var result = ""
        try append(value, to: &result)
        return result
    }

    /// Python's `repr(value)`.
    func representation(of value: Value) throws(SwiftletError) -> String {
        var result = ""
        try appendRepresentation(of: value, to: &result)
        return result
    }

    /// Appends `str(value)`.
    func append(_ value: Value, to result: inout String) throws(SwiftletError) {
        switch value {
        case .string(let text), .markup(let text):
            try charge(text.utf8.count)
            result += text
        case .undefined: break
        default: try appendRepresentation(of: value, to: &result)
        }
    }

    private func appendRepresentation(of value: Value, to result: inout String) throws(SwiftletError) {
        try step()
        try charge(4)
        switch value {
        case .undefined: result += "Undefined"
        case .none: result += "None"
        case .bool(let value): result += value ? "True" : "False"
        case .int(let value): result += String(value)
        case .float(let value): result += NumberText.representation(value)
        case .string(let text): try appendQuoted(text, to: &result)
        case .markup(let text):
            result += "Markup("
            try appendQuoted(text, to: &result)
            result += ")"
        case .list(let items): try appendItems(items.values, "[", "]", to: &result)
        case .tuple(let items):
            try appendItems(items.values, "(", items.values.count == 1 ? ",)" : ")", to: &result)
        case .dict(let mapping): try appendMembers(mapping.keys, mapping.values, to: &result)
        case .view(let view):
            result += view.part.typeName
            try appendItems(view.values, "([", "])", to: &result)
        case .namespace(let namespace):
            result += "<Namespace "
            try appendMembers(namespace.members.keys, namespace.members.values, to: &result)
            result += ">"
        default: result += try plainRepresentation(of: value)
        }
    }

    private func plainRepresentation(of value: Value) throws(SwiftletError) -> String {
        switch value {
        case .range(let range):
            "range(\(range.start), \(range.stop)\(range.step == 1 ? "" : ", \(range.step)"))"
        case .loop(let loop): "<LoopContext \(loop.index0 + 1)/\(try loop.length())>"
        case .macro(let macro): "<Macro \(macro.definition.name.map { "'\($0)'" } ?? "anonymous")>"
        case .method(let method): "<built-in method \(method.name) of \(method.receiver.typeName) object>"
        case .function(let builtin): "<function \(builtin.rawValue)>"
        default: "<\(value.typeName) object>"
        }
    }

    private func appendItems(
        _ values: [Value], _ open: String, _ close: String, to result: inout String
    ) throws(SwiftletError) {
        try descendInValue()
        result += open
        for (place, value) in values.enumerated() {
            if place > 0 { result += ", " }
            try appendRepresentation(of: value, to: &result)
        }
        result += close
        ascendInValue()
    }

    private func appendMembers(
        _ keys: [Value], _ values: [Value], to result: inout String
    ) throws(SwiftletError) {
        try descendInValue()
        result += "{"
        for (place, (key, value)) in zip(keys, values).enumerated() {
            if place > 0 { result += ", " }
            try appendRepresentation(of: key, to: &result)
            result += ": "
            try appendRepresentation(of: value, to: &result)
        }
        result += "}"
        ascendInValue()
    }

    /// A string in quotes, single ones unless only they are inside.
    private func appendQuoted(_ text: String, to result: inout String) throws(SwiftletError) {
        try charge(text.utf8.count)
        let bytes = text.utf8
        let quote: Unicode.Scalar =
            bytes.contains(UInt8(ascii: "'")) && !bytes.contains(UInt8(ascii: "\"")) ? "\"" : "'"
        result.unicodeScalars.append(quote)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\\": result += "\\\\"
            case quote: result += "\\\(quote)"
            default:
                if scalar.isPythonPrintable {
                    result.unicodeScalars.append(scalar)
                } else {
                    result += Self.escape(scalar)
                }
            }
        }
        result.unicodeScalars.append(quote)
    }

    private static func escape(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16)
        let (mark, width) = scalar.value < 0x100 ? ("x", 2) : scalar.value < 0x10000 ? ("u", 4) : ("U", 8)
        return "\\\(mark)" + String(repeating: "0", count: width - digits.count) + digits
    }
}
