import CSwiftletKernels
import SwiftletTestSupport
import Testing

@testable import SwiftletTensor

@Suite("Dot products and matrices")
struct MatrixTests {
    /// Lengths to try: exhaustive around the vector sizes, then block multiples.
    private static func lengths(_ format: NumberFormat) -> [Int] {
        if format.blockElements == 1 { return Array(0...70) + [100, 129, 1000] }
        return [0, 1, 2, 3, 7, 9].map { $0 * format.blockElements }
    }

    @Test("dot agrees with the reference", arguments: Kernels.available, NumberFormat.readable)
    func dot(kernels: Kernels, format: NumberFormat) {
        var random = SplitMix64(seed: 3)
        for count in Self.lengths(format) {
            let w = Stored(format, count: count, &random), x = random.floats(count)
            let y = w.withUnaligned { kernels.dot(format.stored, $0, x, count: count) }
            #expect(abs(Double(y) - Reference.dot(w.numbers, x)) <= Self.tolerance(w.numbers[...], x))
        }
    }

    /// `(n / 4 + 20) · 2⁻²⁴ · Σ|w·x|`: the narrowest vector has four lanes, each of n / 4 additions; then
    /// come at most 4 additions of lanes, 15 numbers past the last vector and the rounding of a product.
    private static func tolerance(_ w: ArraySlice<Float>, _ x: [Float]) -> Double {
        Reference.dot(w.map(abs), x.map(abs)) * Double(x.count / 4 + 20) * 0x1p-24
    }

    @Test("matvec and matmul give the bits of dot", arguments: Kernels.available, NumberFormat.readable)
    func matrices(kernels: Kernels, format: NumberFormat) {
        var random = SplitMix64(seed: 4)
        let block = format.blockElements
        for columns in block == 1 ? [1, 5, 16, 31, 67] : [block, 3 * block] {
            for rows in [0, 1, 2, 3, 4, 5, 17] {
                check(kernels, Stored(format, count: rows * columns, &random), rows, columns, &random)
            }
        }
    }

    private func check(
        _ kernels: Kernels, _ w: Stored, _ rows: Int, _ columns: Int, _ random: inout SplitMix64
    ) {
        let tokens = 8, xStride = columns + 3, yStride = rows + 2
        let x = random.floats(tokens * xStride)
        var scratch = [Float](repeating: .nan, count: Kernels.matmulScratch(columns: columns))
        w.withUnaligned { w_ in
            let format = w.format.stored
            let rowBytes = w.format.byteCount(of: columns) ?? 0
            x.withUnsafeBufferPointer { x in
                guard let x = x.baseAddress else { return }
                let dots = (0..<tokens).map { t in
                    (0..<rows).map {
                        kernels.dot(format, w_ + $0 * rowBytes, x + t * xStride, count: columns)
                    }
                }
                for t in 0..<tokens {
                    var y = [Float](repeating: .nan, count: rows + 1)
                    kernels.matvec(format, w_, rows: rows, columns: columns, x + t * xStride, into: &y)
                    #expect(same(y, dots[t] + [.nan]), "matvec \(w.format) \(rows) × \(columns)")
                }
                for count in 0...tokens {
                    var y = [Float](repeating: .nan, count: tokens * yStride)
                    kernels.matmul(
                        format, w_, rows: rows, columns: columns, x, stride: xStride, tokens: count, into: &y,
                        stride: yStride, scratch: &scratch)
                    let expected = (0..<tokens).flatMap {
                        ($0 < count ? dots[$0] : .init(repeating: .nan, count: rows)) + [.nan, .nan]
                    }
                    #expect(same(y, expected), "matmul \(w.format) \(rows) × \(columns) × \(count)")
                }
            }
        }
    }

    @Test("matvec agrees with the reference on larger shapes", arguments: Kernels.available)
    func matvec(kernels: Kernels) {
        var random = SplitMix64(seed: 5)
        for format in NumberFormat.readable {
            let rows = 6, columns = 1024
            let w = Stored(format, count: rows * columns, &random), x = random.floats(columns)
            var y = [Float](repeating: 0, count: rows)
            w.withUnaligned { kernels.matvec(format.stored, $0, rows: rows, columns: columns, x, into: &y) }
            let expected = Reference.matvec(w.numbers, rows: rows, x)
            for row in 0..<rows {
                let tolerance = Self.tolerance(w.numbers[row * columns..<(row + 1) * columns], x)
                #expect(abs(Double(y[row]) - expected[row]) <= tolerance)
            }
        }
    }

    @Test("names choose a table, wrong ones list the choices")
    func selection() throws {
        for kernels in Kernels.available {
            #expect(try Kernels.selected(named: kernels.name).table == kernels.table)
        }
        #expect(Kernels.available.first?.name == "scalar")
        #expect(try Kernels.selected(named: "").table == Kernels.available.last?.table)
        let error = #expect(throws: SwiftletError.self) { try Kernels.selected(named: "mmx") }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("'mmx'") == true)
        #expect(error?.message.contains("scalar") == true)
    }
}
