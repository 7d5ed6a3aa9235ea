public import SwiftletFormats
public import SwiftletTensor

/// An opened model before its weights are read.
public enum ModelSource: Sendable {
    /// A Hugging Face directory with its `config.json`.
    case directory(HuggingFaceDirectory)
    /// A GGUF file.
    case gguf(GGUFFile)

    /// Opens what a locator found.
    ///
    /// - Parameter headerOnly: whether a GGUF file may end before the data of its tensors does. Its configuration can
    ///   be read then, but for tables of the rotation that are tensors; it cannot be loaded.
    public init(_ location: ModelLocation, headerOnly: Bool = false) throws(SwiftletError) {
        switch location {
        case .directory(let path): self = .directory(try HuggingFaceDirectory(path: path))
        case .gguf(let path): self = .gguf(try GGUFFile(path: path, headerOnly: headerOnly))
        }
    }

    /// The directory or file.
    public var path: String {
        switch self {
        case .directory(let directory): directory.path
        case .gguf(let file): file.path
        }
    }

    /// The architecture's name in this kind of file.
    func architectureName() throws(SwiftletError) -> String {
        switch self {
        case .directory(let directory):
            guard let name = try directory.config()["model_type"]?.string else {
                throw SwiftletError(
                    .missing,
                    "\(directory.path)/config.json: the key 'model_type' is missing; expected one of "
                        + "\(ModelRegistry.names)")
            }
            return name
        case .gguf(let file):
            guard let name = file["general.architecture"]?.string else {
                throw SwiftletError(
                    .missing,
                    "\(file.path): the key 'general.architecture' is missing; expected one of "
                        + "\(ModelRegistry.names)")
            }
            return name
        }
    }
}
