import SwiftletTensor

/// Walks the fields of a protocol buffer message, checking every length.
///
/// Source: the encoding described at protobuf.dev; groups, which no file here uses, are refused.
struct ProtobufReader {
    /// The payload of one field.
    enum Value {
        case varint(UInt64)
        case fixed64(UInt64)
        case bytes(ArraySlice<UInt8>)
        case fixed32(UInt32)

        /// The bytes of a string or message field.
        var bytes: ArraySlice<UInt8>? { if case .bytes(let bytes) = self { bytes } else { nil } }
        /// A truth value.
        var bool: Bool? { if case .varint(let value) = self { value != 0 } else { nil } }
        /// A small integer.
        var int: Int? { if case .varint(let value) = self { Int(truncatingIfNeeded: value) } else { nil } }
        /// A single-precision number.
        var float: Float? { if case .fixed32(let bits) = self { Float(bitPattern: bits) } else { nil } }
    }

    private let source: String
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>, source: String) {
        self.source = source
        rest = bytes
    }

    /// The next field, or `nil` at the end.
    mutating func next() throws(SwiftletError) -> (field: Int, value: Value)? {
        guard !rest.isEmpty else { return nil }
        let tag = try varint()
        let field = Int(truncatingIfNeeded: tag >> 3)
        guard field > 0, field < 1 << 29 else { throw malformed("field number \(field) is impossible") }
        switch tag & 7 {
        case 0: return (field, .varint(try varint()))
        case 1: return (field, .fixed64(try fixed(8)))
        case 2:
            let count = try varint()
            guard count <= UInt64(rest.count) else {
                throw malformed("field \(field) has \(count) bytes, but only \(rest.count) are left")
            }
            defer { rest = rest.dropFirst(Int(count)) }
            return (field, .bytes(rest.prefix(Int(count))))
        case 5: return (field, .fixed32(UInt32(truncatingIfNeeded: try fixed(4))))
        default: throw malformed("field \(field) has wire type \(tag & 7), expected 0, 1, 2 or 5")
        }
    }

    private mutating func varint() throws(SwiftletError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard let byte = rest.popFirst() else { throw malformed("it ends inside a number") }
            value |= shift < 64 ? UInt64(byte & 0x7F) << shift : 0
            if byte < 0x80 { return value }
        }
        throw malformed("a number has more than 10 bytes")
    }

    private mutating func fixed(_ count: Int) throws(SwiftletError) -> UInt64 {
        guard rest.count >= count else { throw malformed("it ends inside a number") }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private func malformed(_ problem: String) -> SwiftletError {
        SwiftletError(.malformed, "\(source) is not a SentencePiece model: \(problem)")
    }
}
