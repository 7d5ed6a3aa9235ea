/// Bytes that grow by little-endian fields.
package struct LittleEndianBytes {
    package var bytes: [UInt8] = []

    package init() {}

    package mutating func append(_ integer: some FixedWidthInteger) {
        withUnsafeBytes(of: integer.littleEndian) { bytes.append(contentsOf: $0) }
    }

    package mutating func append(contentsOf new: some Sequence<UInt8>) { bytes.append(contentsOf: new) }

    /// Appends a length and the bytes.
    package mutating func append(text: some Collection<UInt8>) {
        append(UInt64(text.count))
        bytes.append(contentsOf: text)
    }

    /// Appends zeros up to a multiple of `alignment`.
    package mutating func pad(to alignment: Int) {
        bytes.append(contentsOf: repeatElement(0, count: (alignment - bytes.count % alignment) % alignment))
    }
}
