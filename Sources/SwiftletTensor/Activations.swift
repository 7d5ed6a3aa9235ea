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

    /// Row `index`.
    package func vector(_ index: Int) -> UnsafeBufferPointer<Float> {
        UnsafeBufferPointer(start: self[row: index], count: columns)
    }

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
