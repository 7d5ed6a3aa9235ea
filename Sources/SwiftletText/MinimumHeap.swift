/// A binary heap that gives its smallest element first.
struct MinimumHeap<Element: Comparable> {
    private var elements: [Element] = []

    /// Elements for which there is memory.
    var capacity: Int { elements.capacity }

    /// Forgets all elements but keeps their memory.
    mutating func removeAll() { elements.removeAll(keepingCapacity: true) }

    /// Adds an element in O(log n).
    mutating func push(_ element: Element) {
        elements.append(element)
        var child = elements.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard elements[child] < elements[parent] else { break }
            elements.swapAt(child, parent)
            child = parent
        }
    }

    /// Takes the smallest element out, in O(log n).
    mutating func pop() -> Element? {
        guard let top = elements.first, let last = elements.popLast() else { return nil }
        guard !elements.isEmpty else { return top }
        elements[0] = last
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < elements.count else { break }
            if child + 1 < elements.count, elements[child + 1] < elements[child] { child += 1 }
            guard elements[child] < elements[parent] else { break }
            elements.swapAt(child, parent)
            parent = child
        }
        return top
    }
}
