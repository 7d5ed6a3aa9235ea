/// Memory for activations, taken from the front and released in reverse order; it grows to the largest
/// pass seen and then allocates no more.
package final class Workspace {
    /// Where the workspace stood; ``release(to:)`` frees everything taken since.
    package typealias Mark = WorkspaceLayout.Mark

    private var blocks: [UnsafeMutableBufferPointer<Float>] = []
    private var layout = WorkspaceLayout()

    package init() {}

    deinit {
        for block in blocks { block.deallocate() }
    }

    /// Bytes held, whether in use or not.
    package var byteCount: Int { layout.byteCount }

    package var mark: Mark { layout.mark }

    package func release(to mark: Mark) { layout.release(to: mark) }

    /// Gives all memory back; everything that was taken must have been released.
    package func empty() {
        precondition(layout.isUnused, "memory of the workspace is in use")
        for block in blocks { block.deallocate() }
        blocks = []
        layout = WorkspaceLayout()
    }

    /// Uninitialised `[rows, columns]`, aligned to 64 bytes.
    package func take(_ rows: Int, _ columns: Int) -> Activations {
        Activations(data: floats(rows * columns), rows: rows, columns: columns)
    }

    /// Uninitialised floats, aligned to 64 bytes.
    package func floats(_ count: Int) -> UnsafeMutablePointer<Float> {
        let place = layout.place(count)
        if place.block == blocks.count {
            let raw = UnsafeMutableRawBufferPointer.allocate(
                byteCount: layout.sizes[place.block] * MemoryLayout<Float>.stride, alignment: 64)
            blocks.append(raw.bindMemory(to: Float.self))
        }
        return blocks[place.block].baseAddress.unsafelyUnwrapped + place.offset
    }
}

/// How a ``Workspace`` divides its memory: the arithmetic without the memory, which also foretells its size.
package struct WorkspaceLayout {
    /// Where the workspace stood.
    package struct Mark {
        fileprivate let block: Int
        fileprivate let used: Int
    }

    /// Floats of every block.
    package private(set) var sizes: [Int] = []
    private var block = 0
    private var used = 0

    package init() {}

    /// Bytes of all blocks.
    package var byteCount: Int { sizes.reduce(0) { $0 + $1 * MemoryLayout<Float>.stride } }

    package var mark: Mark { Mark(block: block, used: used) }

    /// Whether nothing has been taken that was not released.
    package var isUnused: Bool { block == 0 && used == 0 }

    package mutating func release(to mark: Mark) {
        block = mark.block
        used = mark.used
    }

    /// Finds room for some floats, if need be in a new block behind the others.
    package mutating func place(_ count: Int) -> (block: Int, offset: Int) {
        let padded = max((count + 15) & ~15, 16)
        while block < sizes.count, used + padded > sizes[block] {
            block += 1
            used = 0
        }
        if block == sizes.count {
            sizes.append(max(padded, 1 << 18))
            used = 0
        }
        defer { used += padded }
        return (block, used)
    }
}
