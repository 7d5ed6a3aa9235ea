import SwiftletModels
import SwiftletTensor

extension Model {
    /// A number of 128 bits, in hexadecimal, that tells this model from others: a hash of its sizes and constants
    /// and of name, shape, number format and some bytes of every tensor.
    ///
    /// Of a tensor of more than 8 KiB, 32 pieces of 256 bytes count, evenly spread from the first byte to the last,
    /// so that the file need not be read whole. It guards against mistakes, not against an adversary. The same
    /// weights in another number format or file format are another model.
    ///
    /// - Complexity: linear in the number of tensors; reads at most 8 KiB of each.
    public var fingerprint: String {
        var hash = Fingerprint()
        let c = configuration
        hash.combine(c.architecture)
        for size in [
            c.vocabularySize, c.hiddenSize, c.innerSize, c.layerCount, c.headCount, c.kvHeadCount, c.headSize,
        ] {
            hash.combine(size)
        }
        for window in c.windows { hash.combine(window ?? 0) }
        for frequency in c.rope.frequencies { hash.combine(frequency.bitPattern) }
        hash.combine(c.rope.attentionFactor.bitPattern)
        hash.combine(UInt64(c.normEpsilon.bitPattern))
        for (name, tensor) in network.weights.map({ ($0.name, $0.tensor) }) {
            hash.combine(name)
            hash.combine(tensor.format.rawValue)
            for size in tensor.shape { hash.combine(size) }
            hash.combine(samplesOf: tensor.bytes)
        }
        return hash.hexadecimal
    }
}

/// A hash of 128 bits that is the same in every process and on every machine.
package struct Fingerprint {
    private var low: UInt64 = 0x9E37_79B9_7F4A_7C15
    private var high: UInt64 = 0xC2B2_AE3D_27D4_EB4F

    private static let sampleCount = 32
    private static let sampleBytes = 256

    package init() {}

    /// 32 digits.
    package var hexadecimal: String {
        [high, low].map { lane in
            let digits = String(Self.mixed(lane), radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    mutating func combine(_ number: Int) { combine(UInt64(bitPattern: Int64(number))) }

    package mutating func combine(_ text: String) { combine(Array(text.utf8)) }

    /// Takes in bytes and their number.
    mutating func combine(_ bytes: [UInt8]) { bytes.withUnsafeBytes { combine($0) } }

    /// Takes in all of a few bytes, or pieces of many.
    mutating func combine(samplesOf bytes: UnsafeRawBufferPointer) {
        guard bytes.count > Self.sampleCount * Self.sampleBytes else { return combine(bytes) }
        combine(bytes.count)
        let last = bytes.count - Self.sampleBytes
        for sample in 0..<Self.sampleCount {
            let first = Int(Double(last) * Double(sample) / Double(Self.sampleCount - 1))
            combine(UnsafeRawBufferPointer(rebasing: bytes[first..<first + Self.sampleBytes]))
        }
    }

    private mutating func combine(_ bytes: UnsafeRawBufferPointer) {
        combine(bytes.count)
        var word: UInt64 = 0
        for (index, byte) in bytes.enumerated() {
            word = word << 8 | UInt64(byte)
            if index % 8 == 7 || index + 1 == bytes.count {
                combine(word)
                word = 0
            }
        }
    }

    mutating func combine(_ word: UInt64) {
        low = Self.mixed(low ^ word)
        high = Self.mixed(high &+ word &* 0x9FB2_1C65_1E98_DF25) ^ low
    }

    /// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
    private static func mixed(_ x: UInt64) -> UInt64 {
        var z = x &+ 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
