import CSwiftletKernels
import SwiftletTensor

/// Rows of a page as floats, as they were handed in.
extension KVPage {
    /// Stores one row; the page stores rows one by one. A value that lies in its key is not looked at.
    func write(
        _ offset: Int, key: UnsafePointer<Float>, value: UnsafePointer<Float>, _ kernels: Kernels
    ) {
        precondition(!geometry.isGrouped, "one row of a page of groups")
        store(geometry.keys, key, at: keys + offset * geometry.keyRowBytes, geometry.keySize, kernels)
        guard !geometry.hasValuesInKeys else { return }
        store(
            geometry.values, value, at: values + offset * geometry.valueRowBytes, geometry.valueSize, kernels)
    }

    /// Reads one row.
    func read(
        _ offset: Int, key: UnsafeMutablePointer<Float>, value: UnsafeMutablePointer<Float>,
        _ kernels: Kernels
    ) {
        if geometry.keys.isGrouped {
            withKeyChannels(kernels) { channels in
                for channel in 0..<geometry.keySize {
                    key[channel] = channels[channel * Self.rowCapacity + offset]
                }
            }
        } else {
            kernels.dequantize(
                geometry.kernelFormats.key, keys + offset * geometry.keyRowBytes, into: key,
                count: geometry.keySize)
        }
        kernels.dequantize(
            geometry.kernelFormats.value, values + offset * geometry.valueStride, into: value,
            count: geometry.valueSize)
    }

    /// Reads the keys of the first `rows` rows, `[rows, keySize]`.
    func readKeys(_ rows: Int, into target: UnsafeMutablePointer<Float>, _ kernels: Kernels) {
        guard geometry.keys.isGrouped else {
            kernels.dequantize(
                geometry.kernelFormats.key, keys, into: target, count: rows * geometry.keySize)
            return
        }
        withKeyChannels(kernels) { channels in
            for row in 0..<rows {
                for channel in 0..<geometry.keySize {
                    target[row * geometry.keySize + channel] = channels[channel * Self.rowCapacity + row]
                }
            }
        }
    }

    /// Reads the values of the first `rows` rows, `[rows, valueSize]`.
    func readValues(_ rows: Int, into target: UnsafeMutablePointer<Float>, _ kernels: Kernels) {
        guard geometry.hasValuesInKeys else {
            kernels.dequantize(
                geometry.kernelFormats.value, values, into: target, count: rows * geometry.valueSize)
            return
        }
        for row in 0..<rows {
            kernels.dequantize(
                geometry.kernelFormats.value, values + row * geometry.valueStride,
                into: target + row * geometry.valueSize, count: geometry.valueSize)
        }
    }

    /// All rows in another geometry, or `nil` without memory; what is stored alike is copied.
    func converted(to geometry: KVPageGeometry, in pool: KVPagePool, _ kernels: Kernels) -> KVPage? {
        guard let page = KVPage(geometry, pool: pool) else { return nil }
        let rows = Self.rowCapacity
        withUnsafeTemporaryAllocation(
            of: Float.self, capacity: rows * max(geometry.keySize, geometry.valueSize)
        ) { buffer in
            guard let numbers = buffer.baseAddress else { return }
            if geometry.keys == self.geometry.keys {
                page.keys.copyMemory(from: keys, byteCount: geometry.keyBytes)
            } else {
                readKeys(rows, into: numbers, kernels)
                page.writeKeys(numbers, kernels)
            }
            if geometry.values == self.geometry.values {
                page.values.copyMemory(from: values, byteCount: geometry.valueBytes)
            } else {
                readValues(rows, into: numbers, kernels)
                page.store(geometry.values, numbers, at: page.values, rows * geometry.valueSize, kernels)
            }
        }
        return page
    }

    private func writeKeys(_ rows: UnsafePointer<Float>, _ kernels: Kernels) {
        let count = Self.rowCapacity * geometry.keySize
        guard geometry.keys.isGrouped else {
            store(geometry.keys, rows, at: keys, count, kernels)
            return
        }
        withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { buffer in
            guard let channels = buffer.baseAddress else { return }
            for channel in 0..<geometry.keySize {
                for row in 0..<Self.rowCapacity {
                    channels[channel * Self.rowCapacity + row] = rows[row * geometry.keySize + channel]
                }
            }
            store(geometry.keys, channels, at: keys, count, kernels)
        }
    }

    /// Lends the keys channel by channel, `[keySize, rowCapacity]`.
    private func withKeyChannels(_ kernels: Kernels, _ body: (UnsafePointer<Float>) -> Void) {
        let count = Self.rowCapacity * geometry.keySize
        withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { buffer in
            guard let channels = buffer.baseAddress else { return }
            kernels.dequantize(geometry.kernelFormats.key, keys, into: channels, count: count)
            body(channels)
        }
    }

    private func store(
        _ coding: KVCoding, _ numbers: UnsafePointer<Float>, at target: UnsafeMutableRawPointer, _ count: Int,
        _ kernels: Kernels
    ) {
        guard count > 0 else { return }
        let written =
            switch coding {
            case .rows(let format):
                format.kernel.map { kernels.quantize($0, numbers, into: target, count: count) } ?? false
            case .kivi:
                coding.kernel.map { kernels.quantizeKIVI($0, numbers, into: target, count: count) } ?? false
            }
        precondition(written, "no kernel writes \(coding)")
    }
}
