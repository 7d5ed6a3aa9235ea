package import CSwiftletKernels

extension Kernels {
    /// Floats of scratch memory that the attention methods need, one buffer per thread.
    package static func attendScratch(keySize: Int, valueSize: Int) -> Int {
        sl_attend_scratch(keySize, valueSize)
    }

    /// Floats of scratch memory that attention over chosen rows needs.
    package static func attendChosenScratch(keySize: Int, valueSize: Int) -> Int {
        sl_attend_chosen_scratch(keySize, valueSize)
    }

    /// Query rows that share one pass over the cache.
    package static let queryTile = Int(sl_query_tile())

    /// Rows per page of a cache.
    package static let pageRows = Int(SL_PAGE_ROWS)

    /// Rows per block whose attention can be summed up apart.
    package static let blockRows = Int(SL_BLOCK_ROWS)

    /// Attends from the query rows that share one KV head to its cached rows: `softmax(scale·q·Kᵀ)·V`.
    ///
    /// A cached row is seen iff its position is at most the query's and, with a window, less than `window`
    /// behind. A query row's result does not depend on the other query rows of the call, nor on cached rows
    /// that it does not see and that follow in the cache. A query row that sees nothing gives 0 and −∞.
    ///
    /// - Parameters:
    ///   - rows: the cached rows, paged.
    ///   - queries: shape `[tokens, group, keySize]`.
    ///   - out: overwritten, shape `[tokens, group, valueSize]`.
    ///   - outStride: floats from one token of `out` to the next.
    ///   - logSumExp: `ln Σ exp(scale·q·k)`, shape `[tokens, group]`, or `nil` if nobody asks.
    ///   - logSumExpStride: floats from one token of `logSumExp` to the next.
    ///   - scores: `scale·q·k`, −∞ where masked, at `[query row × scoreStride + row]`, or `nil` if nobody asks;
    ///     the results do not depend on that.
    ///   - scoreStride: floats from one query row of `scores` to the next.
    ///   - scratch: ``attendScratch(keySize:valueSize:)`` floats.
    /// - Complexity: `(keySize + valueSize)` multiply-adds per visible pair; tiles that no query sees cost a
    ///   scan of their positions. The cache is read once per ``queryTile`` query rows.
    /// - Source: Milakov and Gimelshein, 2018, arXiv:1805.02867, algorithm 3; tiling as in Dao et al., 2022,
    ///   arXiv:2205.14135, algorithm 1.
    package func attend(
        _ rows: sl_kv_rows, _ queries: sl_queries, into out: UnsafeMutablePointer<Float>,
        stride outStride: Int,
        logSumExp: UnsafeMutablePointer<Float>?, stride logSumExpStride: Int,
        scores: UnsafeMutablePointer<Float>? = nil, stride scoreStride: Int = 0,
        scratch: UnsafeMutablePointer<Float>
    ) {
        check(rows, queries)
        precondition(
            scores == nil || scoreStride >= rows.row_count,
            "score stride is \(scoreStride) < \(rows.row_count)")
        precondition(
            queries.token_count < 2 || outStride >= queries.group * rows.value_size,
            "out stride is \(outStride) < \(queries.group) × \(rows.value_size)")
        withUnsafePointer(to: rows) { rows in
            withUnsafePointer(to: queries) { queries in
                table.pointee.attend(
                    rows, queries, out, outStride, logSumExp, logSumExpStride, scores, scoreStride, scratch)
            }
        }
    }

    /// Attends to some blocks of rows, for ``mergeBlocks(_:count:_:valueSize:into:stride:logSumExp:stride:)``.
    ///
    /// - Parameters:
    ///   - rows: all cached rows, paged.
    ///   - queries: shape `[tokens, group, keySize]`.
    ///   - blocks: which blocks of ``blockRows`` rows.
    ///   - partials: overwritten, shape `[blocks, tokens × group, valueSize + 2]`.
    ///   - scores: as there, for all rows; those of the blocks are written.
    ///   - scoreStride: floats from one query row of `scores` to the next.
    ///   - scratch: ``attendScratch(keySize:valueSize:)`` floats.
    package func attend(
        _ rows: sl_kv_rows, _ queries: sl_queries, blocks: Range<Int>,
        into partials: UnsafeMutablePointer<Float>, scores: UnsafeMutablePointer<Float>? = nil,
        stride scoreStride: Int = 0, scratch: UnsafeMutablePointer<Float>
    ) {
        check(rows, queries)
        precondition(
            blocks.upperBound * Self.blockRows < rows.row_count + Self.blockRows,
            "blocks \(blocks) of \(rows.row_count) rows")
        withUnsafePointer(to: rows) { rows in
            withUnsafePointer(to: queries) { queries in
                table.pointee.attend_blocks(
                    rows, queries, blocks.lowerBound, blocks.count, partials, scores, scoreStride, scratch)
            }
        }
    }

    /// The same over chosen rows, which are copied together page by page.
    ///
    /// - Parameters:
    ///   - chosen: rows of `rows`, whose pages are all in the formats of the first.
    ///   - rows: where they are chosen from.
    ///   - queries: as there.
    ///   - blocks: which blocks of ``blockRows`` chosen rows.
    ///   - partials: overwritten, shape `[blocks, tokens × group, valueSize + 2]`.
    ///   - scratch: ``attendChosenScratch(keySize:valueSize:)`` floats.
    package func attend(
        chosen: UnsafeBufferPointer<UInt32>, of rows: sl_kv_rows, _ queries: sl_queries, blocks: Range<Int>,
        into partials: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
    ) {
        check(rows, queries)
        precondition(
            blocks.upperBound * Self.blockRows < chosen.count + Self.blockRows,
            "blocks \(blocks) of \(chosen.count) chosen rows")
        let first = blocks.lowerBound * Self.blockRows
        var last: UInt32 = 0
        for row in chosen[first..<min(blocks.upperBound * Self.blockRows, chosen.count)] {
            last = max(last, row)
        }
        precondition(last < rows.row_count, "row \(last) is chosen of \(rows.row_count)")
        withUnsafePointer(to: rows) { rows in
            withUnsafePointer(to: queries) { queries in
                table.pointee.attend_chosen(
                    rows, chosen.baseAddress, chosen.count, queries, blocks.lowerBound, blocks.count,
                    partials, scratch)
            }
        }
    }

    /// Merges what all blocks gave into what ``attend(_:_:into:stride:logSumExp:stride:scratch:)`` gives.
    ///
    /// - Parameters:
    ///   - partials: shape `[count, tokens × group, valueSize + 2]`.
    ///   - count: number of blocks of the cache.
    ///   - queries: as they were; only their counts matter.
    ///   - out: overwritten, shape `[tokens, group, valueSize]`.
    ///   - outStride: floats from one token of `out` to the next.
    ///   - logSumExp: shape `[tokens, group]`, or `nil` if nobody asks.
    ///   - logSumExpStride: floats from one token of `logSumExp` to the next.
    package func mergeBlocks(
        _ partials: UnsafePointer<Float>, count: Int, _ queries: sl_queries, valueSize: Int,
        into out: UnsafeMutablePointer<Float>, stride outStride: Int,
        logSumExp: UnsafeMutablePointer<Float>?, stride logSumExpStride: Int
    ) {
        withUnsafePointer(to: queries) { queries in
            table.pointee.attend_merge(
                partials, count, queries, valueSize, out, outStride, logSumExp, logSumExpStride)
        }
    }

    /// The attention weights of every query row: `exp(scale·q·k − logSumExp)`, 0 where masked.
    ///
    /// - Parameters:
    ///   - rows: the cached rows, paged; values are not read.
    ///   - queries: shape `[tokens, group, keySize]`.
    ///   - logSumExp: what ``attend(_:_:into:stride:logSumExp:stride:scratch:)`` gave.
    ///   - logSumExpStride: floats from one token of `logSumExp` to the next.
    ///   - range: rows to write, from the beginning of a page; `nil` is all.
    ///   - weights: overwritten at `[query row × weightStride + row]`.
    ///   - weightStride: floats from one query row of `weights` to the next.
    ///   - scratch: ``attendScratch(keySize:valueSize:)`` floats.
    package func attendWeights(
        _ rows: sl_kv_rows, _ queries: sl_queries, logSumExp: UnsafePointer<Float>,
        stride logSumExpStride: Int, range: Range<Int>? = nil,
        into weights: UnsafeMutablePointer<Float>, stride weightStride: Int,
        scratch: UnsafeMutablePointer<Float>
    ) {
        check(rows, queries)
        let range = checked(range, rows)
        withUnsafePointer(to: rows) { rows in
            withUnsafePointer(to: queries) { queries in
                table.pointee.attend_weights(
                    rows, queries, logSumExp, logSumExpStride, range.lowerBound, range.count, weights,
                    weightStride, scratch)
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
    ///   - range: rows whose sums are wanted, from the beginning of a page; `nil` is all.
    ///   - sums: added to, in the order of the tokens, at `[head × sumStride + row]`.
    ///   - sumStride: floats from one head of `sums` to the next; 0 adds up the heads of each token, too.
    ///   - scratch: ``attendScratch(keySize:valueSize:)`` floats.
    package func attendColumnSums(
        _ rows: sl_kv_rows, _ queries: sl_queries, logSumExp: UnsafePointer<Float>,
        stride logSumExpStride: Int, factor: UnsafePointer<Float>?, range: Range<Int>? = nil,
        into sums: UnsafeMutablePointer<Float>, stride sumStride: Int, scratch: UnsafeMutablePointer<Float>
    ) {
        check(rows, queries)
        let range = checked(range, rows)
        withUnsafePointer(to: rows) { rows in
            withUnsafePointer(to: queries) { queries in
                table.pointee.attend_column_sums(
                    rows, queries, logSumExp, logSumExpStride, factor, range.lowerBound, range.count, sums,
                    sumStride, scratch)
            }
        }
    }

    /// The product of a vector with the key of every cached row: `x·k`.
    ///
    /// - Parameters:
    ///   - rows: the cached rows, paged; values are not read.
    ///   - x: shape `[keySize]`.
    ///   - products: overwritten, shape `[rows]`.
    ///   - scratch: ``attendScratch(keySize:valueSize:)`` floats.
    package func keyProducts(
        _ rows: sl_kv_rows, _ x: UnsafePointer<Float>, into products: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutablePointer<Float>
    ) {
        if let page = rows.pages, rows.row_count > 0 { checkBlocks(page[0].key_format, rows.key_size) }
        withUnsafePointer(to: rows) { table.pointee.key_products($0, x, products, scratch) }
    }

    private func checked(_ range: Range<Int>?, _ rows: sl_kv_rows) -> Range<Int> {
        let range = range ?? 0..<rows.row_count
        precondition(
            range.lowerBound % Self.pageRows == 0 && range.upperBound <= rows.row_count,
            "rows \(range) of \(rows.row_count)")
        return range
    }

    @inline(__always)
    private func check(_ rows: sl_kv_rows, _ queries: sl_queries) {
        if rows.row_count > 0 {
            checkBlocks(
                rows.pages[0].key_format, rows.pages[0].keys_by_channel ? Self.pageRows : rows.key_size)
            checkBlocks(rows.pages[0].value_format, rows.value_size)
        }
        precondition(
            queries.group > 0 || queries.token_count == 0, "\(queries.token_count) tokens in groups of 0")
        precondition(
            queries.token_count < 2 || queries.token_stride >= queries.group * rows.key_size,
            "query stride is \(queries.token_stride) < \(queries.group) × \(rows.key_size)")
    }
}
