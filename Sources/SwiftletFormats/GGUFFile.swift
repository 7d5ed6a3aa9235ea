public import SwiftletTensor

/// A GGUF file, version 2 or 3, little-endian: metadata, and tensors that are views of the mapped file.
///
/// Opening checks the whole header. A file with a vocabulary and no tensors is fine; a tensor in a number
/// format that Swiftlet does not read is an error only when that tensor is asked for. A model in several files is
/// opened by the name of the first, `NAME-00001-of-00003.gguf`; the others are beside it.
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
        /// Where the data starts, in bytes from the start of its file.
        public let offset: Int
        /// Which of the model's files holds it, from 0; all are in one unless the model is in parts.
        public internal(set) var part = 0
        let type: GGUFTensorType
    }

    /// The path as given, that of the first of several parts.
    public let path: String
    /// The version of the file format.
    public let version: Int
    /// Data offsets are multiples of this; `general.alignment`, or 32.
    public let alignment: Int
    /// The keys of the metadata in file order, without those about the parts of a model that has several.
    public let metadataKeys: [String]
    /// All tensors in the order of the headers.
    public let tensors: [TensorDescription]
    /// Whether the numbers of all tensors are there; `false` only if no more than the header was asked for.
    public let holdsData: Bool

    private let values: [String: GGUFValue]
    private let indices: [String: Int]
    private let parts: [GGUFPart]

    /// Maps a file, or all parts of a model in several, and checks the headers.
    ///
    /// - Parameter headerOnly: whether the data of tensors may be missing, as in a file that was cut behind its header
    ///   or is still being downloaded. Descriptions are complete then; a tensor whose data is missing is an error.
    /// - Throws: ``SwiftletError/Code/unreadable`` if it cannot be mapped, ``SwiftletError/Code/unsupported``
    ///   for version 1 and big-endian files, ``SwiftletError/Code/malformed`` if it is damaged,
    ///   ``SwiftletError/Code/missing`` if a part of the model is missing or `path` names another than the first.
    public convenience init(path: String, headerOnly: Bool = false) throws(SwiftletError) {
        self.init(try GGUFPart.all(startingAt: path, headerOnly: headerOnly), path: path)
    }

    /// Reads a file that is in memory already, such as one embedded in the executable.
    ///
    /// - Parameters:
    ///   - bytes: the whole file, kept alive and unchanged by `owner`.
    ///   - path: names the file in errors.
    ///   - headerOnly: whether the data of tensors may be missing.
    ///   - Throws: as for a path; ``SwiftletError/Code/unsupported`` for a part of a model.
    public convenience init(
        bytes: UnsafeRawBufferPointer, owner: any AnyObject & Sendable, path: String,
        headerOnly: Bool = false
    ) throws(SwiftletError) {
        let part = try GGUFPart(bytes: bytes, owner: owner, path: path, headerOnly: headerOnly)
        guard part.count == 1 else {
            throw SwiftletError(
                .unsupported, "\(path): one of \(part.count) parts of a model in memory, expected a whole one"
            )
        }
        self.init([part], path: path)
    }

    /// - Parameter parts: at least one.
    private init(_ parts: [GGUFPart], path: String) {
        let header = parts[0].header
        self.path = path
        self.parts = parts
        version = header.version
        alignment = header.alignment
        metadataKeys = parts.count == 1 ? header.keys : header.keys.filter { !GGUFPart.isAboutParts($0) }
        values = header.values
        tensors = parts.enumerated().flatMap { index, part in
            part.header.tensors.map { tensor in
                var tensor = tensor
                tensor.part = index
                return tensor
            }
        }
        indices = Dictionary(
            tensors.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
        holdsData = parts.allSatisfy(\.header.holdsData)
    }

    /// The value of a metadata key.
    public subscript(key: String) -> GGUFValue? { values[key] }

    /// The names of all tensors in the order of the headers.
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
        let part = parts[tensor.part]
        let bytes = part.bytes
        guard tensor.offset <= bytes.count, count <= bytes.count - tensor.offset else {
            throw SwiftletError(
                .missing,
                "\(part.path): the numbers of tensor '\(name)' are not in the file, which ends before them; finish the "
                    + "download of the model")
        }
        let view = UnsafeRawBufferPointer(rebasing: bytes[tensor.offset..<tensor.offset + count])
        return Tensor(shape: tensor.shape, format: format, bytes: view, owner: part.owner)
    }
}
