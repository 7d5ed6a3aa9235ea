import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import SwiftletText
import Testing

@testable import SwiftletEngine

@Suite struct GenerationDefaultsTests {
    private static func read(_ json: String) throws -> GenerationDefaults {
        try GenerationDefaults(
            generationConfig: try JSON.parse(Array(json.utf8), source: "g.json"), source: "g.json")
    }

    @Test(
        "without do_sample the likeliest token is taken",
        arguments: [
            "{}", #"{"do_sample": false, "temperature": 0.7, "top_k": "ignored"}"#,
            #"{"do_sample": null, "temperature": 0.7}"#, #"{"temperature": 0.7, "top_p": 0.9}"#,
        ])
    func greedy(json: String) throws {
        let sampling = try Self.read(json).sampling
        #expect(sampling.temperature == 0 && sampling.repeatPenalty == 1)
        try sampling.validate()
    }

    @Test("do_sample takes every key, and the reference's defaults for absent ones")
    func sampled() throws {
        let plain = try Self.read(#"{"do_sample": true}"#).sampling
        #expect(plain.temperature == 1 && plain.topK == 50 && plain.topP == 1 && plain.minP == 0)
        let full = try Self.read(
            """
            {"do_sample": true, "temperature": 0.6, "top_k": 20, "top_p": 0.95, "min_p": 0.01,
             "typical_p": 0.9, "repetition_penalty": 1.05, "transformers_version": "5", "num_beams": [1]}
            """
        ).sampling
        #expect(
            full
                == samplingOptions {
                    $0.temperature = 0.6
                    $0.topK = 20
                    $0.topP = 0.95
                    $0.minP = 0.01
                    $0.typicalP = 0.9
                    $0.repeatPenalty = 1.05
                    $0.repeatLastN = -1
                })
        let off = try Self.read(
            #"{"do_sample": true, "top_k": null, "top_p": null, "temperature": null, "min_p": null}"#
        ).sampling
        #expect(off.topK == 0 && off.topP == 1 && off.temperature == 1 && off.minP == 0)
        #expect(try Self.read(#"{"do_sample": true, "top_k": 4.0e1}"#).sampling.topK == 40)
    }

    @Test(
        "ends of text are a number, a list or nothing",
        arguments: [
            ("{}", []), (#"{"eos_token_id": null}"#, []), (#"{"eos_token_id": 7}"#, [7]),
            (#"{"eos_token_id": []}"#, []), (#"{"eos_token_id": [7, 9, 7]}"#, [7, 9]),
        ] as [(String, Set<TokenID>)])
    func ends(json: String, expected: Set<TokenID>) throws {
        #expect(try Self.read(json).stopTokens == expected)
    }

    @Test(
        "what is wrong is named by file and key",
        arguments: [
            ("do_sample", #""yes""#, "true or false"), ("do_sample", "1", "true or false"),
            ("eos_token_id", #""</s>""#, "a token id"), ("eos_token_id", "[1, null]", "a token id"),
            ("eos_token_id", "[[1]]", "a token id"), ("eos_token_id", "99999999999", "a token id"),
            ("eos_token_id", "1.5", "a token id"), ("eos_token_id", "{}", "a token id"),
            ("temperature", #""hot""#, "a number"), ("temperature", "1e999", "a number"),
            ("temperature", "-1", "from 0"), ("top_k", "2.5", "an integer"), ("top_k", "1e300", "an integer"),
            ("top_k", "9999999999", "from 0"), ("top_k", "-3", "from 0"), ("top_k", "true", "a number"),
            ("top_p", "1.01", "from 0 to 1"), ("min_p", "[]", "a number"),
            ("typical_p", "-1e-9", "from 0 to 1"),
            ("repetition_penalty", "0", "above 0"), ("repetition_penalty", "-1", "above 0"),
        ])
    func wrong(key: String, value: String, expected: String) {
        let sample = key == "do_sample" ? "" : #", "do_sample": true"#
        expectError(.malformed, "g.json", "'\(key)'", expected) {
            try Self.read("{\"\(key)\": \(value)\(sample)}")
        }
    }

    // MARK: GGUF

    private static func gguf(_ metadata: [(key: String, value: GGUFValue)]) throws -> GenerationDefaults {
        let directory = TemporaryDirectory()
        let path = directory.path + "/a.gguf"
        try GGUFWriter(path: path, metadata: metadata, tensors: []).finish()
        return try withExtendedLifetime(directory) { try GenerationDefaults(gguf: try GGUFFile(path: path)) }
    }

    @Test("a GGUF file without keys samples moderately")
    func silent() throws {
        #expect(try Self.gguf([("general.architecture", GGUFValue("llama"))]) == GenerationDefaults())
        #expect(GenerationDefaults().sampling.topK == 40)
    }

    @Test("keys of a GGUF file, of any number type")
    func keys() throws {
        let found = try Self.gguf([
            ("general.sampling.temp", GGUFValue(Float(0.5))), ("general.sampling.top_k", GGUFValue(Int32(7))),
            ("general.sampling.top_p", GGUFValue(0.25)), ("general.sampling.min_p", GGUFValue(UInt8(0))),
            ("general.sampling.penalty_repeat", GGUFValue(Float(1.5))),
            ("general.sampling.penalty_last_n", GGUFValue(Int64(-1))),
        ]).sampling
        #expect(
            found
                == samplingOptions {
                    $0.temperature = 0.5
                    $0.topK = 7
                    $0.topP = 0.25
                    $0.repeatPenalty = 1.5
                    $0.repeatLastN = -1
                })
    }

    @Test("wrong keys of a GGUF file are named")
    func wrongKeys() {
        let cases: [(String, GGUFValue)] = [
            ("temp", GGUFValue("hot")), ("temp", GGUFValue(Float.nan)), ("temp", GGUFValue(Float.infinity)),
            ("top_p", GGUFValue(Float(-1))), ("top_k", GGUFValue(Float(0.5))),
            ("top_k", GGUFValue([Int32(1)])),
            ("top_k", GGUFValue(Int64.min)), ("top_k", GGUFValue(UInt64.max)),
            ("penalty_last_n", GGUFValue(Int32(-2))), ("penalty_repeat", GGUFValue(Float(0))),
            ("min_p", GGUFValue(true)),
        ]
        for (name, value) in cases {
            expectError(.malformed, "a.gguf", "'general.sampling.\(name)'") {
                try Self.gguf([("general.sampling.\(name)", value)])
            }
        }
    }
}
