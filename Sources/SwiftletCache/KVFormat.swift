public import SwiftletTensor

/// The number formats of cached keys and values.
///
/// Block formats round each row by itself, when it is written: a row's numbers depend on nothing but the row, so
/// that chunks, batches and evictions change no bit. Rows may be rotated before that, and stored anew as they age.
public struct KVFormat: Hashable, Sendable {
    /// Format of key rows.
    public var key: NumberFormat
    /// Format of value rows.
    public var value: NumberFormat
    /// Whether keys and values are rotated by a Walsh–Hadamard matrix before they are stored, which spreads large
    /// numbers over all dimensions of a head.
    public internal(set) var isRotated = false
    /// What rows become as they age, the next stage first.
    var stages: [KVStage] = []

    /// Formats that a cache can be written in, from the widest to the narrowest.
    public static let supported: [NumberFormat] = [.f32, .f16, .bf16, .q8_0, .q5_1, .q5_0, .q4_1, .q4_0]

    /// The names of ``supported``, for messages and help.
    public static let names: String = {
        let names = supported.map(\.rawValue)
        return names.dropLast().joined(separator: ", ") + " or " + (names.last ?? "")
    }()

    /// The formats in words: `f16`, or `q8_0 keys, q4_0 values`.
    package var name: String {
        key == value ? key.rawValue : "\(key.rawValue) keys, \(value.rawValue) values"
    }

    /// Creates a pair of formats.
    ///
    /// - Throws: `.unsupported` for a format without a row writer.
    public init(key: NumberFormat, value: NumberFormat) throws(SwiftletError) {
        for format in [key, value] where !Self.supported.contains(format) {
            throw SwiftletError(
                .unsupported, "A cache cannot be stored as \(format.rawValue); choose \(Self.names)")
        }
        self.key = key
        self.value = value
    }

    private init(both format: NumberFormat) {
        key = format
        value = format
    }

    /// Exact keys and values.
    public static let f32 = KVFormat(both: .f32)
    /// Half precision, the default.
    public static let f16 = KVFormat(both: .f16)

    /// The formats that a layer is stored in: states are exact.
    func stored(_ shape: KVLayerShape) -> KVFormat { shape.content == .state ? .f32 : self }

    /// Whether values of a layer are read where its keys lie: if both are stored alike, row by row as they are, and no block
    /// holds numbers of a value and others.
    func findsValuesInKeys(_ shape: KVLayerShape) -> Bool {
        shape.content == .keyWithValue && key == value && !isRotated && stages.isEmpty
            && (shape.keySize - shape.valueSize) % key.blockElements == 0
    }

    /// Bytes of one row of every KV head of a layer, or `nil` if a row does not fill whole blocks.
    public func rowBytes(_ shape: KVLayerShape) -> Int? {
        let format = stored(shape)
        guard let key = format.key.byteCount(of: shape.keySize),
            let value = format.value.byteCount(of: shape.valueSize)
        else { return nil }
        return shape.kvHeadCount * (key + (findsValuesInKeys(shape) ? 0 : value))
    }
}
