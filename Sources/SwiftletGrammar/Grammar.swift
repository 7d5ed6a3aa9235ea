public import SwiftletFormats
public import SwiftletTensor

/// A set of texts, compiled so that it can be checked byte by byte while a text is written.
///
/// A grammar knows no vocabulary; it is immutable and cheap to copy.
///
/// ```swift
/// let list = try Grammar(gbnf: #"root ::= ("- " [^\n]+ "\n")+"#)
/// print(list.matches("- bread\n- milk\n"))    // true
/// ```
public struct Grammar: Sendable {
    let automaton: Automaton

    /// Compiles rules in GBNF, the notation of llama.cpp.
    ///
    /// - Parameter source: names the text in errors, usually a path.
    /// - Throws: `.malformed` with line and column, `.missing` for a rule that is not defined, `.limit` if the grammar is
    ///   too large, `.invalidArgument` if nothing matches.
    public init(gbnf: String, source: String = "the grammar") throws(SwiftletError) {
        try self.init(try GBNFParser.parse(gbnf, source: source), source: source)
    }

    /// Compiles a regular expression that the whole text must match.
    ///
    /// - Throws: `.malformed` with the column, `.unsupported` with the name of what is not regular, `.limit` if it is
    ///   too large, `.invalidArgument` if nothing matches.
    public init(regex: String, source: String = "the expression") throws(SwiftletError) {
        var rules = GrammarRules()
        rules.root = rules.add("root", try RegularExpression(regex, source: source).whole())
        try self.init(rules, source: source)
    }

    init(_ rules: GrammarRules, source: String) throws(SwiftletError) {
        automaton = try AutomatonBuilder.build(rules, source: source)
    }

    /// Whether a text matches as a whole.
    public func matches(_ text: String) -> Bool { matches(Array(text.utf8)) }

    /// Whether bytes match as a whole.
    public func matches(_ text: [UInt8]) -> Bool {
        var graph = StackGraph(automaton)
        var place = graph.start()
        for byte in text where place != StackGraph.dead { place = graph.step(place, byte) }
        return place != StackGraph.dead && graph.canEnd(place)
    }

    /// The number of leading bytes after which the text can still become one that matches.
    public func matchingPrefix(of text: [UInt8]) -> Int {
        var graph = StackGraph(automaton)
        var place = graph.start()
        for (index, byte) in text.enumerated() {
            place = graph.step(place, byte)
            if place == StackGraph.dead { return index }
        }
        return text.count
    }
}

extension Grammar {
    /// Compiles a JSON Schema: what matches is JSON text whose value satisfies the schema.
    ///
    /// Properties are written in the order in which they are declared. An object that declares properties has no others
    /// unless `additionalProperties` or `patternProperties` says so. See docs/constrained-output.md.
    ///
    /// - Throws: `.unsupported` with the name of a keyword or format and a JSON pointer to it, `.malformed` and `.missing`
    ///   for a schema that contradicts itself, `.limit` if it is too large, `.invalidArgument` if nothing satisfies it.
    public init(jsonSchema schema: JSON) throws(SwiftletError) {
        try self.init(try SchemaCompiler.compile(schema), source: schema.source)
    }

    /// Compiles a JSON Schema given as text.
    public init(jsonSchema schema: String, source: String = "the schema") throws(SwiftletError) {
        guard schema.utf8.count <= GrammarLimits.textBytes else {
            throw SwiftletError(
                .limit, "\(source): \(schema.utf8.count) bytes, expected at most \(GrammarLimits.textBytes)")
        }
        try self.init(jsonSchema: try JSON.parse(Array(schema.utf8), source: source))
    }
}
