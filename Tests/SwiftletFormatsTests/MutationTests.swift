import Foundation
import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

/// Damaged files must be refused or read, never crash; `SWIFTLET_MUTATIONS` says how
/// many of each format to try.
@Suite("Damaged files")
struct MutationTests {
    private static let batches: UInt64 = 20
    private static let mutationsPerBatch: Int = {
        let total = ProcessInfo.processInfo.environment["SWIFTLET_MUTATIONS"].flatMap(Int.init) ?? 3000
        return (total + Int(batches) - 1) / Int(batches)
    }()

    private func forEachMutation(of original: [UInt8], seed: UInt64, _ body: ([UInt8]) throws -> Void) {
        var mutator = Mutator(seed: seed)
        for _ in 0..<Self.mutationsPerBatch {
            // An error of another type would be a bug; a crash ends the test.
            do { try body(mutator.mutate(original)) } catch { #expect(error is SwiftletError, "\(error)") }
        }
    }

    @Test("GGUF", arguments: 0..<batches)
    func gguf(seed: UInt64) throws {
        let original = Self.gguf.bytes
        _ = try Self.walkGGUF(original)
        forEachMutation(of: original, seed: seed) { bytes in try Self.walkGGUF(bytes) }
    }

    @Test("safetensors", arguments: 0..<batches)
    func safetensors(seed: UInt64) throws {
        let directory = TemporaryDirectory()
        let original = Self.safetensors
        try Self.walkSafetensors(directory.write(original, to: "model.safetensors"))
        forEachMutation(of: original, seed: seed) { bytes in
            try Self.walkSafetensors(directory.write(bytes, to: "model.safetensors"))
        }
    }

    @Test("JSON", arguments: 0..<batches)
    func json(seed: UInt64) throws {
        let original = Array(Self.json.utf8)
        #expect(Self.walk(try JSON.parse(original, source: "test")) > 20)
        forEachMutation(of: original, seed: seed) { bytes in
            _ = Self.walk(try JSON.parse(bytes, source: "test"))
        }
    }

    // MARK: Walking everything that opens

    private static func walkGGUF(_ bytes: [UInt8]) throws {
        let memory = bytes.withUnsafeBytes { ByteStorage(copying: $0) }
        let file = try GGUFFile(bytes: memory.bytes, owner: memory, path: "test")
        for key in file.metadataKeys {
            let value = try #require(file[key])
            walk(value)
        }
        try walk(file)
    }

    private static func walk(_ value: GGUFValue) {
        _ = (value.int, value.uint, value.double, value.bool, value.string, value.bytes)
        _ = (value.strings(), value.ints(), value.floats(), value.bools())
        if let elements = value.elements() {
            #expect(elements.count == value.count)
            for element in elements { walk(element) }
        }
    }

    private static func walkSafetensors(_ path: String) throws {
        try walk(try SafetensorsFile(path: path))
    }

    private static func walk(_ source: some TensorSource) throws {
        for name in source.tensorNames {
            do {
                let tensor = try #require(try source.tensor(named: name))
                #expect(tensor.bytes.count == tensor.format.byteCount(of: tensor.elementCount))
                _ = tensor.bytes.reduce(0, &+)
                _ = try tensor.floats()
            } catch let error as SwiftletError {
                #expect(error.code == .unsupported, "\(error)")
            }
        }
    }

    @discardableResult
    private static func walk(_ json: JSON) -> Int {
        _ = (json.isNull, json.bool, json.int, json.double, json["a"], json[1])
        #expect(json.withUTF8(Array.init) == json.bytes)
        if let string = json.string { #expect(Array(string.utf8) == json.bytes) }
        var count = 1
        for element in json.elements { count += walk(element) }
        for (key, value) in json.members {
            #expect(key.kind == .string)
            count += walk(value)
        }
        return count
    }

    // MARK: Originals

    private static var gguf: GGUFBytes {
        var file = GGUFBytes()
        let nested = GGUFBytes.array(type: 0, count: 3, [1, 2, 3]) + GGUFBytes.array(type: 8, count: 0, [])
        file.metadata = [
            ("general.alignment", 4, GGUFBytes.integer(UInt32(32))),
            ("general.name", 8, GGUFBytes.string("né")),
            ("tokens", 9, GGUFBytes.array(type: 8, count: 3, ["a", "", "bc"].flatMap(GGUFBytes.string))),
            (
                "scores", 9,
                GGUFBytes.array(type: 6, count: 2, GGUFBytes.integer(UInt64(0x3F80_0000_0000_0000)))
            ),
            ("flags", 9, GGUFBytes.array(type: 7, count: 2, [0, 1])),
            ("nested", 9, GGUFBytes.array(type: 9, count: 2, nested)),
            ("u64", 10, GGUFBytes.integer(UInt64.max)), ("f64", 12, GGUFBytes.integer(Double(1).bitPattern)),
            ("bool", 7, [1]),
        ]
        file.tensors = [
            .init(name: "a", dimensions: [4, 2], type: 0, offset: 0),
            .init(name: "b", dimensions: [32, 2], type: 8, offset: 32),
            .init(name: "c", dimensions: [256], type: 14, offset: 128),
            .init(name: "d", dimensions: [3], type: 26, offset: 352),
        ]
        file.data = (0..<364).map { UInt8(truncatingIfNeeded: $0 &* 37) }
        return file
    }

    private static var safetensors: [UInt8] {
        let header = #"""
            {"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":
            {"dtype":"BF16","shape":[],"data_offsets":[24,26]},
            "c\n":{"dtype":"I8","shape":[6],"data_offsets":[26,32]}}
            """#
        return GGUFBytes.string(header) + (0..<32).map { UInt8($0) }
    }

    private static let json = #"""
        {"a":[1,-2.5e-3,true,false,null,"é😀 \"\\\/\b\f\n\r\t\u0041\ud83d\ude00\ud83d",[],{},[[[1]]]],
         "version":"1.0","model":{"vocab":{"<s>":0,"Ġthe":1,"\u0120a":2},"merges":["a b",["c","d"]]},
         "x":NaN,"y":-Infinity,
         "big":[9223372036854775807,-9223372036854775808,18446744073709551616,1e400],"":""}
        """#
}
