package import SwiftletTensor
import Synchronization

/// A checkpoint whose weights are packed: shows each of them as one tensor in a format of the engine.
///
/// A weight is decoded when it is asked for. Only the last one is kept, for those who ask again or for a part of it.
package final class PackedCheckpoint: TensorSource {
    package let path: String
    package let tensorNames: [String]
    /// How weights are packed.
    package let layout: QuantizationLayout
    private let parts: PackedParts
    private let last = Mutex<(name: String, tensor: Tensor)?>(nil)

    /// - Parameter checkpoint: the packed tensors.
    init(_ checkpoint: SafetensorsCheckpoint, _ layout: QuantizationLayout) {
        path = checkpoint.path
        self.layout = layout
        parts = PackedParts(source: checkpoint)
        tensorNames = Self.names(checkpoint.tensorNames)
    }

    package func tensor(named name: String) throws(SwiftletError) -> Tensor? {
        if let tensor = last.withLock({ $0?.name == name ? $0?.tensor : nil }) { return tensor }
        guard name.hasSuffix(".weight"), let decoded = try decode(String(name.dropLast(7))) else {
            return try parts.source.tensor(named: name)
        }
        last.withLock { $0 = (name, decoded) }
        return decoded
    }

    /// The weight of one layer, or `nil` if it is stored plainly.
    private func decode(_ stem: String) throws(SwiftletError) -> Tensor? {
        switch layout.method {
        case .gptq(let bits, let zeroOffset): try parts.gptq(stem, bits: bits, zeroOffset: zeroOffset)
        case .awq: try parts.awq(stem)
        case .fp8(let rows, let columns): try parts.scaled(stem, rows: rows, columns: columns)
        case .bitsAndBytes: try parts.bitsAndBytes(stem)
        case .compressedTensors(_, let bits): try parts.compressed(stem, bits: bits)
        }
    }

    /// One name per weight; what belongs to its packing is left out.
    private static func names(_ stored: [String]) -> [String] {
        let packed = [".qweight", ".weight_packed"]
        let others = [
            ".qzeros", ".scales", ".g_idx", ".weight_scale", ".weight_scale_inv", ".weight_zero_point",
            ".weight_shape", ".weight_g_idx", ".input_scale", ".absmax", ".quant_map", ".nested_absmax",
            ".nested_quant_map", ".SCB", ".weight_format", ".activation_scale",
        ]
        return stored.compactMap { name in
            if let suffix = packed.first(where: name.hasSuffix) {
                return String(name.dropLast(suffix.count)) + ".weight"
            }
            return others.contains(where: name.hasSuffix) || name.contains(".quant_state.") ? nil : name
        }
    }
}

/// The tensors that one weight is packed in.
struct PackedParts: Sendable {
    let source: SafetensorsCheckpoint

    /// A part that must be there, of `dimensions` dimensions and one of some formats.
    func part(
        _ name: String, _ formats: [NumberFormat], dimensions: ClosedRange<Int>
    ) throws(SwiftletError) -> Tensor {
        guard let tensor = try source.tensor(named: name) else {
            throw SwiftletError(
                .missing,
                "\(source.path): tensor '\(name)' is missing, without which its weight cannot be unpacked; "
                    + "download the model again")
        }
        guard formats.contains(tensor.format), dimensions.contains(tensor.shape.count) else {
            throw problem(
                name,
                "is \(tensor.format) \(tensor.shape), expected \(formats.map(\.rawValue).joined(separator: " or "))"
                    + " in \(dimensions.upperBound) dimensions")
        }
        return tensor
    }

    /// Numbers of any plain format as floats, of which there must be `count`.
    func floats(_ name: String, count: Int) throws(SwiftletError) -> [Float] {
        let tensor = try part(name, [.f32, .f16, .bf16], dimensions: 0...3)
        guard tensor.elementCount == count else {
            throw problem(name, "is \(tensor.shape), expected \(count) numbers")
        }
        return try tensor.floats()
    }

    func problem(_ name: String, _ what: String) -> SwiftletError {
        SwiftletError(.mismatch, "\(source.path): tensor '\(name)' \(what); download the model again")
    }
}

extension Tensor {
    /// The stored words of 32 bits.
    var words: [UInt32] {
        let bytes = bytes
        return withExtendedLifetime(self) {
            (0..<bytes.count / 4).map {
                UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self))
            }
        }
    }
}
