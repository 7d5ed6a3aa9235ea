import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

@Suite("JSON")
struct JSONTests {
    @Test(
        "accepts what RFC 8259 allows",
        arguments: [
            "null", "true", " false ", "0", "-0", "-0.0", "1", "-1", "10", "0.5", "1e5", "1E+5", "1e-5",
            "1.5e300",
            "1e400", "-1e400", "1e-400", "123456789012345678901234567890", "\"\"", "\"a\"", "[]", "{}", "[ ]",
            "{ }", "[1]", "[1,2]", "[[],[[]]]", "{\"\":0}", "{\"a\":1,\"a\":2}", "{\"a\":{\"b\":[{}]}}",
            "\t\r\n [ 1 , 2 ] \n", #""\" \\ \/ \b \f \n \r \t \u0041""#, #""\uD834\uDD1E""#, #""\ud800""#,
            #""\udc00\ud800""#, #""\u0000""#, "\"\u{7F}\u{80}\u{7FF}\u{FFFF}\u{10FFFF}\"", "\"\u{2028}\"",
            "NaN", "[Infinity,-Infinity]",
        ])
    func accepts(text: String) throws {
        _ = try JSON.parse(Array(text.utf8), source: "test")
    }

    @Test(
        "refuses everything else",
        arguments: [
            "", " ", "nul", "nulll", "True", "tru", "01", "-01", "00", "-", "+1", ".5", "1.", "1.e5", "1e",
            "1e+",
            "1e5.0", "0x10", "1_000", "- 1", "nan", "inf", "-NaN", "+Infinity", "--Infinity", "\"", "\"a",
            "'a'",
            "a", #""\""#, #""\x41""#, #""\u""#, #""\u12""#, #""\u12G4""#, #""\U0041""#, "\"\n\"", "\"\t\"",
            "\"\u{0}\"", "\"\u{1F}\"", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1,,2]", "[1}", "{",
            "}",
            "{1:2}", "{a:1}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{\"a\" 1}", "{\"a\":1 \"b\":2}",
            "{\"a\":1", "{\"a\":1]", "{null:1}", "1 2", "[] []", "{}x", "null,", "// a\n1", "1 /* a */",
            "[1]\u{0}",
            "\u{FEFF}1", "\u{A0}1", "\u{FEFF}{}",
        ])
    func refuses(text: String) {
        #expect(throws: SwiftletError.self) { try JSON.parse(Array(text.utf8), source: "test") }
    }

    @Test(
        "refuses bytes that are not UTF-8",
        arguments: [
            [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC2], [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF],
            [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xE2, 0x82], [0xE2, 0x28, 0xA1],
            [0xF0, 0x80, 0x80, 0x80],
            [0xF0, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xF0, 0x9F, 0x98],
            [0xFE], [0xFF],
        ] as [[UInt8]])
    func invalidUTF8(bytes: [UInt8]) {
        for padding in 0..<9 {
            let text = [0x22] + [UInt8](repeating: 0x61, count: padding) + bytes + [0x22]
            #expect(throws: SwiftletError.self) { try JSON.parse(text, source: "test") }
        }
    }

    @Test("finds quotes, escapes and control characters at every place of a word", arguments: 0..<24)
    func scanning(place: Int) throws {
        for special in [0x22, 0x5C, 0x1F, 0x00, 0x80, 0xFF] as [UInt8] {
            var text = [0x22] + [UInt8](repeating: 0x61, count: 24) + [0x22]
            text[1 + place] = special
            #expect(throws: SwiftletError.self) { try JSON.parse(text, source: "test") }
        }
        for plain in [0x20, 0x21, 0x23, 0x5B, 0x5D, 0x7F] as [UInt8] {
            var text = [0x22] + [UInt8](repeating: 0x61, count: 24) + [0x22]
            text[1 + place] = plain
            #expect(try JSON.parse(text, source: "test").bytes == Array(text[1..<25]))
        }
    }

    @Test("nests 512 deep and no further")
    func depth() throws {
        let deep = String(repeating: "[", count: 512) + String(repeating: "]", count: 512)
        var value: JSON? = try JSON.parse(Array(deep.utf8), source: "test")
        for _ in 0..<511 { value = value?[0] }
        #expect(value?.kind == .array && value?.count == 0)
        for text in ["[" + deep + "]", "{\"a\":" + deep + "}", String(repeating: "{\"a\":", count: 100_000)] {
            #expect(throws: SwiftletError.self) { try JSON.parse(Array(text.utf8), source: "test") }
        }
    }

    @Test("reads integers exactly or not at all")
    func integers() throws {
        let cases: [(String, Int?)] = [
            ("0", 0), ("-0", 0), ("7", 7), ("-12", -12), ("9007199254740993", 9_007_199_254_740_993),
            ("9223372036854775807", .max), ("-9223372036854775808", .min), ("9223372036854775808", nil),
            ("-9223372036854775809", nil), ("99999999999999999999", nil), ("1.0", nil), ("1e2", nil),
            ("NaN", nil),
            ("\"1\"", nil), ("true", nil), ("[1]", nil),
        ]
        for (text, expected) in cases {
            #expect(try JSON.parse(Array(text.utf8), source: "test").int == expected, "\(text)")
        }
    }

    @Test("reads doubles to the nearest")
    func doubles() throws {
        let cases: [(String, Double?)] = [
            ("0", 0), ("0.1", 0.1), ("-2.5e-3", -0.0025), ("1e400", .infinity), ("-1e400", -.infinity),
            ("1e-400", 0),
            ("5e-324", .leastNonzeroMagnitude), ("1.7976931348623157e308", .greatestFiniteMagnitude),
            ("500000.0", 500_000),
            ("9007199254740993", 9_007_199_254_740_992), ("18446744073709551616", 0x1p64),
            ("Infinity", .infinity),
            ("-Infinity", -.infinity), ("\"1\"", nil), ("null", nil),
        ]
        for (text, expected) in cases {
            #expect(try JSON.parse(Array(text.utf8), source: "test").double == expected, "\(text)")
        }
        #expect(try JSON.parse(Array("-0".utf8), source: "test").double?.sign == .minus)
        #expect(try JSON.parse(Array("NaN".utf8), source: "test").double?.isNaN == true)
    }

    @Test("decodes escapes")
    func strings() throws {
        let cases: [(String, String)] = [
            (#""""#, ""), (#""plain""#, "plain"), (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{C}\n\r\t"),
            (#""\u0041\u00e9\u20AC""#, "Aé€"), (#""\ud83d\ude00!""#, "😀!"), (#""\ud83d""#, "\u{FFFD}"),
            (#""\ud83dx""#, "\u{FFFD}x"), (#""\ude00\ud83d""#, "\u{FFFD}\u{FFFD}"),
            (#""\ud83d\u0041""#, "\u{FFFD}A"),
            (#""\ud83d\ud83d\ude00""#, "\u{FFFD}😀"), (#""\ud83d\n""#, "\u{FFFD}\n"),
            (#""a\u0000b""#, "a\u{0}b"),
            (#""\\u0041""#, #"\u0041"#), (#""Ġé日😀""#, "Ġé日😀"),
        ]
        for (text, expected) in cases {
            let value = try JSON.parse(Array(text.utf8), source: "test")
            #expect(value.string == expected, "\(text)")
            #expect(value.bytes == Array(expected.utf8), "\(text)")
            #expect(value.withUTF8 { $0.count } == expected.utf8.count)
        }
    }

    @Test("walks containers in document order")
    func children() throws {
        let text = #"{"b":[1,[2,3],{"x":4},"five"],"a":{"a":{}},"\u0062":null,"é":true}"#
        let value = try JSON.parse(Array(text.utf8), source: "test")
        #expect(value.kind == .object && value.count == 4)
        #expect(value.members.map { $0.key.string } == ["b", "a", "b", "é"])
        #expect(value["b"]?.isNull == true)  // the last duplicate wins, whatever its spelling
        #expect(value["e\u{301}"] == nil)  // canonically equal, but other bytes
        #expect(value["é"]?.bool == true)
        #expect(value["a"]?["a"]?.count == 0)
        #expect(value["none"] == nil && value[0] == nil)
        let list = try #require(value.members.first { _ in true }?.value)
        #expect(list.elements.map(\.kind) == [.number, .array, .object, .string])
        #expect(list[1]?[1]?.int == 3 && list[2]?["x"]?.int == 4 && list[3]?.string == "five")
        #expect(list[4] == nil && list[-1] == nil && list["x"] == nil)
        #expect(list.string == nil && list.bytes == nil && list.bool == nil && list.double == nil)
    }

    @Test("names the place and what was found and expected")
    func messages() {
        let cases: [(String, String)] = [
            ("{\n  \"é\": x\n}", "config: line 2, column 8: found 'x', expected a value"),
            ("[1\n", "config: line 2, column 1: found the end of the text, expected ',' or ']'"),
            ("{\"a\" 1}", "config: line 1, column 6: found '1', expected ':' after the key"),
            (
                "\"\n\"",
                "config: line 1, column 2: found byte 0x0a, expected an escape such as \\n instead of a "
                    + "control character"
            ),
        ]
        for (text, message) in cases {
            #expect(throws: SwiftletError(.malformed, message)) {
                try JSON.parse(Array(text.utf8), source: "config")
            }
        }
    }

    @Test("the writer's text reads back as written")
    func writer() throws {
        var json = JSONWriter()
        json.object { json in
            json.member("text", "a\"\\\n\t\u{1}\u{1F}é😀")
            json.member("small", Int.min)
            json.member("large", UInt64.max)
            json.member("third", Double(1) / 3)
            json.member("float", Float(0.1))
            json.member("tiny", Double.leastNonzeroMagnitude)
            json.member("huge", 1e300)
            json.member("nan", Double.nan)
            json.member("yes", true)
            json.key("list")
            json.array { json in
                json.value(1)
                json.array { _ in }
                json.object { _ in }
                json.null()
            }
        }
        let value = try JSON.parse(json.bytes, source: "test")
        #expect(value["text"]?.string == "a\"\\\n\t\u{1}\u{1F}é😀")
        #expect(value["small"]?.int == .min)
        #expect(value["third"]?.double == 1.0 / 3)
        #expect(value["tiny"]?.double == .leastNonzeroMagnitude && value["huge"]?.double == 1e300)
        #expect(value["nan"]?.isNull == true && value["yes"]?.bool == true)
        #expect(json.text.contains(#""large":18446744073709551615,"#))
        #expect(json.text.contains(#""float":0.1,"#))
        #expect(json.text.hasSuffix(#""list":[1,[],{},null]}"#))
    }

    @Test("the writer indents")
    func indented() {
        var json = JSONWriter(indent: 2)
        json.object { json in
            json.member("a", 1)
            json.key("b")
            json.array { json in
                json.value("x")
                json.object { _ in }
            }
        }
        #expect(json.text == "{\n  \"a\": 1,\n  \"b\": [\n    \"x\",\n    {}\n  ]\n}")
    }
}
