import SwiftletTensor
import SwiftletTestSupport
import Testing

@Suite("Tensors")
struct TensorTests {
    @Test("decodes plain numbers")
    func plain() throws {
        let cases: [(NumberFormat, [UInt8], [Float])] = [
            (.f32, [0, 0, 0x80, 0x3F, 0, 0, 0x80, 0xFF], [1, -.infinity]),
            (.f16, [0x00, 0x3C, 0x01, 0x00], [1, 0x1p-24]), (.bf16, [0x80, 0x3F, 0x00, 0xC0], [1, -2]),
            (.i8, [0x80, 0x7F], [-128, 127]), (.u8, [0, 255], [0, 255]),
            (.i16, [0, 0x80, 1, 0], [-32768, 1]),
            (.i32, [0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 1], [-1, 16_777_216]),
            (.i64, [UInt8](repeating: 0xFF, count: 8) + [2, 0, 0, 0, 0, 0, 0, 0], [-1, 2]),
            (
                .f64, [0, 0, 0, 0, 0, 0, 0xF0, 0x3F, 0x9A, 0x99, 0x99, 0x99, 0x99, 0x99, 0xB9, 0xBF],
                [1, -0.1]
            ),
        ]
        for (format, bytes, expected) in cases {
            #expect(try Tensor(shape: [2], format: format, copying: bytes).floats() == expected, "\(format)")
        }
    }

    @Test("decodes every block format", arguments: NumberFormat.allCases.filter { $0.blockElements > 1 })
    func blocks(format: NumberFormat) throws {
        let zeros = Tensor(
            shape: [2, format.blockElements], format: format,
            copying: [UInt8](repeating: 0, count: 2 * format.blockBytes))
        #expect(try zeros.floats() == [Float](repeating: 0, count: 2 * format.blockElements))
    }

    @Test("has no numbers or one at the edges")
    func edges() throws {
        #expect(try Tensor(shape: [], floats: [7]).floats() == [7])
        for shape in [[0], [0, .max], [.max, .max, 0]] {
            let tensor = Tensor(shape: shape, floats: [])
            #expect(try tensor.elementCount == 0 && tensor.floats().isEmpty)
        }
        #expect(Tensor.byteCount(shape: [.max, 2], format: .i8) == nil)
        #expect(
            Tensor.byteCount(shape: [-1], format: .i8) == nil
                && Tensor.byteCount(shape: [0, -1], format: .i8) == nil)
        #expect(Tensor.byteCount(shape: [16, 2], format: .q8_0) == nil)
        #expect(Tensor.byteCount(shape: [2, 32], format: .q8_0) == 68)
    }

    @Test("maps files and refuses everything else")
    func mapping() throws {
        let directory = TemporaryDirectory()
        let file = try MappedFile(path: directory.write("text", to: "file"))
        #expect(file.bytes.elementsEqual("text".utf8))
        #expect(try MappedFile(path: directory.write("", to: "empty")).bytes.isEmpty)
        for (path, words) in [
            (directory.path, "is a directory"), (directory.path + "/none", "No such file"), ("", "is empty"),
            ("a\u{0}", "zero byte"), ("/dev/null", "pipe or device"),
            (directory.makePipe("pipe"), "pipe or device"),
        ] {
            expectError(.unreadable, words) { try MappedFile(path: path) }
        }
    }
}
