package import SwiftletFormats
import SwiftletTensor

/// Finds the tensors of a model by their Hugging Face names and checks their shapes.
package struct WeightLoader {
    private let source: any TensorSource
    private let translate: @Sendable (String) -> String?
    /// Everything that was found, in the order of asking.
    package private(set) var loaded: [NamedTensor] = []

    /// - Parameter translate: the name in this file of a tensor's Hugging Face name, `nil` if it has none.
    package init(_ source: any TensorSource, translate: @escaping @Sendable (String) -> String? = { $0 }) {
        self.source = source
        self.translate = translate
    }

    /// A weight matrix `[rows, columns]`.
    mutating func matrix(_ name: String, _ rows: Int, _ columns: Int) throws(SwiftletError) -> Matrix {
        let tensor = try tensor(name, [rows, columns])
        guard tensor.format.kernel != nil, columns % tensor.format.blockElements == 0 else {
            throw SwiftletError(
                .unsupported,
                "\(source.path): tensor '\(name)' \(tensor.shape) is stored as \(tensor.format.rawValue), "
                    + "which cannot be multiplied; convert it to f16 or q8_0")
        }
        return Matrix(tensor)
    }

    /// A weight vector `[count]`, copied as floats.
    mutating func vector(_ name: String, _ count: Int) throws(SwiftletError) -> Vector {
        Vector(try tensor(name, [count]).floats())
    }

    /// Whether the file holds a tensor.
    func contains(_ name: String) throws(SwiftletError) -> Bool { try find(name) != nil }

    private mutating func tensor(_ name: String, _ shape: [Int]) throws(SwiftletError) -> Tensor {
        guard let tensor = try find(name) else {
            throw SwiftletError(
                .missing,
                "\(source.path): tensor '\(translate(name) ?? name)' is missing; the file holds "
                    + "\(source.tensorNames.count) tensors. Download the model again or check its architecture"
            )
        }
        guard tensor.shape == shape else {
            throw SwiftletError(
                .mismatch,
                "\(source.path): tensor '\(translate(name) ?? name)' is \(tensor.shape), the configuration "
                    + "asks for \(shape)")
        }
        loaded.append(NamedTensor(name: name, tensor: tensor))
        return tensor
    }

    /// Checkpoints of a bare decoder leave out the prefix `model.`.
    private func find(_ name: String) throws(SwiftletError) -> Tensor? {
        guard let translated = translate(name) else { return nil }
        if let tensor = try source.tensor(named: translated) { return tensor }
        let prefix = "model."
        guard translated.hasPrefix(prefix) else { return nil }
        return try source.tensor(named: String(translated.dropFirst(prefix.count)))
    }
}
