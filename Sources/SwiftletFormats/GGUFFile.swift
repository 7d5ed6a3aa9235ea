public import SwiftletTensor

/// A GGUF file, version 2 or 3, little-endian: metadata, and tensors that are views of the mapped file.
///
/// Opening checks the whole header. A file with a vocabulary and no tensors is fine; a tensor in a number
/// format that Swiftlet does not read is an error only when that tensor is asked for.
///
/// ```swift
/// let file = try GGUFFile(path: "model.gguf")
/// let layers = file["llama.block_count"]?.int
/// let embedding = try file.tensor(named: "token_embd.weight")     // [vocabulary, hidden]
/// ```
///
/// Source: the GGUF specification, github.com/ggml-org/ggml, docs/gguf.md.
public final class GGUFFile: TensorSource {
    /// What the header says about one tensor.
    public struct TensorDescription: Sendable {
        /// The tensor's name.
        public let name: String
        /// Dimensions, outermost first, which is the reverse of their order in the file.
        public let shape: [Int]
        /// The name of the number format, also if Swiftlet does not read it.
        public var formatName: String { type.name }
        /// The number format, or `nil` if Swiftlet does not read it.
        public var format: NumberFormat? { type.format }
        /// Where the data starts, in bytes from the start of the file.
        public let offset: Int
        let type: GGUFTensorType
    }

    /// The path as given.
    public let path: String
    /// The version of the file format.
    public let version: Int
    /// Data offsets are multiples of this; `general.alignment`, or 32.
    public let alignment: Int
    /// The keys of the metadata in file order.
    public let metadataKeys: [String]
    /// All tensors in the order of the header.
    public let tensors: [TensorDescription]
    /// Whether the numbers of all tensors are there; `false` only if no more than the header was asked for.
    public let holdsData: Bool

    private let values: [String: GGUFValue]
    private let indices: [String: Int]
    private nonisolated(unsafe) let bytes: UnsafeRawBufferPointer
    private let owner: any AnyObject & Sendable

    /// Maps a file and checks its header.
    ///
    /// - Parameter headerOnly: whether the data of tensors may be missing, as in a file that was cut behind its header
    ///   or is still being downloaded. Descriptions are complete then; a tensor whose data is missing is an error.
    /// - Throws: ``SwiftletError/Code/unreadable`` if it cannot be mapped, ``SwiftletError/Code/unsupported``
    ///   for version 1, big-endian files and parts of a split model, ``SwiftletError/Code/malformed`` if
    ///   it is damaged.
    public convenience init(path: String, headerOnly: Bool = false) throws(SwiftletError) {
        let file = try MappedFile(path: path)
        try self.init(bytes: file.bytes, owner: file, path: path, headerOnly: headerOnly)
    }

    /// Reads a file that is in memory already, such as one embedded in the executable.
    ///
    /// - Parameters:
    ///   - bytes: the whole file, kept alive and unchanged by `owner`.
    ///   - path: names the file in errors.
    ///   - headerOnly: whether the data of tensors may be missing.
    public init(
        bytes: UnsafeRawBufferPointer, owner: any AnyObject & Sendable, path: String,
        headerOnly: Bool = false
    ) throws(SwiftletError) {
        let header = try GGUFHeader(bytes, owner: owner, path: path, headerOnly: headerOnly)
        self.path = path
        self.bytes = bytes
        self.owner = owner
        version = header.version
        alignment = header.alignment
        metadataKeys = header.keys
        values = header.values
        tensors = header.tensors
        indices = header.indices
        holdsData = header.holdsData
    }

    /// The value of a metadata key.
    public subscript(key: String) -> GGUFValue? { values[key] }

    /// The names of all tensors in the order of the header.
    public var tensorNames: [String] { tensors.map(\.name) }

    /// A view of one tensor, or `nil` if there is none of that name.
    public func tensor(named name: String) throws(SwiftletError) -> Tensor? {
        guard let index = indices[name] else { return nil }
        let tensor = tensors[index]
        guard let format = tensor.format, let count = Tensor.byteCount(shape: tensor.shape, format: format)
        else {
            let known = GGUFTensorType.readable.joined(separator: ", ")
            throw SwiftletError(
                .unsupported,
                "\(path): tensor '\(name)' is stored as \(tensor.formatName), expected one of \(known); use "
                    + "a file quantised to one of these"
            )
        }
        guard tensor.offset <= bytes.count, count <= bytes.count - tensor.offset else {
            throw SwiftletError(
                .missing,
                "\(path): the numbers of tensor '\(name)' are not in the file, which ends before them; finish the "
                    + "download of the model")
        }
        let view = UnsafeRawBufferPointer(rebasing: bytes[tensor.offset..<tensor.offset + count])
        return Tensor(shape: tensor.shape, format: format, bytes: view, owner: owner)
    }
}
