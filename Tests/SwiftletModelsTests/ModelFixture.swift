import Foundation
import SwiftletFormats
import Testing

@testable import SwiftletCache
@testable import SwiftletModels
@testable import SwiftletTensor

/// A tiny checkpoint with the logits that the reference implementation computes for it.
struct ModelFixture {
    struct Prompt {
        let ids: [Int32]
        let logits: [[Float]]  // one row per id
    }

    let prompts: [Prompt]
    let greedyPrompt: [Int32]
    let greedyIDs: [Int32]

    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures").path

    static let directories =
        [
            "llama-mha", "llama-gqa", "llama-bias", "llama3-rope", "llama-linear-rope", "llama-yarn",
            "llama-old-config", "llama-gelu-tanh", "llama-gelu", "smollm2", "llama-sharded", "llama-f16",
            "llama-bf16", "mistral-sliding", "mistral", "qwen2", "qwen2-sliding", "qwen2-old-config", "qwen3",
            "qwen3-bias",
        ] + families
    /// Those of other architectures, and of settings that are rarer.
    static let families = [
        "gemma2", "gemma2-plain", "gemma3", "gemma3-plain", "phi3", "phi3-longrope", "llama-dynamic-rope",
        "mixtral", "qwen2-moe", "qwen2-moe-all", "qwen3-moe", "smollm3-listed", "smollm3-plain", "olmo2",
        "granite", "gpt2", "gpt2-plain", "stablelm", "stablelm-parallel", "phi2", "phi2-norms", "gpt-neox",
        "gpt-neox-sequential", "starcoder2", "starcoder2-plain", "cohere", "cohere-plain", "cohere2",
        "falcon", "falcon-new",
        "falcon-alibi", "bloom", "mpt", "mpt-plain", "deepseek-v2", "deepseek-v2-lite", "lfm2",
        "lfm2-bias", "lfm2-moe", "lfm2-moe-plain",
    ]
    static let ggufFiles = [
        "llama-gqa", "llama3-rope", "qwen2", "qwen3", "llama-q8_0", "gemma2-plain", "gemma3-plain", "phi3",
        "phi3-longrope", "mixtral", "qwen2-moe-all", "qwen3-moe", "smollm3-plain", "granite",
        "gpt2-plain", "stablelm", "phi2", "gpt-neox", "starcoder2-plain", "cohere-plain", "cohere2", "falcon",
        "falcon-new", "bloom", "mpt-plain", "deepseek-v2-lite", "lfm2", "lfm2-moe-plain",
    ]

    /// Every checkpoint as a path below ``folder``, with the name of its expected results.
    static let all =
        directories.map { (path: $0, name: $0) } + ggufFiles.map { (path: "gguf/\($0).gguf", name: $0) }

    init(_ name: String) throws {
        let json = try JSON.parse(contentsOf: "\(Self.folder)/\(name)/expected.json")
        let bytes = try Data(contentsOf: URL(filePath: "\(Self.folder)/\(name)/expected.f32"))
        let floats = bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        let width = try #require(json["vocabulary"]?.int)
        var prompts: [Prompt] = []
        for prompt in try #require(json["prompts"]).elements {
            let ids = try #require(prompt["ids"]).elements.compactMap(\.int).map(Int32.init)
            let first = try #require(prompt["row"]?.int)
            let logits = ids.indices.map { Array(floats[(first + $0) * width..<(first + $0 + 1) * width]) }
            prompts.append(Prompt(ids: ids, logits: logits))
        }
        let greedy = try #require(json["greedy"])
        greedyPrompt = prompts[try #require(greedy["prompt"]?.int)].ids
        greedyIDs = try #require(greedy["ids"]).elements.compactMap(\.int).map(Int32.init)
        self.prompts = prompts
    }

    /// Loads the checkpoint at a path below ``folder``.
    static func model(_ path: String) throws -> any LanguageModel {
        let full = "\(folder)/\(path)"
        let location: ModelLocation = path.hasSuffix(".gguf") ? .gguf(full) : .directory(full)
        let source = try ModelSource(location)
        return try ModelRegistry.architecture(of: source).load(source)
    }
}

/// Everything needed to run a model in a test.
struct Bench {
    let model: any LanguageModel
    let runner: Runner
    let kernels: Kernels

    init(
        _ model: any LanguageModel, kernels: Kernels = .best, threads: Int = 2,
        activations: ActivationPrecision = .quantized
    ) {
        self.model = model
        self.kernels = kernels
        runner = Runner(
            model: model,
            compute: Compute(kernels: kernels, threadCount: threads, activations: activations))
    }

    func sequence(
        format: KVFormat = .f32, policy: KVPolicy = .full, owners: [Int]? = nil
    ) throws -> KVSequence {
        let layers = model.cacheLayers
        return try KVSequence(
            layout: owners.map { try KVLayout(layers: layers, owners: $0) } ?? KVLayout(layers: layers),
            format: format, rope: model.configuration.rope, scale: model.configuration.attentionScale,
            policy: policy, pool: KVPagePool(), kernels: kernels)
    }

    /// Logits of all positions.
    func logits(_ ids: [Int32], _ sequence: KVSequence, chunk: Int = 512) throws -> [[Float]] {
        var rows: [[Float]] = []
        try runner.prefill(
            ids, sequence, chunk: chunk, phase: .prefill, wanted: .all, emit: { rows.append(Array($1)) })
        return rows
    }
}

extension Bench {
    /// Expects that a text can be taken back to `reachable` tokens and to none, not to `unreachable`, and that it goes on with
    /// the same bits.
    func expectTruncation(of ids: [Int32], to reachable: Int, notTo unreachable: Int) throws {
        let sequence = try sequence()
        let expected = try logits(ids, sequence, chunk: 64)
        #expect(sequence.canTruncate(to: 0) && !sequence.canTruncate(to: unreachable))
        #expect(sequence.canTruncate(to: reachable))
        try sequence.truncate(to: reachable)
        #expect(try logits(Array(ids[reachable...]), sequence) == Array(expected[reachable...]))
        try sequence.truncate(to: 0)
        #expect(try logits(ids, sequence) == expected)
    }
}

/// The largest difference between two lists of rows.
func largestDifference(_ a: [[Float]], _ b: [[Float]]) -> Float {
    guard a.count == b.count else { return .infinity }
    return zip(a, b).reduce(0) { worst, rows in
        guard rows.0.count == rows.1.count else { return .infinity }
        return zip(rows.0, rows.1).reduce(worst) { max($0, abs($1.0 - $1.1)) }
    }
}
