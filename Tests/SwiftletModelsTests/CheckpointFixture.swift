import Foundation
import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport

@testable import SwiftletModels

/// The files of a fixture, to be written again with changes.
struct Checkpoint {
    let path: String

    init(_ name: String) { path = "\(ModelFixture.folder)/\(name)" }

    func config() throws -> [UInt8] { try Array(Data(contentsOf: URL(filePath: "\(path)/config.json"))) }

    /// Writes configuration and tensors; `change` may replace a tensor, or drop it by answering `nil`.
    func write(
        to folder: TemporaryDirectory, _ change: (_ name: String, _ tensor: Tensor) -> Tensor? = { $1 }
    ) throws {
        folder.write(try config(), to: "config.json")
        let source = try SafetensorsCheckpoint(directory: path)
        let tensors = try source.tensorNames.compactMap { name in
            try source.tensor(named: name).flatMap { change(name, $0) }.map { (name, $0) }
        }
        var writer = try SafetensorsWriter(
            path: "\(folder.path)/model.safetensors",
            tensors: tensors.map { TensorDeclaration(name: $0.0, shape: $0.1.shape, format: $0.1.format) })
        for (_, tensor) in tensors { try writer.write(tensor) }
        try writer.finish()
    }
}

/// Loads the model in a directory anywhere.
func loadModel(directory: String) throws(SwiftletError) -> any LanguageModel {
    let source = try ModelSource(.directory(directory))
    return try ModelRegistry.architecture(of: source).load(source)
}

extension Bench {
    init(directory: String) throws { self.init(try loadModel(directory: directory), threads: 1) }
}
