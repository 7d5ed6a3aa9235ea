import Foundation
import SwiftletTestSupport
import Testing

@testable import SwiftletCache
@testable import SwiftletFormats
@testable import SwiftletModels
@testable import SwiftletTensor

@Suite("LoRA adapters")
struct AdapterTests {
    private static let ids: [Int32] = [3, 77, 17, 8, 92, 5, 11, 22, 1, 54, 60, 9]
    private static let folder = "\(ModelFixture.folder)/adapters"
    /// Logits reach 10 with these adapters; as for the models themselves, the reference is off by 2e-5.
    private static let tolerance: Float = 1e-4

    private func source(_ path: String) throws -> ModelSource {
        let full = "\(ModelFixture.folder)/\(path)"
        return try ModelSource(path.hasSuffix(".gguf") ? .gguf(full) : .directory(full))
    }

    private func adapter(_ name: String, for path: String) throws -> LoRAAdapter {
        let source = try source(path)
        let model = try ModelRegistry.architecture(of: source).load(source)
        return try LoRAAdapter(path: "\(Self.folder)/\(name)", for: try AdapterTarget(source, model))
    }

    private func changes(_ uses: [(name: String, scale: Float)], for path: String) throws -> WeightChanges {
        WeightChanges(
            try uses.map { (try adapter($0.name, for: path).updates, $0.scale) }, identity: "\(uses)")
    }

    private func logits(_ bench: Bench, _ changes: WeightChanges?) throws -> [[Float]] {
        let sequence = try bench.sequence()
        sequence.weightChanges = changes
        return try bench.logits(Self.ids, sequence)
    }

    private func expected(_ name: String) throws -> [[Float]] {
        let data = try Data(contentsOf: URL(filePath: "\(Self.folder)/\(name)"))
        let floats = data.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        let width = floats.count / Self.ids.count
        return Self.ids.indices.map { Array(floats[$0 * width..<($0 + 1) * width]) }
    }

    /// An adapter, a model it fits, and the logits of both. GGUF files of Llama keep heads in another order than
    /// checkpoints, and adapters as the files they were made for.
    struct Case: Sendable, CustomTestStringConvertible {
        let adapter: String
        let model: String
        let expected: String
        var testDescription: String { "\(adapter) for \(model)" }
    }

    static let cases: [Case] = [
        Case(adapter: "llama-all", model: "llama-gqa", expected: "llama-all"),
        Case(adapter: "llama-all/adapter_model.safetensors", model: "llama-gqa", expected: "llama-all"),
        Case(adapter: "llama-all", model: "gguf/llama-gqa.gguf", expected: "llama-all"),
        Case(adapter: "llama-all.gguf", model: "llama-gqa", expected: "llama-all"),
        Case(adapter: "llama-all.gguf", model: "gguf/llama-gqa.gguf", expected: "llama-all"),
        Case(adapter: "llama-two", model: "llama-gqa", expected: "llama-two"),
        Case(adapter: "llama-patterns", model: "gguf/llama-gqa.gguf", expected: "llama-patterns"),
        Case(adapter: "qwen3", model: "qwen3", expected: "qwen3"),
        Case(adapter: "qwen3.gguf", model: "gguf/qwen3.gguf", expected: "qwen3"),
        Case(adapter: "qwen3.gguf", model: "qwen3", expected: "qwen3"),
        Case(adapter: "phi3-fused", model: "phi3", expected: "phi3-fused"),
        Case(adapter: "phi3-fused", model: "gguf/phi3.gguf", expected: "phi3-fused"),
        Case(adapter: "phi3-fused.gguf", model: "phi3", expected: "phi3-fused"),
    ]

    @Test("logits are those of PEFT", arguments: cases)
    func parity(_ each: Case) throws {
        let bench = Bench(try ModelFixture.model(each.model), activations: .exact)
        let found = try logits(bench, try changes([(each.adapter, 1)], for: each.model))
        #expect(largestDifference(found, try expected("\(each.expected)/expected.f32")) <= Self.tolerance)
    }

    @Test("several at once, each with its scale; nothing at a scale of 0")
    func several() throws {
        let bench = Bench(try ModelFixture.model("llama-gqa"), activations: .exact)
        let both = try changes([("llama-all", 0.5), ("llama-two", -1.5)], for: "llama-gqa")
        #expect(largestDifference(try logits(bench, both), try expected("llama-both.f32")) <= Self.tolerance)
        let none = try changes([("llama-all", 0)], for: "llama-gqa")
        #expect(try logits(bench, none) == logits(bench, nil))
    }

    @Test("sequences with different adapters in one step have the bits that they have alone")
    func batch() throws {
        let bench = Bench(try ModelFixture.model("llama-gqa"))
        let mixes = [
            nil, try changes([("llama-all", 1)], for: "llama-gqa"),
            try changes([("llama-all", 0.25), ("llama-two", 2)], for: "llama-gqa"),
        ]
        func sequences() throws -> [KVSequence] {
            try mixes.map { mix in
                let sequence = try bench.sequence()
                sequence.weightChanges = mix
                return sequence
            }
        }
        let alone = try sequences(), together = try sequences().map { KVSequence(forking: $0) }
        var expected: [[Float]] = []
        for sequence in alone {
            for id in Self.ids.prefix(4) {
                try bench.runner.decode([(sequence, id)]) { expected.append(Array($1)) }
            }
        }
        var found = [[Float]](repeating: [], count: expected.count)
        for (step, id) in Self.ids.prefix(4).enumerated() {
            try bench.runner.decode(together.map { ($0, id) }) { found[$0 * 4 + step] = Array($1) }
        }
        #expect(found == expected)
        #expect(expected[3] != expected[7] && expected[7] != expected[11])
    }

    @Test("a merged model gives what the adapter gives", arguments: ["llama-gqa", "gguf/llama-gqa.gguf"])
    func merge(path: String) throws {
        let folder = TemporaryDirectory()
        let uses: [(name: String, scale: Float)] = [("llama-all", 0.5), ("llama-two", -1.5)]
        var export = try GGUFExport(try source(path), tokenizer: []) { _ in .f32 }
        try export.merge(try changes(uses, for: path))
        try export.write(to: "\(folder.path)/merged.gguf")
        let merged = try ModelSource(.gguf("\(folder.path)/merged.gguf"))
        let bench = Bench(
            try ModelRegistry.architecture(of: merged).load(merged), activations: .exact)
        #expect(largestDifference(try logits(bench, nil), try expected("llama-both.f32")) <= Self.tolerance)
    }

    // MARK: Refusals

    /// The directory of an adapter with one key of its configuration changed.
    private func changed(_ key: String, _ value: String, in folder: TemporaryDirectory) throws -> String {
        let path = "\(folder.path)/adapter"
        try FileManager.default.copyItem(atPath: "\(Self.folder)/llama-two", toPath: path)
        let config = URL(filePath: "\(path)/adapter_config.json")
        var members =
            try JSONSerialization.jsonObject(with: Data(contentsOf: config)) as? [String: any Sendable] ?? [:]
        members[key] = try JSONSerialization.jsonObject(with: Data("[\(value)]".utf8)) as? [any Sendable]
        var text = String(decoding: try JSONSerialization.data(withJSONObject: members), as: UTF8.self)
        if let wrapped = members[key] {
            let list = String(
                decoding: try JSONSerialization.data(withJSONObject: wrapped), as: UTF8.self)
            text = text.replacingOccurrences(of: "\"\(key)\":\(list)", with: "\"\(key)\":\(value)")
        }
        try Data(text.utf8).write(to: config)
        return path
    }

    @Test(
        "what is no plain LoRA is refused by name",
        arguments: [
            ("use_dora", "true"), ("bias", "\"all\""), ("modules_to_save", "[\"lm_head\"]"),
            ("peft_type", "\"IA3\""), ("init_lora_weights", "\"pissa_niter_4\""), ("lora_bias", "true"),
        ])
    func refusals(key: String, value: String) throws {
        let folder = TemporaryDirectory()
        let path = try changed(key, value, in: folder)
        let source = try source("llama-gqa")
        let target = try AdapterTarget(source, try ModelRegistry.architecture(of: source).load(source))
        SwiftletTestSupport.expectError(.unsupported, key, path) { try LoRAAdapter(path: path, for: target) }
    }

    @Test("an adapter for another model is refused")
    func otherModels() throws {
        #expect(throws: SwiftletError.self) { try adapter("llama-all", for: "qwen3") }
        #expect(throws: SwiftletError.self) { try adapter("qwen3.gguf", for: "gguf/llama-gqa.gguf") }
        #expect(throws: SwiftletError.self) { try adapter("phi3-fused", for: "llama-gqa") }
        #expect(throws: SwiftletError.self) { try adapter("../gguf/llama-gqa.gguf", for: "llama-gqa") }
        #expect(throws: SwiftletError.self) { try adapter("nothing-here", for: "llama-gqa") }
    }
}
