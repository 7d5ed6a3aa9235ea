import Foundation
import SwiftletTestSupport
import Testing

@testable import SwiftletFormats
@testable import SwiftletModels
@testable import SwiftletTensor

@Suite("Packed checkpoints")
struct LayoutTests {
    /// A checkpoint of `Fixtures/layouts` and the format that its matrices get.
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let format: NumberFormat
        let summary: String
        var testDescription: String { name }
    }

    static let cases: [Case] = [
        Case(name: "gptq", format: .q4_0, summary: "GPTQ, 4 bits"),
        Case(name: "gptq-v2", format: .q8_0, summary: "GPTQ, 4 bits"),
        Case(name: "gptq-ordered", format: .f16, summary: "GPTQ, 4 bits, ordered by activation"),
        Case(name: "gptq-3", format: .q4_0, summary: "GPTQ, 3 bits"),
        Case(name: "gptq-8", format: .q8_0, summary: "GPTQ, 8 bits"),
        Case(name: "awq", format: .q8_0, summary: "AWQ, 4 bits"),
        Case(name: "fp8-block", format: .f16, summary: "FP8 in blocks of 32×32"),
        Case(name: "fp8-tensor", format: .f16, summary: "FP8"),
        Case(name: "fp8-row", format: .f16, summary: "compressed-tensors, float-quantized, 8 bits"),
        Case(name: "nf4", format: .f16, summary: "bitsandbytes, NF4"),
        Case(name: "fp4", format: .f16, summary: "bitsandbytes, FP4"),
        Case(name: "int8", format: .q8_0, summary: "bitsandbytes, 8 bits"),
        Case(name: "packed", format: .q4_0, summary: "compressed-tensors, pack-quantized, 4 bits"),
        Case(name: "packed-affine", format: .q8_0, summary: "compressed-tensors, pack-quantized, 4 bits"),
        Case(name: "integers", format: .q8_0, summary: "compressed-tensors, int-quantized, 8 bits"),
    ]

    @Test("logits are those of the unpacked weights", arguments: cases)
    func logits(_ each: Case) throws {
        let fixture = try ModelFixture("layouts/\(each.name)")
        let bench = Bench(try ModelFixture.model("layouts/\(each.name)"), activations: .exact)
        // Logits reach 32. What binary16 rounds is off by 2⁻¹² of itself, which moves some of them by a hundredth;
        // a code read wrong moves them by whole numbers.
        let tolerance: Float = each.format == .f16 ? 0.03 : 4e-4
        for prompt in fixture.prompts {
            let found = try bench.logits(prompt.ids, bench.sequence())
            #expect(largestDifference(found, prompt.logits) <= tolerance)
        }
    }

    @Test("matrices get the smallest format that holds them", arguments: cases)
    func formats(_ each: Case) throws {
        let directory = try HuggingFaceDirectory(path: "\(ModelFixture.folder)/layouts/\(each.name)")
        #expect(try directory.quantizationLayout()?.summary == each.summary)
        let weights = try directory.weights()
        let names = weights.tensorNames.filter { $0.contains("_proj.") }
        #expect(names.count == 7)
        for name in names {
            let tensor = try #require(try weights.tensor(named: name))
            // The 32 columns of this one are a single group, in whatever order.
            if each.name == "gptq-ordered" && name.contains("down_proj") { continue }
            #expect(tensor.format == each.format && tensor.shape.count == 2, "\(name)")
        }
    }

    @Test("numbers of 8 bits mean what torch says")
    func eightBits() throws {
        let bytes = (0..<256).map { UInt8($0) }
        let e4m3 = try Tensor(shape: [256], format: .f8_e4m3, copying: bytes).floats()
        let e5m2 = try Tensor(shape: [256], format: .f8_e5m2, copying: bytes).floats()
        #expect(
            e4m3[0x7e] == 448 && e4m3[0x01] == 0x1p-9 && e4m3[0xb8] == -1 && e4m3[0x7f].isNaN
                && e4m3[0xff].isNaN)
        #expect(e5m2[0x7b] == 57344 && e5m2[0x7c] == .infinity && e5m2[0x01] == 0x1p-16 && e5m2[0xbc] == -1)
        #expect(e4m3.filter(\.isNaN).count == 2 && e5m2.filter(\.isNaN).count == 6)
    }

    // MARK: Refusals

    private func layout(_ json: String) throws -> QuantizationLayout? {
        try QuantizationLayout(JSON.parse(Array(json.utf8), source: "test"), path: "config.json")
    }

    @Test("other methods and options are refused by name")
    func refusals() throws {
        #expect(try layout("{}") == nil)
        #expect(try layout("{\"quantization_config\": null}") == nil)
        for (config, words) in [
            ("{\"quant_method\": \"aqlm\"}", "'aqlm'"),
            ("{\"quant_method\": \"gptq\", \"bits\": 5}", "'5'"),
            ("{\"quant_method\": \"gptq\", \"checkpoint_format\": \"marlin\"}", "'marlin'"),
            ("{\"quant_method\": \"awq\", \"version\": \"gemv\"}", "'gemv'"),
            ("{\"quant_method\": \"bitsandbytes\", \"bnb_4bit_quant_type\": \"int4\"}", "'int4'"),
            ("{\"quant_method\": \"compressed-tensors\", \"format\": \"marlin-24\"}", "'marlin-24'"),
        ] {
            SwiftletTestSupport.expectError(.unsupported, words, "config.json") {
                try layout("{\"quantization_config\": \(config)}")
            }
        }
        for config in ["{}", "{\"quant_method\": 3}", "{\"quant_method\": \"gptq\", \"bits\": \"four\"}"] {
            SwiftletTestSupport.expectError(.malformed, "quantization_config", "config.json") {
                try layout("{\"quantization_config\": \(config)}")
            }
        }
    }

    /// A checkpoint with some tensors of one layer.
    private func weights(
        _ config: String, _ tensors: [(name: String, tensor: Tensor)], in folder: TemporaryDirectory
    ) throws -> any TensorSource {
        let config = "{\"quantization_config\": \(config)}"
        try config.write(toFile: "\(folder.path)/config.json", atomically: true, encoding: .utf8)
        var writer = try SafetensorsWriter(
            path: "\(folder.path)/model.safetensors",
            tensors: tensors.map { .init(name: $0.name, shape: $0.tensor.shape, format: $0.tensor.format) })
        for (_, tensor) in tensors { try writer.write(tensor.bytes) }
        try writer.finish()
        return try HuggingFaceDirectory(path: folder.path).weights()
    }

    private func words(_ shape: [Int]) -> Tensor {
        Tensor(shape: shape, format: .i32, copying: Array(repeating: 0x11, count: 4 * shape.reduce(1, *)))
    }

    @Test("parts that do not fit each other are refused, not read past their end", arguments: 0..<8)
    func damagedParts(index: Int) throws {
        let folder = TemporaryDirectory()
        let scales = Tensor(shape: [2, 16], floats: Array(repeating: 1, count: 32))
        let gptq = "{\"quant_method\": \"gptq\"}", awq = "{\"quant_method\": \"awq\"}"
        let bits = "{\"quant_method\": \"bitsandbytes\", \"bnb_4bit_quant_type\": \"nf4\"}"
        let fp8 = "{\"quant_method\": \"fp8\"}"
        let bytes = Tensor(shape: [4, 4], format: .f8_e4m3, copying: Array(repeating: 0x38, count: 16))
        let packed = Tensor(shape: [8, 1], format: .u8, copying: Array(repeating: 0, count: 8))
        let blob = Array("{\"shape\": [4, 1000000], \"blocksize\": 64}".utf8)
        let cases: [(String, [(String, Tensor)])] = [
            (gptq, [("x.qweight", words([8, 16])), ("x.scales", scales)]),
            (gptq, [("x.qweight", words([8, 16])), ("x.scales", scales), ("x.qzeros", words([1, 2]))]),
            (
                gptq,
                [
                    ("x.qweight", words([8, 16])), ("x.scales", scales), ("x.qzeros", words([2, 2])),
                    ("x.g_idx", words([64])),
                ]
            ),
            (gptq, [("x.qweight", words([8, 8])), ("x.scales", scales), ("x.qzeros", words([2, 2]))]),
            (awq, [("x.qweight", words([64, 3])), ("x.scales", scales), ("x.qzeros", words([2, 3]))]),
            (fp8, [("x.weight", bytes), ("x.weight_scale", scales)]),
            (bits, [("x.weight", packed)]),
            (
                bits,
                [
                    ("x.weight", packed),
                    (
                        "x.weight.quant_state.bitsandbytes__nf4",
                        Tensor(shape: [blob.count], format: .u8, copying: blob)
                    ),
                ]
            ),
        ]
        let source = try weights(cases[index].0, cases[index].1, in: folder)
        #expect(throws: SwiftletError.self) { try source.tensor(named: "x.weight") }
    }
}
