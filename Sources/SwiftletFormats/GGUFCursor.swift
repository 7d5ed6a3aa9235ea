import SwiftletTensor

/// Reads little-endian fields one after another and checks every length before use.
struct GGUFCursor {
    let bytes: UnsafeRawBufferPointer
    let path: String
    private(set) var position = 0

    /// How deep arrays of arrays may nest; files in the wild have depth 1.
    static let maximumDepth = 8

    init(_ bytes: UnsafeRawBufferPointer, path: String) {
        self.bytes = bytes
        self.path = path
    }

    var remaining: Int { bytes.count - position }

    /// Reads one integer.
    mutating func integer<T: FixedWidthInteger>(_: T.Type, _ what: @autoclosure () -> String)
        throws(SwiftletError) -> T
    {
        let value = try take(MemoryLayout<T>.size, what()).loadUnaligned(as: T.self)
        return T(littleEndian: value)
    }

    /// Reads how many things follow, each of which takes at least `minimumSize` bytes.
    mutating func count(_ what: @autoclosure () -> String, minimumSize: Int) throws(SwiftletError) -> Int {
        let count = try integer(UInt64.self, what())
        guard count <= remaining / minimumSize else {
            throw problem("\(what()) is \(count), but only \(remaining) bytes follow")
        }
        return Int(count)
    }

    /// Reads a length and that many bytes of text, which need not be UTF-8.
    mutating func text(_ what: @autoclosure () -> String) throws(SwiftletError) -> UnsafeRawBufferPointer {
        let length = try count("the length of \(what())", minimumSize: 1)
        return try take(length, what())
    }

    /// Reads a length and that many bytes of UTF-8.
    mutating func name(_ what: @autoclosure () -> String) throws(SwiftletError) -> String {
        let start = position
        let text = try text(what())
        guard UTF8Scan.isValid(text.bindMemory(to: UInt8.self)) else {
            throw problem("\(what()) at byte \(start) is not UTF-8")
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Reads a type and a value of that type.
    mutating func typedValue(_ key: String, owner: any AnyObject & Sendable) throws(SwiftletError)
        -> GGUFValue
    {
        let type = try valueType("the type of '\(key)'")
        return try value(type, key, owner: owner, depth: 0)
    }

    mutating func value(
        _ type: GGUFValueType, _ key: String, owner: any AnyObject & Sendable, depth: Int
    ) throws(SwiftletError) -> GGUFValue {
        switch type {
        case .string:
            return GGUFValue(type: type, payload: try text("the value of '\(key)'"), owner: owner)
        case .array:
            return try array(key, owner: owner, depth: depth + 1)
        default:
            let payload = try take(type.size, "the value of '\(key)'")
            if type == .bool { try checkTruthValues(payload, key) }
            return GGUFValue(type: type, payload: payload, owner: owner)
        }
    }

    private mutating func array(
        _ key: String, owner: any AnyObject & Sendable, depth: Int
    ) throws(SwiftletError) -> GGUFValue {
        guard depth <= Self.maximumDepth else {
            throw problem("the value of '\(key)' nests arrays deeper than \(Self.maximumDepth), the limit")
        }
        let type = try valueType("the element type of '\(key)'")
        let count = try count("the number of elements of '\(key)'", minimumSize: type.size)
        let start = position
        switch type {
        case .string:
            for _ in 0..<count { _ = try text("an element of '\(key)'") }
        case .array:
            for _ in 0..<count { _ = try array(key, owner: owner, depth: depth + 1) }
        default:
            let payload = try take(count * type.size, "the elements of '\(key)'")
            if type == .bool { try checkTruthValues(payload, key) }
        }
        return GGUFValue(
            elementType: type, count: count,
            payload: UnsafeRawBufferPointer(rebasing: bytes[start..<position]),
            owner: owner)
    }

    private mutating func valueType(_ what: @autoclosure () -> String) throws(SwiftletError) -> GGUFValueType
    {
        let number = try integer(UInt32.self, what())
        guard let type = GGUFValueType(rawValue: number) else {
            throw problem("\(what()) is \(number), expected 0 to 12")
        }
        return type
    }

    private func checkTruthValues(_ payload: UnsafeRawBufferPointer, _ key: String) throws(SwiftletError) {
        if let wrong = payload.first(where: { $0 > 1 }) {
            throw problem("the value of '\(key)' holds the truth value \(wrong), expected 0 or 1")
        }
    }

    private mutating func take(
        _ count: Int, _ what: @autoclosure () -> String
    ) throws(SwiftletError) -> UnsafeRawBufferPointer {
        guard count <= remaining else {
            throw problem("\(what()) needs \(count) bytes at byte \(position), but only \(remaining) follow")
        }
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
    }

    /// A damaged file; `what` is the finding.
    func problem(_ what: String) -> SwiftletError {
        SwiftletError(.malformed, "\(path): \(what); the file is truncated or damaged, download it again")
    }
}
