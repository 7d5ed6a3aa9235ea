import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletModels

@Suite("Configurations of GGUF files")
struct ConfigurationGGUFTests {
    /// Keys that a file cannot do without, for two layers of four heads of eight dimensions.
    private static let requiredSizes: [(String, Int)] = [
        ("embedding_length", 32), ("attention.head_count", 4), ("block_count", 2), ("context_length", 64),
        ("feed_forward_length", 48),
    ]

    /// Reads a file with the sizes above, changed by `keys` (`nil` removes one), and with these tensors.
    private func configuration(
        _ name: String = "llama", _ keys: [String: GGUFValue?] = [:], tensors: [String: [Int]] = [:]
    ) throws -> DecoderConfiguration {
        var values = Dictionary(
            uniqueKeysWithValues: Self.requiredSizes.map { ($0.0, GGUFValue(UInt32($0.1))) })
        for (key, value) in keys { values[key] = value }
        let metadata = values.sorted { $0.key < $1.key }.map { (key: "\(name).\($0.key)", value: $0.value) }
        var shapes = tensors
        shapes["token_embd.weight", default: [101, 32]] += []
        let folder = TemporaryDirectory()
        let path = "\(folder.path)/model.gguf"
        let sorted = shapes.sorted { $0.key < $1.key }
        var writer = try GGUFWriter(
            path: path, metadata: [(key: "general.architecture", value: GGUFValue(name))] + metadata,
            tensors: sorted.map { TensorDeclaration(name: $0.key, shape: $0.value, format: .f32) })
        for (_, shape) in sorted {
            try writer.write(Tensor(shape: shape, floats: Array(repeating: 2, count: shape.reduce(1, *))))
        }
        try writer.finish()
        let source = try ModelSource(.gguf(path))
        return try ModelRegistry.architecture(of: source).configuration(of: source)
    }

    @Test("absent keys mean the format's defaults", arguments: ["llama", "mistral", "qwen2", "qwen3"])
    func defaults(name: String) throws {
        let pairing: Rope.Pairing = name.hasPrefix("qwen") ? .halves : .adjacent
        var expected = DecoderConfiguration(
            architecture: name, vocabularySize: 101, hiddenSize: 32, innerSize: 48, layerCount: 2,
            headCount: 4,
            kvHeadCount: 4, headSize: 8, contextLength: 64, normEpsilon: 1e-5,
            rope: Rope(base: 10_000, rotatedSize: 8, pairing: pairing), windows: [nil, nil])
        expected.tiesEmbeddings = true
        if name == "qwen3" { expected.form.headNorm = .perHead }
        #expect(try configuration(name) == expected)
    }

    @Test("keys and tensors change what they say")
    func keys() throws {
        #expect(
            try configuration("llama", ["attention.head_count_kv": GGUFValue(UInt32(2))]).kvHeadCount == 2)
        #expect(
            try configuration(
                "llama",
                [
                    "attention.key_length": GGUFValue(UInt32(6)),
                    "attention.value_length": GGUFValue(UInt32(6)),
                ]
            )
            .headSize == 6)
        #expect(
            try configuration("llama", ["attention.sliding_window": GGUFValue(UInt32(7))]).windows == [7, 7])
        #expect(
            try configuration("llama", ["attention.layer_norm_rms_epsilon": GGUFValue(Float(0.5))])
                .normEpsilon == 0.5)
        #expect(try !configuration("llama", tensors: ["output.weight": [101, 32]]).tiesEmbeddings)
        #expect(try configuration("qwen2", tensors: ["blk.0.attn_q.bias": [32]]).hasQueryKeyValueBias)
        #expect(try configuration("llama", tensors: ["blk.0.attn_output.bias": [32]]).hasOutputBias)
        #expect(try configuration("llama", tensors: ["blk.0.ffn_up.bias": [48]]).hasFeedForwardBias)
    }

    @Test("rotation and its scalings")
    func rotation() throws {
        func rope(_ keys: [String: GGUFValue], tensors: [String: [Int]] = [:]) throws -> Rope {
            try configuration("qwen2", keys, tensors: tensors).rope
        }
        #expect(try rope(["rope.freq_base": GGUFValue(Float(500))]) == Rope(base: 500, rotatedSize: 8))
        #expect(
            try rope(["rope.dimension_count": GGUFValue(UInt32(4))]) == Rope(base: 10_000, rotatedSize: 4))
        let linear = Rope(base: 10_000, rotatedSize: 8, scaling: .linear(factor: 4))
        #expect(try rope(["rope.scaling.factor": GGUFValue(Float(4))]) == linear)
        #expect(try rope(["rope.scale_linear": GGUFValue(Float(4))]) == linear)
        #expect(
            try rope(["rope.scaling.factor": GGUFValue(Float(4)), "rope.scaling.type": GGUFValue("none")])
                == Rope(base: 10_000, rotatedSize: 8))
        #expect(
            try rope([
                "rope.scaling.factor": GGUFValue(Float(4)), "rope.scaling.type": GGUFValue("yarn"),
                "rope.scaling.original_context_length": GGUFValue(UInt32(16)),
            ])
                == Rope(
                    base: 10_000, rotatedSize: 8,
                    scaling: .yarn(
                        factor: 4, betaFast: 32, betaSlow: 1, originalContext: 16,
                        attentionFactor: Rope.yarnMagnitude(4, 1), truncate: true)))
        #expect(
            try rope([:], tensors: ["rope_freqs.weight": [4]])
                == Rope(base: 10_000, rotatedSize: 8, scaling: .divisors([2, 2, 2, 2])))
    }

    /// A key that cannot be, and what the message has to say about it.
    private func refuses(
        _ key: String, _ value: GGUFValue?, _ mentions: String...,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let error = #expect(throws: SwiftletError.self, sourceLocation: sourceLocation) {
            try configuration("llama", [key: value])
        }
        guard let error else { return }
        for part in ["model.gguf"] + mentions {
            #expect(error.message.contains(part), "\(error)", sourceLocation: sourceLocation)
        }
    }

    @Test("a missing size is named", arguments: requiredSizes.map(\.0))
    func missing(key: String) { refuses(key, nil, "llama.\(key)", "missing") }

    @Test("wrong types name the key and what was found")
    func types() {
        refuses("block_count", GGUFValue("two"), "llama.block_count", "'two'", "integer")
        refuses("block_count", GGUFValue(Float(2)), "llama.block_count", "2.0")
        refuses(
            "attention.head_count_kv", GGUFValue([UInt32(2), 1]), "llama.attention.head_count_kv", "array")
        refuses("rope.freq_base", GGUFValue("x"), "llama.rope.freq_base", "'x'", "number")
        refuses("rope.freq_base", GGUFValue(Float.nan), "llama.rope.freq_base", "nan")
        refuses("rope.scaling.type", GGUFValue(UInt32(1)), "llama.rope.scaling.type", "1", "string")
    }

    @Test("sizes of no model are refused before anything is allocated")
    func sizes() {
        for huge in [UInt64(1) << 40, UInt64(Int.max), .max] {
            // Numbers beyond 63 bits are no integers to us, and the hidden size is refused as the size of a head.
            for (key, _) in Self.requiredSizes {
                let shown = key == "embedding_length" ? "\(huge / 4)" : "\(huge)"
                refuses(key, GGUFValue(huge), huge == .max ? key : shown)
            }
            refuses("attention.key_length", GGUFValue(huge), huge == .max ? "key_length" : "\(huge)")
            refuses("rope.dimension_count", GGUFValue(huge), huge == .max ? "dimension_count" : "\(huge)")
        }
        for (key, _) in Self.requiredSizes { refuses(key, GGUFValue(Int32(-1))) }
        for (key, _) in Self.requiredSizes { refuses(key, GGUFValue(Int32(0))) }
        refuses("attention.head_count_kv", GGUFValue(UInt32(3)), "3", "4")
        refuses("attention.head_count_kv", GGUFValue(UInt32(0)), "0")
        refuses("attention.value_length", GGUFValue(UInt32(4)), "8", "4")
        refuses("rope.dimension_count", GGUFValue(UInt32(5)), "5")
        refuses("rope.dimension_count", GGUFValue(UInt32(10)), "10", "8")
    }

    @Test("rotations that cannot be")
    func rotations() {
        refuses("rope.freq_base", GGUFValue(Float(0)), "base 0")
        refuses("rope.scaling.factor", GGUFValue(Float(-1)), "llama.rope.scaling.factor", "-1")
        refuses("rope.scaling.type", GGUFValue("longrope"), "'longrope'", "yarn")
        #expect(throws: SwiftletError.self) {
            try configuration(
                "llama",
                [
                    "rope.scaling.type": GGUFValue("yarn"),
                    "rope.scaling.original_context_length": GGUFValue(Int32(-5)),
                ])
        }
        for shape in [[3], [8], [2, 2, 2]] {
            #expect(throws: SwiftletError.self) { try configuration(tensors: ["rope_freqs.weight": shape]) }
        }
    }

    @Test("a file without an embedding matrix is a vocabulary, not a model")
    func embedding() {
        #expect(throws: SwiftletError.self) { try configuration(tensors: ["token_embd.weight": [101]]) }
    }
}
