import SwiftletFormats
import SwiftletGrammar
import SwiftletTensor
import Testing

@Suite struct JSONSchemaTests {
    @Test(arguments: 0..<82) func `takes what a validator accepts and nothing else`(_ index: Int) throws {
        let fixture = try #require(try fixture("schemas.json")[index])
        let schema = try #require(fixture["schema"])
        let grammar = try Grammar(jsonSchema: schema)
        for text in fixture["accept"]?.strings ?? [] {
            #expect(grammar.matches(text), "stops behind '\(prefix(text, grammar))'")
        }
        for text in fixture["reject"]?.strings ?? [] { #expect(!grammar.matches(text), "\(text)") }
    }

    private func prefix(_ text: String, _ grammar: Grammar) -> String {
        let bytes = Array(text.utf8)
        return String(decoding: bytes.prefix(grammar.matchingPrefix(of: bytes)), as: UTF8.self)
    }

    @Test(arguments: [
        (##"{"not": {}}"##, "not", "#/not"),
        (##"{"properties": {"a": {"if": {}}}}"##, "if", "#/properties/a/if"),
        (##"{"items": {"contains": {}}}"##, "contains", "#/items/contains"),
        (##"{"uniqueItems": true}"##, "uniqueItems", "#/uniqueItems"),
        (
            ##"{"$defs": {"a/b": {"dependentRequired": {}}}, "$ref": "#/$defs/a~1b"}"##, "dependentRequired",
            "#/$defs/a~1b/dependentRequired"
        ),
        (##"{"propertyNames": {}}"##, "propertyNames", "#/propertyNames"),
        (##"{"maxLenght": 3}"##, "did you mean 'maxLength'", "#/maxLenght"),
        (##"{"type": "string", "format": "regex"}"##, "format 'regex'", "#/format"),
        (##"{"$ref": "other.json#/a"}"##, "other.json", "#/$ref"),
        (##"{"type": "number", "multipleOf": 0.3}"##, "multipleOf", "#/multipleOf"),
        (##"{"oneOf": [{"type": "integer"}, {"type": "number"}]}"##, "oneOf", "#/oneOf"),
        (##"{"unevaluatedProperties": false}"##, "unevaluatedProperties", "#/unevaluatedProperties"),
        (##"{"pattern": "a(?=b)"}"##, "look-ahead", "#/pattern"),
        (##"{"type": "object", "minProperties": 3}"##, "minProperties", "#"),
    ]) func `refuses by name what is not supported`(_ schema: String, _ name: String, _ pointer: String) {
        let error = #expect(throws: SwiftletError.self) { try Grammar(jsonSchema: schema) }
        #expect(error?.code == .unsupported, "\(error?.message ?? "")")
        #expect(error?.message.contains(name) == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("'\(pointer)'") == true, "\(error?.message ?? "")")
    }

    @Test(arguments: [
        ("3", SwiftletError.Code.malformed), (##"{"type": "text"}"##, .malformed),
        (##"{"type": 3}"##, .malformed),
        (##"{"minLength": -1}"##, .malformed), (##"{"required": "a"}"##, .malformed),
        (##"{"anyOf": []}"##, .malformed),
        (##"{"properties": {"a": 3}}"##, .malformed), (##"{"$ref": "#/$defs/none"}"##, .missing),
        (##"{"type": "string", "pattern": "("}"##, .malformed), ("false", .invalidArgument),
        (##"{"type": "integer", "minimum": 3, "maximum": 2}"##, .invalidArgument),
        (##"{"allOf": [{"type": "string"}, {"type": "integer"}]}"##, .invalidArgument),
        (##"{"enum": []}"##, .invalidArgument), ("{", .malformed),
        (##"{"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}}"##, .invalidArgument),
        (##"{"type": "string", "minLength": 9007199254740993}"##, .limit),
    ]) func `refuses what nothing satisfies`(_ schema: String, _ code: SwiftletError.Code) {
        let error = #expect(throws: SwiftletError.self) { try Grammar(jsonSchema: schema) }
        #expect(error?.code == code, "\(error?.message ?? "")")
    }

    @Test func `writes properties in their order and spaces in few ways`() throws {
        let grammar = try Grammar(
            jsonSchema:
                #"{"properties": {"b": {"type": "integer"}, "a": {"type": "integer"}}, "type": "object"}"#)
        #expect(grammar.matches(#"{"b":1,"a":2}"#))
        #expect(grammar.matches("{\n  \"b\": 1,\n  \"a\": 2\n}"))
        #expect(grammar.matches("{ \"b\": 1 }"))
        #expect(!grammar.matches(#"{"a":2,"b":1}"#))
        #expect(!grammar.matches(#"{"a":1,"a":2}"#))
        #expect(!grammar.matches(#"{"c":2}"#))
        #expect(!grammar.matches("{\"b\":1}\n"))
        #expect(!grammar.matches("{\n\n\"b\":1}"))
        #expect(!grammar.matches("{  \"b\":1}"))
    }

    @Test func `writes whole characters and no halves of pairs`() throws {
        let grammar = try Grammar(jsonSchema: #"{"type": "string", "maxLength": 1}"#)
        for text in [#""""#, #""é""#, #""😀""#, #""\n""#, #""\u00e9""#, #""\ud83d\ude00""#, #""\/""#] {
            #expect(grammar.matches(text), "\(text)")
        }
        for text in [#""ab""#, #""\ud83d""#, #""\ude00""#, #""\ud83dx""#, "\"\n\"", #""\x""#, #""a"#] {
            #expect(!grammar.matches(text), "\(text)")
        }
        #expect(!grammar.matches([0x22, 0xED, 0xA0, 0x80, 0x22]))
        #expect(!grammar.matches([0x22, 0xC3, 0x22]))
    }

    @Test func `takes dates that exist`() throws {
        let grammar = try Grammar(jsonSchema: #"{"format": "date-time"}"#)
        for date in ["2024-02-29", "2000-02-29", "1999-12-31", "0001-01-01"] {
            #expect(grammar.matches("\"\(date)T23:59:59Z\""), "\(date)")
        }
        for date in ["2023-02-29", "1900-02-29", "2024-04-31", "2024-00-10", "0000-01-01", "2024-1-1"] {
            #expect(!grammar.matches("\"\(date)T00:00:00Z\""), "\(date)")
        }
        #expect(grammar.matches("\"2024-05-06T07:08:09.123+05:30\""))
        #expect(!grammar.matches("\"2024-05-06T24:00:00Z\""))
    }

    @Test func `puts schemas between texts`() throws {
        let time = try JSON.parse(
            Array(##"{"$ref": "#/$defs/a", "$defs": {"a": {"type": "integer"}}}"##.utf8), source: "a")
        let place = try JSON.parse(
            Array(##"{"type": "array", "items": {"$ref": "#"}, "maxItems": 2}"##.utf8), source: "b")
        let grammar = try Grammar(
            oneOf: [
                .init(before: "<time>", schema: time, after: "</time>"),
                .init(before: "<place>", schema: place, after: "</place>"),
            ], separator: "\n", most: 2)
        for text in ["<time>12</time>", "<place>[[], [[]]]</place>", "<time>1</time>\n<place>[]</place>"] {
            #expect(grammar.matches(text), "\(text)")
        }
        for text in ["", "<time>[]</time>", "<time>1</place>", "<time>1</time>\n", "<place>[1]</place>"] {
            #expect(!grammar.matches(text), "\(text)")
        }
        #expect(!grammar.matches(Array(repeating: "<time>1</time>", count: 3).joined(separator: "\n")))
    }
}
