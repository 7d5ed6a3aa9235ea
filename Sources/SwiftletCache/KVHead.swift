import CSwiftletKernels
import SwiftletTensor

/// The cached rows of one KV head: pages of keys and values, and the position of every row.
///
/// A row's index says nothing about its position. Copies share pages until one of them writes.
struct KVHead {
    /// How new rows are stored.
    let geometry: KVPageGeometry
    let pool: KVPagePool
    let kernels: Kernels
    private(set) var pages: [KVPage] = []
    private var descriptors: [sl_kv_page] = []  // per page or its copy, as the kernels take them
    private var copies: [Int: KVPage] = [:]  // of pages in a slower pool
    /// Position of each row in its sequence.
    private(set) var positions: [Int32] = []
    /// Whether every row has a higher position than the one before it.
    private(set) var isAscending = true
    /// Pages that have reached each stage; empty if some of them may have to be stored anew.
    var settled: [KIVICodec.Split] = []

    init(_ geometry: KVPageGeometry, pool: KVPagePool, kernels: Kernels) {
        self.geometry = geometry
        self.pool = pool
        self.kernels = kernels
    }

    var rowCount: Int { positions.count }

    /// Bytes of pages and positions.
    var heldBytes: Int {
        let own =
            geometry.format.ages
            ? pages.reduce(0) { $0 + $1.geometry.pageBytes } : pages.count * geometry.pageBytes
        return copies.values.reduce(own + positionBytes) { $0 + $1.geometry.pageBytes }
    }

    /// Bytes of pages and positions that so many rows take, new or aged as far as they go.
    func byteCount(ofRows count: Int, aged: Bool) throws(SwiftletError) -> Int {
        let pageCount = (count + KVPage.rowCapacity - 1) / KVPage.rowCapacity
        var bytes = pageCount * KVPage.rowCapacity * MemoryLayout<Int32>.stride
        let reached = aged ? geometry.format.stages.map { $0.pages(of: count) } : []
        var first = 0
        for end in Set(reached.flatMap { [$0.keys, $0.values] } + [pageCount]).sorted()
        where end > first && end <= pageCount {
            let stage = KIVICodec.Split(
                keys: reached.count { $0.keys > first }, values: reached.count { $0.values > first })
            bytes += (end - first) * (try geometry.staged(stage)).pageBytes
            first = end
        }
        return bytes
    }

    /// Bytes of positions.
    var positionBytes: Int { positions.capacity * MemoryLayout<Int32>.stride }

    /// What a query reads that sees the rows from a position on; `nil` is all.
    func read(from first: Int32?) -> KVRead { read(rows: rowCount - (first.map(rowsBefore) ?? 0)) }

    /// What a query reads that looks at so many rows.
    func read(rows: Int) -> KVRead {
        guard geometry.format.ages else { return KVRead(rows: rows, bytes: rows * geometry.rowBytes) }
        var (bytes, end) = (0, rowCount)
        while end > rowCount - rows {
            let index = (end - 1) / KVPage.rowCapacity
            let first = max(index * KVPage.rowCapacity, rowCount - rows)
            bytes += (end - first) * pages[index].geometry.rowBytes
            end = first
        }
        return KVRead(rows: rows, bytes: bytes)
    }

    /// Rows before a position, which ascend: a binary search.
    private func rowsBefore(_ position: Int32) -> Int {
        var (low, high) = (0, rowCount)
        while low < high {
            let middle = (low + high) / 2
            if positions[middle] < position { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Bytes of a page and the positions of its rows.
    var bytesPerPage: Int { geometry.pageBytes + KVPage.rowCapacity * MemoryLayout<Int32>.stride }

    /// Adds rows, given as floats `[positions.count, size]` with a stride between tokens.
    mutating func append(
        keys: UnsafePointer<Float>, keyStride: Int, values: UnsafePointer<Float>, valueStride: Int,
        positions new: UnsafeBufferPointer<Int32>
    ) throws(SwiftletError) {
        try openLastPage()
        try reserve(rowCount + new.count)
        for (token, position) in new.enumerated() {
            let row = positions.count
            try write(row, key: keys + token * keyStride, value: values + token * valueStride)
            if let last = positions.last, last >= position { isAscending = false }
            positions.append(position)
        }
    }

    /// Replaces key and value of a row, keeping its position.
    mutating func write(_ row: Int, key: UnsafePointer<Float>, value: UnsafePointer<Float>)
        throws(SwiftletError)
    {
        try open(page: row / KVPage.rowCapacity)
        let (page, offset) = locate(row)
        guard let rotation = geometry.rotation else {
            page.write(offset, key: key, value: value, kernels)
            return
        }
        let (keySize, valueSize) = (geometry.keySize, geometry.valueSize)
        withUnsafeTemporaryAllocation(of: Float.self, capacity: keySize + valueSize) { buffer in
            guard let rotated = buffer.baseAddress else { return }
            rotated.update(from: key, count: keySize)
            (rotated + keySize).update(from: value, count: valueSize)
            kernels.hadamard(rotated, block: rotation.key, count: keySize)
            kernels.hadamard(rotated + keySize, block: rotation.value, count: valueSize)
            page.write(offset, key: rotated, value: rotated + keySize, kernels)
        }
    }

    /// Reads a row back as floats.
    func read(_ row: Int, key: UnsafeMutablePointer<Float>, value: UnsafeMutablePointer<Float>) {
        let (page, offset) = locate(row)
        page.read(offset, key: key, value: value, kernels)
        guard let rotation = geometry.rotation else { return }
        kernels.hadamard(key, block: rotation.key, count: geometry.keySize)
        kernels.hadamard(value, block: rotation.value, count: geometry.valueSize)
    }

    /// The keys of all rows as floats, `[rows × keySize]`.
    var keyRows: [Float] {
        floats(width: geometry.keySize, rotation: geometry.rotation?.key) { page, rows, target in
            page.readKeys(rows, into: target, kernels)
        }
    }

    /// The values of all rows as floats, `[rows × valueSize]`.
    var valueRows: [Float] {
        floats(width: geometry.valueSize, rotation: geometry.rotation?.value) { page, rows, target in
            page.readValues(rows, into: target, kernels)
        }
    }

    private func floats(
        width: Int, rotation: Int?,
        _ read: (_ page: KVPage, _ rows: Int, _ target: UnsafeMutablePointer<Float>) -> Void
    ) -> [Float] {
        Array(unsafeUninitializedCapacity: rowCount * width) { buffer, count in
            count = rowCount * width
            guard let target = buffer.baseAddress else { return }
            for (index, page) in pages.enumerated() {
                let first = index * KVPage.rowCapacity
                read(page, min(KVPage.rowCapacity, rowCount - first), target + first * width)
            }
            if let rotation { kernels.hadamard(target, block: rotation, count: count) }
        }
    }

    /// Turns a key into the form in which stored keys are compared with it.
    func rotate(key: UnsafeMutablePointer<Float>) {
        guard let rotation = geometry.rotation else { return }
        kernels.hadamard(key, block: rotation.key, count: geometry.keySize)
    }

    /// Drops one row; the last row takes its place, so that the rows may no longer ascend.
    mutating func remove(_ row: Int) throws(SwiftletError) {
        let last = rowCount - 1
        precondition(row >= 0 && row <= last, "row \(row) of \(rowCount)")
        if row < last {
            try move(last, to: row)
            positions[row] = positions[last]
            isAscending = false
        }
        dropRows(from: last)
    }

    /// Puts the rows in another order.
    ///
    /// - Parameter rows: where each row comes from, every row once.
    mutating func reorder(_ rows: [Int]) throws(SwiftletError) {
        precondition(rows.count == rowCount, "an order of \(rows.count) for \(rowCount) rows")
        let old = self
        dropRows(from: 0)
        isAscending = true
        try reserve(rows.count)
        for (target, source) in rows.enumerated() {
            let from = old.locate(source)
            copy(from, to: locate(target))
            if let last = positions.last, last >= old.positions[source] { isAscending = false }
            positions.append(old.positions[source])
        }
    }

    /// The rows by their positions, equal ones as they lie.
    var rowsByPosition: [Int] {
        positions.indices.sorted { (positions[$0], $0) < (positions[$1], $1) }
    }

    /// Keeps the rows `kept`, ascending, in their order; whole pages left over go back to the pool.
    mutating func keep(_ kept: [Int]) throws(SwiftletError) {
        for (target, source) in kept.enumerated() where target != source {
            precondition(
                source > target && source < rowCount, "row \(source) of \(rowCount), target \(target)")
            try move(source, to: target)
            positions[target] = positions[source]
        }
        dropRows(from: kept.count)
    }

    /// Numbers the rows without gaps, up to the newest position, and rotates their keys along.
    ///
    /// The newest row stays where it is, so the next token's position does not change.
    mutating func renumber(by rope: Rope) throws(SwiftletError) {
        guard let newest = positions.last else { return }
        var key = [Float](repeating: 0, count: geometry.keySize)
        var value = [Float](repeating: 0, count: geometry.valueSize)
        for row in positions.indices {
            let position = newest - Int32(rowCount - 1 - row)
            guard position != positions[row] else { continue }
            read(row, key: &key, value: &value)
            rope.turn(&key, by: Int(position - positions[row]))
            try write(row, key: key, value: value)
            positions[row] = position
        }
    }

    /// Moves the pages that hold only rows of `rows` to another pool, in their order: behind a page that lies
    /// there nothing is left to move.
    mutating func move(_ rows: Range<Int>, to target: KVPagePool) throws(SwiftletError) {
        let whole = wholePages(rows)
        var next = whole.upperBound
        while next > whole.lowerBound, !pages[next - 1].isIn(target) { next -= 1 }
        for index in next..<whole.upperBound {
            guard let page = pages[index].copy(to: target) else { throw target.noRoom }
            pages[index] = page
            descriptors[index] = page.descriptor
        }
    }

    /// Reads the pages that hold only rows of `rows` from copies in this head's pool from now on.
    mutating func holdCopies(_ rows: Range<Int>) throws(SwiftletError) {
        for index in wholePages(rows) where copies[index] == nil {
            guard let page = pages[index].copy(to: pool) else { throw pool.noRoom }
            copies[index] = page
            descriptors[index] = page.descriptor
        }
    }

    /// Gives up the copies of pages that hold only rows of `rows`.
    mutating func dropCopies(_ rows: Range<Int>) {
        for index in wholePages(rows) where copies.removeValue(forKey: index) != nil {
            descriptors[index] = pages[index].descriptor
        }
    }

    private func wholePages(_ rows: Range<Int>) -> Range<Int> {
        let first = (rows.lowerBound + KVPage.rowCapacity - 1) / KVPage.rowCapacity
        return first..<max(min(rows.upperBound, rowCount) / KVPage.rowCapacity, first)
    }

    /// Writes or reads positions and rows, page by page, as they are stored.
    ///
    /// - Parameters:
    ///   - length: tokens of the sequence; positions lie below.
    ///   - kept: when reading, rows at this position or later are left out.
    mutating func code(_ state: inout KVStateCoder, length: Int, keeping kept: Int) throws(SwiftletError) {
        try state.code(expecting: geometry.format.key.rawValue, "the format of keys")
        try state.code(expecting: geometry.format.value.rawValue, "the format of values")
        var places = positions
        try state.code(&places, "rows", count: 0...length)
        if state.isReading {
            guard (places.first ?? 0) >= 0, Int(places.last ?? 0) < length,
                zip(places, places.dropFirst()).allSatisfy({ $0 < $1 })
            else { throw state.damage("positions do not ascend from 0 to \(length - 1)") }
            dropRows(from: 0)
            positions = Array(places.prefix { $0 < kept })
            try reserve(rowCount)
        }
        for first in stride(from: 0, to: places.count, by: KVPage.rowCapacity) {
            let rows = min(KVPage.rowCapacity, places.count - first)
            let coded = min(max(rowCount - first, 0), rows)
            let page = coded > 0 ? locate(first).page : nil
            for (memory, width) in [
                (page?.keys, geometry.keyRowBytes), (page?.values, geometry.valueRowBytes),
            ] {
                if let memory { try state.code(memory: memory, byteCount: coded * width) }
                try state.skip((rows - coded) * width)
            }
        }
    }

    /// Lends the rows to a kernel.
    func withRows<Result>(_ body: (sl_kv_rows) -> Result) -> Result {
        descriptors.withUnsafeBufferPointer { descriptors in
            positions.withUnsafeBufferPointer { positions in
                body(
                    sl_kv_rows(
                        pages: descriptors.baseAddress, positions: positions.baseAddress,
                        row_count: positions.count, key_size: geometry.keySize,
                        value_size: geometry.valueSize))
            }
        }
    }

    private func locate(_ row: Int) -> (page: KVPage, offset: Int) {
        let (page, offset) = row.quotientAndRemainder(dividingBy: KVPage.rowCapacity)
        return (pages[page], offset)
    }

    private mutating func move(_ source: Int, to target: Int) throws(SwiftletError) {
        try open(page: target / KVPage.rowCapacity)
        // Decoding the whole page costs as much as one row of it.
        if pages[source / KVPage.rowCapacity].geometry.isGrouped {
            try open(page: source / KVPage.rowCapacity)
        }
        copy(locate(source), to: locate(target))
    }

    private func copy(_ source: (page: KVPage, offset: Int), to target: (page: KVPage, offset: Int)) {
        let form = target.page.geometry
        guard source.page.geometry.stage == form.stage else {
            withUnsafeTemporaryAllocation(of: Float.self, capacity: form.keySize + form.valueSize) { buffer in
                guard let key = buffer.baseAddress else { return }
                let value = key + form.keySize
                source.page.read(source.offset, key: key, value: value, kernels)
                target.page.write(target.offset, key: key, value: value, kernels)
            }
            return
        }
        (target.page.keys + target.offset * form.keyRowBytes).copyMemory(
            from: source.page.keys + source.offset * form.keyRowBytes, byteCount: form.keyRowBytes)
        (target.page.values + target.offset * form.valueRowBytes).copyMemory(
            from: source.page.values + source.offset * form.valueRowBytes, byteCount: form.valueRowBytes)
    }

    private mutating func dropRows(from row: Int) {
        positions.removeSubrange(row...)
        if positions.isEmpty { isAscending = true }
        let pageCount = (row + KVPage.rowCapacity - 1) / KVPage.rowCapacity
        fitPositions(pageCount)
        pages.removeSubrange(pageCount...)
        descriptors.removeSubrange(pageCount...)
        if !copies.isEmpty { copies = copies.filter { $0.key < pageCount } }
    }

    /// Drops leading rows that fill whole pages.
    mutating func dropFirst(_ count: Int) {
        precondition(count % KVPage.rowCapacity == 0 && count <= rowCount, "\(count) of \(rowCount) rows")
        let pageCount = count / KVPage.rowCapacity
        pages.removeFirst(pageCount)
        descriptors.removeFirst(pageCount)
        copies = Dictionary(
            uniqueKeysWithValues: copies.compactMap { index, page in
                index < pageCount ? nil : (index - pageCount, page)
            })
        positions.removeFirst(count)
        settled = []
        if positions.isEmpty { isAscending = true }
        fitPositions(pages.count)
    }

    private mutating func reserve(_ rows: Int) throws(SwiftletError) {
        while pages.count * KVPage.rowCapacity < rows {
            guard let page = KVPage(geometry, pool: pool) else { throw pool.noRoom }
            pages.append(page)
            descriptors.append(page.descriptor)
        }
        positions.reserveCapacity(pages.count * KVPage.rowCapacity)
    }

    /// Bytes by which the memory of positions may exceed that of whole pages.
    static let positionSlack = 16 * MemoryLayout<Int32>.stride

    /// Gives back the memory of positions that so many pages do not need.
    private mutating func fitPositions(_ pageCount: Int) {
        let count = pageCount * KVPage.rowCapacity
        guard (positions.capacity - count) * MemoryLayout<Int32>.stride > Self.positionSlack else { return }
        var fitting: [Int32] = []
        fitting.reserveCapacity(count)
        fitting += positions
        positions = fitting
    }

    /// Puts a page in the place of another.
    mutating func replace(page index: Int, by page: KVPage) {
        copies[index] = nil
        pages[index] = page
        descriptors[index] = page.descriptor
    }

    /// Makes a page ready to be written: shared by nobody, and without a copy elsewhere.
    mutating func makeUnique(page index: Int) throws(SwiftletError) {
        if !copies.isEmpty, copies.removeValue(forKey: index) != nil {
            descriptors[index] = pages[index].descriptor
        }
        guard !isKnownUniquelyReferenced(&pages[index]) else { return }
        guard let page = pages[index].copy() else { throw pages[index].pool.noRoom }
        pages[index] = page
        descriptors[index] = page.descriptor
    }
}
