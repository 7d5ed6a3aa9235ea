import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

@Suite("GGUF files")
struct GGUFFileTests {
    private let directory = TemporaryDirectory()

    private func open(_ file: GGUFBytes) throws -> GGUFFile {
        try GGUFFile(path: directory.write(file.bytes, to: "model.gguf"))
    }

    /// Expects an error whose message names the file and contains `words`.
    private func expectError(
        _ code: SwiftletError.Code, _ words: String, _ file: GGUFBytes,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let path = directory.write(file.bytes, to: "model.gguf")
        SwiftletTestSupport.expectError(code, words, path, sourceLocation: sourceLocation) {
            try GGUFFile(path: path)
        }
    }

    @Test("reads every type of metadata")
    func metadata() throws {
        var file = GGUFBytes()
        file.metadata = [
            ("u8", 0, [200]), ("i8", 1, [0xFF]), ("u16", 2, [0xFF, 0xFF]), ("i16", 3, [0xFE, 0xFF]),
            ("u32", 4, [1, 2, 3, 4]), ("i32", 5, GGUFBytes.integer(Int32(-7))),
            ("f32", 6, GGUFBytes.integer(Float(1e-5).bitPattern)), ("yes", 7, [1]), ("no", 7, [0]),
            ("text", 8, GGUFBytes.string("é😀")), ("u64", 10, GGUFBytes.integer(UInt64.max)),
            ("i64", 11, GGUFBytes.integer(Int64.min)), ("f64", 12, GGUFBytes.integer(Double(0.1).bitPattern)),
            ("bytes", 8, GGUFBytes.integer(UInt64(2)) + [0xFF, 0x41]),
        ]
        let gguf = try open(file)
        #expect(gguf.version == 3 && gguf.alignment == 32 && gguf.tensorNames.isEmpty)
        #expect(gguf.metadataKeys == file.metadata.map(\.key))
        #expect(gguf["u8"]?.int == 200 && gguf["i8"]?.int == -1 && gguf["u16"]?.int == 65535)
        #expect(gguf["i16"]?.int == -2 && gguf["u32"]?.int == 0x0403_0201 && gguf["i32"]?.int == -7)
        #expect(gguf["f32"]?.double == Double(Float(1e-5)) && gguf["f64"]?.double == 0.1)
        #expect(gguf["yes"]?.bool == true && gguf["no"]?.bool == false && gguf["yes"]?.int == nil)
        #expect(gguf["text"]?.string == "é😀" && gguf["text"]?.count == 1)
        #expect(gguf["u64"]?.int == nil && gguf["u64"]?.uint == .max && gguf["u64"]?.double == 0x1p64)
        #expect(gguf["i64"]?.int == .min && gguf["i64"]?.uint == nil && gguf["u8"]?.uint == 200)
        #expect(gguf["bytes"]?.bytes == [0xFF, 0x41] && gguf["bytes"]?.string == "\u{FFFD}A")
        #expect(gguf["f32"]?.int == nil && gguf["text"]?.double == nil && gguf["u8"]?.strings() == nil)
        #expect(gguf["u8"]?.elementType == nil && gguf["absent"] == nil)
    }

    @Test("reads arrays of every kind")
    func arrays() throws {
        let strings = ["", "a", "Ġthe", "\u{0}"]
        let inner = GGUFBytes.array(type: 1, count: 2, [1, 0xFF]) + GGUFBytes.array(type: 8, count: 0, [])
        var file = GGUFBytes()
        file.metadata = [
            ("strings", 9, GGUFBytes.array(type: 8, count: 4, strings.flatMap(GGUFBytes.string))),
            (
                "ints", 9,
                GGUFBytes.array(type: 5, count: 2, GGUFBytes.integer(Int32(-1)) + GGUFBytes.integer(Int32(9)))
            ),
            ("floats", 9, GGUFBytes.array(type: 6, count: 1, GGUFBytes.integer(Float(-2.5).bitPattern))),
            ("doubles", 9, GGUFBytes.array(type: 12, count: 1, GGUFBytes.integer(Double(0.5).bitPattern))),
            ("bools", 9, GGUFBytes.array(type: 7, count: 3, [1, 0, 1])),
            ("large", 9, GGUFBytes.array(type: 10, count: 1, GGUFBytes.integer(UInt64.max))),
            ("empty", 9, GGUFBytes.array(type: 4, count: 0, [])),
            ("nested", 9, GGUFBytes.array(type: 9, count: 2, inner)),
        ]
        let gguf = try open(file)
        #expect(gguf["strings"]?.strings() == strings.map { Array($0.utf8) })
        #expect(gguf["strings"]?.elementType == .string && gguf["strings"]?.count == 4)
        #expect(gguf["strings"]?.elements()?.map(\.string) == strings)
        #expect(gguf["ints"]?.ints() == [-1, 9] && gguf["ints"]?.floats() == nil && gguf["ints"]?.int == nil)
        #expect(gguf["floats"]?.floats() == [-2.5] && gguf["floats"]?.ints() == nil)
        #expect(gguf["doubles"]?.floats() == [0.5] && gguf["bools"]?.bools() == [true, false, true])
        #expect(gguf["large"]?.ints() == nil && gguf["large"]?.elements()?.first?.uint == .max)
        #expect(gguf["empty"]?.ints() == [] && gguf["empty"]?.count == 0)
        let nested = try #require(gguf["nested"]?.elements())
        #expect(nested.count == 2 && nested[0].ints() == [1, -1] && nested[1].strings() == [])
    }

    @Test("reads tensors, outermost dimension first", arguments: [2, 3] as [UInt32])
    func tensors(version: UInt32) throws {
        var file = GGUFBytes(version: version)
        file.tensors = [
            .init(name: "b", dimensions: [3, 2], type: 0, offset: 0),
            .init(name: "a", dimensions: [32, 1], type: 8, offset: 32),
            .init(name: "scalar", dimensions: [], type: 0, offset: 96),
            .init(name: "none", dimensions: [0, 4], type: 0, offset: 0),
        ]
        file.data =
            (0..<6).flatMap { GGUFBytes.integer(Float($0).bitPattern) } + [UInt8](repeating: 0, count: 8)
        file.data += [UInt8](repeating: 1, count: 34) + [UInt8](repeating: 0, count: 30) + [0, 0, 0x80, 0x3F]
        let gguf = try open(file)
        #expect(gguf.tensorNames == ["b", "a", "scalar", "none"])
        let b = try #require(try gguf.tensor(named: "b"))
        #expect(b.shape == [2, 3] && b.format == .f32 && b.elementCount == 6)
        #expect(try b.floats() == [0, 1, 2, 3, 4, 5])
        let a = try #require(try gguf.tensor(named: "a"))
        #expect(
            a.shape == [1, 32] && a.format == .q8_0 && Array(a.bytes) == [UInt8](repeating: 1, count: 34))
        #expect(
            try gguf.tensor(named: "scalar")?.floats() == [1] && gguf.tensor(named: "scalar")?.shape == [])
        #expect(
            try gguf.tensor(named: "none")?.floats() == [] && gguf.tensor(named: "none")?.shape == [4, 0])
        #expect(try gguf.tensor(named: "absent") == nil)
    }

    @Test("honours general.alignment")
    func alignment() throws {
        var file = GGUFBytes(alignment: 64)
        file.metadata = [("general.alignment", 4, GGUFBytes.integer(UInt32(64)))]
        file.tensors = [.init(name: "t", offset: 0), .init(name: "u", offset: 64)]
        file.data = [UInt8](repeating: 0, count: 72)
        #expect(try open(file).alignment == 64)
        file.tensors[1].offset = 32
        expectError(.malformed, "tensor 'u' has offset 32, expected a multiple of 64", file)
        for wrong in [0, 1, 4, 12, 24, 33, 0x8000_0001] as [UInt32] {
            file.metadata = [("general.alignment", 4, GGUFBytes.integer(wrong))]
            expectError(.malformed, "general.alignment is not a power of two", file)
        }
        file.metadata = [("general.alignment", 8, GGUFBytes.string("32"))]
        expectError(.malformed, "general.alignment", file)
        file.metadata = [("general.alignment", 10, GGUFBytes.integer(UInt64(1) << 62))]
        expectError(.malformed, "general.alignment is not a power of two", file)
    }

    @Test("names number formats that it cannot read when they are asked for")
    func unsupportedTypes() throws {
        var file = GGUFBytes()
        file.tensors = [
            .init(name: "x", dimensions: [256], type: 15), .init(name: "y", dimensions: [1], type: 99),
            .init(name: "z", dimensions: [32], type: 33),
        ]
        file.data = [UInt8](repeating: 0, count: 292)
        let gguf = try open(file)
        #expect(gguf.tensors.map(\.formatName) == ["Q8_K", "type 99", "Q4_0_8_8"])
        for (name, words) in [("x", "'x' is stored as Q8_K"), ("y", "type 99"), ("z", "Q4_0_8_8")] {
            SwiftletTestSupport.expectError(.unsupported, words, gguf.path) { try gguf.tensor(named: name) }
        }
    }

    @Test("refuses other versions and byte orders")
    func versions() {
        expectError(.malformed, "does not start with 'GGUF'", GGUFBytes(magic: "GGML"))
        expectError(.unsupported, "version 1", GGUFBytes(version: 1))
        expectError(.unsupported, "version 4", GGUFBytes(version: 4))
        expectError(.unsupported, "version 0", GGUFBytes(version: 0))
        expectError(.unsupported, "big-endian", GGUFBytes(version: UInt32(3).byteSwapped))
    }

    @Test("a model in one part is whole")
    func splits() throws {
        var file = GGUFBytes()
        file.metadata = [("split.count", 2, GGUFBytes.integer(UInt16(1)))]
        #expect(try open(file).version == 3)
    }

    @Test("refuses every truncation")
    func truncation() throws {
        var file = GGUFBytes()
        file.metadata = [
            ("text", 8, GGUFBytes.string("value")),
            ("list", 9, GGUFBytes.array(type: 8, count: 1, GGUFBytes.string("x"))),
        ]
        file.tensors = [.init(dimensions: [2, 2])]
        file.data = [UInt8](repeating: 0, count: 16)
        let bytes = file.bytes
        _ = try open(file)
        for count in 0..<bytes.count {
            let path = directory.write(bytes.prefix(count), to: "short.gguf")
            #expect(throws: SwiftletError.self, "\(count)") { try GGUFFile(path: path) }
        }
    }

    @Test(
        "refuses counts and lengths that the file cannot hold",
        arguments: [1 << 20, 1 << 40, 1 << 61, .max, 1 << 63])
    func hugeCounts(count: UInt64) {
        expectError(.malformed, "the number of tensors is \(count)", GGUFBytes(tensorCount: count))
        expectError(.malformed, "the number of metadata keys is \(count)", GGUFBytes(keyCount: count))
        var file = GGUFBytes()
        file.metadata = [("k", 8, GGUFBytes.integer(count))]
        expectError(.malformed, "the value of 'k'", file)
        for type in [0, 5, 7, 8, 9, 12] as [UInt32] {
            file.metadata = [("k", 9, GGUFBytes.array(type: type, count: count, []))]
            expectError(.malformed, "the number of elements of 'k' is \(count)", file)
        }
        file.metadata = []
        file.tensors = [.init(name: "w", dimensions: [count, count])]
        expectError(.malformed, "'w'", file)
        file.tensors = [.init(name: "w", offset: count & ~31)]
        expectError(.malformed, "'w'", file)
    }

    @Test("refuses metadata that contradicts itself")
    func malformedMetadata() {
        var file = GGUFBytes()
        file.metadata = [("k", 7, [2])]
        expectError(.malformed, "truth value 2", file)
        file.metadata = [("k", 9, GGUFBytes.array(type: 7, count: 2, [1, 3]))]
        expectError(.malformed, "truth value 3", file)
        file.metadata = [("k", 13, [0])]
        expectError(.malformed, "the type of 'k' is 13", file)
        file.metadata = [("k", 9, GGUFBytes.array(type: 77, count: 0, []))]
        expectError(.malformed, "the element type of 'k' is 77", file)
        file.metadata = [("k", 0, [1]), ("k", 0, [2])]
        expectError(.malformed, "'k' appears twice", file)
        var nested = GGUFBytes.array(type: 0, count: 0, [])
        for _ in 0..<7 { nested = GGUFBytes.array(type: 9, count: 1, nested) }
        file.metadata = [("k", 9, nested)]
        #expect(throws: Never.self) { try open(file) }
        file.metadata = [("k", 9, GGUFBytes.array(type: 9, count: 1, nested))]
        expectError(.malformed, "nests arrays deeper than 8", file)
    }

    @Test("refuses keys and names that are not UTF-8")
    func names() throws {
        var file = GGUFBytes()
        file.metadata = [("é", 0, [1])]
        var bytes = file.bytes
        let place = try #require(bytes.firstIndex(of: 0xC3))
        bytes[place] = 0xFF
        let path = directory.write(bytes, to: "model.gguf")
        SwiftletTestSupport.expectError(.malformed, "is not UTF-8", path) { try GGUFFile(path: path) }
    }

    @Test("refuses tensors that contradict the file")
    func malformedTensors() {
        var file = GGUFBytes(data: [UInt8](repeating: 0, count: 64))
        file.tensors = [.init(), .init()]
        expectError(.malformed, "tensor 't' appears twice", file)
        file.tensors = [.init(dimensions: [1, 1, 1, 1, 1])]
        expectError(.malformed, "5 dimensions", file)
        file.tensors = [.init(offset: 8)]
        expectError(.malformed, "offset 8, expected a multiple of 32", file)
        file.tensors = [.init(dimensions: [31], type: 8)]
        expectError(.malformed, "multiples of 32", file)
        file.tensors = [.init(dimensions: [16, 2], type: 8)]  // whole blocks, but not whole rows
        expectError(.malformed, "multiples of 32", file)
        file.tensors = [.init(dimensions: [17])]
        expectError(.malformed, "takes 68 bytes from byte 0 of the data, of which the file has 64", file)
        file.tensors = [.init(offset: 96)]
        expectError(.malformed, "takes 8 bytes from byte 96", file)
        file.tensors = [.init(name: "a", dimensions: [9]), .init(name: "b", offset: 32)]
        expectError(.malformed, "tensors 'a' and 'b' overlap", file)
        file.tensors = [.init(name: "a", offset: 32), .init(name: "b", offset: 32)]
        expectError(.malformed, "overlap", file)
    }

    @Test("reads bytes in memory at any address")
    func memory() throws {
        var file = GGUFBytes()
        file.tensors = [.init(dimensions: [2])]
        file.data = GGUFBytes.integer(Float(1).bitPattern) + GGUFBytes.integer(Float(-2).bitPattern)
        for shift in 0..<9 {
            let memory = Buffer([UInt8](repeating: 0, count: shift) + file.bytes)
            let bytes = UnsafeRawBufferPointer(rebasing: memory.bytes[shift...])
            let gguf = try GGUFFile(bytes: bytes, owner: memory, path: "embedded")
            #expect(try gguf.tensor(named: "t")?.floats() == [1, -2])
        }
    }
}

/// Bytes with a fixed address.
private final class Buffer: Sendable {
    nonisolated(unsafe) let bytes: UnsafeRawBufferPointer

    init(_ array: [UInt8]) {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: array.count, alignment: 64)
        copy.copyBytes(from: array)
        bytes = UnsafeRawBufferPointer(copy)
    }

    deinit { bytes.deallocate() }
}
