public import SwiftletTensor

/// The tensors of a model directory: one safetensors file, or several that an index names.
public struct SafetensorsCheckpoint: TensorSource {
    /// The directory.
    public let path: String
    /// The files in the order of their names.
    public let files: [SafetensorsFile]
    /// The names of all tensors, file by file, in the order of their data.
    public var tensorNames: [String] { files.flatMap(\.tensorNames) }
    /// Which of ``files`` holds a tensor.
    private let owners: [String: Int]

    /// Opens `model.safetensors`, else what `model.safetensors.index.json` names, else the only safetensors
    /// file.
    ///
    /// - Parameter headerOnly: whether the data of tensors may be missing.
    /// - Throws: ``SwiftletError/Code/missing`` if there is no checkpoint, a file that the index names is not
    ///   there or lacks a tensor; ``SwiftletError/Code/malformed`` if the index is damaged, leads out of the
    ///   directory or two files hold a tensor of one name.
    public init(directory: String, headerOnly: Bool = false) throws(SwiftletError) {
        let index = try Self.index(of: directory)
        var files: [SafetensorsFile] = []
        var owners: [String: Int] = [:]
        for name in try Self.fileNames(in: directory) {
            let file = try SafetensorsFile(path: "\(directory)/\(name)", headerOnly: headerOnly)
            for tensor in file.tensorNames {
                if let other = owners.updateValue(files.count, forKey: tensor) {
                    throw SwiftletError(
                        .malformed,
                        "\(file.path): tensor '\(tensor)' is also in \(files[other].path), expected it "
                            + "in one file; download the model again"
                    )
                }
            }
            files.append(file)
        }
        for (tensor, name) in index?.sorted(by: { $0.key < $1.key }) ?? [] {
            let owner = owners[tensor].map { files[$0].path }
            guard owner == "\(directory)/\(name)" else {
                throw SwiftletError(
                    .missing,
                    "\(directory)/\(name): tensor '\(tensor)' is not here, where \(Self.indexName) says it "
                        + "is; download the model again"
                )
            }
        }
        path = directory
        self.files = files
        self.owners = owners
    }

    /// A view of one tensor, or `nil` if there is none of that name.
    public func tensor(named name: String) throws(SwiftletError) -> Tensor? {
        guard let owner = owners[name] else { return nil }
        return try files[owner].tensor(named: name)
    }

    // MARK: Which files

    private static let fileName = "model.safetensors"
    private static let indexName = "model.safetensors.index.json"

    /// The names of the files that make up a directory's checkpoint, relative to the directory.
    static func fileNames(in directory: String) throws(SwiftletError) -> [String] {
        if let index = try index(of: directory) {
            let names = Set(index.values).sorted()
            for name in names where System.kind(of: "\(directory)/\(name)") == nil {
                throw SwiftletError(
                    .missing,
                    "\(directory)/\(name) is named by \(indexName) but is not there; finish the download of "
                        + "the model"
                )
            }
            return names
        }
        let names = try System.names(in: directory)
        if names.contains(fileName) { return [fileName] }
        let candidates = names.filter { $0.hasSuffix(".safetensors") }
        if candidates.count == 1 { return candidates }
        throw SwiftletError(.missing, "\(directory): \(advice(names, candidates))")
    }

    private static func advice(_ names: [String], _ candidates: [String]) -> String {
        if !candidates.isEmpty {
            return
                "holds \(candidates.joined(separator: ", ")) but no \(indexName), which says what belongs "
                + "together"
        }
        if names.contains(where: { $0.hasPrefix("pytorch_model") }) {
            return
                "holds pytorch_model files, which can run code when read, expected safetensors; convert the "
                + "checkpoint with `model.save_pretrained(directory, safe_serialization=True)`"
        }
        return "holds neither \(fileName) nor \(indexName), expected a checkpoint; download the model again"
    }

    /// Tensor name to file name, or `nil` if `model.safetensors` is there or there is no index.
    private static func index(of directory: String) throws(SwiftletError) -> [String: String]? {
        let path = "\(directory)/\(indexName)"
        guard System.kind(of: "\(directory)/\(fileName)") == nil, System.kind(of: path) != nil else {
            return nil
        }
        return try owners(inIndex: path)
    }

    /// The names of the files that an index names.
    package static func shards(ofIndex path: String) throws(SwiftletError) -> Set<String> {
        Set(try owners(inIndex: path).values)
    }

    /// Tensor name to file name.
    private static func owners(inIndex path: String) throws(SwiftletError) -> [String: String] {
        guard let map = try JSON.parse(contentsOf: path)["weight_map"], map.kind == .object else {
            throw SwiftletError(.malformed, "\(path): has no object 'weight_map'; download the file again")
        }
        var index: [String: String] = [:]
        for (key, value) in map.members {
            let tensor = key.string ?? ""
            guard let file = value.string, isInside(file) else {
                throw SwiftletError(
                    .malformed,
                    "\(path): tensor '\(tensor)' is in \(value.string.map { "'\($0)'" } ?? "no file"), "
                        + "expected the name of a file in this directory"
                )
            }
            guard index.updateValue(file, forKey: tensor) == nil else {
                throw SwiftletError(
                    .malformed, "\(path): tensor '\(tensor)' appears twice; download the file again")
            }
        }
        return index
    }

    /// Whether a relative path stays inside the directory it starts from.
    private static func isInside(_ path: String) -> Bool {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        return !path.utf8.contains(0) && parts.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
    }
}
