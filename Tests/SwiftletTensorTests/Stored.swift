import CSwiftletKernels
import Foundation
import SwiftletTestSupport
import Testing

@testable import SwiftletTensor

extension Kernels: CustomTestStringConvertible {
    /// The name of the instruction set.
    public var testDescription: String { name }
}

extension NumberFormat {
    /// The formats that kernels read.
    static let readable = allCases.filter { $0.kernel != nil }
    /// The formats that kernels write.
    static let writable = readable.filter { $0.roundTripBound != nil }

    /// The format as the kernels know it; the test formats all have one.
    var stored: sl_format { kernel ?? SL_FORMAT_COUNT }

    /// Offsets of the binary16 scales in a block.
    var scaleOffsets: [Int] {
        switch self {
        case .q8_0, .q4_0, .q5_0: [0]
        case .q4_1, .q5_1, .q4_K, .q5_K: [0, 2]
        case .q2_K: [80, 82]
        case .q3_K: [108]
        case .q6_K: [208]
        case .iq1_s, .iq2_xxs, .iq2_xs, .iq2_s, .iq3_xxs, .iq3_s, .iq4_nl, .iq4_xs: [0]
        case .tq1_0: [52]
        case .tq2_0: [64]
        default: []
        }
    }

    /// Makes scales small that are no binary16 number in one place.
    func setModerateScale(_ bytes: inout [UInt8], _ block: Int) {
        let start = block * blockBytes
        switch self {
        case .iq1_m:  // the highest nibbles of four words, lowest first
            for (index, nibble) in [1, 2, 0, 2].enumerated() {
                let at = start + 48 + 2 * index + 1
                bytes[at] = bytes[at] & 15 | UInt8(nibble << 4)
            }
        case .mxfp4: bytes[start] = 118 + bytes[start] % 8
        case .nvfp4: for k in 0..<4 { bytes[start + k] %= 0x30 }
        default: break
        }
    }
}

/// Stored numbers at an odd address, with what they mean.
struct Stored {
    let format: NumberFormat
    let bytes: [UInt8]
    let numbers: [Float]

    /// `count` random numbers, rounded up to whole blocks: any codes, moderate scales.
    init(_ format: NumberFormat, count: Int, _ random: inout SplitMix64) {
        let blocks = (count + format.blockElements - 1) / format.blockElements
        var bytes: [UInt8]
        if format.kernel.map({ $0.rawValue < SL_Q8_0.rawValue }) == true,
            let plain = Reference.quantize(format, random.floats(blocks * format.blockElements))
        {
            bytes = plain
        } else {
            bytes = (0..<blocks * format.blockBytes).map { _ in UInt8.random(in: 0...255, using: &random) }
            for block in 0..<blocks {
                for offset in format.scaleOffsets {
                    let scale = Reference.halfBits(Float.random(in: -0.01...0.01, using: &random))
                    bytes[block * format.blockBytes + offset] = UInt8(truncatingIfNeeded: scale)
                    bytes[block * format.blockBytes + offset + 1] = UInt8(scale >> 8)
                }
                format.setModerateScale(&bytes, block)
            }
        }
        self.init(format, bytes: bytes)
    }

    /// Whole blocks.
    init(_ format: NumberFormat, bytes: [UInt8]) {
        self.format = format
        self.bytes = bytes
        numbers = Reference.dequantize(format, bytes)
    }

    /// Calls `body` with a copy of the bytes at an odd address.
    func withUnaligned<R>(_ body: (UnsafeRawPointer) -> R) -> R {
        let copy = UnsafeMutableRawPointer.allocate(byteCount: bytes.count + 1, alignment: 16)
        defer { copy.deallocate() }
        copy.advanced(by: 1).copyMemory(from: bytes, byteCount: bytes.count)
        return body(copy.advanced(by: 1))
    }
}

/// The bits of two numbers agree, or both are NaN.
func same(_ a: Float, _ b: Float) -> Bool { a.bitPattern == b.bitPattern || (a.isNaN && b.isNaN) }

/// All numbers of two arrays are the ``same(_:_:)``.
func same(_ a: [Float], _ b: [Float]) -> Bool { a.count == b.count && zip(a, b).allSatisfy(same) }

/// Bytes of a file in `Fixtures/formats`.
func fixture(_ name: String) throws -> [UInt8] {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/formats")
    return Array(try Data(contentsOf: folder.appending(path: name)))
}
