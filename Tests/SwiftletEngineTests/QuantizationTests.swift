import SwiftletFormats
import SwiftletModels
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletEngine

@Suite("Quantization")
struct QuantizationTests {
    /// A model of random weights with an output matrix of its own, or not.
    private func model(tied: Bool, in folder: TemporaryDirectory) throws -> String {
        let path = "\(folder.path)/\(tied ? "tied" : "untied").gguf"
        var shape = try SyntheticShape("hidden=64,layers=2,heads=4,kv-heads=2,inner=96")
        shape.tiesEmbeddings = tied
        try SyntheticModel(.llama, shape, format: .f32).write(to: path)
        return path
    }

    private func formats(_ quantization: Quantization, _ path: String) throws -> [String: NumberFormat] {
        let folder = TemporaryDirectory()
        let report = try #require(try quantization.convert(path, to: "\(folder.path)/out.gguf"))
        return Dictionary(uniqueKeysWithValues: report.rows.map { ($0.name, $0.newFormat) })
    }

    @Test("keeps the output matrix fine and vectors exact", arguments: [true, false])
    func mix(tied: Bool) throws {
        let folder = TemporaryDirectory()
        let path = try model(tied: tied, in: folder)
        // Rows of 64 do not fill blocks of 256, so that q6_K becomes q8_0.
        let found = try formats(Quantization(.q4_0), path)
        #expect(found["token_embd.weight"] == (tied ? .q8_0 : .q4_0))
        #expect(found["output.weight"] == (tied ? nil : .q8_0))
        #expect(found["blk.1.ffn_down.weight"] == .q4_0)
        #expect(found["blk.0.attn_norm.weight"] == .f32)
    }

    @Test("does what the flags ask, the first pattern before all")
    func choices() throws {
        let folder = TemporaryDirectory()
        let path = try model(tied: false, in: folder)
        var quantization = Quantization(.q4_0)
        quantization.isPure = true
        #expect(try formats(quantization, path)["output.weight"] == .q4_0)
        quantization.outputFormat = .f16
        quantization.embeddingFormat = .q5_1
        quantization.overrides = [
            try .init(pattern: "blk\\.1\\.ffn_(up|down)", format: .q8_0),
            try .init(pattern: "ffn_up", format: .bf16),
        ]
        let found = try formats(quantization, path)
        #expect(found["output.weight"] == .f16)
        #expect(found["token_embd.weight"] == .q5_1)
        #expect(found["blk.1.ffn_up.weight"] == .q8_0)
        #expect(found["blk.0.ffn_up.weight"] == .bf16)
        #expect(found["blk.0.ffn_down.weight"] == .q4_0)
    }

    @Test("reports errors within the formats' bounds", arguments: QuantizationType.allCases)
    func errors(type: QuantizationType) throws {
        let folder = TemporaryDirectory()
        let path = try model(tied: true, in: folder)
        let out = "\(folder.path)/out.gguf"
        let report = try #require(try Quantization(type).convert(path, to: out, threadCount: 2))
        let before = try GGUFFile(path: path), after = try GGUFFile(path: out)
        for row in report.rows {
            let old = try #require(try before.tensor(named: row.name)).floats()
            let new = try #require(try after.tensor(named: row.name)).floats()
            let squares = old.reduce(0) { $0 + Double($1) * Double($1) }
            let rms = (squares / Double(old.count)).squareRoot()
            let differences = zip(old, new).map { Double($0) - Double($1) }
            let error = differences.reduce(0) { $0 + $1 * $1 }
            // Sums of the same numbers in double precision, piece by piece.
            #expect((row.relativeRMSError - (error / squares).squareRoot()).magnitude <= 1e-12)
            let largest = differences.map(\.magnitude).max() ?? 0
            #expect((row.relativeMaxError - largest / rms).magnitude <= 1e-12)
            #expect(row.newBytes == (try after.tensor(named: row.name))?.bytes.count)
            #expect(row.oldFormat != row.newFormat || row.relativeRMSError == 0)
        }
        #expect(report.newBytes > 0 && report.bitsPerWeight <= 33)
        #expect(after["general.file_type"]?.int == Int(type.fileType))
        #expect(try JSON.parse(Array(report.json.utf8), source: "report")["tensors"] != nil)
    }

    @Test("ends without a file when asked to")
    func cancels() throws {
        let folder = TemporaryDirectory()
        let out = "\(folder.path)/out.gguf"
        let report = try Quantization(.q8_0).convert(nil, to: out) { done, _ in done < 10_000 }
        #expect(report == nil)
        #expect(throws: SwiftletError.self) { try GGUFFile(path: out) }
    }

    @Test("refuses unknown formats and patterns")
    func refusals() throws {
        #expect(try Quantization.format(named: "Q8_0") == .q8_0)
        for name in ["", "q9", "i64", "f64"] {
            #expect(throws: SwiftletError.self) { try Quantization.format(named: name) }
        }
        for pattern in ["", "("] {
            #expect(throws: SwiftletError.self) { try Quantization.Override(pattern: pattern, format: .f16) }
        }
        var quantization = Quantization(.q8_0)
        quantization.overrides = [try .init(pattern: "no_such", format: .f16)]
        let folder = TemporaryDirectory()
        #expect(throws: SwiftletError.self) { try quantization.convert(nil, to: "\(folder.path)/out.gguf") }
    }

    @Test("counts no error where there is nothing to round, and keeps NaN")
    func edges() throws {
        var error = ConversionError()
        #expect(error.relativeRMS == 0 && error.relativeMaximum == 0)
        [0 as Float, 0].withUnsafeBufferPointer { error.add($0, storedAs: $0) }
        #expect(error.relativeRMS == 0 && error.relativeMaximum == 0)
        [Float.infinity].withUnsafeBufferPointer { number in
            [Float.nan].withUnsafeBufferPointer { error.add(number, storedAs: $0) }
        }
        #expect(error.relativeRMS.isNaN)
    }
}
