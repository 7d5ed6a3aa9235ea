/// A view of float activations in a ``Workspace``: `rows` vectors of `columns` numbers, row after row.
///
/// Valid until the workspace is released to an earlier mark.
package struct Activations {
    package let data: UnsafeMutablePointer<Float>
    package let rows: Int
    package let columns: Int

    /// Wraps memory that the caller keeps alive.
    package init(data: UnsafeMutablePointer<Float>, rows: Int, columns: Int) {
        self.data = data
        self.rows = rows
        self.columns = columns
    }

    package var count: Int { rows * columns }

    /// The first element of row `index`.
    package subscript(row index: Int) -> UnsafeMutablePointer<Float> { data + index * columns }

    /// Rows `range` of the same memory.
    package func slice(_ range: Range<Int>) -> Activations {
        precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of \(rows)")
        return Activations(data: data + range.lowerBound * columns, rows: range.count, columns: columns)
    }

    /// Moves the rows `kept` (ascending) to the front and returns the shorter view.
    package func gathering(_ kept: [Int]) -> Activations {
        for (target, source) in kept.enumerated() where target != source {
            precondition(source > target && source < rows, "row \(source) of \(rows) is not ascending")
            self[row: target].update(from: self[row: source], count: columns)
        }
        return Activations(data: data, rows: kept.count, columns: columns)
    }
}

/// Memory for activations, taken from the front and released in reverse order; it grows to the largest
/// pass seen and then allocates no more.
package final class Workspace {
    /// Where the workspace stood; ``release(to:)`` frees everything taken since.
    package struct Mark {
        fileprivate let block: Int
        fileprivate let used: Int
    }

    private var blocks: [UnsafeMutableBufferPointer<Float>] = []
    private var block = 0
    private var used = 0

    package init() {}

    deinit {
        for block in blocks { block.deallocate() }
    }

    /// Bytes held, whether in use or not.
    package var byteCount: Int { blocks.reduce(0) { $0 + $1.count * MemoryLayout<Float>.stride } }

    package var mark: Mark { Mark(block: block, used: used) }

    package func release(to mark: Mark) {
        block = mark.block
        used = mark.used
    }

    /// Uninitialised `[rows, columns]`, aligned to 64 bytes.
    package func take(_ rows: Int, _ columns: Int) -> Activations {
        Activations(data: floats(rows * columns), rows: rows, columns: columns)
    }

    /// Uninitialised floats, aligned to 64 bytes.
    package func floats(_ count: Int) -> UnsafeMutablePointer<Float> {
        let padded = max((count + 15) & ~15, 16)
        while block < blocks.count, used + padded > blocks[block].count {
            block += 1
            used = 0
        }
        if block == blocks.count { grow(atLeast: padded) }
        defer { used += padded }
        return blocks[block].baseAddress.unsafelyUnwrapped + used
    }

    private func grow(atLeast count: Int) {
        let size = max(count, 1 << 18)
        let raw = UnsafeMutableRawBufferPointer.allocate(
            byteCount: size * MemoryLayout<Float>.stride, alignment: 64)
        blocks.append(raw.bindMemory(to: Float.self))
        used = 0
    }
}
