import SwiftletFormats
import SwiftletTensor

/// How JSON is written: which of the texts of a value the grammar takes.
///
/// Between values there may be nothing, one space, or a line feed and up to 20 spaces and tabs, as llama.cpp allows.
enum SchemaText {
    /// What may stand before a value, a key or a closing bracket.
    static let space: GrammarNode = .choice([
        .empty, .text(" "), .sequence([.text("\n"), .repetition(.any(" \t"), 0, 20)]),
    ])
    /// What stands between a key and its value.
    static let colon: GrammarNode = .sequence([.text(":"), .optional(.text(" "))])
    /// What stands between elements.
    static let comma: GrammarNode = .sequence([.text(","), space])

    static let hexDigit = GrammarNode.any("0123456789abcdefABCDEF")

    /// One character of a string of which nothing is asked: as it is, or as any escape but half a pair.
    static let character: GrammarNode = .choice([
        .set(plain), .sequence([.text("\\"), .any("\"\\/bfnrt")]),
        .sequence([.text("\\u"), .any("0123456789abcefABCEF"), hexDigit, hexDigit, hexDigit]),
        .sequence([.text("\\u"), .any("dD"), .any("01234567"), hexDigit, hexDigit]),
        .sequence([
            .text("\\u"), .any("dD"), .any("89abAB"), hexDigit, hexDigit, .text("\\u"), .any("dD"),
            .any("cdefCDEF"), hexDigit, hexDigit,
        ]),
    ])

    /// The characters that stand for themselves in a string.
    private static let plain = ScalarSet([0x20...0x21, 0x23...0x5B, 0x5D...0x10FFFF])
    private static let shortEscapes: [(UInt32, StaticString)] = [
        (0x22, "\\\""), (0x5C, "\\\\"), (0x08, "\\b"), (0x09, "\\t"), (0x0A, "\\n"), (0x0C, "\\f"),
        (0x0D, "\\r"),
    ]

    /// The characters of a set as they are written in a string: escaped only where they must be.
    static func characters(_ set: ScalarSet) -> GrammarNode {
        var choices: [GrammarNode] = []
        let plain = set.intersection(plain)
        if !plain.isEmpty { choices.append(.set(plain)) }
        for (scalar, escape) in shortEscapes where set.contains(scalar) {
            choices.append(.text(escape.description))
        }
        for scalar in UInt32(0)..<0x20
        where set.contains(scalar) && !shortEscapes.contains(where: { $0.0 == scalar }) {
            let low = String(scalar & 15, radix: 16)
            let last: GrammarNode = .choice([.text(low), .text(low.uppercased())])
            choices.append(.sequence([.text("\\u00\(scalar >> 4)"), last]))
        }
        return choices.count == 1 ? choices[0] : .choice(choices)
    }

    /// The texts of a language as they are written in a string.
    static func encoded(_ language: GrammarNode) -> GrammarNode {
        switch language {
        case .set(let set): return characters(set)
        case .literal(let bytes): return .literal(escaped(bytes))
        case .sequence(let nodes): return .sequence(nodes.map(encoded))
        case .choice(let nodes): return .choice(nodes.map(encoded))
        case .repetition(let node, let low, let high): return .repetition(encoded(node), low, high)
        case .graph(var graph):
            graph.edges = graph.edges.map { .init(from: $0.from, to: $0.to, label: encoded($0.label)) }
            return .graph(graph)
        case .rule, .token: return language
        }
    }

    /// Text as it is written in a string.
    static func escaped(_ text: [UInt8]) -> [UInt8] {
        text.flatMap { byte -> [UInt8] in
            if let escape = shortEscapes.first(where: { $0.0 == UInt32(byte) }) {
                return Array(escape.1.description.utf8)
            }
            guard byte < 0x20 else { return [byte] }
            return Array("\\u00\(byte >> 4)\(String(byte & 15, radix: 16))".utf8)
        }
    }

    /// A key with its quotes.
    static func key(_ key: [UInt8]) -> GrammarNode {
        .literal(Array("\"".utf8) + escaped(key) + Array("\"".utf8))
    }

    /// A list of elements between brackets: at least so many and at most so many.
    static func list(_ element: GrammarNode, _ low: Int, _ high: Int?) -> GrammarNode {
        let more = GrammarNode.repetition(.sequence([comma, element]), max(low - 1, 0), high.map { $0 - 1 })
        return .sequence([space, element, more, space])
    }

    /// A value in all ways in which it may be spaced.
    static func node(of place: SchemaPlace, depth: Int = 0) throws(SwiftletError) -> GrammarNode {
        guard depth < GrammarLimits.depth else {
            throw place.problem("a value nested deeper than \(GrammarLimits.depth), the limit", .limit)
        }
        let value = place.value
        switch value.kind {
        case .null: return .text("null")
        case .bool: return .text(value.bool == true ? "true" : "false")
        case .string: return key(value.bytes ?? [])
        case .number:
            if let int = value.int { return .text(String(int)) }
            guard let double = value.double, double.isFinite else { throw place.expected("a finite number") }
            return .text(double.description)
        case .array:
            var items: [GrammarNode] = []
            for element in place.elements { items.append(try node(of: element, depth: depth + 1)) }
            return bracketed("[", items, "]")
        case .object:
            var items: [GrammarNode] = []
            for (name, member) in place.members {
                items.append(.sequence([key(name), colon, try node(of: member, depth: depth + 1)]))
            }
            return bracketed("{", items, "}")
        }
    }

    private static func bracketed(_ open: String, _ items: [GrammarNode], _ close: String) -> GrammarNode {
        guard !items.isEmpty else { return .text(open + close) }
        var parts: [GrammarNode] = [.text(open), space]
        for (index, item) in items.enumerated() { parts += index == 0 ? [item] : [comma, item] }
        return .sequence(parts + [space, .text(close)])
    }

    /// Whether two values are equal as JSON Schema compares them: numbers by value, objects without order.
    static func isEqual(_ a: JSON, _ b: JSON) -> Bool {
        guard a.kind == b.kind else { return false }
        switch a.kind {
        case .null: return true
        case .bool: return a.bool == b.bool
        case .number: return DecimalNumber(a) == DecimalNumber(b)
        case .string: return a.bytes == b.bytes
        case .array: return a.count == b.count && zip(a.elements, b.elements).allSatisfy(isEqual)
        case .object:
            let (left, right) = (unique(a), unique(b))
            return left.count == right.count
                && left.allSatisfy { key, value in right[key].map { isEqual(value, $0) } ?? false }
        }
    }

    private static func unique(_ object: JSON) -> [[UInt8]: JSON] {
        var result: [[UInt8]: JSON] = [:]
        for (key, value) in object.members { result[key.bytes ?? []] = value }
        return result
    }
}
