import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

@Suite("safetensors files")
struct SafetensorsFileTests {
    private let directory = TemporaryDirectory()

    private func write(_ header: String, length: UInt64? = nil, data: [UInt8] = []) -> String {
        let bytes = GGUFBytes.integer(length ?? UInt64(header.utf8.count)) + Array(header.utf8) + data
        return directory.write(bytes, to: "model.safetensors")
    }

    private func expectError(
        _ words: String, _ header: String, length: UInt64? = nil, data: Int = 0,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let path = write(header, length: length, data: [UInt8](repeating: 0, count: data))
        SwiftletTestSupport.expectError(.malformed, words, path, sourceLocation: sourceLocation) {
            try SafetensorsFile(path: path)
        }
    }

    /// A header with one tensor.
    private func one(_ dtype: String, _ shape: String, _ offsets: String) -> String {
        #"{"t":{"dtype":\#(dtype),"shape":\#(shape),"data_offsets":\#(offsets)}}"#
    }

    @Test("reads tensors and metadata")
    func reading() throws {
        let header = #"""
            {"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2,1],"data_offsets":[6,14]},
            "a":{"dtype":"BF16","shape":[3],"data_offsets":[0,6]},
            "none":{"dtype":"F16","shape":[0,7],"data_offsets":[14,14]},
            "scalar":{"dtype":"I64","shape":[],"data_offsets":[14,22]}}
            """#
        var data = LittleEndianBytes()
        for bits in [0x3F80, 0xC000, 0x0000] as [UInt16] { data.append(bits) }
        for value in [0.5, -1.5] as [Float] { data.append(value.bitPattern) }
        data.append(Int64(-3))
        let file = try SafetensorsFile(path: write(header, data: data.bytes))
        #expect(file.metadata == ["format": "pt"])
        #expect(file.tensorNames == ["a", "b", "none", "scalar"])
        #expect(try file.tensor(named: "a")?.floats() == [1, -2, 0])
        let b = try #require(try file.tensor(named: "b"))
        #expect(b.shape == [2, 1] && b.format == .f32)
        #expect(try b.floats() == [0.5, -1.5])
        #expect(
            try file.tensor(named: "none")?.floats() == [] && file.tensor(named: "scalar")?.floats() == [-3])
        #expect(try file.tensor(named: "absent") == nil)
    }

    @Test(
        "accepts files without tensors, padded headers and absent metadata",
        arguments: ["{}", "{}      ", #"{"__metadata__":null}"#])
    func empty(header: String) throws {
        #expect(try SafetensorsFile(path: write(header)).tensorNames.isEmpty)
    }

    @Test(
        "reads each number type",
        arguments: [
            ("F64", 8, .f64), ("F32", 4, .f32), ("F16", 2, .f16), ("BF16", 2, .bf16), ("I64", 8, .i64),
            ("I32", 4, .i32), ("I16", 2, .i16), ("I8", 1, .i8), ("U8", 1, .u8), ("BOOL", 1, .u8),
        ] as [(String, Int, NumberFormat)])
    func types(name: String, size: Int, format: NumberFormat) throws {
        let path = write(
            one("\"\(name)\"", "[3]", "[0,\(3 * size)]"), data: [UInt8](repeating: 0, count: 3 * size))
        let tensor = try SafetensorsFile(path: path).tensor(named: "t")
        #expect(tensor?.format == format)
        #expect(try tensor?.floats() == [0, 0, 0])
    }

    @Test(
        "names number types that it cannot read when they are asked for", arguments: ["F8_E8M0", "U32", "Q9"])
    func unsupportedTypes(name: String) throws {
        let size = name == "U32" ? 4 : 1
        let path = write(one("\"\(name)\"", "[1]", "[0,\(size)]"), data: [UInt8](repeating: 0, count: size))
        let file = try SafetensorsFile(path: path)
        SwiftletTestSupport.expectError(.unsupported, "'t' holds \(name)", path) {
            try file.tensor(named: "t")
        }
    }

    @Test("refuses header lengths that cannot be")
    func lengths() {
        expectError("claims 3 bytes, but 2 follow", "{}", length: 3)
        expectError("claims 100000001 bytes", "{}", length: 100_000_001)
        expectError("claims 18446744073709551615 bytes", "{}", length: .max)
        expectError("expected a value", "{\"a\":", length: 5)
        expectError("does not start with '{'", "{}", length: 0)
        expectError("does not start with '{'", " {}")
        expectError("does not start with '{'", "[]")
        for count in 0..<8 {
            let path = directory.write([UInt8](repeating: 0, count: count), to: "short.safetensors")
            #expect(throws: SwiftletError.self) { try SafetensorsFile(path: path) }
        }
    }

    @Test(
        "refuses shapes, offsets and types that are not what they should be",
        arguments: [
            ("\"F32\"", "[1]", "[0,8]", "has 8 bytes, expected 4"),
            ("\"F32\"", "[1]", "[4,0]", "data_offsets [4, 0]"),
            ("\"F32\"", "[1]", "[0,12]", "data_offsets [0, 12]"),
            ("\"F32\"", "[1]", "[0]", "data_offsets [0]"),
            ("\"F32\"", "[1]", "[0,4,8]", "data_offsets [0, 4, 8]"), ("\"F32\"", "[-1]", "[0,4]", "shape"),
            ("\"F32\"", "[1.0]", "[0,4]", "shape"), ("\"F32\"", "[NaN]", "[0,4]", "shape"),
            ("\"F32\"", "[\"1\"]", "[0,4]", "shape"), ("\"F32\"", "{}", "[0,4]", "shape"),
            ("\"F32\"", "null", "[0,4]", "shape"), ("\"F32\"", "[1]", "[-4,0]", "data_offsets"),
            ("\"F32\"", "[1]", "[0,4.0]", "data_offsets"), ("\"F32\"", "[1]", "[0,1e3]", "data_offsets"),
            ("\"F32\"", "[1]", "[0,NaN]", "data_offsets"), ("\"F32\"", "[1]", "7", "data_offsets"),
            ("\"F32\"", "[1]", "[0,99999999999999999999]", "data_offsets"),
            ("\"F32\"", "[4611686018427387904,4]", "[0,0]", "expected a whole number"),
            ("\"F32\"", "[9223372036854775807,2]", "[0,8]", "expected a whole number"),
            ("\"F4\"", "[3]", "[0,1]", "expected a whole number"), ("7", "[1]", "[0,4]", "dtype"),
            ("null", "[1]", "[0,4]", "dtype"),
        ])
    func entries(dtype: String, shape: String, offsets: String, words: String) {
        expectError(words, one(dtype, shape, offsets), data: 8)
    }

    @Test("refuses holes, overlaps and bytes that belong to no tensor")
    func coverage() {
        func two(_ a: String, _ b: String) -> String {
            let u8 = #"{"dtype":"U8","shape":[4],"data_offsets":"#
            return #"{"a":\#(u8)\#(a)},"b":\#(u8)\#(b)}}"#
        }
        expectError("'b' overlaps", two("[0,4]", "[2,6]"), data: 6)
        expectError("'b' overlaps", two("[0,4]", "[0,4]"), data: 4)
        expectError("'b' follows a hole", two("[0,4]", "[5,9]"), data: 9)
        expectError("'a' follows a hole", two("[1,5]", "[5,9]"), data: 9)
        expectError("1 bytes follow the last tensor", two("[4,8]", "[0,4]"), data: 9)
        expectError("4 bytes follow the last tensor", "{}", data: 4)
    }

    @Test("refuses duplicates and members of the wrong kind")
    func members() {
        let t = #"{"dtype":"U8","shape":[0],"data_offsets":[0,0]}"#
        expectError("tensor 't' appears twice", #"{"t":\#(t),"t":\#(t)}"#)
        expectError("tensor 't' appears twice", #"{"t":\#(t),"\u0074":\#(t)}"#)
        expectError(
            "has 2 entries 'shape'", #"{"t":{"dtype":"U8","shape":[0],"shape":[0],"data_offsets":[0,0]}}"#)
        expectError("has 0 entries 'data_offsets'", #"{"t":{"dtype":"U8","shape":[0]}}"#)
        expectError("is of kind array", #"{"t":[]}"#)
        expectError("__metadata__ holds a number for 'k'", #"{"__metadata__":{"k":1}}"#)
        expectError("__metadata__ has the key 'k' twice", #"{"__metadata__":{"k":"","k":""}}"#)
        expectError("__metadata__ is not one object", #"{"__metadata__":[]}"#)
        let shape = "[" + repeatElement("1", count: 65).joined(separator: ",") + "]"
        expectError("65 dimensions", one("\"U8\"", shape, "[0,1]"), data: 1)
    }

    @Test("refuses what is not a file")
    func unreadable() {
        for path in [directory.path, directory.path + "/absent", "", "a\u{0}b", "/dev/null"] {
            #expect { try SafetensorsFile(path: path) } throws: {
                ($0 as? SwiftletError)?.code == .unreadable
            }
        }
    }
}
