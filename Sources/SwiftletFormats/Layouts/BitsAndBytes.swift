import SwiftletTensor

/// The layouts of the library bitsandbytes: 4 bits with a table of 16 numbers, and 8 bits per row.
///
/// Source: the serialised quantisation state of bitsandbytes (`QuantState.as_dict`), version 0.45.
extension PackedParts {
    /// - Returns: `nil` for a weight that is stored plainly.
    func bitsAndBytes(_ stem: String) throws(SwiftletError) -> Tensor? {
        let name = "\(stem).weight"
        guard let weight = try source.tensor(named: name) else { return nil }
        switch weight.format {
        case .u8: return try fourBits(name, weight)
        case .i8: return try eightBits(stem, weight)
        default: return nil
        }
    }

    /// A row of integers stands for `integer · SCB / 127`.
    private func eightBits(_ stem: String, _ weight: Tensor) throws(SwiftletError) -> Tensor {
        guard weight.shape.count == 2 else {
            throw problem("\(stem).weight", "is \(weight.shape), no matrix")
        }
        let extremes = try floats("\(stem).SCB", count: weight.shape[0])
        // The scale is rounded to binary16, once per row.
        return AffineWeights(signed: weight, groups: Array(repeating: 0, count: weight.shape[1])) { row, _ in
            AffineWeights.half(extremes[row] / 127)
        }.tensor()
    }

    // MARK: 4 bits

    /// What the blob beside a weight says.
    private struct State {
        let rows: Int
        let columns: Int
        let blockSize: Int
        let nestedBlockSize: Int
        let nestedOffset: Float
    }

    private func fourBits(_ name: String, _ weight: Tensor) throws(SwiftletError) -> Tensor {
        let state = try state(of: name)
        let count = state.rows * state.columns
        guard weight.elementCount == (count + 1) / 2 else {
            throw problem(name, "has \(weight.elementCount) bytes for \(state.rows)×\(state.columns) numbers")
        }
        let table = try floats("\(name).quant_map", count: 16)
        let largest = try largest(of: name, state, count: (count + state.blockSize - 1) / state.blockSize)
        return withExtendedLifetime(weight) {
            let bytes = weight.bytes
            return Tensor.halves(rows: state.rows, columns: state.columns) { row, target in
                for column in 0..<state.columns {
                    let at = row * state.columns + column
                    // The first of two numbers is in the high nibble.
                    let code = bytes[at / 2] >> (at % 2 == 0 ? 4 : 0) & 15
                    target[column] = table[Int(code)] * largest[at / state.blockSize]
                }
            }
        }
    }

    private func state(of name: String) throws(SwiftletError) -> State {
        let kinds = ["nf4", "fp4"].map { "\(name).quant_state.bitsandbytes__\($0)" }
        for kind in kinds where try source.tensor(named: kind) != nil {
            let blob = try part(kind, [.u8], dimensions: 1...1)
            let json = try JSON.parse(
                withExtendedLifetime(blob) { Array(blob.bytes) }, source: "\(source.path): \(kind)")
            let shape = json["shape"]?.elements.compactMap(\.int) ?? []
            guard shape.count == 2, let size = Tensor.elementCount(of: shape), size > 0, size <= 1 << 48,
                let blockSize = json["blocksize"]?.int, blockSize > 0
            else { throw problem(kind, "has no shape of two sizes, or no blocksize") }
            let nested = json["nested_blocksize"]?.int ?? 1
            guard nested > 0 else { throw problem(kind, "has a nested_blocksize of \(nested)") }
            return State(
                rows: shape[0], columns: shape[1], blockSize: blockSize, nestedBlockSize: nested,
                nestedOffset: Float(json["nested_offset"]?.double ?? 0))
        }
        throw SwiftletError(
            .missing,
            "\(source.path): tensor '\(kinds[0])' is missing, which says how its weight is packed; save the model "
                + "again with a recent bitsandbytes")
    }

    /// The largest magnitude of every block, which may be quantised itself.
    private func largest(of name: String, _ state: State, count: Int) throws(SwiftletError) -> [Float] {
        let stored = try part("\(name).absmax", [.u8, .f32, .f16, .bf16], dimensions: 1...2)
        guard stored.elementCount == count else {
            throw problem("\(name).absmax", "is \(stored.shape), expected \(count) numbers")
        }
        guard stored.format == .u8 else { return try stored.floats() }
        let table = try floats("\(name).nested_quant_map", count: 256)
        let blocks = (count + state.nestedBlockSize - 1) / state.nestedBlockSize
        let outer = try floats("\(name).nested_absmax", count: blocks)
        return withExtendedLifetime(stored) {
            stored.bytes.enumerated().map { index, code in
                table[Int(code)] * outer[index / state.nestedBlockSize] + state.nestedOffset
            }
        }
    }
}
