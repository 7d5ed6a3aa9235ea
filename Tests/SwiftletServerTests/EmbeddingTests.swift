import Foundation
import SwiftletFormats
import SwiftletTestSupport
import SwiftletText
import Testing

@testable import SwiftletEngine
@testable import SwiftletServer

@Suite struct EmbeddingTests {
    /// An encoder of 101 tokens with a tokenizer that splits at spaces: w0 to w96 behind four special ones.
    private static func encoder(_ name: String) throws -> Model {
        let folder = TemporaryDirectory()
        let fixture = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "SwiftletModelsTests/Fixtures/\(name)")
        for file in ["config.json", "model.safetensors"] {
            try FileManager.default.copyItem(
                atPath: fixture.appending(path: file).path, toPath: "\(folder.path)/\(file)")
        }
        let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] + (0..<97).map { "w\($0)" }
        let vocabulary = words.enumerated().map { "\"\($1)\": \($0)" }.joined(separator: ", ")
        let special = words.prefix(4).enumerated().map {
            "{\"id\": \($0), \"content\": \"\($1)\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, "
                + "\"normalized\": false, \"special\": true}"
        }.joined(separator: ", ")
        try Data(
            """
            {"version": "1.0", "added_tokens": [\(special)], "normalizer": null,
             "pre_tokenizer": {"type": "BertPreTokenizer"},
             "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
             "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
             "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                       "max_input_chars_per_word": 100, "vocab": {\(vocabulary)}}}
            """.utf8
        ).write(to: URL(filePath: "\(folder.path)/tokenizer.json"))
        return try Model.load(folder.path)
    }

    private static func host(_ model: Model, _ pooling: Pooling? = nil) throws -> ModelHost {
        var options = Embedder.Options()
        options.pooling = pooling
        options.normalizes = false
        options.threadCount = 1
        return ModelHost(try EmbeddingEngine(EmbeddingService(model, options)))
    }

    private static func vectors(_ json: JSON) -> [[Float]] {
        (json["data"].map { Array($0.elements) } ?? []).map { entry in
            (entry["embedding"].map { Array($0.elements) } ?? []).compactMap { $0.double.map(Float.init) }
        }
    }

    private static func isClose(_ one: [Float], _ other: [Float]) -> Bool {
        one.count == other.count && zip(one, other).allSatisfy { abs($0 - $1) < 1e-5 }
    }

    @Test(
        "encoders embed texts and tokens, alone and in lists",
        arguments: ["bert", "nomic-bert", "modernbert"])
    func forms(name: String) async throws {
        let model = try Self.encoder(name)
        let expected = try Embedder(model).embed([2, 9, 12, 3]).vector
        try await TestServer.with(host: try Self.host(model)) { server in
            for (input, count) in [
                (#""w5 w8""#, 1), ("[2, 9, 12, 3]", 1), (#"["w5 w8", "w5 w8"]"#, 2),
                (#"["w5 w8", [2, 9, 12, 3]]"#, 2), ("[[2, 9, 12, 3]]", 1),
                (#"{"content": [{"type": "text", "text": "w5 "}, {"type": "text", "text": "w8"}]}"#, 1),
            ] {
                let json = try await server.post("/v1/embeddings", "{\"input\": \(input)}").json
                let vectors = Self.vectors(json)
                #expect(vectors.count == count, "\(input): \(json)")
                #expect(vectors.allSatisfy { Self.isClose($0, expected) }, "\(input)")
                #expect(json.at("usage.prompt_tokens")?.int == 4 * count)
                #expect(json.at("usage.total_tokens")?.int == 4 * count)
                #expect(json["object"]?.string == "list" && json.at("data.0.object")?.string == "embedding")
                #expect(json.at("data.0.index")?.int == 0)
            }
        }
    }

    @Test("formats, dimensions and norms")
    func options() async throws {
        let model = try Self.encoder("bert")
        let raw = try #require(try? Embedder(model, Self.raw).embed([2, 9, 3]).vector)
        try await TestServer.with(host: try Self.host(model)) { server in
            let plain = try await server.post("/v1/embeddings", #"{"input": "w5"}"#).json
            let base64 = try await server.post(
                "/v1/embeddings", #"{"input": "w5", "encoding_format": "base64", "model": "m", "user": "u"}"#
            ).json
            let text = try #require(base64.at("data.0.embedding")?.string)
            let data = try #require(Data(base64Encoded: text))
            let floats = stride(from: 0, to: data.count, by: 4).map { first in
                Float(bitPattern: (0..<4).reduce(0) { $0 | UInt32(data[first + $1]) << UInt32(8 * $1) })
            }
            #expect(floats == Self.vectors(plain)[0])
            let short = Self.vectors(
                try await server.post("/v1/embeddings", #"{"input": "w5", "dimensions": 5}"#).json)[0]
            let length = raw.prefix(5).reduce(0) { $0 + $1 * $1 }.squareRoot()
            #expect(Self.isClose(short, raw.prefix(5).map { $0 / length }))
            for (norm, scale) in [
                (-1, 1), (0, 32_760 / (raw.map(abs).max() ?? 1)), (1, 1 / raw.reduce(0) { $0 + abs($1) }),
                (2, 1 / raw.reduce(0) { $0 + $1 * $1 }.squareRoot()),
            ] as [(Int, Float)] {
                let json = try await server.post(
                    "/embedding", "{\"content\": \"w5\", \"embd_normalize\": \(norm)}"
                ).json
                let found = (json.at("0.embedding.0").map { Array($0.elements) } ?? []).compactMap {
                    $0.double.map(Float.init)
                }
                #expect(zip(found, raw).allSatisfy { abs($0 / scale - $1) < 1e-4 } && found.count == 24)
            }
        }
    }

    private static var raw: Embedder.Options {
        var options = Embedder.Options()
        options.normalizes = false
        return options
    }

    @Test("wrong requests are refused, and a model for embeddings writes nothing")
    func refusals() async throws {
        try await TestServer.with(host: try Self.host(try Self.encoder("bert"))) { server in
            for (body, field) in [
                ("{}", "input"), (#"{"input": []}"#, "input"),
                (#"{"input": "w1", "dimensions": 25}"#, "dimensions"),
                (#"{"input": "w1", "encoding_format": "int8"}"#, "encoding_format"),
                (#"{"input": [1, -4]}"#, "input[1]"), (#"{"input": "w1", "x": 1}"#, "x"),
                (#"{"input": {"content": [{"type": "image_url"}]}}"#, "input.content[0].type"),
            ] {
                let reply = try await server.post("/v1/embeddings", body)
                #expect(reply.status == 400, "\(body): \(reply.text)")
                #expect(try reply.json.at("error.param")?.string == field, "\(reply.text)")
            }
            let long = String(repeating: "w1 ", count: 63)
            let reply = try await server.post("/v1/embeddings", "{\"input\": \"\(long)\"}")
            #expect(reply.status == 400)
            #expect(try reply.json.at("error.n_ctx")?.int == 64, "\(reply.text)")
            for path in ["/v1/completions", "/v1/chat/completions", "/completion"] {
                let reply = try await server.post(path, #"{"prompt": "w1", "messages": []}"#)
                #expect(reply.status == 501, "\(path): \(reply.text)")
            }
            #expect(try await server.get("/health").status == 200)
            #expect(try await server.get("/v1/models").json.at("data.0.meta.n_embd")?.int == 24)
            #expect(try await server.get("/props").json["pooling"]?.string == "mean")
            #expect(try await server.post("/tokenize", #"{"content": "w1 w2"}"#).json["tokens"]?.count == 2)
        }
    }

    @Test("without pooling every token has its vector, as it is, in llama-server's form only")
    func everyToken() async throws {
        let model = try Self.encoder("bert")
        let ids = try #require(model.tokenizer).encode("w1 w2 w3")
        var options = Embedder.Options()
        options.pooling = .last
        options.normalizes = false
        let last = try Embedder(model, options).embed(ids).vector
        try await TestServer.with(host: try Self.host(model, .perToken)) { server in
            let json = try await server.post("/embedding", #"{"content": ["w1 w2 w3", "w1"]}"#).json
            let tokens = Array(try #require(json.at("0.embedding")).elements)
            #expect(tokens.count == ids.count && json.at("1.embedding")?.count == ids.count - 2)
            #expect(tokens.allSatisfy { $0.count == 24 })
            #expect(
                Self.isClose(tokens[tokens.count - 1].elements.compactMap { $0.double.map(Float.init) }, last)
            )
            let openAI = try await server.post("/v1/embeddings", #"{"input": "w1"}"#)
            #expect(openAI.status == 400 && openAI.text.contains("--pooling none"))
        }
    }

    @Test(
        "decoders embed with the pooling that is asked for",
        arguments: Pooling.allCases.filter { $0 != .perToken })
    func decoder(pooling: Pooling) async throws {
        let model = try Model.load(nil)
        var options = Embedder.Options()
        options.pooling = pooling
        let expected = try Embedder(model, options).embed("Once upon a time").vector
        try await TestServer.with(host: try Self.host(model, pooling)) { server in
            let json = try await server.post("/v1/embeddings", #"{"input": "Once upon a time"}"#).json
            #expect(Self.isClose(Self.vectors(json)[0], expected))
        }
    }

    @Test("many requests at once get the vectors that each gets alone")
    func sideBySide() async throws {
        let model = try Self.encoder("bert")
        let service = try EmbeddingService(model)
        let texts = (0..<12).map { [TokenID](repeating: 5 + TokenID($0), count: $0 + 1) }
        let found = try await withThrowingTaskGroup(of: (Int, [Float]).self) { group in
            for (index, text) in texts.enumerated() {
                group.addTask { (index, try await service.embed([text])[0].vector) }
            }
            return try await group.reduce(into: [Int: [Float]]()) { $0[$1.0] = $1.1 }
        }
        for (index, text) in texts.enumerated() {
            #expect(try found[index] == Embedder(model).embed(text).vector)
        }
        #expect(service.requestCount == 0)
        #expect(try await service.embed(texts, isCancelled: { true }).isEmpty)
    }
}
