import Testing

@testable import SwiftletFormats

@Suite struct CRC32CTests {
    private func checksum(_ bytes: [UInt8]) -> UInt32 {
        var crc = CRC32C()
        crc.update(bytes)
        return crc.value
    }

    @Test("the vectors of RFC 3720")
    func vectors() {
        #expect(checksum(Array(repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(checksum(Array(repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(checksum(Array(0..<32)) == 0x46DD_794E)
        #expect(checksum((0..<32).reversed()) == 0x113F_DB5C)
        #expect(checksum(Array("123456789".utf8)) == 0xE306_9283)
        #expect(checksum([]) == 0)
    }

    @Test("pieces of any length give the same", arguments: 0..<20)
    func pieces(cut: Int) {
        let bytes = (0..<40).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) }
        var crc = CRC32C()
        crc.update(Array(bytes[..<cut]))
        crc.update(Array(bytes[cut...]))
        #expect(crc.value == checksum(bytes))
    }
}
