/// A short weight vector as floats: a norm's weight, a bias.
package final class Vector: Sendable {
    package let count: Int
    private nonisolated(unsafe) let memory: UnsafeMutablePointer<Float>

    /// Copies the elements.
    package init(_ elements: [Float]) {
        count = elements.count
        memory = .allocate(capacity: max(count, 1))
        memory.initialize(from: elements, count: count)
    }

    deinit { memory.deallocate() }

    package var elements: [Float] { Array(UnsafeBufferPointer(start: memory, count: count)) }

    package var data: UnsafePointer<Float> { UnsafePointer(memory) }
}

extension Vector: Hashable {
    package static func == (left: Vector, right: Vector) -> Bool {
        left === right || left.elements == right.elements
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(elements) }
}
