public import SwiftletTensor

/// What a writer needs to know about a tensor before its numbers arrive.
public struct TensorDeclaration: Hashable, Sendable {
    /// The tensor's name.
    public let name: String
    /// Dimensions, outermost first.
    public let shape: [Int]
    /// How the numbers are stored.
    public let format: NumberFormat

    /// Describes a tensor that will be written.
    public init(name: String, shape: [Int], format: NumberFormat) {
        self.name = name
        self.shape = shape
        self.format = format
    }
}

/// Writes the data of declared tensors one after another, and the zeros between them.
struct TensorWriter {
    private let file: AtomicFile
    private let path: String
    private let tensors: [(name: String, byteCount: Int)]
    private let alignment: Int
    private var current = 0
    private var written = 0

    /// Writes `header`, after which data starts at once.
    init(
        path: String, header: [UInt8], tensors: [(name: String, byteCount: Int)], alignment: Int
    ) throws(SwiftletError) {
        file = try AtomicFile(path: path)
        self.path = path
        self.tensors = tensors
        self.alignment = alignment
        try file.write(header)
        try advance()
    }

    /// Appends bytes of the current tensor; at its end, the next becomes current.
    mutating func write(_ bytes: UnsafeRawBufferPointer) throws(SwiftletError) {
        guard !bytes.isEmpty else { return }
        precondition(current < tensors.count, "\(path): \(bytes.count) bytes follow the last declared tensor")
        let (name, byteCount) = tensors[current]
        precondition(
            bytes.count <= byteCount - written,
            "\(path): '\(name)' takes \(byteCount) bytes, not \(written + bytes.count)")
        try file.write(bytes)
        written += bytes.count
        try advance()
    }

    /// Gives the file its name; every declared tensor must be complete.
    func finish() throws(SwiftletError) {
        precondition(
            current == tensors.count,
            "\(path): \(tensors.count - current) declared tensors are not written, the first is "
                + "'\(tensors[current].name)'"
        )
        try file.commit()
    }

    private mutating func advance() throws(SwiftletError) {
        while current < tensors.count, written == tensors[current].byteCount {
            let padding = (alignment - written % alignment) % alignment
            try file.write([UInt8](repeating: 0, count: padding))
            current += 1
            written = 0
        }
    }

    /// The sizes of declared tensors, whose names must differ.
    static func sizes(
        of tensors: [TensorDeclaration], path: String
    ) throws(SwiftletError) -> [(name: String, byteCount: Int)] {
        var names: Set<String> = []
        var sizes: [(name: String, byteCount: Int)] = []
        for tensor in tensors {
            guard names.insert(tensor.name).inserted else {
                throw SwiftletError(.invalidArgument, "\(path): tensor '\(tensor.name)' is declared twice")
            }
            guard let byteCount = Tensor.byteCount(shape: tensor.shape, format: tensor.format) else {
                throw SwiftletError(
                    .invalidArgument,
                    "\(path): tensor '\(tensor.name)' of shape \(tensor.shape) cannot be stored as "
                        + "\(tensor.format)"
                )
            }
            sizes.append((tensor.name, byteCount))
        }
        return sizes
    }
}
