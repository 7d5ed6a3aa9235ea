public import SwiftletFormats
public import SwiftletTensor

extension Grammar {
    /// JSON between two texts, as calls of tools are written.
    public struct WrappedSchema: Sendable {
        /// What stands before the value, such as `<tool_call>\n{"name": "time", "arguments": `.
        public var before: String
        /// What the value satisfies; references are those of this document.
        public var schema: JSON
        /// What stands behind the value.
        public var after: String

        /// Puts a schema between two texts.
        public init(before: String, schema: JSON, after: String) {
            self.before = before
            self.schema = schema
            self.after = after
        }
    }

    /// Compiles a choice of JSON values between texts of their own.
    ///
    /// ```swift
    /// let call = Grammar.WrappedSchema(before: "<tool_call>", schema: parameters, after: "</tool_call>")
    /// let grammar = try Grammar(oneOf: [call], separator: "\n", most: 3)
    /// ```
    ///
    /// - Parameters:
    ///   - separator: stands between one value and the next.
    ///   - most: how many of them may follow each other, at least 1; `nil` is any number.
    /// - Throws: what ``init(jsonSchema:)-(JSON)`` throws, and `.invalidArgument` without choices.
    public init(
        oneOf choices: [WrappedSchema], separator: String = "", most: Int? = 1
    ) throws(SwiftletError) {
        var rules = GrammarRules()
        var nodes: [GrammarNode] = []
        for choice in choices {
            let value = rules.append(try SchemaCompiler.compile(choice.schema))
            nodes.append(.sequence([.text(choice.before), value, .text(choice.after)]))
        }
        let one = GrammarNode.rule(rules.add("choice", .choice(nodes)))
        let more = GrammarNode.repetition(.sequence([.text(separator), one]), 0, most.map { max($0 - 1, 0) })
        rules.root = rules.add("root", .sequence([one, more]))
        try self.init(rules, source: "the choice of schemas")
    }
}

extension GrammarRules {
    /// Adds all rules of another grammar and returns the reference to its root.
    mutating func append(_ other: GrammarRules) -> GrammarNode {
        let offset = bodies.count
        for (name, body) in zip(other.names, other.bodies) { _ = add(name, body.shifted(by: offset)) }
        return .rule(other.root + offset)
    }
}

extension GrammarNode {
    /// The node with all rules renumbered.
    fileprivate func shifted(by offset: Int) -> GrammarNode {
        switch self {
        case .set, .literal, .token: return self
        case .sequence(let nodes): return .sequence(nodes.map { $0.shifted(by: offset) })
        case .choice(let nodes): return .choice(nodes.map { $0.shifted(by: offset) })
        case .repetition(let node, let low, let high):
            return .repetition(node.shifted(by: offset), low, high)
        case .rule(let rule): return .rule(rule + offset)
        case .graph(var graph):
            graph.edges = graph.edges.map {
                .init(from: $0.from, to: $0.to, label: $0.label.shifted(by: offset))
            }
            return .graph(graph)
        }
    }
}
