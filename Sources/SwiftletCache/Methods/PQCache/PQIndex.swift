import CSwiftletKernels
package import SwiftletTensor

/// The product-quantisation index of one KV head's keys.
///
/// The dimensions of a key are cut into equal sub-spaces; in each, a key is represented by the nearest of
/// `2^bits` centroids, and its inner product with a query by the sum of one table entry per sub-space
/// (asymmetric distance computation). A value: copies share their parts until one of them changes.
///
/// Where the codes of a token fit into 12 bits, tokens with equal codes form a class. They have equal scores, so
/// classes are scored and ranked in their place: the same choice for less work.
///
/// Source: Zhang et al., 2024, arXiv:2407.12820; Jégou, Douze and Schmid, 2011, "Product quantization for
/// nearest neighbor search", for the tables.
package struct PQIndex: Sendable {
    /// The dimensions of an index.
    package struct Shape: Hashable, Sendable {
        /// Dimensions of a key; a multiple of ``subspaces``.
        package let size: Int
        package let subspaces: Int
        /// Bits per code, from 1 to 16.
        package let bits: Int

        package init(size: Int, subspaces: Int, bits: Int) {
            precondition(
                subspaces > 0 && size % subspaces == 0, "\(size) dimensions in \(subspaces) sub-spaces")
            precondition((1...16).contains(bits), "codes of \(bits) bits")
            self.size = size
            self.subspaces = subspaces
            self.bits = bits
        }

        /// Centroids per sub-space.
        package var clusters: Int { 1 << bits }
        /// Dimensions of a sub-space.
        package var width: Int { size / subspaces }
        /// Whether tokens are ranked by classes of equal codes.
        package var hasClasses: Bool { subspaces * bits <= 12 }
        /// Number of classes.
        var classCount: Int { 1 << (subspaces * bits) }

        /// Bytes of centroids, codes and class sizes of an index of so many tokens.
        func byteCount(tokens: Int) -> Int {
            let floats = size * clusters + (hasClasses ? classCount : 0)
            let codes = hasClasses ? 2 : subspaces * (bits <= 8 ? 1 : 2)
            return floats * MemoryLayout<Float>.stride + max(tokens, 0) * codes
        }
    }

    package let shape: Shape
    /// Shape `[subspaces, clusters, width]`.
    package let centroids: [Float]
    /// The codes of every token in the order of the cache: one column of classes, or one per sub-space.
    private var columns: [PQCodes]
    /// Tokens per class among the first ``counted`` tokens.
    private var counts: [Float]
    private var counted = 0

    /// An index with trained centroids and the codes of the first tokens, `[subspaces][tokens]`.
    package init(_ shape: Shape, centroids: [Float], codes: [[UInt16]]) {
        precondition(
            centroids.count == shape.size * shape.clusters, "\(centroids.count) numbers of centroids")
        precondition(codes.count == shape.subspaces, "codes of \(codes.count) sub-spaces")
        self.shape = shape
        self.centroids = centroids
        columns =
            shape.hasClasses
            ? [PQCodes(bits: 16)] : Array(repeating: PQCodes(bits: shape.bits), count: shape.subspaces)
        counts = Array(repeating: 0, count: shape.hasClasses ? shape.classCount : 0)
        let tokens = codes[0].count
        for index in columns.indices { columns[index].reserve(tokens) }
        for token in 0..<tokens { append(codes.map { Int($0[token]) }) }
    }

    /// Trains an index on keys, `[tokens, size]`, in every sub-space from the same rows.
    package init(
        keys: [Float], _ shape: Shape, initialRows: [Int], limits: KMeans.Limits, kernels: Kernels
    ) {
        let parts = keys.withUnsafeBufferPointer { keys in
            (0..<shape.subspaces).map { subspace in
                KMeans(
                    points: keys.baseAddress.unsafelyUnwrapped + subspace * shape.width, stride: shape.size,
                    count: keys.count / shape.size, size: shape.width, initialRows: initialRows,
                    limits: limits, kernels: kernels)
            }
        }
        self.init(shape, centroids: parts.flatMap(\.centroids), codes: parts.map(\.labels))
    }

    /// Tokens that have codes.
    package var count: Int { columns[0].count }

    /// Bytes of centroids, codes and class sizes.
    package var heldBytes: Int {
        columns.reduce((centroids.count + counts.count) * MemoryLayout<Float>.stride) { $0 + $1.heldBytes }
    }

    /// Bytes that ranking `candidates` tokens reads.
    package func readBytes(candidates: Int) -> Int {
        columns.reduce((centroids.count + counts.count) * MemoryLayout<Float>.stride) {
            $0 + candidates * $1.width
        }
    }

    /// The code of one token in one sub-space.
    package func code(ofToken token: Int, subspace: Int) -> Int {
        shape.hasClasses
            ? columns[0][token] >> (shape.bits * (shape.subspaces - 1 - subspace)) & (shape.clusters - 1)
            : columns[subspace][token]
    }

    /// Adds the next token with the nearest centroids of its key, `[size]`.
    package mutating func append(_ key: UnsafePointer<Float>, kernels: Kernels) {
        append(encode(key, kernels: kernels))
    }

    private mutating func append(_ codes: [Int]) {
        if shape.hasClasses {
            columns[0].append(codes.reduce(0) { $0 << shape.bits | $1 })
        } else {
            for (subspace, code) in codes.enumerated() { columns[subspace].append(code) }
        }
    }

    /// The nearest centroid of every part of a key.
    package func encode(_ key: UnsafePointer<Float>, kernels: Kernels) -> [Int] {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: Kernels.assignScratch(size: shape.width)) {
            scratch in
            centroids.withUnsafeBufferPointer { centroids in
                (0..<shape.subspaces).map { subspace in
                    var label: UInt16 = 0
                    kernels.assign(
                        points: key + subspace * shape.width, stride: shape.width, count: 1,
                        size: shape.width,
                        centroids: centroids.baseAddress.unsafelyUnwrapped
                            + subspace * shape.clusters * shape.width,
                        clusters: shape.clusters, labels: &label, distances: nil,
                        scratch: scratch.baseAddress.unsafelyUnwrapped)
                    return Int(label)
                }
            }
        }
    }

    /// Forgets the tokens from `count` on.
    package mutating func truncate(to count: Int) {
        guard count < self.count else { return }
        countClasses(candidates: min(counted, count))
        for index in columns.indices { columns[index].truncate(to: count) }
    }

    /// Brings the sizes of the classes up to date with the first `candidates` tokens.
    ///
    /// - Complexity: the number of tokens by which `candidates` changed.
    package mutating func countClasses(candidates: Int) {
        precondition(candidates <= count, "\(candidates) candidates among \(count) tokens")
        guard shape.hasClasses else { return }
        for token in min(counted, candidates)..<max(counted, candidates) {
            counts[columns[0][token]] += counted < candidates ? 1 : -1
        }
        counted = candidates
    }
}

// MARK: Scores

extension PQIndex {
    /// Memory for one ranking at a time.
    package struct Scratch {
        fileprivate var table: [Float] = []
        fileprivate var dots: [Float] = []
        fileprivate var scores: [Float] = []
        fileprivate var ranks: [UInt8] = []

        package init() {}
    }

    /// Inner products of a query `[size]` with all centroids, part by part: `[subspaces, clusters]`.
    package func table(of query: UnsafePointer<Float>, kernels: Kernels) -> [Float] {
        var table = [Float](repeating: 0, count: shape.subspaces * shape.clusters)
        fill(&table, query, kernels)
        return table
    }

    /// Approximate inner products of a query `[size]` with the first `candidates` tokens.
    package func dots(with query: UnsafePointer<Float>, candidates: Int, kernels: Kernels) -> [Float] {
        let table = table(of: query, kernels: kernels)
        return (0..<candidates).map { token in
            (0..<shape.subspaces).reduce(0) {
                $0 + table[$1 * shape.clusters + code(ofToken: token, subspace: $1)]
            }
        }
    }

    /// The score of every candidate: `Σ softmax(scale · dots)` over the queries `[group, size]` of the KV head.
    package mutating func scores(
        queries: UnsafePointer<Float>, group: Int, scale: Float, candidates: Int, kernels: Kernels
    ) -> [Float] {
        var scratch = Scratch()
        countClasses(candidates: candidates)
        score(queries, group, scale, candidates, addsProbabilities: true, &scratch, kernels)
        return shape.hasClasses
            ? (0..<candidates).map { scratch.scores[columns[0][$0]] } : Array(scratch.scores[..<candidates])
    }

    /// Chooses the `wanted` candidates with the best scores; of equals, those at lower positions.
    ///
    /// - Parameters:
    ///   - queries: `[group, size]`, rotated.
    ///   - scale: factor of `q·k` before the softmax.
    ///   - candidates: the first so many tokens of the index; more than `wanted`.
    ///   - first: the row of the index's first token.
    ///   - rows: receives the chosen rows, ascending; has room for ``Kernels/collectSlack`` more.
    /// - Complexity: `group × clusters × size` multiply-adds for the tables, `group × subspaces` additions and
    ///   `group` exponentials per class or candidate (none of the latter if `group` is 1), up to 34 sweeps over
    ///   them to rank them and one over the candidates.
    package mutating func select(
        _ wanted: Int, queries: UnsafePointer<Float>, group: Int, scale: Float, candidates: Int, first: Int,
        into rows: UnsafeMutablePointer<UInt32>, scratch: inout Scratch, kernels: Kernels
    ) {
        precondition(wanted <= candidates, "\(wanted) of \(candidates) candidates")
        countClasses(candidates: candidates)
        // One query's probabilities rank as its inner products do.
        score(queries, group, scale, candidates, addsProbabilities: group > 1, &scratch, kernels)
        let items = shape.hasClasses ? shape.classCount : candidates
        scratch.ranks.grow(to: items)
        let ties = counts.withOptionalPointer {
            kernels.rank(
                scores: scratch.scores, counts: $0, count: items, wanted: wanted, into: &scratch.ranks)
        }
        columns[0].withUnsafeBytes { classes in
            let classes = classes.baseAddress?.assumingMemoryBound(to: UInt16.self)
            let found = kernels.collect(
                ranks: scratch.ranks, items: items, classes: shape.hasClasses ? classes : nil,
                count: candidates, ties: ties, first: first, into: rows)
            precondition(found == wanted, "\(found) candidates found, \(wanted) wanted")
        }
    }

    /// Fills `scratch.scores` with the scores of all classes, or of all candidates where there are no classes.
    private func score(
        _ queries: UnsafePointer<Float>, _ group: Int, _ scale: Float, _ candidates: Int,
        addsProbabilities: Bool, _ scratch: inout Scratch, _ kernels: Kernels
    ) {
        let items = shape.hasClasses ? shape.classCount : candidates
        scratch.table.grow(to: shape.subspaces * shape.clusters)
        scratch.scores.grow(to: items)
        if addsProbabilities {
            scratch.dots.grow(to: items)
            scratch.scores.withUnsafeMutableBufferPointer { $0[..<items].update(repeating: 0) }
        }
        for head in 0..<group {
            fill(&scratch.table, queries + head * shape.size, kernels)
            if addsProbabilities {
                sum(scratch.table, into: &scratch.dots, items, kernels)
                counts.withOptionalPointer {
                    kernels.addSoftmax(
                        of: &scratch.dots, counts: $0, scale: scale, to: &scratch.scores, count: items)
                }
            } else {
                sum(scratch.table, into: &scratch.scores, items, kernels)
            }
        }
    }

    private func fill(_ table: inout [Float], _ query: UnsafePointer<Float>, _ kernels: Kernels) {
        let (clusters, width) = (shape.clusters, shape.width)
        table.withUnsafeMutableBufferPointer { table in
            centroids.withUnsafeBufferPointer { centroids in
                for subspace in 0..<shape.subspaces {
                    kernels.matvec(
                        SL_F32, centroids.baseAddress.unsafelyUnwrapped + subspace * clusters * width,
                        rows: clusters, columns: width, query + subspace * width,
                        into: table.baseAddress.unsafelyUnwrapped + subspace * clusters)
                }
            }
        }
    }

    /// Adds up the table entries of every class or candidate.
    private func sum(_ table: [Float], into sums: inout [Float], _ items: Int, _ kernels: Kernels) {
        guard shape.hasClasses else {
            withColumns { columns in
                kernels.sums(
                    ofCodes: columns, codeBytes: self.columns[0].width, tables: table,
                    clusters: shape.clusters, into: &sums, count: items)
            }
            return
        }
        kernels.sums(
            ofClasses: table, subspaces: shape.subspaces, clusters: shape.clusters, into: &sums)
    }

    /// Lends one pointer per column.
    private func withColumns(_ body: (UnsafeBufferPointer<UnsafeRawPointer?>) -> Void) {
        func lend(_ pointers: [UnsafeRawPointer?]) {
            guard pointers.count < columns.count else { return pointers.withUnsafeBufferPointer(body) }
            columns[pointers.count].withUnsafeBytes { lend(pointers + [$0.baseAddress]) }
        }
        lend([])
    }
}

extension Array where Element: ExpressibleByIntegerLiteral {
    /// Makes the array at least so long, with room for a while; what was in it is lost.
    fileprivate mutating func grow(to length: Int) {
        if count < length { self = Array(repeating: 0, count: length + length / 4) }
    }

    /// Lends the elements, or `nil` where there are none.
    fileprivate func withOptionalPointer<Result>(_ body: (UnsafePointer<Element>?) -> Result) -> Result {
        isEmpty ? body(nil) : withUnsafeBufferPointer { body($0.baseAddress) }
    }
}
