import Foundation
import SwiftletGrammar
import SwiftletTensor
import Testing

@Suite struct GBNFTests {
    @Test(arguments: [
        (#"root ::= "a""#, ["a"], ["", "b", "aa"]),
        ("root ::= \"1. \" move # comment\n# another\nmove ::= [a-h] [1-8]\n", ["1. e4"], ["1. e9", "1.e4"]),
        ("root ::= (\n  \"a\"\n  | # or\n  \"b\"\n)+\n", ["a", "abba"], ["", "c"]),
        ("root ::= \"a\" |\n  \"b\"\n", ["a", "b"], ["ab"]),
        (
            #"root ::= [^\n\]]+ "\x41\u00e9\U0001F600\t\"\\" [\-\[]"#, ["xAé😀\t\"\\-", "yyAé😀\t\"\\["],
            ["\nAé😀\t\"\\-"]
        ),
        ("root ::= [a-] [-a] .", ["a-x", "--\n", "-aé"], ["bax"]),
        (
            #"root ::= "ab"{2} "c"{1,} "d"{0,2} "e"{ 1 , 2 }"#, ["ababce", "ababcccddee"],
            ["abce", "ababe", "ababcddde"]
        ),
        ("root::=a-b_C9\r\na-b_C9 ::= \"x\"\r\n", ["x"], ["a"]),
        ("root ::= \"a\"\nroot ::= \"b\"", ["b"], ["a"]), (#"root ::= | "a" |"#, ["", "a"], ["aa"]),
        (#"root ::= "a"?*+"#, ["", "aaa"], ["b"]), ("root ::= \"日本\" [ぁ-ゟ]", ["日本あ"], ["日本ア"]),
    ]) func `reads`(_ grammar: String, _ accepted: [String], _ refused: [String]) throws {
        let grammar = try Grammar(gbnf: grammar)
        for text in accepted { #expect(grammar.matches(text), "\(text)") }
        for text in refused { #expect(!grammar.matches(text), "\(text)") }
    }

    @Test(arguments: [
        ("", "no rule 'root'"), ("a ::= \"x\"", "no rule 'root'"),
        ("root ::= a", "line 1, column 10: the rule 'a'"),
        ("root = \"a\"", "'::='"), ("root ::= \"a", "'\"' at the end"), ("root ::= [a", "']' at the end"),
        ("root ::= (\"a\"", "')'"), ("root ::= \"a\")", "end of the line"), (#"root ::= "\q""#, "backslash"),
        (#"root ::= "\x4""#, "hexadecimal"), (#"root ::= "\UFFFFFFFF""#, "no character"),
        ("root ::= []", "empty"),
        ("root ::= [z-a]", "backwards"), ("root ::= * \"a\"", "before the quantifier"),
        ("root ::= \"a\"{3,1}", "smaller"),
        ("root ::= \"a\"{x}", "a number"), ("root ::= \"a\"{99999999}", "at most"), ("root ::= <a", "'>'"),
        ("root ::= <[x]>", "token id"), ("root ::= \"a\" ::= \"b\"", "end of the line"),
        ("root ::= root", "no text"),
        ("root ::= \"a\" root", "no text"), ("root ::= \"a\"\n\0", "a rule name"),
        ("é ::= \"a\"", "a rule name"),
    ]) func `says what is wrong`(_ grammar: String, _ part: String) {
        let error = #expect(throws: SwiftletError.self) { try Grammar(gbnf: grammar) }
        #expect(error?.message.contains(part) == true, "\(error?.message ?? "")")
    }

    @Test func `loads the examples of llama.cpp where they are`() throws {
        let folder = FileManager.default.homeDirectoryForCurrentUser
            .appendingPathComponent(".cache/swiftlet-peers/llama.cpp/grammars")
        let files =
            (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
        for file in files where file.pathExtension == "gbnf" {
            let grammar = try Grammar(
                gbnf: String(contentsOf: file, encoding: .utf8), source: file.lastPathComponent)
            switch file.lastPathComponent {
            case "json.gbnf": #expect(grammar.matches("{\"a\": [1, {\"b\": null}]}"))
            case "chess.gbnf": #expect(grammar.matches("1. e4 e5\n2. Nf3 Nc6\n"))
            case "c.gbnf":
                #expect(grammar.matches("int f(){return 1;}") == grammar.matches("int f(){return 2;}"))
            case "list.gbnf": #expect(grammar.matches("- a\n- b\n") && !grammar.matches("- a"))
            case "arithmetic.gbnf": #expect(grammar.matches("(1+x)*3=y\n"))
            default: break
            }
        }
    }
}

@Suite struct GrammarLimitTests {
    @Test(arguments: [
        String(repeating: "(", count: 5000), String(repeating: "(\"a\"|", count: 5000),
        "\"a\"" + String(repeating: "?", count: 5000), "[a-z]{1000001}",
        "((([a-z]{1000} \"x\"){1000} \"y\"){1000} \"z\"){1000}{1000}{1000}{1000}{1000}",
    ]) func `refuses what is too large or too deep`(_ body: String) {
        let error = #expect(throws: SwiftletError.self) { try Grammar(gbnf: "root ::= " + body) }
        #expect(error?.code == .limit || error?.code == .malformed)
    }

    @Test(arguments: [
        #"root ::= "a"{1,100000}"#, #"root ::= [^"]{0,1000000} "x""#, #"root ::= ("a"{100}){100}"#,
        #"root ::= ("a" | "b")* "a" ("a" | "b"){20}"#, #"root ::= ("a" | "b")* "a" ("a" | "b"){2000}"#,
        #"root ::= ((("a"{200} "b"){200} "c"){200} "d"){200}"#, #"root ::= (("a"*)*)*"#,
    ]) func `stays small for long repetitions`(_ grammar: String) throws {
        let grammar = try Grammar(gbnf: grammar)
        _ = grammar.matches(String(repeating: "a", count: 500))
    }

    @Test func `follows long texts of recursive rules`() throws {
        let right = try Grammar(gbnf: "root ::= \"a\" root | \"b\"")
        #expect(right.matches(String(repeating: "a", count: 20_000) + "b"))
        let left = try Grammar(gbnf: "root ::= root \"a\" | \"b\"")
        #expect(left.matches("b" + String(repeating: "a", count: 20_000)))
        let nested = try Grammar(gbnf: "root ::= \"(\" root \")\" | \"\"")
        let depth = 3000
        #expect(nested.matches(String(repeating: "(", count: depth) + String(repeating: ")", count: depth)))
        #expect(
            !nested.matches(String(repeating: "(", count: depth) + String(repeating: ")", count: depth - 1)))
    }

    @Test func `long chains of rules do not exhaust the stack`() throws {
        var text = "root ::= r0\n"
        for index in 0..<800 { text += "r\(index) ::= r\(index + 1) | \"x\(index)\" r\(index / 2)\n" }
        text += "r800 ::= \"end\"\n"
        let grammar = try Grammar(gbnf: text)
        #expect(grammar.matches("end"))
        #expect(grammar.matches("x0end"))
    }

    @Test func `gives up on texts that are in too many places`() throws {
        // All counts of x up to the length of the text remain possible.
        let grammar = try Grammar(gbnf: #"root ::= ("a" | "aa" | "aaa"){1,100000} "b""#)
        let count = grammar.matchingPrefix(of: Array(repeating: UInt8(ascii: "a"), count: 3000))
        #expect(count > 200 && count < 3000)
    }

    @Test func `a deep schema is refused or compiled`() throws {
        let deep = String(repeating: #"{"items":"#, count: 400) + "{}" + String(repeating: "}", count: 400)
        _ = try Grammar(jsonSchema: deep)
        let choices = (0..<12).map { _ in
            #"{"anyOf": [{"minLength": 1}, {"minLength": 2}, {"minLength": 3}]}"#
        }
        let error = #expect(throws: SwiftletError.self) {
            try Grammar(jsonSchema: #"{"allOf": ["# + choices.joined(separator: ",") + "]}")
        }
        #expect(error?.code == .limit)
    }
}
