import SwiftletTensor
import Testing

@testable import SwiftletEngine

@Suite("Mixes of formats")
struct QuantizationMixTests {
    /// The names and row lengths of a model.
    private func matrices(layers: Int, tied: Bool = false) -> [String: Int] {
        var columns = ["token_embd.weight": 256]
        if !tied { columns["output.weight"] = 256 }
        for layer in 0..<layers {
            for part in ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"] {
                columns["blk.\(layer).\(part).weight"] = 256
            }
        }
        return columns
    }

    private func formats(
        _ type: QuantizationType, layers: Int = 16, tied: Bool = false,
        _ change: (inout QuantizationMix.Facts) -> Void = { _ in }
    ) -> [String: NumberFormat] {
        var facts = QuantizationMix.Facts()
        (facts.architecture, facts.layerCount, facts.headCount, facts.kvHeadCount) = ("llama", layers, 8, 8)
        change(&facts)
        let columns = matrices(layers: layers, tied: tied)
        return QuantizationMix(type, facts, columns: columns, isTied: tied).formats
    }

    /// The layers in which a part gets a format.
    private func layers(_ part: String, _ format: NumberFormat, in all: [String: NumberFormat]) -> [Int] {
        (0..<100).filter { all["blk.\($0).\(part).weight"] == format }
    }

    @Test("the output matrix gets q6_K, or q8_0 where the rest has it", arguments: QuantizationType.allCases)
    func output(type: QuantizationType) {
        guard type.format.blockElements > 1 else { return }
        let most = type == .mxfp4_moe ? .q8_0 : type.format,
            expected: NumberFormat = most == .q8_0 ? .q8_0 : .q6_K
        let isTernary = type == .tq1_0 || type == .tq2_0
        #expect(formats(type)["output.weight"] == expected)
        #expect(formats(type)["token_embd.weight"] == (isTernary ? .q4_K : most))
        #expect(formats(type, tied: true)["token_embd.weight"] == expected)
        #expect(layers("ffn_up", most, in: formats(type)) == Array(0..<16))
    }

    /// As llama-quantize mixes a model of 16 layers.
    @Test("sensitive layers get more bits")
    func sensitive() {
        let some = [0, 1, 4, 7, 10, 13, 14, 15]
        for type in [QuantizationType.q4_K_M, .q5_K_M] {
            let found = formats(type)
            #expect(layers("attn_v", .q6_K, in: found) == some)
            #expect(layers("ffn_down", .q6_K, in: found) == some)
            #expect(layers("attn_output", type.format, in: found) == Array(0..<16))
        }
        let small = formats(.q4_K_S)
        #expect(layers("attn_v", .q5_K, in: small) == [0, 1, 2, 3])
        #expect(layers("ffn_down", .q5_K, in: small) == [0, 1])
        let medium = formats(.q3_K_M)
        #expect(layers("attn_v", .q5_K, in: medium) == [0, 1])
        #expect(layers("attn_v", .q4_K, in: medium) == Array(2..<16))
        #expect(layers("ffn_down", .q5_K, in: medium) == [0])
        #expect(layers("ffn_down", .q4_K, in: medium) == Array(1..<16))
        #expect(layers("attn_output", .q4_K, in: medium) == Array(0..<16))
        let large = formats(.q3_K_L)
        for part in ["attn_v", "ffn_down", "attn_output"] {
            #expect(layers(part, .q5_K, in: large) == Array(0..<16))
        }
        for type in [QuantizationType.iq4_nl, .iq4_xs] {
            #expect(layers("attn_v", type.format, in: formats(type)) == Array(0..<16))
            #expect(layers("ffn_down", .q5_K, in: formats(type)) == [0, 1])
            let shared = formats(type) { $0.kvHeadCount = 2 }
            #expect(layers("attn_v", .q5_K, in: shared) == Array(0..<16))
        }
        let tiny = formats(.q2_K)
        for part in ["attn_v", "ffn_down", "attn_output"] {
            #expect(layers(part, .q3_K, in: tiny) == Array(0..<16))
        }
    }

    @Test("shared keys, many layers and experts change the rules")
    func facts() {
        let shared = formats(.q2_K) { $0.kvHeadCount = 2 }
        #expect(layers("attn_v", .q4_K, in: shared) == Array(0..<16))
        let large = formats(.q4_K_M, layers: 80) { $0.kvHeadCount = 2 }
        #expect(layers("attn_v", .q4_K, in: large).isEmpty)
        #expect(layers("attn_v", .q5_K, in: large).count == 40)
        let experts = formats(.q4_K_M) { $0.expertCount = 8 }
        #expect(layers("attn_v", .q8_0, in: experts) == Array(0..<16))
        #expect(layers("attn_k", .q8_0, in: experts) == Array(0..<16))
        #expect(layers("attn_output", .q5_K, in: experts) == Array(0..<16))
        let columns = ["blk.0.ffn_up_exps.weight": 256, "blk.0.attn_q.weight": 256]
        let mixture = QuantizationMix(.mxfp4_moe, .init(), columns: columns, isTied: false).formats
        #expect(mixture["blk.0.ffn_up_exps.weight"] == .mxfp4)
        #expect(mixture["blk.0.attn_q.weight"] == .q8_0)
    }

    @Test("names are those of llama-quantize, in any case")
    func names() throws {
        #expect(try QuantizationType(named: "Q4_K_M") == .q4_K_M)
        #expect(try QuantizationType(named: "Q4_K") == .q4_K_M)
        #expect(try QuantizationType(named: "q3_k") == .q3_K_M)
        #expect(try QuantizationType(named: "MXFP4") == .mxfp4_moe)
        #expect(try QuantizationType(named: "q5_k").fileType == 17)
        #expect(Set(QuantizationType.allCases.map(\.fileType)).count == QuantizationType.allCases.count)
        for name in ["", "q4_K_L", "i8", "iq2_xs", "IQ3_S", "nvfp4"] {
            #expect(throws: SwiftletError.self) { try QuantizationType(named: name) }
        }
    }
}
