public import SwiftletTensor

/// Writes a safetensors file without holding more than one piece of a tensor in memory.
///
/// The file appears under its name when ``finish()`` returns; until then, and after an error, whatever had
/// the name before is untouched.
///
/// ```swift
/// var writer = try SafetensorsWriter(path: "model.safetensors", tensors: [
///     TensorDeclaration(name: "weight", shape: [2, 3], format: .f32)
/// ])
/// try writer.write(Tensor(shape: [2, 3], floats: [1, 2, 3, 4, 5, 6]))
/// try writer.finish()
/// ```
public struct SafetensorsWriter {
    private var writer: TensorWriter

    /// Starts a file: the header is complete, the data of `tensors` follows in this order.
    ///
    /// - Parameters:
    ///   - metadata: strings for `__metadata__`, written in the order of their keys.
    ///   - tensors: what will be written; formats must be plain numbers.
    /// - Throws: ``SwiftletError/Code/unwritable`` if the file cannot be created,
    ///   ``SwiftletError/Code/unsupported`` for a format that safetensors files cannot hold.
    public init(
        path: String, metadata: [String: String] = [:], tensors: [TensorDeclaration]
    ) throws(SwiftletError) {
        let sizes = try TensorWriter.sizes(of: tensors, path: path)
        for tensor in tensors where tensor.format.blockElements > 1 || tensor.name == "__metadata__" {
            throw SwiftletError(
                .unsupported,
                "\(path): tensor '\(tensor.name)' as \(tensor.format) has no place in a safetensors file; "
                    + "write plain numbers, or a GGUF file"
            )
        }
        let header = Self.header(metadata, tensors, sizes.map(\.byteCount))
        writer = try TensorWriter(path: path, header: header, tensors: sizes, alignment: 1)
    }

    /// Appends the numbers of the next tensor.
    public mutating func write(_ tensor: Tensor) throws(SwiftletError) {
        try withExtendedLifetime(tensor) { () throws(SwiftletError) in try writer.write(tensor.bytes) }
    }

    /// Appends bytes of the current tensor, which need not be all of it.
    public mutating func write(_ bytes: UnsafeRawBufferPointer) throws(SwiftletError) {
        try writer.write(bytes)
    }

    /// Syncs the file and gives it its name; every declared tensor must be complete.
    public consuming func finish() throws(SwiftletError) { try writer.finish() }

    private static func header(
        _ metadata: [String: String], _ tensors: [TensorDeclaration], _ sizes: [Int]
    ) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            if !metadata.isEmpty {
                json.key("__metadata__")
                json.object { json in
                    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) { json.member(key, value) }
                }
            }
            var offset = 0
            for (tensor, size) in zip(tensors, sizes) {
                json.key(tensor.name)
                json.object { json in
                    json.member("dtype", SafetensorsType.name(of: tensor.format))
                    json.key("shape")
                    json.array { json in for size in tensor.shape { json.value(size) } }
                    json.key("data_offsets")
                    json.array { json in
                        json.value(offset)
                        json.value(offset + size)
                    }
                }
                offset += size
            }
        }
        let padding = [UInt8](repeating: UInt8(ascii: " "), count: (8 - json.bytes.count % 8) % 8)
        let text = json.bytes + padding
        return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text
    }
}
