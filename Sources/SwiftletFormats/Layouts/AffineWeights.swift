import CSwiftletKernels
import SwiftletTensor

/// A matrix `[rows, columns]` of small integers: `w = scale · (code − zero)`, with a scale and a zero for each row and
/// group of columns.
struct AffineWeights {
    let rows: Int
    let columns: Int
    /// `[rows, columns]`.
    var codes: [UInt8]
    /// Subtracted from codes, `[groups, rows]`.
    var zeros: [Int16]
    /// `[groups, rows]`.
    var scales: [Float]
    /// Which group a column is in, `[columns]`.
    var groups: [Int]

    /// Columns of group `i / size`, as they follow each other.
    static func groups(columns: Int, count: Int) -> [Int] {
        let size = max(1, (columns + max(count, 1) - 1) / max(count, 1))
        return (0..<columns).map { $0 / size }
    }

    /// The smallest format that holds all weights without rounding, else `f16`.
    ///
    /// `q4_0` and `q8_0` have binary16 scales for 32 columns; so must these weights.
    private var format: NumberFormat {
        let size = 32
        guard columns % size == 0, scales.allSatisfy({ Self.half($0) == $0 }) else { return .f16 }
        for start in stride(from: 0, to: columns, by: size)
        where groups[start..<start + size].contains(where: { $0 != groups[start] }) {
            return .f16
        }
        let most = Int16(codes.max() ?? 0), low = zeros.max() ?? 0, high = most - (zeros.min() ?? 0)
        if low <= 8, high <= 7 { return .q4_0 }
        return low <= 128 && high <= 127 ? .q8_0 : .f16
    }

    /// The binary16 number nearest to `x`.
    static func half(_ x: Float) -> Float {
        var bits = halfBits(x), number: Float = 0
        Kernels.best.dequantize(SL_F16, &bits, into: &number, count: 1)
        return number
    }

    private static func halfBits(_ x: Float) -> UInt16 {
        var bits: UInt16 = 0, number = x
        _ = Kernels.best.quantize(SL_F16, &number, into: &bits, count: 1)
        return bits
    }

    /// The weights in a format of the engine.
    func tensor() -> Tensor {
        let format = format
        let rowBytes = columns / format.blockElements * format.blockBytes
        return Tensor.filled(shape: [rows, columns], format: format) { target in
            for row in 0..<rows {
                let bytes = UnsafeMutableRawBufferPointer(
                    rebasing: target[row * rowBytes..<(row + 1) * rowBytes])
                if format == .f16 {
                    writeHalves(row, into: bytes)
                } else {
                    writeBlocks(row, format, into: bytes)
                }
            }
        }
    }

    private func writeHalves(_ row: Int, into target: UnsafeMutableRawBufferPointer) {
        let numbers = (0..<columns).map { column -> Float in
            let at = groups[column] * rows + row
            return scales[at] * Float(Int16(codes[row * columns + column]) - zeros[at])
        }
        guard let base = target.baseAddress else { return }
        _ = Kernels.best.quantize(SL_F16, numbers, into: base, count: columns)
    }

    private func writeBlocks(_ row: Int, _ format: NumberFormat, into target: UnsafeMutableRawBufferPointer) {
        codes.withUnsafeBufferPointer { codes in
            for (block, start) in stride(from: 0, to: columns, by: 32).enumerated() {
                let at = groups[start] * rows + row, first = row * columns + start
                let out = UnsafeMutableRawBufferPointer(rebasing: target[(block * format.blockBytes)...])
                out.storeBytes(of: Self.halfBits(scales[at]).littleEndian, as: UInt16.self)
                if format == .q8_0 {
                    for i in 0..<32 {
                        out[2 + i] = UInt8(truncatingIfNeeded: Int16(codes[first + i]) - zeros[at])
                    }
                } else {
                    let shift = 8 - zeros[at]
                    for i in 0..<16 {
                        let low = Int16(codes[first + i]) + shift, high = Int16(codes[first + i + 16]) + shift
                        out[2 + i] = UInt8(truncatingIfNeeded: low | high << 4)
                    }
                }
            }
        }
    }
}

extension Tensor {
    /// A tensor whose bytes `body` writes.
    static func filled(
        shape: [Int], format: NumberFormat, _ body: (UnsafeMutableRawBufferPointer) -> Void
    ) -> Tensor {
        let count = Tensor.byteCount(shape: shape, format: format) ?? 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            buffer.initialize(repeating: 0)
            body(UnsafeMutableRawBufferPointer(buffer))
            initialized = count
        }
        return Tensor(shape: shape, format: format, copying: bytes)
    }

    /// Rounds rows of floats to `f16`, or to `bf16` if one is too large for that.
    ///
    /// - Parameter fill: writes row `index`, `[columns]`.
    static func halves(
        rows: Int, columns: Int, _ fill: (_ index: Int, UnsafeMutableBufferPointer<Float>) -> Void
    ) -> Tensor {
        func rounded(to format: NumberFormat) -> (tensor: Tensor, largest: Float) {
            var largest: Float = 0
            let numbers = UnsafeMutableBufferPointer<Float>.allocate(capacity: columns)
            defer { numbers.deallocate() }
            let tensor = filled(shape: [rows, columns], format: format) { target in
                guard let kernel = format.kernel, let base = target.baseAddress, let row = numbers.baseAddress
                else { return }
                for index in 0..<rows {
                    fill(index, numbers)
                    for number in numbers where number.magnitude > largest { largest = number.magnitude }
                    _ = Kernels.best.quantize(
                        kernel, row, into: base + index * columns * format.blockBytes, count: columns)
                }
            }
            return (tensor, largest)
        }
        let half = rounded(to: .f16)
        return half.largest >= NumberFormat.f16.firstTooLarge && half.largest.isFinite
            ? rounded(to: .bf16).tensor : half.tensor
    }
}
