package import CSwiftletKernels
package import SwiftletTensor

/// The rows that one layer stores for one sequence: a ragged list of rows per KV head.
///
/// A value: copying a slot shares its pages until either copy writes.
package struct KVSlot {
    package let shape: KVLayerShape
    /// Numbers that are rotated together, in keys and in values, before rows are stored; `nil` for rows as they are.
    let rotation: (key: Int, value: Int)?
    private let format: KVFormat
    private var heads: [KVHead]

    package init(
        _ shape: KVLayerShape, format: KVFormat, pool: KVPagePool, kernels: Kernels
    ) throws(SwiftletError) {
        let format = format.stored(shape)
        let geometry = try KVPageGeometry(shape, format)
        self.shape = shape
        self.format = format
        rotation = geometry.rotation
        heads = Array(
            repeating: KVHead(geometry, pool: pool, kernels: kernels), count: shape.kvHeadCount)
    }

    /// Rows held by one KV head.
    package func rowCount(ofHead head: Int) -> Int { heads[head].rowCount }

    /// The position of every row of one KV head, by row: ascending, unless single rows were removed.
    package func positions(ofHead head: Int) -> [Int32] { heads[head].positions }

    /// The position of the first row of the first head.
    var oldestPosition: Int32? { heads.first?.positions.first }

    /// Changes every head.
    mutating func changeHeads(_ change: (inout KVHead) -> Void) {
        for head in heads.indices { change(&heads[head]) }
    }

    /// Bytes of all pages and positions.
    package var heldBytes: Int { sum { $0.pointee.heldBytes } }

    /// Bytes of pages and positions that a KV head needs for so many rows, new or aged as far as they go.
    func byteCount(ofRows count: Int, aged: Bool) throws(SwiftletError) -> Int {
        try heads.first?.byteCount(ofRows: count, aged: aged) ?? 0
    }

    /// Bytes of the keys of all rows, as long as these do not age.
    var keyBytes: Int { heads.reduce(0) { $0 + $1.rowCount * $1.geometry.keyRowBytes } }

    /// Bytes of the positions among them.
    var positionBytes: Int { sum { $0.pointee.positionBytes } }

    /// What a query reads that sees the rows from a position on; `nil` is all.
    func read(from first: Int32?) -> KVRead {
        heads.withUnsafeBufferPointer { heads in
            var read = KVRead()
            for head in heads.indices { read = read + heads[head].read(from: first) }
            return read
        }
    }

    /// A sum over the heads, none of which is copied: this is asked for every layer and token.
    private func sum(_ number: (UnsafePointer<KVHead>) -> Int) -> Int {
        heads.withUnsafeBufferPointer { heads in
            guard let first = heads.baseAddress else { return 0 }
            var sum = 0
            for head in heads.indices { sum += number(first + head) }
            return sum
        }
    }

    /// What a query reads that looks at so many rows of each KV head.
    func read(rows: [Int]) -> KVRead { zip(heads, rows).reduce(KVRead()) { $0 + $1.0.read(rows: $1.1) } }

    /// Bytes of one page and its positions, for all KV heads together.
    var pageBytesOfAllHeads: Int { heads.reduce(0) { $0 + $1.bytesPerPage } }

    /// Whether a row can take another one's place, bytes for bytes: not where rows are stored in groups or in a format
    /// that depends on their age.
    var movesRowsSingly: Bool { !format.ages }

    /// Turns a key into the form in which stored keys are compared with it.
    func rotate(key: inout [Float]) { heads.first?.rotate(key: &key) }

    /// Drops one row of a KV head; the last row takes its place.
    mutating func remove(_ row: Int, ofHead head: Int) throws(SwiftletError) { try heads[head].remove(row) }

    /// Whether every row has a higher position than the one before it, in all heads.
    var isAscending: Bool { heads.allSatisfy(\.isAscending) }

    /// Whether every row of a KV head has a higher position than the one before it.
    func isAscending(ofHead head: Int) -> Bool { heads[head].isAscending }

    /// The rows of every KV head by their positions; `nil` if all of them ascend as they lie.
    var ascendingOrder: [[Int]]? {
        isAscending ? nil : heads.map(\.rowsByPosition)
    }

    /// Puts the rows of every KV head in another order.
    mutating func reorder(_ rows: [[Int]]) throws(SwiftletError) {
        for head in heads.indices where !heads[head].isAscending { try heads[head].reorder(rows[head]) }
    }

    /// Numbers the rows of every head without gaps, up to the newest position, and rotates their keys along.
    mutating func renumber(by rope: Rope) throws(SwiftletError) {
        for head in heads.indices { try heads[head].renumber(by: rope) }
    }

    /// Adds one row per token to every KV head.
    ///
    /// - Parameters:
    ///   - keys: `[tokens, kvHeads, keySize]`, rotated for their positions.
    ///   - values: `[tokens, kvHeads, valueSize]`.
    ///   - positions: `[tokens]`.
    package mutating func append(
        keys: UnsafePointer<Float>, values: UnsafePointer<Float>, positions: UnsafeBufferPointer<Int32>
    ) throws(SwiftletError) {
        for head in heads.indices {
            try heads[head].append(
                keys: keys + head * shape.keySize, keyStride: shape.kvHeadCount * shape.keySize,
                values: values + head * shape.valueSize, valueStride: shape.kvHeadCount * shape.valueSize,
                positions: positions)
        }
    }

    /// Rewrites key and value of one row; its position stays.
    package mutating func rewrite(
        head: Int, row: Int, key: [Float], value: [Float]
    ) throws(SwiftletError) {
        precondition(row < heads[head].rowCount, "row \(row) of \(heads[head].rowCount)")
        precondition(key.count == shape.keySize && value.count == shape.valueSize, "row sizes differ")
        try heads[head].write(row, key: key, value: value)
    }

    /// One row as floats.
    package func row(_ row: Int, ofHead head: Int) -> (key: [Float], value: [Float]) {
        precondition(row < heads[head].rowCount, "row \(row) of \(heads[head].rowCount)")
        var key = [Float](repeating: 0, count: shape.keySize)
        var value = [Float](repeating: 0, count: shape.valueSize)
        heads[head].read(row, key: &key, value: &value)
        return (key, value)
    }

    /// The key of one row as floats, `[keySize]`; the layer has no values.
    func readKey(_ row: Int, ofHead head: Int, into key: UnsafeMutablePointer<Float>) {
        precondition(
            row < heads[head].rowCount && shape.valueSize == 0, "row \(row) of \(heads[head].rowCount)")
        heads[head].read(row, key: key, value: key)
    }

    /// The keys of one KV head, `[rows × keySize]`.
    package func keys(ofHead head: Int) -> [Float] { heads[head].keyRows }

    /// The values of one KV head, `[rows × valueSize]`.
    package func values(ofHead head: Int) -> [Float] { heads[head].valueRows }

    /// Keeps the selected rows of every head and returns the memory of the others.
    package mutating func keep(_ selection: KVSelection) throws(SwiftletError) {
        for head in heads.indices { try heads[head].keep(selection.rows(ofHead: head)) }
    }

    /// The rows of every head whose position is before `position`.
    package func rows(before position: Int) -> KVSelection {
        .perHead(heads.map { head in head.positions.indices.filter { head.positions[$0] < position } })
    }

    /// Drops every row at `position` or later, as a rejected speculation asks.
    package mutating func truncate(from position: Int) throws(SwiftletError) {
        try keep(rows(before: position))
    }

    /// Stores the rows anew that have become old enough.
    mutating func age() throws(SwiftletError) {
        for head in heads.indices { try heads[head].age() }
    }

    /// Moves the pages that hold only rows of `rows` to another pool.
    mutating func move(_ rows: Range<Int>, to pool: KVPagePool) throws(SwiftletError) {
        for head in heads.indices { try heads[head].move(rows, to: pool) }
    }

    /// Reads the pages that hold only rows of `rows` from copies in the pool of new rows from now on.
    mutating func holdCopies(_ rows: Range<Int>) throws(SwiftletError) {
        for head in heads.indices { try heads[head].holdCopies(rows) }
    }

    /// Gives up the copies of pages that hold only rows of `rows`.
    mutating func dropCopies(_ rows: Range<Int>) {
        for head in heads.indices { heads[head].dropCopies(rows) }
    }

    /// Writes or reads the rows of every head, as they are stored.
    ///
    /// - Parameters:
    ///   - length: tokens of the sequence.
    ///   - kept: when reading, rows at this position or later are left out.
    mutating func code(_ state: inout KVStateCoder, length: Int, keeping kept: Int) throws(SwiftletError) {
        try state.code(expecting: shape.kvHeadCount, "the number of KV heads")
        try state.code(expecting: shape.keySize, "the size of a key")
        try state.code(expecting: shape.valueSize, "the size of a value")
        for head in heads.indices { try heads[head].code(&state, length: length, keeping: kept) }
    }

    /// Lends the rows of one KV head to a kernel.
    package func withRows<Result>(ofHead head: Int, _ body: (sl_kv_rows) -> Result) -> Result {
        heads[head].withRows(body)
    }

    /// Lends the rows of every KV head at once.
    func withRowsOfAllHeads(_ body: ([sl_kv_rows]) -> Void) {
        func lend(_ rows: [sl_kv_rows]) {
            guard rows.count < heads.count else { return body(rows) }
            heads[rows.count].withRows { lend(rows + [$0]) }
        }
        lend([])
    }
}

extension sl_kv_rows {
    /// The position of every row.
    var positionBuffer: UnsafeBufferPointer<Int32> {
        UnsafeBufferPointer(start: positions, count: row_count)
    }
}
