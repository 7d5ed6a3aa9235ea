public import SwiftletTensor

/// Writes a GGUF file, version 3, without holding more than one piece of a tensor in memory.
///
/// The file appears under its name when ``finish()`` returns; until then, and after an error, whatever had
/// the name before is untouched. A file that this writes from another's metadata and tensors, in their order,
/// equals that file byte for byte if llama.cpp's tools wrote it.
public struct GGUFWriter {
    /// Names of tensors may be this long, in bytes, or other readers refuse the file.
    public static let maximumNameLength = 63
    private var writer: TensorWriter

    /// Starts a file: the header is complete, the data of `tensors` follows in this order.
    ///
    /// - Parameters:
    ///   - metadata: keys and values in the order in which they are written. `general.alignment`, if there is
    ///     one, says how data is aligned; otherwise it is 32.
    ///   - tensors: what will be written; at most four dimensions each.
    /// - Throws: ``SwiftletError/Code/unwritable`` if the file cannot be created,
    ///   ``SwiftletError/Code/invalidArgument`` or ``SwiftletError/Code/unsupported`` for metadata or tensors
    ///   that a GGUF file cannot hold.
    public init(
        path: String, metadata: [(key: String, value: GGUFValue)], tensors: [TensorDeclaration]
    ) throws(SwiftletError) {
        let alignment = try Self.alignment(metadata, path: path)
        let sizes = try TensorWriter.sizes(of: tensors, path: path)
        writer = try TensorWriter(
            path: path, header: try Self.header(path: path, metadata: metadata, tensors: tensors),
            tensors: sizes,
            alignment: alignment)
    }

    /// What a file begins with: everything but the numbers of its tensors.
    ///
    /// - Throws: as ``init(path:metadata:tensors:)`` for metadata and tensors.
    package static func header(
        path: String, metadata: [(key: String, value: GGUFValue)], tensors: [TensorDeclaration]
    ) throws(SwiftletError) -> [UInt8] {
        let alignment = try Self.alignment(metadata, path: path)
        let sizes = try TensorWriter.sizes(of: tensors, path: path)
        var header = LittleEndianBytes()
        header.append(contentsOf: "GGUF".utf8)
        header.append(UInt32(3))
        header.append(UInt64(tensors.count))
        header.append(UInt64(metadata.count))
        for (key, value) in metadata {
            header.append(text: key.utf8)
            value.append(to: &header)
        }
        var offset = 0
        for (tensor, size) in zip(tensors, sizes) {
            try describe(tensor, offset: offset, path: path, in: &header)
            offset += (size.byteCount + alignment - 1) / alignment * alignment
        }
        header.pad(to: alignment)
        return header.bytes
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

    private static func alignment(
        _ metadata: [(key: String, value: GGUFValue)], path: String
    ) throws(SwiftletError) -> Int {
        var keys: Set<String> = []
        var alignment = GGUFHeader.defaultAlignment
        for (key, value) in metadata {
            guard keys.insert(key).inserted else {
                throw SwiftletError(.invalidArgument, "\(path): metadata key '\(key)' is given twice")
            }
            guard key == GGUFHeader.alignmentKey else { continue }
            guard let number = GGUFHeader.alignment(value) else {
                throw SwiftletError(.invalidArgument, "\(path): \(key) is not a power of two of at least 8")
            }
            alignment = number
        }
        return alignment
    }

    private static func describe(
        _ tensor: TensorDeclaration, offset: Int, path: String, in header: inout LittleEndianBytes
    ) throws(SwiftletError) {
        guard let type = GGUFTensorType.of(tensor.format), tensor.shape.count <= 4 else {
            throw SwiftletError(
                .unsupported,
                "\(path): tensor '\(tensor.name)' of shape \(tensor.shape) as \(tensor.format) has no place "
                    + "in a GGUF file, which holds up to four dimensions"
            )
        }
        guard tensor.name.utf8.count <= maximumNameLength else {
            throw SwiftletError(
                .invalidArgument,
                "\(path): the name of tensor '\(tensor.name)' is \(tensor.name.utf8.count) bytes long, limit "
                    + "\(maximumNameLength)"
            )
        }
        header.append(text: tensor.name.utf8)
        header.append(UInt32(tensor.shape.count))
        for dimension in tensor.shape.reversed() { header.append(UInt64(dimension)) }
        header.append(type.number)
        header.append(UInt64(offset))
    }
}
