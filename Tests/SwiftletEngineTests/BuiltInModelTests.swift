import Foundation
import SwiftletFormats
import SwiftletModels
import SwiftletTensor
import SwiftletText
import Testing

@testable import SwiftletEngine

@Suite("The built-in model")
struct BuiltInModelTests {
    @Test("loads, mapped from the executable")
    func loads() throws {
        let file = try BuiltInModel.file()
        #expect(file["general.architecture"]?.string == "llama")
        let source = ModelSource.gguf(file)
        let model = try ModelRegistry.architecture(of: source).load(source)
        #expect(model.configuration.layerCount == 8)
        #expect(model.weights.filter { $0.tensor.shape.count == 2 }.allSatisfy { $0.tensor.format == .f16 })
    }

    @Test("has its tokenizer, template and sampling settings")
    func tokenizer() throws {
        let file = try BuiltInModel.file()
        let tokenizer = try Tokenizer.load(gguf: file)
        let ids = tokenizer.encode("Once upon a time there were 23 mice.")
        #expect(ids.first == tokenizer.bos)
        #expect(
            String(decoding: tokenizer.decode(ids, skipSpecial: true), as: UTF8.self)
                == "Once upon a time there were 23 mice.")
        #expect(tokenizer.endOfGeneration.contains(3))
        #expect(tokenizer.chatTemplate?.contains("<|assistant|>") == true)
        #expect(file["general.sampling.top_k"]?.int == 40)
    }

    @Test("continues a text as it does before it is converted")
    func continues() throws {
        let model = try Model.load(nil)
        let session = try Session(model)
        let tokenizer = try #require(model.tokenizer)
        let prompt = tokenizer.encode("Once upon a time")
        var next = try #require(try session.feed(prompt))
        var ids: [TokenID] = []
        for _ in 0..<17 {
            let likeliest = TokenID(next.indices.max { next[$0] < next[$1] } ?? 0)
            ids.append(likeliest)
            next = try #require(try session.feed([likeliest]))
        }
        let text = String(decoding: tokenizer.decode(ids), as: UTF8.self)
        #expect(text == " there was a great deal of a little girl, and the girl was so long")
    }

    @Test("continues a text given as text")
    func text() throws {
        var options = GenerationOptions()
        options.sampling = .greedy
        options.maxTokens = 6
        var generation = try Generation(
            try Session(try Model.load(nil)), text: "Once upon a time", options: options)
        var text = ""
        while let piece = try generation.next() { text += piece.text }
        #expect(text == " there was a great deal")
    }

    /// Not a check: writes the file anew from the directory that the environment names.
    @Test(
        "is made from a model directory",
        .enabled(if: ProcessInfo.processInfo.environment["SWIFTLET_TALES"] != nil))
    func regenerate() throws {
        let directory = try #require(ProcessInfo.processInfo.environment["SWIFTLET_TALES"])
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let path = root.appending(path: "Sources/CSwiftletTales/tales.gguf").path
        try GGUFExport(ModelSource(.directory(directory))) { _ in .f16 }.write(to: path)
    }
}
