import CSwiftletKernels
package import SwiftletTensor

/// Rewrites the rows of a tensor in another number format, piece by piece.
package struct TensorConverter {
    /// In which order rows are written.
    package enum RowOrder: Hashable, Sendable {
        case asStored
        /// Each of `heads` blocks of rows goes from halves (i, i + n/2) to pairs (2i, 2i + 1).
        case interleaved(heads: Int)
    }

    private static let pieceElements = 1 << 18
    private let tensor: Tensor
    private let format: NumberFormat
    private let order: RowOrder
    private let name: String
    private let columns: Int
    private let rows: Int

    /// - Parameters:
    ///   - tensor: a vector counts as one row, or under `.interleaved` as rows of one number.
    ///   - format: one that can be written, or that of the tensor.
    ///   - name: for errors.
    package init(_ tensor: Tensor, to format: NumberFormat, order: RowOrder = .asStored, name: String) {
        self.tensor = tensor
        self.format = format
        self.order = order
        self.name = name
        columns = tensor.shape.count == 1 && order != .asStored ? 1 : tensor.shape.last ?? 1
        rows = columns > 0 ? tensor.elementCount / columns : 0
        if case .interleaved(let heads) = order {
            precondition(rows % (2 * heads) == 0, "\(rows) rows are not \(heads) heads of pairs")
        }
    }

    /// Calls `body` with the bytes of the converted tensor in order, and how many numbers they are; stops
    /// early, returning `false`, when it answers `false`.
    ///
    /// - Throws: `.unsupported` if a number is too large for the format.
    package func forEachPiece(
        _ body: (UnsafeRawBufferPointer, Int) throws(SwiftletError) -> Bool
    ) throws(SwiftletError) -> Bool {
        var unmeasured: ConversionError?
        return try forEachPiece(measuring: &unmeasured, body)
    }

    /// As ``forEachPiece(_:)``; reads every piece back and adds its rounding to `error`, if that is not `nil`.
    package func forEachPiece(
        measuring error: inout ConversionError?,
        _ body: (UnsafeRawBufferPointer, Int) throws(SwiftletError) -> Bool
    ) throws(SwiftletError) -> Bool {
        guard rows > 0 else { return true }
        let step = max(1, Self.pieceElements / columns)
        let floats = UnsafeMutablePointer<Float>.allocate(capacity: step * columns)
        let stored = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(byteCount(format), byteCount(tensor.format)) * step, alignment: 64)
        defer {
            floats.deallocate()
            stored.deallocate()
        }
        var start = 0
        while start < rows {
            let count = min(step, rows - start)
            if format == tensor.format {
                copy(start..<start + count, into: stored)
            } else {
                try convert(start..<start + count, through: floats, into: stored)
            }
            let piece = UnsafeRawBufferPointer(rebasing: stored[..<(count * byteCount(format))])
            if format != tensor.format {
                measure(UnsafeBufferPointer(start: floats, count: count * columns), piece, &error)
            }
            guard try body(piece, count * columns) else { return false }
            start += count
        }
        return true
    }

    /// Where row `index` of the result is in the tensor.
    private func source(of index: Int) -> Int {
        guard case .interleaved(let heads) = order else { return index }
        let size = rows / heads
        let (head, row) = index.quotientAndRemainder(dividingBy: size)
        return head * size + row % 2 * (size / 2) + row / 2
    }

    private func byteCount(_ format: NumberFormat) -> Int {
        columns / format.blockElements * format.blockBytes
    }

    private func copy(_ range: Range<Int>, into target: UnsafeMutableRawBufferPointer) {
        let size = byteCount(format)
        withExtendedLifetime(tensor) {
            for (slot, index) in range.enumerated() {
                let row = source(of: index) * size
                UnsafeMutableRawBufferPointer(rebasing: target[(slot * size)...])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: tensor.bytes[row..<row + size]))
            }
        }
    }

    private func convert(
        _ range: Range<Int>, through floats: UnsafeMutablePointer<Float>,
        into target: UnsafeMutableRawBufferPointer
    ) throws(SwiftletError) {
        guard let from = tensor.format.kernel, let to = format.kernel, let output = target.baseAddress else {
            throw SwiftletError(
                .unsupported,
                "tensor '\(name)' is stored as \(tensor.format), which cannot be converted to \(format)")
        }
        let size = byteCount(tensor.format)
        withExtendedLifetime(tensor) {
            guard let input = tensor.bytes.baseAddress else { return }
            for (slot, index) in range.enumerated() {
                Kernels.best.dequantize(
                    from, input + source(of: index) * size, into: floats + slot * columns, count: columns)
            }
        }
        let count = range.count * columns
        try checkRange(UnsafeBufferPointer(start: floats, count: count))
        guard Kernels.best.quantize(to, floats, into: output, count: count) else {
            throw SwiftletError(.unsupported, "tensor '\(name)' cannot be written as \(format)")
        }
    }

    private func measure(
        _ numbers: UnsafeBufferPointer<Float>, _ stored: UnsafeRawBufferPointer,
        _ error: inout ConversionError?
    ) {
        guard error != nil, let kernel = format.kernel, let source = stored.baseAddress else { return }
        let back = [Float](unsafeUninitializedCapacity: numbers.count) { buffer, initialized in
            guard let target = buffer.baseAddress else { return }
            Kernels.best.dequantize(kernel, source, into: target, count: numbers.count)
            initialized = numbers.count
        }
        back.withUnsafeBufferPointer { error?.add(numbers, storedAs: $0) }
    }

    /// Half precision ends at 65504; a larger weight would become an infinity.
    private func checkRange(_ floats: UnsafeBufferPointer<Float>) throws(SwiftletError) {
        guard format == .f16, let largest = floats.lazy.map(\.magnitude).filter(\.isFinite).max(),
            largest >= 65_520
        else { return }
        throw SwiftletError(
            .unsupported,
            "tensor '\(name)' holds \(largest), which f16 cannot hold; choose bf16 or f32")
    }
}

extension NumberFormat {
    /// Whether numbers can be stored in this format.
    package var isWritable: Bool {
        guard let kernel else { return false }
        var (number, block) = (Float(0), UInt16(0))
        return Kernels.best.quantize(kernel, &number, into: &block, count: 0)
    }

    /// This format, or the next larger one whose blocks fill rows of `columns` numbers: a small-block format
    /// for the K formats, then f16.
    package func fitting(columns: Int) -> NumberFormat {
        if columns % blockElements == 0 { return self }
        let smaller: NumberFormat =
            switch self {
            case .q2_K, .q3_K: .q4_0
            case .q4_K: .q5_0
            case .q5_K: .q5_1
            case .q6_K: .q8_0
            default: .f16
            }
        return smaller.fitting(columns: columns)
    }
}
