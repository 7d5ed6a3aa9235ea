import CSwiftletKernels

extension Kernels {
    /// Adds the attention weights of some query rows, in their order, to the sums of the cached rows; scores stay as they
    /// are.
    ///
    /// The bits are those of ``attendColumnSums(_:_:logSumExp:stride:factor:range:into:stride:scratch:)``.
    ///
    /// - Parameters:
    ///   - scores: that attention left, shape `[queries, count]`, rows `stride` apart.
    ///   - logSumExp: shape `[queries]`, `logSumExpStride` apart.
    ///   - sums: added to, shape `[count]`.
    package func addWeights(
        _ scores: UnsafePointer<Float>, stride: Int, logSumExp: UnsafePointer<Float>,
        stride logSumExpStride: Int, queries: Int, to sums: UnsafeMutablePointer<Float>, count: Int
    ) {
        precondition(count >= 0 && queries >= 0, "\(queries) query rows of \(count) scores")
        table.pointee.add_weights(scores, stride, logSumExp, logSumExpStride, queries, sums, count)
    }

    /// Sums the attention weights of some query rows, column by column, in double precision; scores stay as they are.
    ///
    /// - Parameters:
    ///   - scores: that attention left, shape `[queries, count]`, rows `stride` apart.
    ///   - logSumExp: shape `[queries]`.
    ///   - sums: overwritten, shape `[count]`.
    package func sumWeights(
        _ scores: UnsafePointer<Float>, stride: Int, logSumExp: UnsafePointer<Float>, queries: Int,
        into sums: UnsafeMutablePointer<Float>, count: Int
    ) {
        precondition(count >= 0 && queries >= 0, "\(queries) query rows of \(count) scores")
        table.pointee.sum_weights(scores, stride, logSumExp, queries, sums, count)
    }

    /// Numbers in the order of their places.
    ///
    /// - Parameter places: indices of `numbers`.
    package func gather(_ numbers: [Float], at places: [Int32]) -> [Float] {
        precondition(places.count <= numbers.count, "\(places.count) places among \(numbers.count) numbers")
        return Array(unsafeUninitializedCapacity: places.count) { gathered, count in
            count = places.count
            guard let target = gathered.baseAddress else { return }
            let found = table.pointee.gather(numbers, numbers.count, places, places.count, target)
            precondition(found, "a place outside of \(numbers.count) numbers")
        }
    }

    /// How many numbers are smaller than `bound`.
    package func count(_ numbers: UnsafeBufferPointer<Int32>, below bound: Int32) -> Int {
        guard let base = numbers.baseAddress else { return 0 }
        return table.pointee.count_below(base, numbers.count, bound)
    }

    /// The row with the smallest score among those whose position lies in `range`; `nil` if there is none.
    ///
    /// Of equal scores the row at the highest position is taken; NaN counts as the smallest score.
    ///
    /// - Parameters:
    ///   - scores: shape `[positions.count]`.
    ///   - positions: of the rows, in any order.
    /// - Complexity: both arrays are read twice.
    package func weakestRow(
        _ scores: UnsafePointer<Float>, positions: UnsafeBufferPointer<Int32>, in range: ClosedRange<Int32>
    ) -> Int? {
        guard let base = positions.baseAddress else { return nil }
        let row = table.pointee.weakest(
            scores, base, positions.count, range.lowerBound, range.upperBound)
        return row < positions.count ? row : nil
    }

    /// The smallest number, of equals the last; NaN counts as the smallest. `nil` if there is none.
    ///
    /// - Complexity: the numbers are read twice.
    package func lastWeakest(of scores: ArraySlice<Float>) -> Int? {
        scores.withUnsafeBufferPointer { numbers in
            guard let base = numbers.baseAddress else { return nil }
            let index = table.pointee.weakest(base, nil, numbers.count, 0, .max)
            return index < numbers.count ? scores.startIndex + index : nil
        }
    }

    /// The vector that points most nearly where one of them does: the largest cosine, and where it is; `nil` if there is
    /// no other.
    ///
    /// Of equal cosines the one at the lowest position is taken; a vector without length has a cosine of 0, and NaN
    /// never wins.
    ///
    /// - Parameters:
    ///   - products: of vector `row` with each, shape `[positions.count]`; becomes cosines.
    ///   - lengths: of the vectors, shape `[positions.count]`.
    ///   - positions: of the vectors, in any order.
    /// - Complexity: products are swept three times.
    package func mostSimilar(
        to row: Int, products: inout [Float], lengths: [Float], positions: [Int32]
    ) -> (row: Int, cosine: Float)? {
        let count = positions.count
        precondition(
            products.count == count && lengths.count == count && (0..<count).contains(row),
            "vector \(row) with \(products.count) products, \(lengths.count) lengths and \(count) positions")
        let found = table.pointee.most_similar(
            &products, lengths, positions, count, row, lengths[row] > 0 ? 1 / lengths[row] : 0)
        return found < count ? (found, products[found]) : nil
    }

    /// The sums of some rows, column by column, in double precision and the order of the rows; a shorter row counts 0
    /// where it ends.
    ///
    /// - Parameters:
    ///   - rows: of any length; what lies beyond `count` is left out.
    ///   - divisor: divides every sum.
    package func sums(of rows: [[Float]], count: Int, divisor: Double = 1) -> [Float] {
        let lengths = rows.map { min($0.count, count) }
        return Array(unsafeUninitializedCapacity: count) { sums, initialized in
            initialized = count
            guard let sums = sums.baseAddress else { return }
            Self.lend(rows[...]) { rows in
                table.pointee.sum_rows(rows, lengths, lengths.count, divisor, sums, count)
            }
        }
    }

    /// Lends the memory of several arrays at once.
    private static func lend(
        _ rows: ArraySlice<[Float]>, _ addresses: [UnsafePointer<Float>?] = [],
        _ body: (_ addresses: [UnsafePointer<Float>?]) -> Void
    ) {
        guard let row = rows.first else { return body(addresses) }
        row.withUnsafeBufferPointer { lend(rows.dropFirst(), addresses + [$0.baseAddress], body) }
    }

    /// The largest of every number and its neighbours, `reach` to either side; what lies outside does not count, and
    /// NaN counts as −∞.
    ///
    /// - Complexity: `2 × reach × x.count` comparisons.
    package func maxima(of x: ArraySlice<Float>, reach: Int) -> [Float] {
        precondition(reach >= 0, "a reach of \(reach)")
        return Array(unsafeUninitializedCapacity: x.count) { maxima, count in
            count = x.count
            guard let maxima = maxima.baseAddress else { return }
            x.withUnsafeBufferPointer { x in
                guard let x = x.baseAddress else { return }
                table.pointee.pool_max(x, count, reach, maxima)
            }
        }
    }

    /// Adds the products of the elements of some vectors: `products[i, j] += Σ x[t, i]·x[t, j]` for `i ≤ j`.
    ///
    /// Sums are exact up to the rounding of additions in double precision, which have the order of the vectors: how
    /// these are cut into calls changes nothing.
    ///
    /// - Parameters:
    ///   - vectors: shape `[count, size]`.
    ///   - stride: floats from one vector to the next.
    ///   - products: shape `[size, size]`; what lies below the diagonal is undefined.
    package func addProducts(
        _ vectors: UnsafePointer<Float>, stride: Int, count: Int, size: Int, into products: inout [Double]
    ) {
        precondition(products.count == size * size, "\(products.count) products of \(size) numbers")
        products.withUnsafeMutableBufferPointer { products in
            guard let products = products.baseAddress else { return }
            withUnsafeTemporaryAllocation(of: Double.self, capacity: sl_products_scratch(size)) { scratch in
                guard let scratch = scratch.baseAddress else { return }
                table.pointee.add_products(vectors, stride, count, size, products, scratch)
            }
        }
    }
}
