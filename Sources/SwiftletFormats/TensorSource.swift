public import SwiftletTensor

/// A file, or several, from which tensors are taken by name.
public protocol TensorSource: Sendable {
    /// The file or directory, for errors.
    var path: String { get }
    /// The names of all tensors, in the order of their data.
    var tensorNames: [String] { get }

    /// A view of one tensor, or `nil` if there is none of that name.
    ///
    /// - Throws: ``SwiftletError/Code/unsupported`` if its numbers are stored in a way Swiftlet does not
    ///   read.
    func tensor(named name: String) throws(SwiftletError) -> Tensor?
}
