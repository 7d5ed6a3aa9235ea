import Foundation
import SwiftletEngine
import SwiftletFormats
import SwiftletGrammar
import SwiftletModels
import SwiftletTensor
import SwiftletText
import Testing

@Suite struct GrammarConstraintTests {
    static let schema = #"""
        {"type": "object", "properties": {
            "name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 0, "maximum": 120},
            "pet": {"enum": ["cat", "dog", null]}, "tags": {"type": "array", "items": {"type": "boolean"}, "maxItems": 3}
        }, "required": ["name", "age", "pet"], "additionalProperties": false}
        """#

    @Test(arguments: 0..<6) func `hot samples satisfy the schema`(_ seed: UInt64) throws {
        let model = try Model.load(nil)
        let grammar = try Grammar.cached(jsonSchema: Self.schema)
        let (text, reason) = try generate(model, grammar, seed: seed)
        guard reason?.name == "stop" else {
            #expect(grammar.matchingPrefix(of: Array(text.utf8)) == text.utf8.count)
            return
        }
        #expect(grammar.matches(text))
        let value = try JSON.parse(Array(text.utf8), source: "answer")
        #expect((value["name"]?.string?.unicodeScalars.count ?? 99) <= 12)
        #expect((0...120).contains(value["age"]?.int ?? -1))
        #expect(value["pet"].map { $0.isNull || ["cat", "dog"].contains($0.string) } == true)
        #expect((value["tags"]?.count ?? 0) <= 3)
    }

    @Test(arguments: [
        #"root ::= ("- " [a-z ]{1,20} "\n"){2,3}"#, #"root ::= [ぁ-ゟ]{2,5} "!""#,
        #"root ::= "Once" | "Twice upon""#,
    ]) func `hot samples follow the grammar`(_ text: String) throws {
        let model = try Model.load(nil)
        let grammar = try Grammar.cached(gbnf: text)
        for seed in UInt64(0)..<3 {
            let (written, reason) = try generate(model, grammar, seed: seed)
            #expect(reason?.name == "stop")
            #expect(grammar.matches(written), "\(written)")
        }
    }

    @Test(arguments: 0..<4) func `masks are what single tokens say`(_ seed: UInt64) throws {
        let model = try Model.load(nil)
        let grammar = try [
            Grammar.cached(jsonSchema: Self.schema), Grammar.cached(regex: #"(\w+ ){1,9}\w+[.!?]"#),
            Grammar.jsonObject(), Grammar.cached(gbnf: "root ::= [^x]{3,40} \"x\""),
        ][Int(seed)]
        let tokenizer = try #require(model.tokenizer)
        var constraint = try model.constraint(grammar)
        var text: [UInt8] = []
        var random = seed &* 977 + 5
        for _ in 0..<12 {
            let words = constraint.allowedTokens()
            var allowed: [TokenID] = []
            for token in 0..<TokenID(model.configuration.vocabularySize) {
                let isAllowed = words[Int(token) / 64] >> UInt64(token % 64) & 1 == 1
                if model.stopTokens.contains(token) {
                    #expect(isAllowed == grammar.matches(text))
                    continue
                }
                let bytes = tokenizer.isSpecial(token) ? [] : tokenizer.bytes(of: token)
                let longer = text + bytes
                #expect(
                    isAllowed == (!bytes.isEmpty && grammar.matchingPrefix(of: longer) == longer.count),
                    "token \(token) behind \(String(decoding: text, as: UTF8.self))")
                if isAllowed { allowed.append(token) }
            }
            guard !allowed.isEmpty else { return }
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let token = allowed[Int(random >> 33) % allowed.count]
            constraint.accept(token)
            text += tokenizer.bytes(of: token)
        }
    }

    @Test func `the same text gives the same grammar`() throws {
        let first = try Grammar.cached(regex: "a+")
        let second = try Grammar.cached(regex: "a+")
        #expect(first.identity == second.identity)
        #expect(try first.identity != Grammar.cached(gbnf: "root ::= \"a\"+").identity)
    }

    @Test func `nothing follows a token that is not allowed`() throws {
        let model = try Model.load(nil)
        var constraint = try model.constraint(Grammar.cached(regex: "a+"))
        let token = try #require(model.tokenizer?.encode("b", addSpecial: false).last)
        constraint.accept(token)
        #expect(constraint.allowedTokens().allSatisfy { $0 == 0 })
        #expect(!constraint.canEnd)
    }

    private func generate(
        _ model: Model, _ grammar: Grammar, seed: UInt64
    ) throws -> (text: String, reason: FinishReason?) {
        var options = GenerationOptions(defaultsOf: model)
        options.sampling = SamplingOptions()
        options.sampling.temperature = 3
        options.sampling.seed = seed
        options.maxTokens = 120
        options.constraint = try model.constraint(grammar)
        var generation = try Generation(try Session(model), text: "Once upon a time", options: options)
        var text = ""
        while let piece = try generation.next() { text += piece.text }
        return (text, generation.finishReason)
    }

    @Test(arguments: 0..<6) func `what stands behind a mark follows the grammar, however tokens cut it`(
        _ seed: UInt64
    ) throws {
        let model = try Model.load(nil)
        let grammar = try Grammar.cached(regex: #"-[0-9]{1,3};"#)
        for mark in [" the", "e", "he "] {
            var options = GenerationOptions(defaultsOf: model)
            options.constraint = try model.constraint(grammar, behind: mark)
            options.maxTokens = 60
            options.ignoresStopTokens = true
            options.sampling.temperature = 1.5
            options.sampling.seed = seed
            let text = try write(model, options)
            var parts = text.components(separatedBy: mark)
            parts.removeFirst()
            for (index, part) in parts.enumerated() {
                let isLast = index == parts.count - 1
                let length = grammar.matchingPrefix(of: Array(part.utf8))
                let called = String(decoding: Array(part.utf8).prefix(length), as: UTF8.self)
                #expect(grammar.matches(called) || isLast && length == part.utf8.count, "\(mark): \(part)")
            }
        }
    }

    private func write(_ model: Model, _ options: GenerationOptions) throws -> String {
        var session = Session.Options()
        session.threadCount = 1
        let tokenizer = try #require(model.tokenizer)
        var generation = try Generation(
            Session(model, session), prompt: tokenizer.encode("Once upon a time"), options: options)
        var text = ""
        while let piece = try generation.next() { text += piece.text }
        return text
    }
}
