import CSwiftletKernels

extension Kernels {
    /// Floats of scratch memory that ``assign(points:stride:count:size:centroids:clusters:labels:distances:scratch:)`` needs.
    package static func assignScratch(size: Int) -> Int { sl_pq_scratch(size) }

    /// Finds the nearest centroid of every point by squared Euclidean distance; the lowest of equals.
    ///
    /// - Parameters:
    ///   - points: point `i` is the `size` floats at `points + i × stride`.
    ///   - stride: floats from one point to the next.
    ///   - count: points; 0 does nothing.
    ///   - size: dimensions.
    ///   - centroids: shape `[clusters, size]`.
    ///   - clusters: from 1 to 65 536.
    ///   - labels: overwritten, shape `[count]`.
    ///   - distances: overwritten with the squared distances, shape `[count]`, or `nil` if nobody asks.
    ///   - scratch: ``assignScratch(size:)`` floats.
    /// - Complexity: `count × clusters × size` differences, squared and summed in `Float`.
    package func assign(
        points: UnsafePointer<Float>, stride: Int, count: Int, size: Int, centroids: UnsafePointer<Float>,
        clusters: Int, labels: UnsafeMutablePointer<UInt16>, distances: UnsafeMutablePointer<Float>?,
        scratch: UnsafeMutablePointer<Float>
    ) {
        precondition((1...65_536).contains(clusters), "\(clusters) clusters")
        precondition(count >= 0 && size > 0, "\(count) points of \(size) dimensions")
        precondition(stride >= size || count < 2, "stride \(stride) < \(size)")
        table.pointee.pq_assign(points, stride, count, size, centroids, clusters, labels, distances, scratch)
    }

    /// Sums table entries: `sums[i] = Σ_j tables[j][codes[j][i]]`, in the order of `j`.
    ///
    /// - Parameters:
    ///   - codes: one array per sub-space, shape `[count]`, of `codeBytes` bytes each, every code below `clusters`.
    ///   - codeBytes: 1 or 2.
    ///   - tables: shape `[codes.count, clusters]`.
    ///   - clusters: entries per table.
    ///   - sums: overwritten, shape `[count]`.
    ///   - count: items.
    package func sums(
        ofCodes codes: UnsafeBufferPointer<UnsafeRawPointer?>, codeBytes: Int, tables: UnsafePointer<Float>,
        clusters: Int, into sums: UnsafeMutablePointer<Float>, count: Int
    ) {
        precondition(codeBytes == 1 || codeBytes == 2, "codes of \(codeBytes) bytes")
        precondition(codes.count > 0 && count >= 0, "\(count) items of \(codes.count) codes")
        table.pointee.pq_sums(codes.baseAddress, codeBytes, codes.count, tables, clusters, sums, count)
    }

    /// Sums table entries for every combination of codes: `sums[c] = Σ_j tables[j][digit j of c]`, in the order of `j`.
    ///
    /// - Parameters:
    ///   - tables: shape `[subspaces, clusters]`.
    ///   - subspaces: digits of a class, the highest first.
    ///   - clusters: entries per table.
    ///   - sums: overwritten, shape `[clusters^subspaces]`.
    package func sums(
        ofClasses tables: UnsafePointer<Float>, subspaces: Int, clusters: Int,
        into sums: UnsafeMutablePointer<Float>
    ) {
        precondition(subspaces > 0 && clusters > 0, "\(subspaces) sub-spaces of \(clusters)")
        table.pointee.pq_class_sums(tables, subspaces, clusters, sums)
    }

    /// Adds `softmax(scale · dots)` to `scores`, where item `i` stands for `counts[i]` tokens.
    ///
    /// - Parameters:
    ///   - dots: shape `[count]`; overwritten.
    ///   - counts: whole numbers, shape `[count]`, or `nil` for ones. Items that stand for no token get nothing.
    ///   - scale: multiplies the dots.
    ///   - scores: added to, shape `[count]`.
    ///   - count: items; 0 does nothing.
    package func addSoftmax(
        of dots: UnsafeMutablePointer<Float>, counts: UnsafePointer<Float>?, scale: Float,
        to scores: UnsafeMutablePointer<Float>, count: Int
    ) {
        precondition(count >= 0, "\(count) items")
        table.pointee.pq_add_softmax(dots, counts, scale, scores, count)
    }

    /// Ranks items so that ``collect(ranks:items:classes:count:ties:first:into:)`` finds the `wanted` best tokens.
    ///
    /// - Parameters:
    ///   - scores: shape `[count]`; NaN is the smallest.
    ///   - counts: tokens per item, whole numbers with a sum below 2²⁴, or `nil` for ones.
    ///   - count: items.
    ///   - wanted: tokens, at most their number.
    ///   - ranks: overwritten, shape `[count]`: 2 for items taken whole, 1 for the score at which `wanted` is
    ///     reached, 0 for the others.
    /// - Returns: how many tokens of rank 1 are still wanted.
    /// - Complexity: up to 34 sweeps over the items, no sorting.
    package func rank(
        scores: UnsafePointer<Float>, counts: UnsafePointer<Float>?, count: Int, wanted: Int,
        into ranks: UnsafeMutablePointer<UInt8>
    ) -> Int {
        precondition(count >= 0 && wanted >= 0, "\(wanted) of \(count) items")
        return table.pointee.pq_rank(scores, counts, count, wanted, ranks)
    }

    /// Numbers that collecting may write past the last one.
    package static var collectSlack: Int { Int(SL_COLLECT_SLACK) }

    /// Writes the tokens of rank 2 and the first `ties` of rank 1, ascending.
    ///
    /// - Parameters:
    ///   - ranks: of every item, shape `[items]`.
    ///   - items: how many; at least `count` if there are no classes.
    ///   - classes: the item of every token, shape `[count]`, or `nil` if token `i` is item `i`.
    ///   - count: tokens.
    ///   - ties: what ``rank(scores:counts:count:wanted:into:)`` returned.
    ///   - first: added to every token's number.
    ///   - rows: overwritten; has room for ``collectSlack`` more than what is collected.
    /// - Returns: the number of tokens collected.
    package func collect(
        ranks: UnsafePointer<UInt8>, items: Int, classes: UnsafePointer<UInt16>?, count: Int, ties: Int,
        first: Int, into rows: UnsafeMutablePointer<UInt32>
    ) -> Int {
        precondition(
            count >= 0 && first >= 0 && first <= Int(UInt32.max) - count, "\(count) tokens from \(first)")
        return table.pointee.pq_collect(ranks, classes, items, count, ties, UInt32(first), rows)
    }
}
