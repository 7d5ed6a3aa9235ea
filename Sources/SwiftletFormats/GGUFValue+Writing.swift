import SwiftletTensor

/// A Swift type that is one of the number types of GGUF metadata.
///
/// `Int` is not, as files say how wide their integers are.
public protocol GGUFNumber: Sendable {
    /// The type in the file.
    static var ggufType: GGUFValueType { get }
    /// The bits of the number, from the lowest.
    var ggufBits: UInt64 { get }
}

extension GGUFNumber where Self: FixedWidthInteger {
    /// The bits of the number, from the lowest.
    public var ggufBits: UInt64 { UInt64(truncatingIfNeeded: self) }
}

extension UInt8: GGUFNumber {
    /// `uint8`
    public static var ggufType: GGUFValueType { .uint8 }
}

extension Int8: GGUFNumber {
    /// `int8`
    public static var ggufType: GGUFValueType { .int8 }
}

extension UInt16: GGUFNumber {
    /// `uint16`
    public static var ggufType: GGUFValueType { .uint16 }
}

extension Int16: GGUFNumber {
    /// `int16`
    public static var ggufType: GGUFValueType { .int16 }
}

extension UInt32: GGUFNumber {
    /// `uint32`
    public static var ggufType: GGUFValueType { .uint32 }
}

extension Int32: GGUFNumber {
    /// `int32`
    public static var ggufType: GGUFValueType { .int32 }
}

extension UInt64: GGUFNumber {
    /// `uint64`
    public static var ggufType: GGUFValueType { .uint64 }
}

extension Int64: GGUFNumber {
    /// `int64`
    public static var ggufType: GGUFValueType { .int64 }
}

extension Float: GGUFNumber {
    /// `float32`
    public static var ggufType: GGUFValueType { .float32 }
    /// The bits of the number, from the lowest.
    public var ggufBits: UInt64 { UInt64(bitPattern) }
}

extension Double: GGUFNumber {
    /// `float64`
    public static var ggufType: GGUFValueType { .float64 }
    /// The bits of the number.
    public var ggufBits: UInt64 { bitPattern }
}

extension Bool: GGUFNumber {
    /// `bool`
    public static var ggufType: GGUFValueType { .bool }
    /// 0 or 1.
    public var ggufBits: UInt64 { self ? 1 : 0 }
}

extension GGUFValue {
    /// A number or truth value, as in `GGUFValue(UInt32(32))`.
    public init<Number: GGUFNumber>(_ number: Number) {
        let storage = Self.pack(CollectionOfOne(number))
        self.init(type: Number.ggufType, payload: storage.bytes, owner: storage)
    }

    /// An array of numbers or truth values.
    public init<Number: GGUFNumber>(_ numbers: [Number]) {
        let storage = Self.pack(numbers)
        self.init(
            elementType: Number.ggufType, count: numbers.count, payload: storage.bytes, owner: storage)
    }

    /// A string.
    public init(_ string: String) {
        let storage = Array(string.utf8).withUnsafeBytes { ByteStorage(copying: $0) }
        self.init(type: .string, payload: storage.bytes, owner: storage)
    }

    /// An array of strings.
    public init(_ strings: [String]) {
        self.init(strings: strings.map { Array($0.utf8) })
    }

    /// An array of strings that need not be UTF-8.
    public init(strings: [[UInt8]]) {
        var packed = LittleEndianBytes()
        for string in strings { packed.append(text: string) }
        let storage = packed.bytes.withUnsafeBytes { ByteStorage(copying: $0) }
        self.init(elementType: .string, count: strings.count, payload: storage.bytes, owner: storage)
    }

    private static func pack<Number: GGUFNumber>(_ numbers: some Sequence<Number>) -> ByteStorage {
        var packed: [UInt8] = []
        for number in numbers {
            withUnsafeBytes(of: number.ggufBits.littleEndian) { bytes in
                packed.append(contentsOf: bytes.prefix(Number.ggufType.size))
            }
        }
        return packed.withUnsafeBytes { ByteStorage(copying: $0) }
    }

    /// Appends the type and the value as in a file.
    func append(to file: inout LittleEndianBytes) {
        file.append(type.rawValue)
        if let elementType {
            file.append(elementType.rawValue)
            file.append(UInt64(count))
        } else if type == .string {
            file.append(UInt64(payload.count))
        }
        file.append(contentsOf: payload)
    }
}
