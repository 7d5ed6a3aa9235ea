/// Bytes in memory with a fixed address: what ``MappedFile`` is for data that never was a file.
package final class ByteStorage: Sendable {
    private nonisolated(unsafe) let buffer: UnsafeMutableRawBufferPointer

    /// Copies `bytes` to memory aligned for vectors.
    package init(copying bytes: UnsafeRawBufferPointer) {
        buffer = .allocate(byteCount: bytes.count, alignment: 64)
        buffer.copyMemory(from: bytes)
    }

    deinit { buffer.deallocate() }

    /// The bytes; valid while this object lives.
    package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(buffer) }
}
