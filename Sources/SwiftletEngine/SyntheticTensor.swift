import SwiftletFormats
import SwiftletTensor

/// One tensor of a ``SyntheticModel``: ones plus random numbers, or random numbers alone.
struct SyntheticTensor {
    let name: String
    let shape: [Int]
    let format: NumberFormat
    /// Of the random numbers; 0 for a norm.
    let deviation: Float

    /// The weight of a norm: ones.
    static func norm(_ name: String, _ count: Int) -> SyntheticTensor {
        SyntheticTensor(name: "\(name).weight", shape: [count], format: .f32, deviation: 0)
    }

    /// A bias: small random numbers.
    static func bias(_ name: String, _ count: Int) -> SyntheticTensor {
        SyntheticTensor(name: "\(name).bias", shape: [count], format: .f32, deviation: 0.02)
    }

    var declaration: TensorDeclaration { TensorDeclaration(name: name, shape: shape, format: format) }

    var elementCount: Int { shape.reduce(1, *) }

    /// Calls `body` with the stored bytes in order, and how many numbers they are, until it answers `false`.
    func forEachPiece(
        _ weights: inout RandomWeights, _ body: (UnsafeRawBufferPointer, Int) throws(SwiftletError) -> Bool
    ) throws(SwiftletError) -> Bool {
        let step = min(elementCount, 1 << 18)  // whole blocks of every format
        let floats = UnsafeMutableBufferPointer<Float>.allocate(capacity: step)
        let stored = UnsafeMutableRawBufferPointer.allocate(byteCount: 4 * step, alignment: 64)
        defer {
            floats.deallocate()
            stored.deallocate()
        }
        guard let source = floats.baseAddress, let target = stored.baseAddress, let kernel = format.kernel
        else {
            return true
        }
        floats.initialize(repeating: 1)
        var start = 0
        while start < elementCount {
            let count = min(step, elementCount - start)
            let numbers = UnsafeMutableBufferPointer(rebasing: floats[..<count])
            if deviation > 0 { weights.fill(numbers, deviation: deviation) }
            guard Kernels.best.quantize(kernel, source, into: target, count: count),
                let byteCount = format.byteCount(of: count)
            else { throw SwiftletError(.unsupported, "tensor '\(name)' cannot be written as \(format)") }
            let bytes = UnsafeRawBufferPointer(rebasing: stored[..<byteCount])
            guard try body(bytes, count) else { return false }
            start += count
        }
        return true
    }
}

/// A fast source of nearly normal numbers.
///
/// Source: the sum of four uniform numbers (Irwin, 1927; Hall, 1927), of the bits of SplitMix64 (Steele, Lea
/// and Flood, 2014).
struct RandomWeights {
    private var state: UInt64

    /// Starts one of the streams of a seed.
    init(seed: UInt64, stream: UInt64) {
        state = Self.mix(seed &+ 0x9E37_79B9_7F4A_7C15) ^ Self.mix(stream &+ 0xD1B5_4A32_D192_ED03)
    }

    /// Overwrites `numbers`; mean 0, none further out than `2√3` deviations.
    mutating func fill(_ numbers: UnsafeMutableBufferPointer<Float>, deviation: Float) {
        // Four uniform numbers of 0..<2^16 have the mean 2·(2^16 − 1) and the deviation 2^16 / √3.
        let scale = deviation * Float(3).squareRoot() / 65_536
        var state = state
        for index in numbers.indices {
            state &+= 0x9E37_79B9_7F4A_7C15
            let bits = Self.mix(state)
            let low = (bits & 0x0000_FFFF_0000_FFFF) &+ (bits >> 16 & 0x0000_FFFF_0000_FFFF)
            let sum = Int32(truncatingIfNeeded: (low & 0xFFFF_FFFF) &+ low >> 32)
            numbers[index] = Float(sum &- 131_070) * scale
        }
        self.state = state
    }

    private static func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}
