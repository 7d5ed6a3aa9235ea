/// Damages valid files the way transmission errors, bugs and attackers do.
public struct Mutator {
    private var random: SplitMix64

    /// Starts the sequence of one seed.
    public init(seed: UInt64) {
        random = SplitMix64(seed: seed)
    }

    /// A copy of `bytes` with one to four defects, each of a random kind at a random place.
    public mutating func mutate(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...4, using: &random) { damage(&bytes) }
        return bytes
    }

    private mutating func damage(_ bytes: inout [UInt8]) {
        guard !bytes.isEmpty else {
            bytes = [UInt8.random(in: 0...255, using: &random)]
            return
        }
        // Headers are at the front and decide the most, so half of the defects go there.
        let span = Bool.random(using: &random) ? min(bytes.count, 64) : bytes.count
        let place = Int.random(in: 0..<span, using: &random)
        switch Int.random(in: 0..<9, using: &random) {
        case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 2: bytes.removeSubrange(place...)
        case 3: bytes.removeSubrange(place..<min(bytes.count, place + length()))
        case 4: bytes.insert(contentsOf: slice(of: bytes), at: place)
        case 5: overwrite(&bytes, at: place, with: slice(of: bytes))
        case 6: overwrite(&bytes, at: place, with: extremeInteger())
        case 7: overwrite(&bytes, at: place / 8 * 8, with: extremeInteger())
        default: bytes.insert(interestingCharacter(), at: place)
        }
    }

    private mutating func length() -> Int { Int.random(in: 1...16, using: &random) }

    private mutating func slice(of bytes: [UInt8]) -> [UInt8] {
        let start = Int.random(in: 0..<bytes.count, using: &random)
        return Array(bytes[start..<min(bytes.count, start + length())])
    }

    private func overwrite(_ bytes: inout [UInt8], at place: Int, with new: [UInt8]) {
        for (i, byte) in new.enumerated() where place + i < bytes.count { bytes[place + i] = byte }
    }

    /// A little-endian count or length at the edge of what its type holds.
    private mutating func extremeInteger() -> [UInt8] {
        let values: [UInt64] = [
            0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x1_0000_0000,
            0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, 0xFFFF_FFFF_FFFF_FFFF, 0xFFFF_FFFF_FFFF_FFE0,
            0x2000_0000_0000_0001, 0x1000_0000_0000_0000,
        ]
        let value = values[Int.random(in: 0..<values.count, using: &random)]
        let width = [1, 2, 4, 8][Int.random(in: 0..<4, using: &random)]
        return (0..<width).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
    }

    private mutating func interestingCharacter() -> UInt8 {
        let characters =
            Array("\"\\{}[],:-+.eEu0123456789 \n\t/".utf8) + [0x00, 0x80, 0xC0, 0xED, 0xF4, 0xFF]
        return characters[Int.random(in: 0..<characters.count, using: &random)]
    }
}
