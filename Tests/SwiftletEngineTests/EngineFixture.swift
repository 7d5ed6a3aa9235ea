import Foundation
import SwiftletTensor
import SwiftletText

@testable import SwiftletEngine

/// A tiny random model with a tokenizer: 320 tokens, 256 of them bytes, context 64.
enum EngineFixture {
    static let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "SwiftletModelsTests/Fixtures/gguf/llama-q8_0.gguf").path

    static func model() throws -> Model { try Model.load(path) }

    static func session(
        _ change: (inout Session.Options) -> Void = { _ in }, model: Model? = nil
    ) throws -> Session {
        var options = Session.Options()
        options.threadCount = 1
        change(&options)
        return try Session(try model ?? self.model(), options)
    }

    /// `count` tokens of a text; all are bytes or pieces, none is special.
    static func prompt(_ count: Int, seed: Int = 1) -> [TokenID] {
        (0..<count).map { TokenID(3 + ($0 * 37 + seed * 101) % 317) }
    }
}

extension GenerationOptions {
    /// Greedy or seeded, without the model's own ends unless asked for.
    static func test(_ maxTokens: Int?, seed: UInt64? = nil) -> GenerationOptions {
        var options = GenerationOptions()
        options.maxTokens = maxTokens
        options.sampling = seed.map { seed in samplingOptions { $0.seed = seed } } ?? .greedy
        return options
    }
}

/// All that a generation wrote.
struct Written: Hashable {
    var text = ""
    var tokens: [TokenID] = []
    var reason: FinishReason?

    init(
        _ session: Session, _ prompt: [TokenID], _ options: GenerationOptions, cancelAfter: Int? = nil
    ) throws {
        var generation = try Generation(session, prompt: prompt, options: options)
        while let piece = try generation.next() {
            text += piece.text
            if let token = piece.token { tokens.append(token) }
            if tokens.count == cancelAfter { generation.cancel() }
        }
        reason = generation.finishReason
        precondition(tokens == generation.tokens, "pieces and tokens differ")
    }
}

extension Tokenizer {
    /// The text of tokens that follow others.
    func continuation(_ ids: [TokenID]) -> String {
        String(decoding: ids.filter { !isSpecial($0) }.flatMap(bytes(of:)), as: UTF8.self)
    }
}
