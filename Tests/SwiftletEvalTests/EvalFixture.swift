import Foundation
import SwiftletCache
import SwiftletEngine
import SwiftletText

@testable import SwiftletEval

/// A tiny random model with a tokenizer: 320 tokens, 256 of them bytes, context 64.
enum EvalFixture {
    static let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "SwiftletModelsTests/Fixtures/gguf/llama-q8_0.gguf").path

    static func model() throws -> Model { try Model.load(path) }

    /// One thread, with a policy.
    static func options(
        _ policy: String? = nil, budget: String? = nil, model: Model, contextLength: Int = 64
    ) throws -> Session.Options {
        var options = Session.Options()
        options.threadCount = 1
        options.contextLength = contextLength
        options.policy = try model.policy(policy, budget: budget)
        return options
    }

    /// `count` tokens that are not special.
    static func tokens(_ count: Int, seed: Int = 1) -> [TokenID] {
        (0..<count).map { TokenID(3 + ($0 * 37 + $0 * $0 * 11 + seed * 101) % 317) }
    }
}

/// Every token that was handed out, with its row.
struct Scored: Equatable {
    var targets: [TokenID] = []
    var rows: [[Float]] = []

    mutating func add(_ target: TokenID, _ logits: UnsafeBufferPointer<Float>) {
        targets.append(target)
        rows.append(Array(logits))
    }
}
