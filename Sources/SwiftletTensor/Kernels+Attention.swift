package import CSwiftletKernels

extension Kernels {
    /// Floats of scratch memory that the attention methods need, one buffer per thread.
    package static func attendScratch(keySize: Int, valueSize: Int) -> Int {
        sl_attend_scratch(keySize, valueSize)
    }

    /// Attends from the query rows that share one KV head to its cached rows: `softmax(scale·q·Kᵀ)·V`.
    ///
    /// A cached row is seen iff its position is at most the query's and, with a window, less than `window`
    /// behind. A query row's result does not depend on the other query rows of the call, nor on cached rows
    /// that it does not see and that lie in later tiles or pages. A query row that sees nothing gives 0 and
    /// −∞.
    ///
    /// - Parameters:
    ///   - rows: the cached rows, paged.
    ///   - queries: shape `[tokens, group, keySize]`.
    ///   - out: overwritten, shape `[tokens, group, valueSize]`.
    ///   - outStride: floats from one token of `out` to the next.
    ///   - logSumExp: `ln Σ exp(scale·q·k)`, shape `[tokens, group]`, or `nil` if nobody asks.
    ///   - logSumExpStride: floats from one token of `logSumExp` to the next.
    ///   - scratch: ``attendScratch(keySize:valueSize:)`` floats.
    /// - Complexity: `(keySize + valueSize)` multiply-adds per visible pair; tiles that no query sees cost a
    ///   scan of their positions. The cache is read once per 32 query rows.
    /// - Source: Milakov and Gimelshein, 2018, arXiv:1805.02867, algorithm 3; tiling as in Dao et al., 2022,
    ///   arXiv:2205.14135, algorithm 1.
    package func attend(
        _ rows: sl_kv_rows, _ queries: sl_queries, into out: UnsafeMutablePointer<Float>,
        stride outStride: Int,
        logSumExp: UnsafeMutablePointer<Float>?, stride logSumExpStride: Int,
        scratch: UnsafeMutablePointer<Float>
    ) {
        check(rows, queries)
        precondition(
            queries.token_count < 2 || outStride >= queries.group * rows.value_size,
            "out stride is \(outStride) < \(queries.group) × \(rows.value_size)")
        withUnsafePointer(to: rows) { rows in
            withUnsafePointer(to: queries) { queries in
                table.pointee.attend(rows, queries, out, outStride, logSumExp, logSumExpStride, scratch)
            }
        }
    }

    /// The attention weights of every query row: `exp(scale·q·k − logSumExp)`, 0 where masked.
    ///
    /// - Parameters:
    ///   - rows: the cached rows, paged; values are not read.
    ///   - queries: shape `[tokens, group, keySize]`.
    ///   - logSumExp: what ``attend(_:_:into:stride:logSumExp:stride:scratch:)`` gave.
    ///   - logSumExpStride: floats from one token of `logSumExp` to the next.
    ///   - weights: overwritten, shape `[tokens × group, rowCount]`.
    ///   - scratch: ``attendScratch(keySize:valueSize:)`` floats.
    package func attendWeights(
        _ rows: sl_kv_rows, _ queries: sl_queries, logSumExp: UnsafePointer<Float>,
        stride logSumExpStride: Int,
        into weights: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
    ) {
        check(rows, queries)
        withUnsafePointer(to: rows) { rows in
            withUnsafePointer(to: queries) { queries in
                table.pointee.attend_weights(rows, queries, logSumExp, logSumExpStride, weights, scratch)
            }
        }
    }

    /// Adds to each cached row the attention that it received: `sums[row] += Σ factor[query row] · weight`.
    ///
    /// - Parameters:
    ///   - rows: the cached rows, paged; values are not read.
    ///   - queries: shape `[tokens, group, keySize]`.
    ///   - logSumExp: what ``attend(_:_:into:stride:logSumExp:stride:scratch:)`` gave.
    ///   - logSumExpStride: floats from one token of `logSumExp` to the next.
    ///   - factor: shape `[tokens × group]`, or `nil` for ones.
    ///   - sums: added to, in the order of the query rows, shape `[rowCount]`.
    ///   - scratch: ``attendScratch(keySize:valueSize:)`` floats.
    package func attendColumnSums(
        _ rows: sl_kv_rows, _ queries: sl_queries, logSumExp: UnsafePointer<Float>,
        stride logSumExpStride: Int,
        factor: UnsafePointer<Float>?, into sums: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutablePointer<Float>
    ) {
        check(rows, queries)
        withUnsafePointer(to: rows) { rows in
            withUnsafePointer(to: queries) { queries in
                table.pointee.attend_column_sums(
                    rows, queries, logSumExp, logSumExpStride, factor, sums, scratch)
            }
        }
    }

    @inline(__always)
    private func check(_ rows: sl_kv_rows, _ queries: sl_queries) {
        checkBlocks(rows.key_format, rows.key_size)
        checkBlocks(rows.value_format, rows.value_size)
        precondition(rows.page_rows > 0 || rows.row_count == 0, "\(rows.row_count) rows in pages of 0")
        precondition(
            queries.group > 0 || queries.token_count == 0, "\(queries.token_count) tokens in groups of 0")
        precondition(
            queries.token_count < 2 || queries.token_stride >= queries.group * rows.key_size,
            "query stride is \(queries.token_stride) < \(queries.group) × \(rows.key_size)")
    }
}
