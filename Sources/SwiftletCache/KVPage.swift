import CSwiftletKernels
import SwiftletTensor

/// Room for ``rowCapacity`` rows of one KV head: their keys, then their values.
///
/// Pages are shared between forks of a sequence and copied before the first write (see ``KVHead``).
final class KVPage {
    /// Rows per page.
    static let rowCapacity = Kernels.pageRows

    let keys: UnsafeMutableRawPointer
    let values: UnsafeMutableRawPointer
    private let geometry: KVPageGeometry
    /// Where the memory comes from.
    let pool: KVPagePool

    init?(_ geometry: KVPageGeometry, pool: KVPagePool) {
        guard let memory = pool.take(geometry.pageBytes) else { return nil }
        keys = memory
        values = memory + geometry.valueOffset
        self.geometry = geometry
        self.pool = pool
    }

    /// The page as the kernels take it.
    var descriptor: sl_kv_page {
        sl_kv_page(
            keys: keys, values: values, key_format: geometry.kernelFormats.key,
            value_format: geometry.kernelFormats.value, keys_by_channel: false)
    }

    deinit { pool.giveBack(keys, geometry.pageBytes) }

    /// Whether the page lies in a pool.
    func isIn(_ pool: KVPagePool) -> Bool { self.pool === pool }

    /// A copy of all rows, here or in another pool; `nil` without memory.
    func copy(to target: KVPagePool? = nil) -> KVPage? {
        guard let page = KVPage(geometry, pool: target ?? pool) else { return nil }
        page.keys.copyMemory(from: keys, byteCount: geometry.pageBytes)
        return page
    }
}

/// Sizes of the rows and pages of one slot.
struct KVPageGeometry: Sendable {
    let keySize: Int
    let valueSize: Int
    let format: KVFormat
    let keyRowBytes: Int
    let valueRowBytes: Int
    /// The formats as the kernels know them.
    let kernelFormats: (key: sl_format, value: sl_format)

    init(_ shape: KVLayerShape, _ format: KVFormat) throws(SwiftletError) {
        keySize = shape.keySize
        valueSize = shape.valueSize
        self.format = format
        guard let key = format.key.kernel, let value = format.value.kernel else {
            throw SwiftletError(.unsupported, "no kernel reads a cache of \(format.key) and \(format.value)")
        }
        kernelFormats = (key, value)
        keyRowBytes = try Self.rowBytes(shape.keySize, format.key)
        valueRowBytes = try Self.rowBytes(shape.valueSize, format.value)
    }

    /// Values begin on a cache line of their own.
    var valueOffset: Int { (keyRowBytes * KVPage.rowCapacity + 63) & ~63 }
    var pageBytes: Int { valueOffset + (valueRowBytes * KVPage.rowCapacity + 63) & ~63 }

    private static func rowBytes(_ size: Int, _ format: NumberFormat) throws(SwiftletError) -> Int {
        guard let bytes = format.byteCount(of: size) else {
            throw SwiftletError(
                .unsupported,
                "heads of \(size) dimensions cannot be cached as \(format.rawValue), whose blocks hold "
                    + "\(format.blockElements); choose f16")
        }
        return bytes
    }
}
