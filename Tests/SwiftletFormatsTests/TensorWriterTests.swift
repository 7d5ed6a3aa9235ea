import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

@Suite("Writing tensors")
struct TensorWriterTests {
    private let directory = TemporaryDirectory()

    private func bytes(of path: String) throws -> [UInt8] {
        let file = try MappedFile(path: path)
        return withExtendedLifetime(file) { Array(file.bytes) }
    }

    /// A tensor of random bits.
    private func random(_ declaration: TensorDeclaration, _ random: inout SplitMix64) -> Tensor {
        let count = declaration.format.byteCount(of: declaration.shape.reduce(1, *)) ?? 0
        let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
        return Tensor(shape: declaration.shape, format: declaration.format, copying: bytes)
    }

    @Test("writes the safetensors bytes that the documentation describes")
    func safetensorsGolden() throws {
        let path = directory.path + "/golden.safetensors"
        var writer = try SafetensorsWriter(
            path: path, metadata: ["format": "pt"],
            tensors: [.init(name: "a\"b", shape: [2, 1], format: .f32)])
        try writer.write(Tensor(shape: [2, 1], floats: [1, -2]))
        try writer.finish()
        let header =
            #"{"__metadata__":{"format":"pt"},"a\"b":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}"#
        let padding = String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)
        let length = GGUFBytes.integer(UInt64(header.utf8.count + padding.utf8.count))
        #expect(
            try bytes(of: path) == length + Array((header + padding).utf8) + [
                0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0,
            ])
    }

    @Test("reads back safetensors files of any shape and format", arguments: 0..<30 as Range<UInt64>)
    func safetensorsRoundTrip(seed: UInt64) throws {
        var source = SplitMix64(seed: seed)
        let formats: [NumberFormat] = [.f32, .f16, .bf16, .f64, .i8, .u8, .i16, .i32, .i64]
        let declarations = (0..<Int.random(in: 0...6, using: &source)).map { index in
            let shape = (0..<Int.random(in: 0...4, using: &source)).map { _ in
                Int.random(in: 0...5, using: &source)
            }
            return TensorDeclaration(
                name: "t\(index)é", shape: shape,
                format: formats[Int.random(in: 0..<formats.count, using: &source)])
        }
        let tensors = declarations.map { random($0, &source) }
        let path = directory.path + "/a.safetensors"
        var writer = try SafetensorsWriter(path: path, metadata: ["seed": "\(seed)"], tensors: declarations)
        for tensor in tensors { try writer.write(tensor) }
        try writer.finish()

        let file = try SafetensorsFile(path: path)
        #expect(file.metadata == ["seed": "\(seed)"])
        for (declaration, tensor) in zip(declarations, tensors) {
            let read = try #require(try file.tensor(named: declaration.name))
            #expect(read.shape == tensor.shape && read.format == tensor.format)
            #expect(Array(read.bytes) == Array(tensor.bytes))
        }
        let copy = directory.path + "/b.safetensors"
        var again = try SafetensorsWriter(path: copy, metadata: file.metadata, tensors: declarations)
        for declaration in declarations {
            let tensor = try #require(try file.tensor(named: declaration.name))
            try again.write(tensor)
        }
        try again.finish()
        #expect(try bytes(of: copy) == bytes(of: path))
    }

    @Test("writes the GGUF bytes that the specification describes")
    func ggufGolden() throws {
        let path = directory.path + "/golden.gguf"
        var writer = try GGUFWriter(
            path: path, metadata: [("general.name", GGUFValue("x")), ("n", GGUFValue([UInt16(7), 8]))],
            tensors: [
                .init(name: "a", shape: [2, 3], format: .f32), .init(name: "b", shape: [1], format: .f16),
            ])
        try writer.write(Tensor(shape: [2, 3], floats: [0, 1, 2, 3, 4, 5]))
        try writer.write(Tensor(shape: [1], format: .f16, copying: [0x00, 0x3C]))
        try writer.finish()
        var expected = GGUFBytes()
        expected.metadata = [
            ("general.name", 8, GGUFBytes.string("x")),
            ("n", 9, GGUFBytes.array(type: 2, count: 2, [7, 0, 8, 0])),
        ]
        expected.tensors = [
            .init(name: "a", dimensions: [3, 2]), .init(name: "b", dimensions: [1], type: 1, offset: 32),
        ]
        expected.data =
            (0..<6).flatMap { GGUFBytes.integer(Float($0).bitPattern) } + [UInt8](repeating: 0, count: 8)
        expected.data += [0x00, 0x3C] + [UInt8](repeating: 0, count: 30)
        #expect(try bytes(of: path) == expected.bytes)
    }

    @Test(
        "reads back GGUF files with metadata of every type, and copies them byte for byte",
        arguments: [8, 32, 256])
    func ggufRoundTrip(alignment: UInt32) throws {
        var source = SplitMix64(seed: UInt64(alignment))
        let foreign: Set<NumberFormat> = [.u8, .f8_e4m3, .f8_e5m2]  // known to safetensors alone
        let declarations = NumberFormat.allCases.filter { !foreign.contains($0) }.map {
            TensorDeclaration(name: "blk.0.\($0)", shape: [3, $0.blockElements * 2], format: $0)
        }
        let metadata: [(key: String, value: GGUFValue)] = [
            ("u8", GGUFValue(UInt8.max)), ("i8", GGUFValue(Int8.min)), ("u16", GGUFValue(UInt16.max)),
            ("i16", GGUFValue(Int16.min)), ("u32", GGUFValue(UInt32.max)), ("i32", GGUFValue(Int32.min)),
            ("f32", GGUFValue(Float(0.1))), ("bool", GGUFValue(true)), ("string", GGUFValue("é😀")),
            ("u64", GGUFValue(UInt64.max)), ("i64", GGUFValue(Int64.min)), ("f64", GGUFValue(0.1)),
            ("strings", GGUFValue(["", "a", "Ġb"])), ("bytes", GGUFValue(strings: [[0xFF]])),
            ("i32s", GGUFValue([Int32(-1), 2])), ("f32s", GGUFValue([Float(0.5)])),
            ("none", GGUFValue([Bool]())),
            ("general.alignment", GGUFValue(alignment)),
        ]
        let path = directory.path + "/a.gguf"
        var writer = try GGUFWriter(path: path, metadata: metadata, tensors: declarations)
        for declaration in declarations { try writer.write(random(declaration, &source)) }
        try writer.finish()

        let file = try GGUFFile(path: path)
        #expect(file.metadataKeys == metadata.map(\.key) && file.alignment == Int(alignment))
        #expect(file["u8"]?.int == 255 && file["i8"]?.int == -128 && file["i64"]?.int == .min)
        #expect(
            file["u64"]?.uint == .max && file["f32"]?.double == Double(Float(0.1))
                && file["f64"]?.double == 0.1)
        #expect(file["bool"]?.bool == true && file["string"]?.string == "é😀")
        #expect(
            file["strings"]?.elements()?.map(\.string) == ["", "a", "Ġb"]
                && file["bytes"]?.strings() == [[0xFF]])
        #expect(
            file["i32s"]?.ints() == [-1, 2] && file["f32s"]?.floats() == [0.5] && file["none"]?.bools() == [])
        for tensor in file.tensors { #expect(tensor.offset % Int(alignment) == 0) }

        let copy = directory.path + "/b.gguf"
        let keys = try file.metadataKeys.map { (key: $0, value: try #require(file[$0])) }
        var again = try GGUFWriter(
            path: copy, metadata: keys,
            tensors: file.tensors.map {
                TensorDeclaration(name: $0.name, shape: $0.shape, format: try #require($0.format))
            })
        for name in file.tensorNames { try again.write(try #require(try file.tensor(named: name))) }
        try again.finish()
        #expect(try bytes(of: copy) == bytes(of: path))
    }

    @Test("accepts data in pieces and skips tensors without numbers")
    func pieces() throws {
        let path = directory.path + "/pieces.gguf"
        let count = 700_000
        var writer = try GGUFWriter(
            path: path, metadata: [],
            tensors: [
                .init(name: "none", shape: [0], format: .f32), .init(name: "t", shape: [count], format: .f32),
                .init(name: "last", shape: [0, 3], format: .f32),
            ])
        let numbers = (0..<count).map { Float($0) }
        let tensor = Tensor(shape: [count], floats: numbers)
        var position = 0
        for size in [1, 3, 4096, 1_500_000, 2_800_000] {
            let end = min(position + size, 4 * count)
            try writer.write(UnsafeRawBufferPointer(rebasing: tensor.bytes[position..<end]))
            position = end
        }
        try writer.finish()
        #expect(try GGUFFile(path: path).tensor(named: "t")?.floats() == numbers)
    }

    @Test("leaves nothing behind unless it finishes")
    func abandoned() throws {
        let path = directory.write("before", to: "model.gguf")
        do {
            var writer = try GGUFWriter(
                path: path, metadata: [], tensors: [.init(name: "t", shape: [1], format: .f32)])
            try writer.write(Tensor(shape: [1], floats: [1]))
        }
        #expect(try bytes(of: path) == Array("before".utf8))
        let other = TemporaryDirectory()
        _ = try SafetensorsWriter(path: other.path + "/a", tensors: [])
        #expect(throws: SwiftletError.self) { try MappedFile(path: other.path + "/a") }
        #expect(
            try System.names(in: other.path).isEmpty && System.names(in: directory.path) == ["model.gguf"])
    }

    @Test("refuses what a file cannot hold and where it cannot be")
    func errors() {
        let path = directory.path + "/out"
        let t = TensorDeclaration(name: "t", shape: [32], format: .f32)
        func gguf(_ metadata: [(key: String, value: GGUFValue)], _ tensors: [TensorDeclaration]) throws {
            _ = try GGUFWriter(path: path, metadata: metadata, tensors: tensors)
        }
        expectError(.unwritable, "is a directory") {
            _ = try SafetensorsWriter(path: directory.path, tensors: [])
        }
        expectError(.unwritable, "No such file") {
            _ = try SafetensorsWriter(path: path + "/a/b", tensors: [])
        }
        expectError(.unwritable, "empty") { _ = try SafetensorsWriter(path: "", tensors: []) }
        expectError(.invalidArgument, "declared twice") {
            _ = try SafetensorsWriter(path: path, tensors: [t, t])
        }
        expectError(.unsupported, "q8_0") {
            _ = try SafetensorsWriter(path: path, tensors: [.init(name: "q", shape: [32], format: .q8_0)])
        }
        expectError(.invalidArgument, "declared twice") { try gguf([], [t, t]) }
        expectError(.invalidArgument, "given twice") {
            try gguf([("k", GGUFValue(true)), ("k", GGUFValue(true))], [])
        }
        expectError(.invalidArgument, "general.alignment") {
            try gguf([("general.alignment", GGUFValue(UInt32(7)))], [])
        }
        expectError(.unsupported, "u8") { try gguf([], [.init(name: "t", shape: [1], format: .u8)]) }
        expectError(.unsupported, "four dimensions") {
            try gguf([], [.init(name: "t", shape: [1, 1, 1, 1, 1], format: .f32)])
        }
        expectError(.invalidArgument, "cannot be stored") {
            try gguf([], [.init(name: "t", shape: [2, 16], format: .q4_0)])
        }
        expectError(.invalidArgument, "cannot be stored") {
            try gguf([], [.init(name: "t", shape: [.max, 2], format: .f32)])
        }
        expectError(.invalidArgument, "64 bytes long") {
            try gguf([], [.init(name: String(repeating: "n", count: 64), shape: [1], format: .f32)])
        }
    }
}
