package import SwiftletFormats
import SwiftletTensor

/// Finds the tensors of a model by their GGUF names and checks their shapes.
package struct WeightLoader {
    private let source: any TensorSource
    private let map: TensorMap
    /// Everything that was found, in the order of asking.
    package private(set) var loaded: [NamedTensor] = []

    /// - Parameter map: what tensors are called in this file.
    package init(_ source: any TensorSource, _ map: TensorMap) {
        self.source = source
        self.map = map
    }

    /// A weight matrix `[rows, columns]`.
    mutating func matrix(_ name: String, _ rows: Int, _ columns: Int) throws(SwiftletError) -> Matrix {
        Matrix(try multipliable(name, try tensor(name, [rows, columns])))
    }

    /// A weight vector `[count]`, copied as floats; `offset` is added to every number.
    mutating func vector(_ name: String, _ count: Int, offset: Float = 0) throws(SwiftletError) -> Vector {
        let floats = try tensor(name, [count]).floats()
        return Vector(offset == 0 ? floats : floats.map { $0 + offset })
    }

    /// A small matrix as one vector, `[rows × columns]`, which may be stored row by row.
    mutating func rows(_ name: String, _ rows: Int, _ columns: Int) throws(SwiftletError) -> Vector {
        if map.names(ofMember: 0, in: name) != nil, try find(name) == nil {
            var numbers: [Float] = []
            for index in 0..<rows {
                numbers += try member(index, of: name, [columns]).floats()
            }
            return Vector(numbers)
        }
        return Vector(try tensor(name, [rows, columns]).floats())
    }

    /// The taps of a convolution of every channel by itself, `[taps, channels]`, which are stored as `[channels, taps]` or
    /// `[channels, 1, taps]`.
    mutating func taps(_ name: String, _ count: Int, channels: Int) throws(SwiftletError) -> Vector {
        let hasGroups = try find(name)?.shape.count == 3
        let numbers = try tensor(name, hasGroups ? [channels, 1, count] : [channels, count]).floats()
        return Vector((0..<count * channels).map { numbers[$0 % channels * count + $0 / channels] })
    }

    /// Matrices `[rows, columns]` that are stored as one tensor `[count, rows, columns]` or one by one.
    mutating func matrices(
        _ name: String, _ count: Int, _ rows: Int, _ columns: Int
    ) throws(SwiftletError) -> [Matrix] {
        var matrices: [Matrix] = []
        if map.names(ofMember: 0, in: name) != nil, try find(name) == nil {
            for index in 0..<count {
                matrices.append(
                    Matrix(try multipliable(name, try member(index, of: name, [rows, columns]))))
            }
            return matrices
        }
        let isFlat = try find(name)?.shape.count == 2
        let found = try tensor(name, isFlat ? [count * rows, columns] : [count, rows, columns])
        let whole = try multipliable(name, found).reshaped([count, rows, columns])
        return (0..<count).map { Matrix(whole.slice($0..<$0 + 1, shape: [rows, columns])) }
    }

    /// Whether the file holds a tensor, alone or in another one.
    func contains(_ name: String) throws(SwiftletError) -> Bool { try find(name) != nil }

    private func multipliable(_ name: String, _ tensor: Tensor) throws(SwiftletError) -> Tensor {
        let columns = tensor.shape.last ?? 0
        guard tensor.format.kernel != nil, columns % tensor.format.blockElements == 0 else {
            throw SwiftletError(
                .unsupported,
                "\(source.path): tensor '\(storedName(name))' \(tensor.shape) is stored as "
                    + "\(tensor.format.rawValue), which cannot be multiplied; convert it to f16 or q8_0")
        }
        return tensor
    }

    private mutating func tensor(_ name: String, _ shape: [Int]) throws(SwiftletError) -> Tensor {
        let found: Tensor?
        if let (part, _) = map.part(of: name), let whole = try findWhole(of: name), let rows = shape.first {
            found = try take(part, of: whole, name, rows: rows)
        } else {
            found = try find(name)
        }
        guard let tensor = found else { throw missing(map.names(of: name).first ?? name) }
        return try checked(tensor, name, shape)
    }

    private mutating func member(
        _ index: Int, of name: String, _ shape: [Int]
    ) throws(SwiftletError) -> Tensor {
        let names = map.names(ofMember: index, in: name) ?? []
        for stored in names {
            guard let tensor = try source.tensor(named: stored) else { continue }
            guard tensor.shape == shape else { throw mismatch(stored, tensor.shape, shape) }
            loaded.append(NamedTensor(name: "\(name).\(index)", tensor: tensor))
            return tensor
        }
        throw missing(names.first ?? name)
    }

    private mutating func checked(
        _ tensor: Tensor, _ name: String, _ shape: [Int]
    ) throws(SwiftletError) -> Tensor {
        guard tensor.shape == shape else { throw mismatch(storedName(name), tensor.shape, shape) }
        loaded.append(NamedTensor(name: name, tensor: tensor))
        return tensor
    }

    private func find(_ name: String) throws(SwiftletError) -> Tensor? {
        for stored in map.names(of: name) {
            guard let tensor = try source.tensor(named: stored) else { continue }
            return map.isTransposed(name) && tensor.shape.count == 2 ? try tensor.transposed() : tensor
        }
        return nil
    }

    /// The stored tensor that this one is a part of; `nil` if it is stored alone. A tensor that bears the name itself
    /// is taken for the whole only if it is too large to be the part.
    private func findWhole(of name: String) throws(SwiftletError) -> Tensor? {
        guard let (part, names) = map.part(of: name) else { return nil }
        let alone = map.names(of: name)
        if names.first != alone.first, try find(name) != nil { return nil }
        for stored in names {
            guard let tensor = try source.tensor(named: stored) else { continue }
            let whole =
                map.transposedPart(of: name) && tensor.shape.count == 2 ? try tensor.transposed() : tensor
            return whole.shape.first == part.groups * part.groupSize ? whole : nil
        }
        return nil
    }

    private func take(
        _ part: TensorMap.Part, of whole: Tensor, _ name: String, rows: Int
    ) throws(SwiftletError) -> Tensor {
        guard part.groups * part.range.count == rows else {
            throw mismatch(storedName(name), [part.groups * part.range.count], [rows])
        }
        return part.groups == 1
            ? whole.slice(part.range)
            : whole.gathering(
                (0..<part.groups).map { group in
                    group * part.groupSize + part.range.lowerBound..<group * part.groupSize
                        + part.range.upperBound
                })
    }

    private func storedName(_ name: String) -> String { map.names(of: name).first ?? name }

    private func missing(_ name: String) -> SwiftletError {
        SwiftletError(
            .missing,
            "\(source.path): tensor '\(name)' is missing; the file holds \(source.tensorNames.count) tensors. "
                + "Download the model again or check its architecture")
    }

    private func mismatch(_ name: String, _ found: [Int], _ expected: [Int]) -> SwiftletError {
        SwiftletError(
            .mismatch,
            "\(source.path): tensor '\(name)' is \(found), the configuration asks for \(expected)")
    }
}

extension Tensor {
    /// A copy of some ranges of rows, one after the other.
    func gathering(_ ranges: [Range<Int>]) -> Tensor {
        let count = ranges.reduce(0) { $0 + $1.count }
        var copy: [UInt8] = []
        for range in ranges { copy += slice(range).bytes }
        return Tensor(shape: [count] + shape.dropFirst(), format: format, copying: copy)
    }

    /// A copy of a matrix with rows and columns exchanged, as floats.
    func transposed() throws(SwiftletError) -> Tensor {
        let (rows, columns) = (shape[0], shape[1])
        let numbers = try floats()
        var turned = [Float](repeating: 0, count: numbers.count)
        for row in 0..<rows {
            for column in 0..<columns { turned[column * rows + row] = numbers[row * columns + column] }
        }
        return Tensor(shape: [columns, rows], floats: turned)
    }
}
