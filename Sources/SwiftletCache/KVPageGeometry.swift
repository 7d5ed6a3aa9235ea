import CSwiftletKernels
import SwiftletTensor

/// Sizes of the rows and pages of one slot, in one of the stages that rows go through.
struct KVPageGeometry: Sendable {
    let keySize: Int
    let valueSize: Int
    let format: KVFormat
    /// How many stages keys and values are past that of new rows.
    let stage: KIVICodec.Split
    let keys: KVCoding
    let values: KVCoding
    /// The formats as the kernels know them.
    let kernelFormats: (key: sl_format, value: sl_format)
    /// Bytes of the keys of a page, and of its values; none where values lie in the keys.
    let keyBytes: Int
    let valueBytes: Int
    /// Whether a value is the last part of its key.
    let hasValuesInKeys: Bool
    /// Bytes from one value to the next.
    let valueStride: Int
    /// Numbers that are rotated together, in keys and in values; `nil` for rows as they are.
    let rotation: (key: Int, value: Int)?

    /// The geometry of new rows.
    ///
    /// - Throws: `.unsupported` if a head does not fill whole blocks in one of the stages.
    init(_ shape: KVLayerShape, _ format: KVFormat) throws(SwiftletError) {
        try self.init(
            keySize: shape.keySize, valueSize: shape.valueSize, format, KIVICodec.Split(keys: 0, values: 0),
            hasValuesInKeys: format.findsValuesInKeys(shape))
        for index in 1..<format.stages.count + 1 {
            _ = try staged(KIVICodec.Split(keys: index, values: index))
        }
    }

    private init(
        keySize: Int, valueSize: Int, _ format: KVFormat, _ stage: KIVICodec.Split, hasValuesInKeys: Bool
    ) throws(SwiftletError) {
        self.keySize = keySize
        self.valueSize = valueSize
        self.format = format
        self.stage = stage
        self.hasValuesInKeys = hasValuesInKeys
        keys = stage.keys == 0 ? .rows(format.key) : format.stages[stage.keys - 1].keys
        values = stage.values == 0 ? .rows(format.value) : format.stages[stage.values - 1].values
        guard let key = keys.kernel, let value = values.kernel else {
            throw SwiftletError(.unsupported, "no kernel reads a cache of \(format.key) and \(format.value)")
        }
        kernelFormats = (key, value)
        keyBytes =
            keys.isGrouped
            ? keySize * KVPage.rowCapacity / sl_block_elements(key) * sl_block_bytes(key)
            : try Self.pageBytes(keySize, keys)
        let valueBytes = try Self.pageBytes(valueSize, values)
        self.valueBytes = hasValuesInKeys ? 0 : valueBytes
        valueStride = (hasValuesInKeys ? keyBytes : valueBytes) / KVPage.rowCapacity
        rotation =
            format.isRotated
            ? (try Self.rotation(keySize), try Self.rotation(valueSize)) : nil
    }

    /// The geometry of pages in another stage.
    func staged(_ stage: KIVICodec.Split) throws(SwiftletError) -> KVPageGeometry {
        try KVPageGeometry(
            keySize: keySize, valueSize: valueSize, format, stage, hasValuesInKeys: hasValuesInKeys)
    }

    /// Bytes of a row, on average.
    var rowBytes: Int { (keyBytes + valueBytes) / KVPage.rowCapacity }

    /// Bytes of one key or value; only where rows are stored one after the other.
    var keyRowBytes: Int { keyBytes / KVPage.rowCapacity }
    var valueRowBytes: Int { valueBytes / KVPage.rowCapacity }

    /// Values begin on a cache line of their own, or within the first key.
    var valueOffset: Int {
        guard hasValuesInKeys else { return (keyBytes + 63) & ~63 }
        return (keySize - valueSize) / format.key.blockElements * format.key.blockBytes
    }
    var pageBytes: Int { (keyBytes + 63) & ~63 + (valueBytes + 63) & ~63 }

    /// Whether a row cannot be written without its neighbours.
    var isGrouped: Bool { keys.isGrouped || values.isGrouped }

    private static func pageBytes(_ size: Int, _ coding: KVCoding) throws(SwiftletError) -> Int {
        let (elements, bytes) =
            switch coding {
            case .rows(let format): (format.blockElements, format.blockBytes)
            case .kivi: (KIVICodec.blockSize, sl_block_bytes(coding.kernel ?? SL_Q4_1))
            }
        guard size % elements == 0 else {
            let name = if case .rows(let format) = coding { format.rawValue } else { "kivi" }
            throw SwiftletError(
                .unsupported,
                "heads of \(size) dimensions cannot be cached as \(name), whose blocks hold \(elements); choose f16"
            )
        }
        return size / elements * bytes * KVPage.rowCapacity
    }

    /// The largest power of two that divides a head.
    private static func rotation(_ size: Int) throws(SwiftletError) -> Int {
        let block = size & -size
        guard block > 1 else {
            throw SwiftletError(
                .unsupported,
                "heads of \(size) dimensions cannot be rotated, because no power of two divides them; leave out "
                    + "'rotate'")
        }
        return block
    }
}
