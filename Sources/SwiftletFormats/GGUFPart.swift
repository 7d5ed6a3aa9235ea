import SwiftletTensor

/// One file of a model, which may be in several: the first has the metadata, each some of the tensors.
///
/// Source: the keys and file names of llama.cpp's `llama-gguf-split` (github.com/ggml-org/llama.cpp), 2026.
struct GGUFPart: @unchecked Sendable {
    let path: String
    let header: GGUFHeader
    /// The whole file, kept alive by `owner` and never changed.
    let bytes: UnsafeRawBufferPointer
    let owner: any AnyObject & Sendable

    init(
        bytes: UnsafeRawBufferPointer, owner: any AnyObject & Sendable, path: String, headerOnly: Bool
    ) throws(SwiftletError) {
        header = try GGUFHeader(bytes, owner: owner, path: path, headerOnly: headerOnly)
        self.path = path
        self.bytes = bytes
        self.owner = owner
    }

    /// Maps a file.
    init(path: String, headerOnly: Bool) throws(SwiftletError) {
        let file = try MappedFile(path: path)
        try self.init(bytes: file.bytes, owner: file, path: path, headerOnly: headerOnly)
    }

    /// In how many files the model is.
    var count: Int { max(header.values[Self.countKey]?.int ?? 1, 1) }

    private static let numberKey = "split.no"
    private static let countKey = "split.count"
    private static let tensorCountKey = "split.tensors.count"

    /// Whether a metadata key is about the files, not about the model.
    static func isAboutParts(_ key: String) -> Bool { key.hasPrefix("split.") }

    /// All files of the model whose first one is at `path`, in order.
    ///
    /// - Throws: what opening a file throws; `.missing` if one is not there or `path` is not the first,
    ///   `.malformed` if they do not belong together.
    static func all(startingAt path: String, headerOnly: Bool) throws(SwiftletError) -> [GGUFPart] {
        let first = try GGUFPart(path: path, headerOnly: headerOnly)
        guard first.count > 1 else { return [first] }
        let paths = try first.paths()
        var parts = [first]
        for (index, path) in paths.enumerated().dropFirst() {
            guard System.kind(of: path) != nil else {
                throw SwiftletError(
                    .missing,
                    "\(path): the file is missing, which is part \(index + 1) of \(paths.count) of the model; "
                        + "finish its download, for instance with `swiftlet pull`")
            }
            let part = try GGUFPart(path: path, headerOnly: headerOnly)
            guard part.count == paths.count, part.header.values[numberKey]?.int == index else {
                throw SwiftletError(
                    .malformed,
                    "\(path): its header does not say part \(index + 1) of \(paths.count), as its name does; get "
                        + "all parts of the same model again")
            }
            parts.append(part)
        }
        try first.checkTensors(of: parts)
        return parts
    }

    /// Where all parts are, by the name of this one, the first.
    private func paths() throws(SwiftletError) -> [String] {
        guard let name = GGUFChoice.Part(path), name.count == count else {
            throw SwiftletError(
                .missing,
                "\(path): is one of \(count) parts of a model, whose names must end in -00001-of-"
                    + "\(GGUFChoice.Part.digits(count)).gguf and so on; name the files so")
        }
        let paths = (1...count).map(name.path)
        guard name.index == 1, header.values[Self.numberKey]?.int ?? 0 == 0 else {
            throw SwiftletError(
                .missing, "\(path): is not the first of \(count) parts of a model; name \(paths[0])")
        }
        return paths
    }

    private func checkTensors(of parts: [GGUFPart]) throws(SwiftletError) {
        var names: Set<String> = []
        for part in parts {
            if let tensor = part.header.tensors.first(where: { !names.insert($0.name).inserted }) {
                throw SwiftletError(
                    .malformed,
                    "\(part.path): tensor '\(tensor.name)' is in an earlier part, too; get all parts of the same "
                        + "model again")
            }
        }
        guard let expected = header.values[Self.tensorCountKey]?.int, expected != names.count else { return }
        throw SwiftletError(
            .malformed,
            "\(path): the parts of the model have \(names.count) tensors, expected \(expected); get all parts of "
                + "the same model again")
    }
}
