import SwiftletTensor

/// A parsed regular expression.
///
/// The syntax is that of ECMA-262 in Unicode mode without what is not regular: look-around, back references, word
/// boundaries and flags are refused by name. Groups of all kinds only group. Lazy quantifiers match the same texts as
/// greedy ones.
struct RegularExpression {
    /// A node that may hold anchors.
    indirect enum Node {
        case part(GrammarNode)
        case sequence([Node])
        case choice([Node])
        case repetition(Node, Int, Int?)
        case start
        case end

        var hasAnchor: Bool {
            switch self {
            case .part: false
            case .start, .end: true
            case .sequence(let nodes), .choice(let nodes): nodes.contains(where: \.hasAnchor)
            case .repetition(let node, _, _): node.hasAnchor
            }
        }
    }

    private let node: Node
    private let source: String

    /// - Throws: `.malformed` with the column, `.unsupported` with the name of the construct.
    init(_ text: String, source: String) throws(SwiftletError) {
        self.source = source
        node = try RegularExpressionParser.parse(text, source: source)
    }

    /// The texts that match as a whole.
    func whole() throws(SwiftletError) -> GrammarNode { try resolve(node, around: .empty) }

    /// The texts that hold a match somewhere, as `pattern` in a JSON Schema asks.
    func search() throws(SwiftletError) -> GrammarNode { try resolve(node, around: .star(.set(.all))) }

    /// The language of `node` with `around` at those sides that no anchor closes.
    ///
    /// - Parameters:
    ///   - left: whether the node stands at the left edge of the expression.
    ///   - right: whether it stands at the right edge.
    private func resolve(
        _ node: Node, around: GrammarNode, left: Bool = true, right: Bool = true
    ) throws(SwiftletError) -> GrammarNode {
        switch node {
        case .part(let part): return Self.join([left ? around : .empty, part, right ? around : .empty])
        case .start:
            guard left else { throw misplaced("^") }
            return right ? around : .empty
        case .end:
            guard right else { throw misplaced("$") }
            return left ? around : .empty
        case .choice(let nodes):
            var choices: [GrammarNode] = []
            for node in nodes { choices.append(try resolve(node, around: around, left: left, right: right)) }
            return .choice(choices)
        case .repetition(let body, let low, let high):
            guard !body.hasAnchor else { throw misplaced("^ or $") }
            let inner = try resolve(body, around: .empty, left: false, right: false)
            return Self.join([left ? around : .empty, .repetition(inner, low, high), right ? around : .empty])
        case .sequence(let nodes):
            guard !nodes.isEmpty else {
                return Self.join([left ? around : .empty, right ? around : .empty])
            }
            var parts: [GrammarNode] = []
            for (index, node) in nodes.enumerated() {
                parts.append(
                    try resolve(
                        node, around: around, left: left && index == 0,
                        right: right && index == nodes.count - 1))
            }
            return Self.join(parts)
        }
    }

    private func misplaced(_ anchor: String) -> SwiftletError {
        SwiftletError(
            .unsupported,
            "\(source): the anchor \(anchor) inside the expression is not supported; put it at an end of it")
    }

    /// A sequence without empty parts.
    private static func join(_ nodes: [GrammarNode]) -> GrammarNode {
        let nodes = nodes.filter { $0 != .empty }
        return nodes.count == 1 ? nodes[0] : .sequence(nodes)
    }
}
