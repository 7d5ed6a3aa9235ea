import Foundation
import SwiftletTestSupport
import SwiftletText
import Testing

@testable import SwiftletEngine
@testable import SwiftletModels
@testable import SwiftletTensor

@Suite("Embeddings")
struct EmbedderTests {
    private static let fixtures = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "SwiftletModelsTests/Fixtures")

    private func model(_ name: String) throws -> Model {
        try Model.load(Self.fixtures.appending(path: name).path, needsTokenizer: false)
    }

    private func vector(
        _ model: Model, _ ids: [Int32], _ pooling: Pooling, normalizes: Bool = false
    ) throws -> [Float] {
        var options = Embedder.Options()
        options.pooling = pooling
        options.normalizes = normalizes
        options.threadCount = 1
        return try Embedder(model, options).embed(ids).vector
    }

    @Test(
        "of one token are its state, however tokens are pooled", arguments: ["bert", "modernbert", "qwen3"])
    func oneToken(name: String) throws {
        let model = try model(name)
        let expected = try vector(model, [7], .cls)
        #expect(try vector(model, [7], .last) == expected && vector(model, [7], .mean) == expected)
    }

    @Test("of several tokens are a token's state or the mean, and may get length 1")
    func pooling() throws {
        let model = try model("bert")
        let (first, last) = (try vector(model, [4, 9], .cls), try vector(model, [4, 9], .last))
        let mean = try vector(model, [4, 9], .mean)
        #expect(zip(zip(first, last), mean).allSatisfy { abs(($0.0 + $0.1) / 2 - $1) < 1e-6 })
        let unit = try vector(model, [4, 9], .mean, normalizes: true)
        #expect(abs(unit.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
        #expect(unit.count == model.configuration.hiddenSize)
        let each = try vector(model, [4, 9], .perToken, normalizes: true)
        #expect(each == first + last)
    }

    @Test("an encoder writes no text, and says so")
    func session() throws {
        let model = try model("bert")
        let error = #expect(throws: SwiftletError.self) { _ = try Session(model) }
        #expect(error?.code == .unsupported && error?.message.contains("encoder") == true)
    }

    @Test("wrong input is refused")
    func refusals() throws {
        let model = try model("bert")
        let embedder = try Embedder(model)
        #expect(embedder.pooling == .mean && embedder.dimension == 24)
        let wrong: [(ids: [TokenID], code: SwiftletError.Code)] = [
            ([], .invalidArgument), ([101], .invalidArgument), (Array(repeating: 5, count: 65), .limit),
        ]
        for (ids, code) in wrong {
            let error = #expect(throws: SwiftletError.self) { _ = try embedder.embed(ids) }
            #expect(error?.code == code)
        }
        let error = #expect(throws: SwiftletError.self) { _ = try embedder.embed("text") }
        #expect(error?.code == .missing)
    }

    @Test("the files of sentence-transformers say how tokens are pooled")
    func files() throws {
        let folder = TemporaryDirectory()
        for name in ["config.json", "model.safetensors"] {
            try FileManager.default.copyItem(
                atPath: Self.fixtures.appending(path: "bert/\(name)").path, toPath: "\(folder.path)/\(name)")
        }
        try FileManager.default.createDirectory(
            atPath: "\(folder.path)/1_Pooling", withIntermediateDirectories: true)
        let path = "\(folder.path)/1_Pooling/config.json"
        try Data(#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#.utf8).write(
            to: URL(filePath: path))
        #expect(try Embedder(Model.load(folder.path, needsTokenizer: false)).pooling == .cls)
        try Data(#"{"pooling_mode_max_tokens": true}"#.utf8).write(to: URL(filePath: path))
        let error = #expect(throws: SwiftletError.self) {
            _ = try Model.load(folder.path, needsTokenizer: false)
        }
        #expect(error?.code == .unsupported)
    }
}
