import CSwiftletKernels
package import SwiftletTensor

/// Rewrites the rows of a tensor in another number format, piece by piece.
package struct TensorConverter {
    /// In which order rows are written.
    package enum RowOrder: Hashable, Sendable {
        case asStored
        /// Each of `heads` blocks of rows goes from halves (i, i + n/2) to pairs (2i, 2i + 1).
        case interleaved(heads: Int)
        /// The other way round.
        case separated(heads: Int)

        /// Blocks of rows that are reordered, if any are.
        var heads: Int? {
            switch self {
            case .asStored: nil
            case .interleaved(let heads), .separated(let heads): heads
            }
        }
    }

    private static let pieceElements = 1 << 20
    /// Numbers that one thread converts at a time, about; part of the order in which errors are summed.
    private static let grainElements = 1 << 14
    private let tensor: Tensor
    private let format: NumberFormat
    private let order: RowOrder
    private let name: String
    private let columns: Int
    private let rows: Int
    private let pool: ThreadPool

    /// - Parameters:
    ///   - tensor: a vector counts as one row, or under another order as rows of one number.
    ///   - format: one that can be written, or that of the tensor.
    ///   - name: for errors.
    ///   - pool: threads that share the rows of a piece.
    package init(
        _ tensor: Tensor, to format: NumberFormat, order: RowOrder = .asStored, name: String,
        pool: ThreadPool = ThreadPool(threadCount: 1)
    ) {
        self.tensor = tensor
        self.format = format
        self.order = order
        self.name = name
        self.pool = pool
        columns = tensor.shape.count == 1 && order != .asStored ? 1 : tensor.shape.last ?? 1
        rows = columns > 0 ? tensor.elementCount / columns : 0
        if let heads = order.heads {
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
        let step = min(rows, max(1, Self.pieceElements / columns))
        let stored = UnsafeMutableRawBufferPointer.allocate(
            byteCount: byteCount(format) * step, alignment: 64)
        defer { stored.deallocate() }
        var start = 0
        while start < rows {
            let range = start..<start + min(step, rows - start)
            if format == tensor.format {
                copy(range, into: stored)
            } else {
                try convert(range, into: stored, measuring: &error)
            }
            let piece = UnsafeRawBufferPointer(rebasing: stored[..<(range.count * byteCount(format))])
            guard try body(piece, range.count * columns) else { return false }
            start = range.upperBound
        }
        return true
    }

    /// Where row `index` of the result is in the tensor.
    private func source(of index: Int) -> Int {
        guard let heads = order.heads else { return index }
        let size = rows / heads
        let (head, row) = index.quotientAndRemainder(dividingBy: size)
        if case .separated = order {
            return head * size + (row < size / 2 ? 2 * row : 2 * (row - size / 2) + 1)
        }
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

    /// What came of the rows that one thread converted.
    private struct Grain {
        var error = ConversionError()
        /// The largest finite magnitude.
        var largest: Float = 0
    }

    private func convert(
        _ range: Range<Int>, into target: UnsafeMutableRawBufferPointer,
        measuring error: inout ConversionError?
    ) throws(SwiftletError) {
        guard let from = tensor.format.kernel, let to = format.kernel, format.isWritable else {
            throw SwiftletError(
                .unsupported,
                "tensor '\(name)' is stored as \(tensor.format), which cannot be converted to \(format)")
        }
        let size = max(1, Self.grainElements / columns), measures = error != nil
        let count = (range.count - 1) / size + 1
        let grains = [Grain](unsafeUninitializedCapacity: count) { grains, initialized in
            let grains = grains
            pool.run(count) { index in
                let first = range.lowerBound + index * size
                let rows = first..<min(first + size, range.upperBound)
                let bytes = target[(index * size * byteCount(format))...].prefix(
                    rows.count * byteCount(format))
                grains.initializeElement(
                    at: index,
                    to: convertGrain(
                        rows, from: from, to: to, into: UnsafeMutableRawBufferPointer(rebasing: bytes),
                        measures: measures))
            }
            initialized = count
        }
        try check(largest: grains.reduce(0) { max($0, $1.largest) })
        for grain in grains { error?.add(grain.error) }
    }

    private func convertGrain(
        _ range: Range<Int>, from: sl_format, to: sl_format, into target: UnsafeMutableRawBufferPointer,
        measures: Bool
    ) -> Grain {
        let count = range.count * columns, size = byteCount(tensor.format)
        let floats = UnsafeMutablePointer<Float>.allocate(capacity: 2 * count), back = floats + count
        defer { floats.deallocate() }
        withExtendedLifetime(tensor) {
            guard let input = tensor.bytes.baseAddress else { return }
            for (slot, index) in range.enumerated() {
                Kernels.best.dequantize(
                    from, input + source(of: index) * size, into: floats + slot * columns, count: columns)
            }
        }
        let numbers = UnsafeBufferPointer(start: floats, count: count)
        var grain = Grain()
        for number in numbers where number.magnitude > grain.largest && number.isFinite {
            grain.largest = number.magnitude
        }
        guard let output = target.baseAddress,
            Kernels.best.quantize(to, floats, into: output, count: count), measures
        else { return grain }
        Kernels.best.dequantize(to, output, into: back, count: count)
        grain.error.add(numbers, storedAs: UnsafeBufferPointer(start: back, count: count))
        return grain
    }

    /// A larger weight would become an infinity.
    private func check(largest: Float) throws(SwiftletError) {
        guard largest >= format.firstTooLarge else { return }
        throw SwiftletError(
            .unsupported,
            "tensor '\(name)' holds \(largest), which \(format) cannot hold; choose bf16 or f32")
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
            case .q2_K, .q3_K, .tq1_0, .tq2_0: .q4_0
            case .iq1_s, .iq1_m, .iq2_xxs, .iq2_xs, .iq2_s, .iq3_xxs, .iq3_s, .iq4_xs: .iq4_nl
            case .q4_K: .q5_0
            case .q5_K: .q5_1
            case .q6_K: .q8_0
            default: .f16
            }
        return smaller.fitting(columns: columns)
    }
}
