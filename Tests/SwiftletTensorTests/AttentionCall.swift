import CSwiftletKernels
import SwiftletTestSupport

@testable import SwiftletTensor

/// A random call of the attention kernels: paged rows in any order, grouped queries, strides with gaps.
struct AttentionCall {
    let tokens, group, keySize, valueSize: Int
    let keyFormat, valueFormat: NumberFormat
    let keysByChannel: Bool
    let scale: Float
    var rowCount: Int
    var window: Int32
    var cap: Float = 0
    var slopes: [Float] = []  // by head of the group, or none
    var positions, queryPositions: [Int32]
    private var keys, values: [UInt8]  // whole pages
    private let queries: [Float]
    private let gap: Int

    /// A random call; arguments that are given are not random.
    init(
        _ random: inout SplitMix64, tokens: Int? = nil, rows: Int? = nil, format: NumberFormat? = nil
    ) {
        func pick<T>(_ choices: [T]) -> T { choices[Int.random(in: choices.indices, using: &random)] }
        let formats: [NumberFormat] = [
            .f32, .f32, .f16, .f16, .bf16, .q8_0, .q8_0, .q4_0, .q4_1, .q5_1,
        ]
        keyFormat = format ?? pick(formats)
        valueFormat = format ?? pick(formats)
        keysByChannel = keyFormat.blockElements > 1 && pick([true, false])
        keySize = keyFormat.blockElements == 1 ? pick([1, 7, 16, 64, 80]) : pick([32, 64, 96])
        valueSize = valueFormat.blockElements == 1 ? pick([1, 5, 16, 64, 72, 131]) : pick([32, 128])
        self.tokens = tokens ?? pick([1, 1, 2, 9, 20])
        group = pick([1, 2, 3, 4, 5, 7, 8])
        rowCount = rows ?? pick([1, 2, 15, 64, 65, 100, 200, 300, 520])
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
        let stored = (rowCount + Kernels.pageRows - 1) / Kernels.pageRows * Kernels.pageRows
        keys = Stored(keyFormat, count: stored * keySize, &random).bytes
        values = Stored(valueFormat, count: stored * valueSize, &random).bytes
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

    private func rows(_ numbers: [Float], _ size: Int) -> [[Float]] {
        (0..<rowCount).map { Array(numbers[$0 * size..<($0 + 1) * size]) }
    }

    /// The stored keys as floats, row after row.
    private var keyNumbers: [Float] {
        let numbers = Reference.dequantize(keyFormat, keys), rows = Kernels.pageRows
        guard keysByChannel else { return numbers }
        return numbers.indices.map { index in
            let (row, channel) = index.quotientAndRemainder(dividingBy: keySize)
            return numbers[row / rows * rows * keySize + channel * rows + row % rows]
        }
    }

    /// The truth for query row `token * group + head`.
    func reference(_ queryRow: Int) -> Reference.Attended {
        let start = queryRow / group * queryStride + queryRow % group * keySize
        let rows = Reference.Rows(
            keys: rows(keyNumbers, keySize),
            values: rows(Reference.dequantize(valueFormat, values), valueSize),
            positions: positions.prefix(rowCount).map(Int.init))
        return Reference.attend(
            Array(queries[start..<start + keySize]), at: Int(queryPositions[queryRow / group]), to: rows,
            scale: scale, window: Int(window), cap: cap,
            slope: slopes.isEmpty ? 0 : slopes[queryRow % group])
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

    /// Runs `attend_blocks` for cuts at random blocks, and merges.
    func attendInParts(
        _ kernels: Kernels, _ random: inout SplitMix64
    ) -> (output: [Float], logSumExp: [Float]) {
        let blockCount = (rowCount + Kernels.blockRows - 1) / Kernels.blockRows
        let width = queryRows * (valueSize + 2)
        var partials = [Float](repeating: .nan, count: blockCount * width + 1)
        var out = [Float](repeating: .nan, count: tokens * group * valueSize)
        var logSumExp = [Float](repeating: .nan, count: tokens * group)
        withArguments(0..<tokens) { rows, queries, scratch in
            var first = 0
            while first < blockCount {
                let count = Int.random(in: 1...blockCount - first, using: &random)
                partials.withUnsafeMutableBufferPointer { partials in
                    guard let base = partials.baseAddress else { return }
                    kernels.attend(
                        rows, queries, blocks: first..<first + count, into: base + first * width,
                        scratch: scratch)
                }
                first += count
            }
            kernels.mergeBlocks(
                partials, count: blockCount, queries, valueSize: valueSize, into: &out,
                stride: group * valueSize, logSumExp: &logSumExp, stride: group)
        }
        return (out, logSumExp)
    }

    /// Runs `attend` or, cut at every block, `attend_blocks`, asking for scores: shape `[tokens × group, rows]`.
    func scores(
        _ kernels: Kernels, inBlocks: Bool
    ) -> (output: [Float], logSumExp: [Float], scores: [Float]) {
        let stride = rowCount + gap, width = queryRows * (valueSize + 2)
        let blockCount = (rowCount + Kernels.blockRows - 1) / Kernels.blockRows
        var scores = [Float](repeating: .nan, count: queryRows * stride)
        var partials = [Float](repeating: .nan, count: blockCount * width + 1)
        var out = [Float](repeating: .nan, count: queryRows * valueSize)
        var logSumExp = [Float](repeating: .nan, count: queryRows)
        withArguments(0..<tokens) { rows, queries, scratch in
            guard inBlocks else {
                kernels.attend(
                    rows, queries, into: &out, stride: group * valueSize, logSumExp: &logSumExp,
                    stride: group, scores: &scores, stride: stride, scratch: scratch)
                return
            }
            partials.withUnsafeMutableBufferPointer { partials in
                guard let base = partials.baseAddress else { return }
                for block in 0..<blockCount {
                    kernels.attend(
                        rows, queries, blocks: block..<block + 1, into: base + block * width,
                        scores: &scores, stride: stride, scratch: scratch)
                }
            }
            kernels.mergeBlocks(
                partials, count: blockCount, queries, valueSize: valueSize, into: &out,
                stride: group * valueSize, logSumExp: &logSumExp, stride: group)
        }
        return (
            out, logSumExp, (0..<queryRows).flatMap { scores[$0 * stride..<$0 * stride + rowCount] }
        )
    }

    /// Runs `attend_weights`, in two parts: shape `[tokens × group, rows]`.
    func weights(_ kernels: Kernels, _ logSumExp: [Float]) -> [Float] {
        var weights = [Float](repeating: .nan, count: queryRows * rowCount)
        withArguments(0..<tokens) { rows, queries, scratch in
            for range in halves {
                kernels.attendWeights(
                    rows, queries, logSumExp: logSumExp, stride: group, range: range, into: &weights,
                    stride: rowCount, scratch: scratch)
            }
        }
        return weights
    }

    /// Runs `attend_column_sums`, in two parts, on sums that start at ½: shape `[group][rows]`.
    func columnSums(_ kernels: Kernels, _ logSumExp: [Float], _ factors: [Float]) -> [[Float]] {
        let stride = rowCount + gap
        var sums = [Float](repeating: 0.5, count: group * stride)
        withArguments(0..<tokens) { rows, queries, scratch in
            for range in halves {
                kernels.attendColumnSums(
                    rows, queries, logSumExp: logSumExp, stride: group, factor: factors, range: range,
                    into: &sums, stride: stride, scratch: scratch)
            }
        }
        return (0..<group).map { Array(sums[$0 * stride..<$0 * stride + rowCount]) }
    }

    /// The rows of the first page, and the others.
    private var halves: [Range<Int>] {
        let cut = min(Kernels.pageRows, rowCount)
        return cut < rowCount ? [0..<cut, cut..<rowCount] : [0..<cut]
    }

    private func withArguments(
        _ range: Range<Int>, _ body: (sl_kv_rows, sl_queries, UnsafeMutablePointer<Float>) -> Void
    ) {
        var scratch = [Float](
            repeating: .nan, count: Kernels.attendScratch(keySize: keySize, valueSize: valueSize))
        let queries = Array(queries[(range.lowerBound * queryStride)...])
        let queryPositions = Array(queryPositions[range])
        withPages { pages in
            positions.withUnsafeBufferPointer { positions in
                queryPositions.withUnsafeBufferPointer { queryPositions in
                    queries.withUnsafeBufferPointer { queries in
                        let slopes = self.slopes.isEmpty ? nil : Vector(self.slopes)
                        defer { withExtendedLifetime(slopes) {} }
                        body(
                            sl_kv_rows(
                                pages: pages.baseAddress, positions: positions.baseAddress,
                                row_count: rowCount, key_size: keySize, value_size: valueSize),
                            sl_queries(
                                data: queries.baseAddress, token_stride: queryStride,
                                token_count: range.count, group: group,
                                positions: queryPositions.baseAddress, scale: scale, window: window, cap: cap,
                                slopes: slopes?.data),
                            &scratch)
                    }
                }
            }
        }
    }

    private func withPages(_ body: (UnsafeBufferPointer<sl_kv_page>) -> Void) {
        keys.withUnsafeBytes { keys in
            values.withUnsafeBytes { values in
                let pages = stride(from: 0, to: rowCount, by: Kernels.pageRows).map { row in
                    sl_kv_page(
                        keys: keys.baseAddress.map { $0 + row * keyBytes },
                        values: values.baseAddress.map { $0 + row * valueBytes },
                        key_format: keyFormat.stored, value_format: valueFormat.stored,
                        keys_by_channel: keysByChannel, value_stride: valueBytes)
                }
                pages.withUnsafeBufferPointer(body)
            }
        }
    }
}
