public import SwiftletTensor

/// A file of tensors in the safetensors format.
///
/// Opening reads the header only and checks all of it; tensors are views of the mapped file.
///
/// Source: the format section of the safetensors documentation, huggingface.co/docs/safetensors.
public struct SafetensorsFile: TensorSource {
    /// The path as given.
    public let path: String
    /// The free-form strings of `__metadata__`.
    public let metadata: [String: String]
    /// The names of all tensors, in the order of their data.
    public let tensorNames: [String]
    /// Whether the numbers of all tensors are there; `false` only if no more than the header was asked for.
    public let holdsData: Bool
    private let file: MappedFile
    private let entries: [String: SafetensorsHeader.Entry]

    /// Opens a file and checks its header.
    ///
    /// - Parameter headerOnly: whether the data of tensors may be missing, as in a file that was cut behind its header.
    /// - Throws: ``SwiftletError/Code/unreadable`` if it cannot be mapped, ``SwiftletError/Code/malformed``
    ///   if the header is damaged or disagrees with the file's size.
    public init(path: String, headerOnly: Bool = false) throws(SwiftletError) {
        let file = try MappedFile(path: path)
        let header = try SafetensorsHeader(file, headerOnly: headerOnly)
        self.path = path
        self.file = file
        metadata = header.metadata
        tensorNames = header.names
        entries = header.entries
        holdsData = header.holdsData
    }

    /// Bytes of the numbers of all tensors, whether they are there or not.
    public var tensorBytes: Int { entries.values.reduce(0) { $0 + $1.range.count } }

    /// A view of one tensor, or `nil` if there is none of that name.
    public func tensor(named name: String) throws(SwiftletError) -> Tensor? {
        guard let entry = entries[name] else { return nil }
        guard let format = entry.type.format else {
            let known = SafetensorsType.readable.joined(separator: ", ")
            throw SwiftletError(
                .unsupported,
                "\(path): tensor '\(name)' holds \(entry.type.name), expected one of \(known); convert the "
                    + "checkpoint"
            )
        }
        guard entry.range.upperBound <= file.bytes.count else {
            throw SwiftletError(
                .missing,
                "\(path): the numbers of tensor '\(name)' are not in the file, which ends before them; finish the "
                    + "download of the model")
        }
        let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[entry.range])
        return Tensor(shape: entry.shape, format: format, bytes: bytes, owner: file)
    }
}

/// The number types of safetensors files.
struct SafetensorsType: Sendable {
    let name: String

    /// The same type in Swiftlet, or `nil` if it is not read.
    var format: NumberFormat? { Self.formats[name] }

    /// Bits per number, or `nil` if the type is not known at all.
    var bits: Int? { format.map { $0.blockBytes * 8 } ?? Self.otherBits[name] }

    static let readable = formats.keys.sorted()

    /// The name of a plain format.
    static func name(of format: NumberFormat) -> String { format.rawValue.uppercased() }

    private static let formats: [String: NumberFormat] = [
        "F32": .f32, "F16": .f16, "BF16": .bf16, "F64": .f64, "I8": .i8, "U8": .u8, "I16": .i16, "I32": .i32,
        "I64": .i64, "BOOL": .u8, "F8_E4M3": .f8_e4m3, "F8_E5M2": .f8_e5m2,
    ]

    private static let otherBits = [
        "U16": 16, "U32": 32, "U64": 64, "C64": 64, "F8_E8M0": 8, "F6_E2M3": 6,
        "F6_E3M2": 6, "F4": 4,
    ]
}
