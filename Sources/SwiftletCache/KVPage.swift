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
    /// How rows are stored.
    let geometry: KVPageGeometry
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
            value_format: geometry.kernelFormats.value, keys_by_channel: geometry.keys.isGrouped,
            value_stride: geometry.valueStride)
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
