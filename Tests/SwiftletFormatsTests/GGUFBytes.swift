import SwiftletFormats

/// A GGUF file whose every field can be wrong.
struct GGUFBytes {
    struct Tensor {
        var name = "t"
        var dimensions: [UInt64] = [2]  // innermost first, as in the file
        var type: UInt32 = 0
        var offset: UInt64 = 0
    }

    var magic = "GGUF"
    var version: UInt32 = 3
    var tensorCount: UInt64?
    var keyCount: UInt64?
    /// Key, type, and the bytes of the value.
    var metadata: [(key: String, type: UInt32, value: [UInt8])] = []
    var tensors: [Tensor] = []
    var alignment = 32
    var data: [UInt8] = []

    var bytes: [UInt8] {
        var file = LittleEndianBytes()
        file.bytes = Array(magic.utf8)
        file.append(version)
        file.append(tensorCount ?? UInt64(tensors.count))
        file.append(keyCount ?? UInt64(metadata.count))
        for (key, type, value) in metadata {
            file.append(text: key.utf8)
            file.append(type)
            file.bytes += value
        }
        for tensor in tensors {
            file.append(text: tensor.name.utf8)
            file.append(UInt32(tensor.dimensions.count))
            for dimension in tensor.dimensions { file.append(dimension) }
            file.append(tensor.type)
            file.append(tensor.offset)
        }
        file.pad(to: alignment)
        return file.bytes + data
    }

    /// The bytes of one little-endian integer.
    static func integer<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
        var file = LittleEndianBytes()
        file.append(value)
        return file.bytes
    }

    /// The bytes of one string.
    static func string(_ text: String) -> [UInt8] {
        var file = LittleEndianBytes()
        file.append(text: text.utf8)
        return file.bytes
    }

    /// The bytes of an array of `count` elements that `elements` holds.
    static func array(type: UInt32, count: UInt64, _ elements: [UInt8]) -> [UInt8] {
        integer(type) + integer(count) + elements
    }
}
