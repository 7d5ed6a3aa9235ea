import SwiftletFormats
import SwiftletTensor

/// One tensor of a Hugging Face directory: a weight of the model, or several whose rows follow each other.
struct HubTensor {
    /// Some rows of a weight.
    struct Piece {
        let tensor: Tensor
        var order = TensorConverter.RowOrder.asStored
    }

    let name: String
    /// As stored.
    let shape: [Int]
    let pieces: [Piece]
    /// Whether the matrix is stored as `[columns, rows]`.
    var isTransposed = false
    /// Added to every number.
    var offset: Float = 0

    /// Whether it is a norm, a bias or a table of one row.
    var isVector: Bool { shape.count < 2 }
    /// Numbers in it.
    var elementCount: Int { shape.reduce(1, *) }

    /// The pieces as they are written one after the other.
    ///
    /// - Complexity: copies the whole of what is transposed or has an offset, one tensor at a time.
    func rows() throws(SwiftletError) -> [Piece] {
        guard isTransposed || offset != 0 else { return pieces }
        var numbers: [Float] = []
        numbers.reserveCapacity(elementCount)
        for piece in pieces { numbers += try piece.tensor.floats().map { $0 + offset } }
        let whole = Tensor(shape: isTransposed ? shape.reversed() : shape, floats: numbers)
        // What is transposed or has an offset is never reordered.
        return [Piece(tensor: isTransposed ? try whole.transposed() : whole)]
    }
}

/// The tensors of a model as its Hugging Face directories store them.
struct HubTensors {
    private let map: TensorMap
    private let family: HubFamily
    private let configuration: DecoderConfiguration
    private(set) var tensors: [HubTensor] = []

    /// - Throws: `.unsupported` for a tensor that is a part of another of which something is missing.
    init(
        _ weights: [NamedTensor], _ map: TensorMap, _ family: HubFamily, _ c: DecoderConfiguration,
        source: String
    ) throws(SwiftletError) {
        (self.map, self.family, configuration) = (map, family, c)
        var parts: [String: [(part: TensorMap.Part, weight: NamedTensor)]] = [:]
        var order: [String] = []
        for weight in weights {
            if let (part, names) = map.part(of: weight.name), let name = names.first {
                if parts[name] == nil { order.append(name) }
                parts[name, default: []].append((part, weight))
            } else if map.names(ofMember: 0, in: weight.name) != nil {
                addMembers(of: weight)
            } else if let name = map.names(of: weight.name).first {
                add(weight, name)
            }
        }
        for name in order { try join(parts[name] ?? [], name, source: source) }
    }

    private mutating func add(_ weight: NamedTensor, _ name: String) {
        let shape = weight.tensor.shape
        let isTransposed = shape.count == 2 && map.isTransposed(weight.name)
        tensors.append(
            HubTensor(
                name: name, shape: isTransposed ? shape.reversed() : shape,
                pieces: [.init(tensor: weight.tensor, order: family.order(of: weight.name, configuration))],
                isTransposed: isTransposed,
                offset: weight.name.hasSuffix("norm.weight") ? -family.normOffset : 0))
    }

    /// Adds what files keep as one stack and directories one by one, such as experts.
    private mutating func addMembers(of weight: NamedTensor) {
        let shape = Array(weight.tensor.shape.dropFirst())
        for index in 0..<(weight.tensor.shape.first ?? 0) {
            guard let name = map.names(ofMember: index, in: weight.name)?.first else { continue }
            let member = weight.tensor.slice(index..<index + 1, shape: shape)
            tensors.append(HubTensor(name: name, shape: shape, pieces: [.init(tensor: member)]))
        }
    }

    /// Adds a tensor of which the model has the parts.
    private mutating func join(
        _ parts: [(part: TensorMap.Part, weight: NamedTensor)], _ name: String, source: String
    ) throws(SwiftletError) {
        let parts = parts.sorted { $0.part.range.lowerBound < $1.part.range.lowerBound }
        guard let first = parts.first,
            parts.reduce(0, { $0 + $1.part.range.count }) == first.part.groupSize,
            parts.allSatisfy({ $0.weight.tensor.shape[0] == $0.part.range.count * $0.part.groups })
        else {
            throw SwiftletError(
                .unsupported, "\(source): '\(name)' of the directory has parts that the file does not hold")
        }
        var pieces: [HubTensor.Piece] = []
        for group in 0..<first.part.groups {
            for (part, weight) in parts {
                let rows = group * part.range.count..<(group + 1) * part.range.count
                pieces.append(.init(tensor: weight.tensor.slice(rows)))
            }
        }
        var shape = first.weight.tensor.shape
        shape[0] = first.part.groupSize * first.part.groups
        let isTransposed = shape.count == 2 && map.transposedPart(of: first.weight.name)
        tensors.append(
            HubTensor(
                name: name, shape: isTransposed ? shape.reversed() : shape, pieces: pieces,
                isTransposed: isTransposed))
    }
}
