import SwiftletTensor

/// The checked header of one GGUF file.
struct GGUFHeader {
    static let alignmentKey = "general.alignment"
    static let defaultAlignment = 32

    let version: Int
    private(set) var alignment = Self.defaultAlignment
    private(set) var keys: [String] = []
    private(set) var values: [String: GGUFValue] = [:]
    private(set) var tensors: [GGUFFile.TensorDescription] = []
    private(set) var indices: [String: Int] = [:]
    /// Whether the data of all tensors lies inside the file.
    private(set) var holdsData = true
    private var cursor: GGUFCursor

    /// - Parameter headerOnly: whether the file may end before the data of its tensors does.
    init(
        _ bytes: UnsafeRawBufferPointer, owner: any AnyObject & Sendable, path: String,
        headerOnly: Bool = false
    ) throws(SwiftletError) {
        cursor = GGUFCursor(bytes, path: path)
        version = try Self.readVersion(&cursor)
        // A tensor takes a name's length, a dimension count, a type and an offset; a key a length, type and
        // value.
        let tensorCount = try cursor.count("the number of tensors", minimumSize: 24)
        let keyCount = try cursor.count("the number of metadata keys", minimumSize: 13)
        try readMetadata(keyCount, owner: owner)
        try readAlignment()
        try readTensors(tensorCount)
        try placeTensors(fileSize: bytes.count, headerOnly: headerOnly)
    }

    private static func readVersion(_ cursor: inout GGUFCursor) throws(SwiftletError) -> Int {
        let path = cursor.path
        guard cursor.bytes.starts(with: "GGUF".utf8) else {
            throw SwiftletError(.malformed, "\(path): does not start with 'GGUF', expected a GGUF file")
        }
        _ = try cursor.integer(UInt32.self, "the magic number")
        let version = try cursor.integer(UInt32.self, "the version")
        switch version {
        case 2, 3: return Int(version)
        case 1:
            throw SwiftletError(
                .unsupported, "\(path): GGUF version 1, expected 2 or 3; convert the original model again")
        case _ where version & 0xFFFF == 0 && version != 0:
            throw SwiftletError(
                .unsupported,
                "\(path): a big-endian GGUF file, expected little-endian; convert its endianness")
        default:
            throw SwiftletError(.unsupported, "\(path): GGUF version \(version), expected 2 or 3")
        }
    }

    private mutating func readMetadata(
        _ count: Int, owner: any AnyObject & Sendable
    ) throws(SwiftletError) {
        keys.reserveCapacity(count)
        for i in 0..<count {
            let key = try cursor.name("metadata key \(i)")
            let value = try cursor.typedValue(key, owner: owner)
            guard values.updateValue(value, forKey: key) == nil else {
                throw cursor.problem("metadata key '\(key)' appears twice")
            }
            keys.append(key)
        }
    }

    private mutating func readAlignment() throws(SwiftletError) {
        guard let value = values[Self.alignmentKey] else { return }
        guard let number = Self.alignment(value) else {
            throw cursor.problem("\(Self.alignmentKey) is not a power of two of at least 8")
        }
        alignment = number
    }

    /// The specification asks for a multiple of 8, and other readers for a power of two.
    static func alignment(_ value: GGUFValue) -> Int? {
        value.int.flatMap { $0 >= 8 && $0 <= 1 << 31 && $0.nonzeroBitCount == 1 ? $0 : nil }
    }

    private mutating func readTensors(_ count: Int) throws(SwiftletError) {
        tensors.reserveCapacity(count)
        indices.reserveCapacity(count)
        for i in 0..<count {
            let name = try cursor.name("the name of tensor \(i)")
            guard indices.updateValue(i, forKey: name) == nil else {
                throw cursor.problem("tensor '\(name)' appears twice")
            }
            tensors.append(try readTensor(name))
        }
    }

    /// Reads one description; its offset still counts from the start of the data.
    private mutating func readTensor(_ name: String) throws(SwiftletError) -> GGUFFile.TensorDescription {
        let dimensionCount = try cursor.integer(UInt32.self, "the number of dimensions of '\(name)'")
        guard dimensionCount <= 4 else {
            throw cursor.problem("tensor '\(name)' has \(dimensionCount) dimensions, expected at most 4")
        }
        var shape: [Int] = []
        for _ in 0..<dimensionCount {
            let size = try cursor.integer(UInt64.self, "a dimension of '\(name)'")
            guard let size = Int(exactly: size) else {
                throw cursor.problem("tensor '\(name)' has a dimension of \(size)")
            }
            shape.insert(size, at: 0)
        }
        let type = GGUFTensorType(number: try cursor.integer(UInt32.self, "the type of '\(name)'"))
        let offset = try cursor.integer(UInt64.self, "the offset of '\(name)'")
        guard let offset = Int(exactly: offset), offset % alignment == 0 else {
            throw cursor.problem("tensor '\(name)' has offset \(offset), expected a multiple of \(alignment)")
        }
        return .init(name: name, shape: shape, offset: offset, type: type)
    }

    /// Makes offsets absolute and checks that tensors lie inside the file and apart from each other.
    private mutating func placeTensors(fileSize: Int, headerOnly: Bool) throws(SwiftletError) {
        guard !tensors.isEmpty else { return }
        let dataStart = cursor.position + (alignment - cursor.position % alignment) % alignment
        var ranges: [(range: Range<Int>, name: String)] = []
        for (i, tensor) in tensors.enumerated() {
            let count = try byteCount(of: tensor)
            let (start, overflow) = dataStart.addingReportingOverflow(tensor.offset)
            let isInside = !overflow && start <= fileSize && count <= fileSize - start
            let end = start.addingReportingOverflow(count)
            guard isInside || headerOnly && !overflow && !end.overflow else {
                throw cursor.problem(
                    "tensor '\(tensor.name)' takes \(count) bytes from byte \(tensor.offset) of the data, of "
                        + "which the file has \(max(0, fileSize - dataStart))"
                )
            }
            holdsData = holdsData && isInside
            tensors[i] = .init(name: tensor.name, shape: tensor.shape, offset: start, type: tensor.type)
            if count > 0 { ranges.append((start..<start + count, tensor.name)) }
        }
        ranges.sort { $0.range.lowerBound < $1.range.lowerBound }
        for (first, second) in zip(ranges, ranges.dropFirst())
        where first.range.upperBound > second.range.lowerBound {
            throw cursor.problem("the data of tensors '\(first.name)' and '\(second.name)' overlap")
        }
    }

    /// Bytes of data; 0 for a number format that is not read, as its size is not known.
    private func byteCount(of tensor: GGUFFile.TensorDescription) throws(SwiftletError) -> Int {
        guard let format = tensor.format else { return 0 }
        guard let count = Tensor.byteCount(shape: tensor.shape, format: format) else {
            throw cursor.problem(
                "tensor '\(tensor.name)' of shape \(tensor.shape) cannot be stored as \(tensor.formatName), "
                    + "whose rows are multiples of \(format.blockElements)"
            )
        }
        return count
    }
}
