import SwiftletTensor

/// GPTQ, AWQ and the integers of compressed-tensors: codes of a few bits in words of 32.
extension PackedParts {
    /// Code `index` of a stream of `bits` bits each, lowest first, in every `stride`-th word from `start` on.
    private static func code(
        _ index: Int, bits: Int, _ words: UnsafeBufferPointer<UInt32>, start: Int, stride: Int
    ) -> UInt8 {
        let (word, shift) = (index * bits).quotientAndRemainder(dividingBy: 32)
        var value = words[start + word * stride] >> UInt32(shift)
        if shift + bits > 32 { value |= words[start + (word + 1) * stride] << UInt32(32 - shift) }
        return UInt8(truncatingIfNeeded: value & (1 << UInt32(bits) - 1))
    }

    /// Words that `count` codes take.
    private static func wordCount(_ count: Int, bits: Int) -> Int { (count * bits + 31) / 32 }

    // MARK: GPTQ

    /// Words run along the inputs, `[columns · bits / 32, rows]`; zeros along the outputs, `[groups, rows · bits / 32]`.
    func gptq(_ stem: String, bits: Int, zeroOffset: Int) throws(SwiftletError) -> Tensor? {
        guard try source.tensor(named: "\(stem).qweight") != nil else { return nil }
        let packed = try part("\(stem).qweight", [.i32], dimensions: 2...2)
        let scales = try part("\(stem).scales", [.f16, .bf16, .f32], dimensions: 2...2)
        let (rows, groups) = (packed.shape[1], scales.shape[0])
        let columns = packed.shape[0] * 32 / bits
        guard scales.shape[1] == rows, groups > 0, Self.wordCount(columns, bits: bits) == packed.shape[0]
        else {
            throw problem("\(stem).scales", "is \(scales.shape) for codes of \(packed.shape)")
        }
        return AffineWeights(
            rows: rows, columns: columns,
            codes: Self.transposedCodes(packed.words, bits: bits, rows: rows, columns: columns),
            zeros: try zeros(stem, bits: bits, offset: zeroOffset, groups: groups, rows: rows),
            scales: try scales.floats(), groups: try groupIndex("\(stem).g_idx", columns, groups)
        ).tensor()
    }

    private static func transposedCodes(_ words: [UInt32], bits: Int, rows: Int, columns: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: rows * columns) { codes, initialized in
            words.withUnsafeBufferPointer { words in
                // Sixteen rows share the cache lines of their words.
                for first in stride(from: 0, to: rows, by: 16) {
                    for column in 0..<columns {
                        for row in first..<min(first + 16, rows) {
                            codes[row * columns + column] = code(
                                column, bits: bits, words, start: row, stride: rows)
                        }
                    }
                }
            }
            initialized = rows * columns
        }
    }

    private func zeros(
        _ stem: String, bits: Int, offset: Int, groups: Int, rows: Int
    ) throws(SwiftletError) -> [Int16] {
        let packed = try part("\(stem).qzeros", [.i32], dimensions: 2...2)
        let width = Self.wordCount(rows, bits: bits)
        guard packed.shape == [groups, width] else {
            throw problem("\(stem).qzeros", "is \(packed.shape), expected \([groups, width])")
        }
        let mask = 1 << bits - 1
        return packed.words.withUnsafeBufferPointer { words in
            (0..<groups * rows).map { at in
                let stored = Self.code(at % rows, bits: bits, words, start: at / rows * width, stride: 1)
                return Int16((Int(stored) + offset) & mask)
            }
        }
    }

    /// The group of every column: as stored, or one after the other.
    private func groupIndex(_ name: String, _ columns: Int, _ groups: Int) throws(SwiftletError) -> [Int] {
        guard try source.tensor(named: name) != nil else {
            return AffineWeights.groups(columns: columns, count: groups)
        }
        let tensor = try part(name, [.i32, .i64], dimensions: 1...1)
        let found =
            tensor.format == .i32
            ? tensor.words.map { Int(Int32(bitPattern: $0)) } : try tensor.floats().map { Int($0) }
        // One that is all -1 was never set.
        if found.count == columns, found.allSatisfy({ $0 == -1 }) {
            return AffineWeights.groups(columns: columns, count: groups)
        }
        guard found.count == columns, found.allSatisfy({ (0..<groups).contains($0) }) else {
            throw problem(name, "does not give one of \(groups) groups for each of \(columns) columns")
        }
        return found
    }

    // MARK: AWQ

    /// Words run along the outputs, `[columns, rows / 8]`, and hold outputs 0, 2, 4, 6, 1, 3, 5, 7 of eight.
    func awq(_ stem: String) throws(SwiftletError) -> Tensor? {
        guard try source.tensor(named: "\(stem).qweight") != nil else { return nil }
        let packed = try part("\(stem).qweight", [.i32], dimensions: 2...2)
        let scales = try part("\(stem).scales", [.f16, .bf16, .f32], dimensions: 2...2)
        let zeros = try part("\(stem).qzeros", [.i32], dimensions: 2...2)
        let (columns, width, groups) = (packed.shape[0], packed.shape[1], scales.shape[0])
        let rows = 8 * width
        guard scales.shape[1] == rows, groups > 0, zeros.shape == [groups, width] else {
            throw problem(
                "\(stem).scales",
                "is \(scales.shape), and zeros are \(zeros.shape), for codes of \(packed.shape)")
        }
        let unpacked = Self.awqCodes(zeros.words, width: width)
        return AffineWeights(
            rows: rows, columns: columns,
            codes: Self.transposed(Self.awqCodes(packed.words, width: width), rows),
            zeros: unpacked.map(Int16.init), scales: try scales.floats(),
            groups: AffineWeights.groups(columns: columns, count: groups)
        ).tensor()
    }

    private static func awqCodes(_ words: [UInt32], width: Int) -> [UInt8] {
        var codes = [UInt8](repeating: 0, count: 8 * words.count)
        for (index, word) in words.enumerated() {
            for (nibble, output) in [0, 2, 4, 6, 1, 3, 5, 7].enumerated() {
                codes[8 * index + output] = UInt8(word >> UInt32(4 * nibble) & 15)
            }
        }
        return codes
    }

    /// `[count / rows, rows]` as `[rows, count / rows]`.
    private static func transposed(_ codes: [UInt8], _ rows: Int) -> [UInt8] {
        let columns = codes.count / max(rows, 1)
        return [UInt8](unsafeUninitializedCapacity: codes.count) { target, initialized in
            codes.withUnsafeBufferPointer { codes in
                for first in stride(from: 0, to: rows, by: 64) {
                    for column in 0..<columns {
                        for row in first..<min(first + 64, rows) {
                            target[row * columns + column] = codes[column * rows + row]
                        }
                    }
                }
            }
            initialized = codes.count
        }
    }

    // MARK: compressed-tensors

    /// `weight_packed`, with codes along the inputs above their number by half their range; `weight` with scales.
    func compressed(_ stem: String, bits: Int) throws(SwiftletError) -> Tensor? {
        guard try source.tensor(named: "\(stem).weight_packed") != nil else {
            return try scaled(stem, rows: 0, columns: 0)
        }
        let packed = try part("\(stem).weight_packed", [.i32], dimensions: 2...2)
        let scales = try part("\(stem).weight_scale", [.f16, .bf16, .f32], dimensions: 2...2)
        let shape = try part("\(stem).weight_shape", [.i32, .i64], dimensions: 1...1).floats().map { Int($0) }
        let (rows, width, groups) = (packed.shape[0], packed.shape[1], scales.shape[1])
        let columns = shape.last ?? 0
        guard shape.count == 2, shape[0] == rows, columns > 0, Self.wordCount(columns, bits: bits) == width,
            scales.shape[0] == rows, groups > 0
        else { throw problem("\(stem).weight_packed", "is \(packed.shape) for a weight of \(shape)") }
        let codes = packed.words.withUnsafeBufferPointer { words in
            (0..<rows * columns).map { at in
                Self.code(at % columns, bits: bits, words, start: at / columns * width, stride: 1)
            }
        }
        let byRow = try scales.floats()
        let zeros = try compressedZeros(stem, bits: bits, rows: rows, groups: groups)
        return AffineWeights(
            rows: rows, columns: columns, codes: codes, zeros: zeros,
            scales: (0..<groups * rows).map { byRow[$0 % rows * groups + $0 / rows] },
            groups: try groupIndex("\(stem).weight_g_idx", columns, groups)
        ).tensor()
    }

    /// Zeros are packed along the outputs, `[rows · bits / 32, groups]`; without any, the middle of the range.
    private func compressedZeros(
        _ stem: String, bits: Int, rows: Int, groups: Int
    ) throws(SwiftletError) -> [Int16] {
        let name = "\(stem).weight_zero_point"
        guard try source.tensor(named: name) != nil else {
            return Array(repeating: 1 << (bits - 1), count: groups * rows)
        }
        let packed = try part(name, [.i32], dimensions: 2...2)
        guard packed.shape == [Self.wordCount(rows, bits: bits), groups] else {
            throw problem(name, "is \(packed.shape) for \(rows) rows and \(groups) groups")
        }
        return packed.words.withUnsafeBufferPointer { words in
            (0..<groups * rows).map { at in
                Int16(Self.code(at % rows, bits: bits, words, start: at / rows, stride: groups))
            }
        }
    }
}
