/// Lists of different lengths, one behind the other.
struct Rows<Element: Sendable>: Sendable {
    private(set) var starts: [Int32] = [0]
    private(set) var elements: [Element] = []

    /// The number of lists.
    var count: Int { starts.count - 1 }

    /// Adds a list.
    mutating func append(_ row: some Sequence<Element>) {
        elements.append(contentsOf: row)
        starts.append(Int32(elements.count))
    }

    /// Where a list lies in ``elements``.
    @inline(__always)
    func range(_ row: Int) -> Range<Int> { Int(starts[row])..<Int(starts[row + 1]) }

    /// A list.
    @inline(__always)
    subscript(row: Int) -> ArraySlice<Element> { elements[range(row)] }

    /// Drops lists from the end until `count` are left.
    mutating func truncate(to count: Int) {
        starts.removeLast(self.count - count)
        elements.removeLast(elements.count - Int(starts[count]))
    }
}
