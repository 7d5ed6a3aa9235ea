import SwiftletTensor

/// The types of metadata in GGUF files, by their numbers in the file.
public enum GGUFValueType: UInt32, CaseIterable, Sendable {
    case uint8, int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64, float64

    /// Bytes of one value; for strings and arrays, of the shortest.
    var size: Int {
        switch self {
        case .uint8, .int8, .bool: 1
        case .uint16, .int16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64, .string: 8
        case .array: 12
        }
    }
}

/// One value of a GGUF file's metadata, read from the file's bytes when asked for.
///
/// Each accessor answers `nil` for a value of another type. Arrays are neither copied nor decoded before an
/// accessor such as ``strings()`` asks for all their elements.
public struct GGUFValue: Sendable {
    /// What the value is.
    public let type: GGUFValueType
    /// What an array holds; `nil` if this is not one.
    public let elementType: GGUFValueType?
    /// Elements of an array; 1 for anything else.
    public let count: Int
    private nonisolated(unsafe) let start: UnsafeRawPointer?
    private let byteCount: Int
    private let owner: any AnyObject & Sendable

    init(type: GGUFValueType, payload: UnsafeRawBufferPointer, owner: any AnyObject & Sendable) {
        self.init(type, nil, count: 1, payload, owner)
    }

    init(
        elementType: GGUFValueType, count: Int, payload: UnsafeRawBufferPointer,
        owner: any AnyObject & Sendable
    ) {
        self.init(.array, elementType, count: count, payload, owner)
    }

    private init(
        _ type: GGUFValueType, _ elementType: GGUFValueType?, count: Int, _ payload: UnsafeRawBufferPointer,
        _ owner: any AnyObject & Sendable
    ) {
        self.type = type
        self.elementType = elementType
        self.count = count
        start = payload.baseAddress
        byteCount = payload.count
        self.owner = owner
    }

    /// The bytes of a scalar or a string, or the packed elements of an array, as in the file.
    var payload: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: byteCount) }

    // MARK: Single values

    /// An integer of any width that fits `Int`.
    public var int: Int? { Self.int(type, payload, at: 0) }

    /// A non-negative integer of any width.
    public var uint: UInt? {
        type == .uint64
            ? UInt(littleEndian: payload.loadUnaligned(as: UInt.self)) : int.flatMap(UInt.init(exactly:))
    }

    /// A floating-point number or an integer, the latter rounded to nearest.
    public var double: Double? { Self.double(type, payload, at: 0) ?? uint.map(Double.init) }

    /// A truth value.
    public var bool: Bool? { type == .bool ? payload[0] != 0 : nil }

    /// A string, with U+FFFD in place of what is not UTF-8.
    public var string: String? { type == .string ? String(decoding: payload, as: UTF8.self) : nil }

    /// The bytes of a string as stored.
    public var bytes: [UInt8]? { type == .string ? Array(payload) : nil }

    // MARK: Arrays

    /// The bytes of each string of an array.
    public func strings() -> [[UInt8]]? {
        guard elementType == .string else { return nil }
        var result: [[UInt8]] = []
        result.reserveCapacity(count)
        forEachString { result.append(Array($0)) }
        return result
    }

    /// Calls `body` with the bytes of each string of an array, without copying; not at all for another type.
    public func forEachString(_ body: (UnsafeRawBufferPointer) -> Void) {
        guard elementType == .string else { return }
        withExtendedLifetime(owner) {
            var position = 0
            for _ in 0..<count {
                let length = Int(
                    UInt64(littleEndian: payload.loadUnaligned(fromByteOffset: position, as: UInt64.self)))
                body(UnsafeRawBufferPointer(rebasing: payload[position + 8..<position + 8 + length]))
                position += 8 + length
            }
        }
    }

    /// The integers of an array of any width, or `nil` if one does not fit `Int`.
    public func ints() -> [Int]? { numbers(Self.int) }

    /// The numbers of an array of single or double precision, rounded to single.
    public func floats() -> [Float]? {
        guard elementType == .float32 || elementType == .float64 else { return nil }
        return numbers { type, payload, offset in Self.double(type, payload, at: offset).map { Float($0) } }
    }

    /// The truth values of an array.
    public func bools() -> [Bool]? { elementType == .bool ? payload.map { $0 != 0 } : nil }

    /// The elements of an array of any type, arrays of arrays included.
    public func elements() -> [GGUFValue]? {
        guard let elementType else { return nil }
        var cursor = GGUFCursor(payload, path: "")
        // Opening the file has checked every element, so none is dropped here.
        return (0..<count).compactMap { _ in try? cursor.value(elementType, "", owner: owner, depth: 0) }
    }

    private func numbers<T>(_ decode: (GGUFValueType, UnsafeRawBufferPointer, Int) -> T?) -> [T]? {
        guard let elementType else { return nil }
        var result: [T] = []
        result.reserveCapacity(count)
        for i in 0..<count {
            guard let number = decode(elementType, payload, i * elementType.size) else { return nil }
            result.append(number)
        }
        return result
    }

    // MARK: Decoding

    private static func int(_ type: GGUFValueType, _ payload: UnsafeRawBufferPointer, at offset: Int) -> Int?
    {
        func load<T: FixedWidthInteger>(_: T.Type) -> Int? {
            Int(exactly: T(littleEndian: payload.loadUnaligned(fromByteOffset: offset, as: T.self)))
        }
        return switch type {
        case .uint8: load(UInt8.self)
        case .int8: load(Int8.self)
        case .uint16: load(UInt16.self)
        case .int16: load(Int16.self)
        case .uint32: load(UInt32.self)
        case .int32: load(Int32.self)
        case .uint64: load(UInt64.self)
        case .int64: load(Int64.self)
        case .float32, .float64, .bool, .string, .array: nil
        }
    }

    private static func double(
        _ type: GGUFValueType, _ payload: UnsafeRawBufferPointer, at offset: Int
    ) -> Double? {
        switch type {
        case .float32:
            let bits = payload.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
            return Double(Float(bitPattern: UInt32(littleEndian: bits)))
        case .float64:
            let bits = payload.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            return Double(bitPattern: UInt64(littleEndian: bits))
        default: return int(type, payload, at: offset).map(Double.init)
        }
    }
}
