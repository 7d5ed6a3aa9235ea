/// Writes one JSON document, compact or indented.
///
/// Arrays and objects are closed by the closures that fill them, so the text is always balanced.
///
/// ```swift
/// var json = JSONWriter()
/// json.object { json in
///     json.member("tokens", 12)
///     json.key("rate")
///     json.value(31.5)
/// }
/// print(json.text)      // {"tokens":12,"rate":31.5}
/// ```
public struct JSONWriter: Sendable {
    /// The UTF-8 written so far.
    public private(set) var bytes: [UInt8] = []
    private let indent: Int?
    private var depth = 0
    private var needsComma = false
    private var afterKey = false

    /// - Parameter indent: spaces per level for people, or `nil` for one line without spaces.
    public init(indent: Int? = nil) {
        self.indent = indent
    }

    /// The text written so far.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// Writes an object whose members `body` writes.
    public mutating func object<E: Error>(_ body: (inout JSONWriter) throws(E) -> Void) throws(E) {
        try container("{", "}", body)
    }

    /// Writes an array whose elements `body` writes.
    public mutating func array<E: Error>(_ body: (inout JSONWriter) throws(E) -> Void) throws(E) {
        try container("[", "]", body)
    }

    /// Writes the key of the member whose value comes next.
    public mutating func key(_ name: String) {
        startItem()
        quote(name.utf8)
        bytes.append(UInt8(ascii: ":"))
        if indent != nil { bytes.append(UInt8(ascii: " ")) }
        afterKey = true
    }

    /// Writes a string.
    public mutating func value(_ string: String) {
        startItem()
        quote(string.utf8)
    }

    /// Writes `true` or `false`.
    public mutating func value(_ bool: Bool) { item(bool ? "true" : "false") }

    /// Writes an integer.
    public mutating func value(_ integer: some BinaryInteger) { item(String(integer)) }

    /// Writes the shortest digits that read back as the same number; `null` if it is not finite.
    public mutating func value(_ number: some BinaryFloatingPoint & CustomStringConvertible) {
        item(number.isFinite ? number.description : "null")
    }

    /// Writes `null`.
    public mutating func null() { item("null") }

    /// Writes a member with a string.
    public mutating func member(_ name: String, _ string: String) {
        key(name)
        value(string)
    }

    /// Writes a member with a truth value.
    public mutating func member(_ name: String, _ bool: Bool) {
        key(name)
        value(bool)
    }

    /// Writes a member with an integer.
    public mutating func member(_ name: String, _ integer: some BinaryInteger) {
        key(name)
        value(integer)
    }

    /// Writes a member with a number; `null` if it is not finite.
    public mutating func member(
        _ name: String, _ number: some BinaryFloatingPoint & CustomStringConvertible
    ) {
        key(name)
        value(number)
    }

    // MARK: Layout

    private mutating func container<E: Error>(
        _ open: StaticString, _ close: StaticString, _ body: (inout JSONWriter) throws(E) -> Void
    ) throws(E) {
        item(open.description)
        depth += 1
        needsComma = false
        try body(&self)
        depth -= 1
        if needsComma { newline() }
        bytes.append(contentsOf: close.description.utf8)
        needsComma = true
    }

    private mutating func item(_ text: String) {
        startItem()
        bytes.append(contentsOf: text.utf8)
    }

    private mutating func startItem() {
        if afterKey {
            afterKey = false
            needsComma = true
            return
        }
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        if depth > 0 { newline() }
        needsComma = true
    }

    private mutating func newline() {
        guard let indent else { return }
        bytes.append(UInt8(ascii: "\n"))
        bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: indent * depth))
    }

    private mutating func quote(_ text: String.UTF8View) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(contentsOf: [UInt8(ascii: "\\"), byte])
            case 0x0A: bytes.append(contentsOf: "\\n".utf8)
            case 0x0D: bytes.append(contentsOf: "\\r".utf8)
            case 0x09: bytes.append(contentsOf: "\\t".utf8)
            case 0..<0x20:
                bytes.append(contentsOf: (byte < 0x10 ? "\\u000" : "\\u00").utf8)
                bytes.append(contentsOf: String(byte, radix: 16).utf8)
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
