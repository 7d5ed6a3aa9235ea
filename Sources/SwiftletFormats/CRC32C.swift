/// The checksum CRC-32C, eight bytes per step.
///
/// Source: polynomial and test vectors of RFC 3720, §12.1 and §B.4; slicing by eight after Kounavis and Berry, 2005.
package struct CRC32C {
    private static let tables: [UInt32] = {
        var tables = (0..<256 as Range<UInt32>).map { byte in
            (0..<8).reduce(byte) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
        }
        for index in 256..<8 * 256 {
            let previous = tables[index - 256]
            tables.append(previous >> 8 ^ tables[Int(previous & 0xFF)])
        }
        return tables
    }()

    private var state = UInt32.max

    package init() {}

    /// The checksum of everything so far.
    package var value: UInt32 { ~state }

    /// Takes in bytes.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        var crc = state
        Self.tables.withUnsafeBufferPointer { table in
            let whole = bytes.count & ~7
            for start in stride(from: 0, to: whole, by: 8) {
                let word =
                    UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self))
                    ^ UInt64(crc)
                crc = 0
                for byte in 0..<8 { crc ^= table[(7 - byte) << 8 | Int(word >> (8 * byte) & 0xFF)] }
            }
            for byte in bytes[whole...] { crc = crc >> 8 ^ table[Int(crc & 0xFF ^ UInt32(byte))] }
        }
        state = crc
    }

    /// Takes in bytes.
    package mutating func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }
}
