/// A weight matrix `[rows, columns]` in a stored format, applied as `y = W·x`.
public struct Matrix: Sendable {
    /// The tensor that holds the weights, shape `[rows, columns]`.
    public let tensor: Tensor
    /// Output size.
    public let rows: Int
    /// Input size.
    public let columns: Int

    /// Wraps a tensor of two dimensions whose format the kernels read.
    public init(_ tensor: Tensor) {
        precondition(tensor.shape.count == 2, "a matrix has two dimensions, not \(tensor.shape)")
        precondition(tensor.format.kernel != nil, "no kernel reads \(tensor.format)")
        self.tensor = tensor
        rows = tensor.shape[0]
        columns = tensor.shape[1]
    }

    /// The first byte of row `index`.
    package func row(_ index: Int) -> UnsafeRawPointer {
        tensor.bytes.baseAddress.unsafelyUnwrapped + index * rowBytes
    }

    /// Bytes per row.
    package var rowBytes: Int { columns / tensor.format.blockElements * tensor.format.blockBytes }
}
