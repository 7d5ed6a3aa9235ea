import CSwiftletKernels
import SwiftletTestSupport

@testable import SwiftletTensor

/// A random call of the attention kernels: paged rows in any order, grouped queries, strides with gaps.
struct AttentionCall {
    let tokens, group, keySize, valueSize, pageRows: Int
    let keyFormat, valueFormat: NumberFormat
    let scale: Float
    var rowCount: Int
    var window: Int32
    var positions, queryPositions: [Int32]
    private var keys, values: [UInt8]  // all rows; pages are cut from it
    private let queries: [Float]
    private let gap: Int

    /// A random call; arguments that are given are not random.
    init(
        _ random: inout SplitMix64, tokens: Int? = nil, rows: Int? = nil, pageRows: Int? = nil,
        format: NumberFormat? = nil
    ) {
        func pick<T>(_ choices: [T]) -> T { choices[Int.random(in: choices.indices, using: &random)] }
        let formats: [NumberFormat] = [.f32, .f32, .f16, .f16, .bf16, .q8_0, .q4_0]
        keyFormat = format ?? pick(formats)
        valueFormat = format ?? pick(formats)
        keySize = keyFormat.blockElements == 1 ? pick([1, 7, 16, 64, 80]) : pick([32, 64])
        valueSize = valueFormat.blockElements == 1 ? pick([1, 5, 16, 64, 72, 131]) : pick([32, 128])
        self.tokens = tokens ?? pick([1, 1, 2, 9, 20])
        group = pick([1, 2, 3, 5])
        self.pageRows = pageRows ?? pick([1, 3, 16, 64, 100])
        rowCount = rows ?? pick([1, 2, 15, 64, 65, 100, 200])
        window = pick([0, 0, 1, 5, 40])
        scale = pick([1, 0.125])
        gap = pick([0, 3])
        let monotonic = pick([true, false]), rowCount = rowCount
        positions = (0..<rowCount).map {
            monotonic ? Int32($0) : Int32.random(in: 0...Int32(rowCount) + 10, using: &random)
        }
        queryPositions = (0..<self.tokens).map { _ in
            Int32.random(in: -2...Int32(rowCount) + 5, using: &random)
        }
        keys = Stored(keyFormat, count: rowCount * keySize, &random).bytes
        values = Stored(valueFormat, count: rowCount * valueSize, &random).bytes
        queries = random.floats(self.tokens * (group * keySize + gap))
    }

    var queryRows: Int { tokens * group }
    private var queryStride: Int { group * keySize + gap }
    private var keyBytes: Int { keySize / keyFormat.blockElements * keyFormat.blockBytes }
    private var valueBytes: Int { valueSize / valueFormat.blockElements * valueFormat.blockBytes }

    /// Overwrites the key and the value of one `f32` row.
    mutating func fill(row: Int, with number: Float) {
        let bytes = Reference.quantize(.f32, [number]) ?? []
        for i in row * keyBytes..<(row + 1) * keyBytes { keys[i] = bytes[i % 4] }
        for i in row * valueBytes..<(row + 1) * valueBytes { values[i] = bytes[i % 4] }
    }

    /// The truth for query row `token * group + head`.
    func reference(_ queryRow: Int) -> Reference.Attended {
        let start = queryRow / group * queryStride + queryRow % group * keySize
        func cut(_ numbers: [Float], _ size: Int) -> [[Float]] {
            (0..<rowCount).map { Array(numbers[$0 * size..<($0 + 1) * size]) }
        }
        let rows = Reference.Rows(
            keys: cut(Reference.dequantize(keyFormat, keys), keySize),
            values: cut(Reference.dequantize(valueFormat, values), valueSize),
            positions: positions.prefix(rowCount).map(Int.init))
        return Reference.attend(
            Array(queries[start..<start + keySize]), at: Int(queryPositions[queryRow / group]), to: rows,
            scale: scale, window: Int(window))
    }

    /// Runs `attend` for some tokens; returns `[tokens, group, valueSize]` and `[tokens, group]`, gaps
    /// removed.
    func attend(_ kernels: Kernels, _ range: Range<Int>? = nil) -> (output: [Float], logSumExp: [Float]) {
        let count = range?.count ?? tokens
        let outStride = group * valueSize + gap, logStride = group + gap
        var out = [Float](repeating: .nan, count: count * outStride)
        var logSumExp = [Float](repeating: .nan, count: count * logStride)
        withArguments(range ?? 0..<tokens) { rows, queries, scratch in
            kernels.attend(
                rows, queries, into: &out, stride: outStride, logSumExp: &logSumExp, stride: logStride,
                scratch: scratch)
        }
        return (
            (0..<count).flatMap { out[$0 * outStride..<$0 * outStride + group * valueSize] },
            (0..<count).flatMap { logSumExp[$0 * logStride..<$0 * logStride + group] }
        )
    }

    /// Runs `attend_weights`: shape `[tokens × group, rows]`.
    func weights(_ kernels: Kernels, _ logSumExp: [Float]) -> [Float] {
        var weights = [Float](repeating: .nan, count: queryRows * rowCount)
        withArguments(0..<tokens) { rows, queries, scratch in
            kernels.attendWeights(
                rows, queries, logSumExp: logSumExp, stride: group, into: &weights, scratch: scratch)
        }
        return weights
    }

    /// Runs `attend_column_sums` on sums that start at ½: shape `[rows]`.
    func columnSums(_ kernels: Kernels, _ logSumExp: [Float], _ factors: [Float]) -> [Float] {
        var sums = [Float](repeating: 0.5, count: rowCount)
        withArguments(0..<tokens) { rows, queries, scratch in
            kernels.attendColumnSums(
                rows, queries, logSumExp: logSumExp, stride: group, factor: factors, into: &sums,
                scratch: scratch)
        }
        return sums
    }

    private func withArguments(
        _ range: Range<Int>, _ body: (sl_kv_rows, sl_queries, UnsafeMutablePointer<Float>) -> Void
    ) {
        let pageCount = (rowCount + pageRows - 1) / pageRows
        var scratch = [Float](
            repeating: .nan, count: Kernels.attendScratch(keySize: keySize, valueSize: valueSize))
        let queries = Array(queries[(range.lowerBound * queryStride)...])
        let queryPositions = Array(queryPositions[range])
        keys.withUnsafeBytes { keys in
            values.withUnsafeBytes { values in
                let keyPages = (0..<pageCount).map { page in
                    keys.baseAddress.map { $0 + page * pageRows * keyBytes }
                }
                let valuePages = (0..<pageCount).map { page in
                    values.baseAddress.map { $0 + page * pageRows * valueBytes }
                }
                keyPages.withUnsafeBufferPointer { keyPages in
                    valuePages.withUnsafeBufferPointer { valuePages in
                        positions.withUnsafeBufferPointer { positions in
                            queryPositions.withUnsafeBufferPointer { queryPositions in
                                queries.withUnsafeBufferPointer { queries in
                                    body(
                                        sl_kv_rows(
                                            keys: keyPages.baseAddress, values: valuePages.baseAddress,
                                            positions: positions.baseAddress, row_count: rowCount,
                                            page_rows: pageRows, key_size: keySize, value_size: valueSize,
                                            key_format: keyFormat.stored, value_format: valueFormat.stored),
                                        sl_queries(
                                            data: queries.baseAddress, token_stride: queryStride,
                                            token_count: range.count, group: group,
                                            positions: queryPositions.baseAddress, scale: scale,
                                            window: window),
                                        &scratch)
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
