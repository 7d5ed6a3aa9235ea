import SwiftletFormats
public import SwiftletTensor
import Synchronization

extension Grammar {
    /// Any JSON object, as `response_format: {"type": "json_object"}` asks for.
    public static func jsonObject() throws(SwiftletError) -> Grammar {
        try cached(jsonSchema: #"{"type":"object"}"#)
    }

    /// A grammar in GBNF, compiled once for the same text; see ``init(gbnf:source:)``.
    public static func cached(gbnf: String, source: String = "the grammar") throws(SwiftletError) -> Grammar {
        try cached("gbnf " + gbnf) { () throws(SwiftletError) in try Grammar(gbnf: gbnf, source: source) }
    }

    /// A regular expression, compiled once for the same text; see ``init(regex:source:)``.
    public static func cached(regex: String, source: String = "the expression") throws(SwiftletError)
        -> Grammar
    {
        try cached("regex " + regex) { () throws(SwiftletError) in try Grammar(regex: regex, source: source) }
    }

    /// A JSON Schema, compiled once for the same text; see ``init(jsonSchema:source:)``.
    public static func cached(jsonSchema: String, source: String = "the schema") throws(SwiftletError)
        -> Grammar
    {
        try cached("schema " + jsonSchema) { () throws(SwiftletError) in
            try Grammar(jsonSchema: jsonSchema, source: source)
        }
    }

    private static let recent = Mutex(RecentCache<String, Grammar>(limit: 64 << 20))

    private static func cached(
        _ key: String, _ make: () throws(SwiftletError) -> Grammar
    ) throws(SwiftletError) -> Grammar {
        if let known = recent.withLock({ $0.value(for: key) }) { return known }
        let made = try make()
        return recent.withLock { cache in
            // Whoever came first decides, so that all use one grammar.
            if let known = cache.value(for: key) { return known }
            cache.insert(made, cost: key.utf8.count + made.automaton.byteCount, for: key)
            return made
        }
    }

    /// Tells grammars apart; copies of one have the same.
    package var identity: ObjectIdentifier { ObjectIdentifier(automaton) }
}
