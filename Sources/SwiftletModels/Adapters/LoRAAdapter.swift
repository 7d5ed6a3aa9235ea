import SwiftletFormats
package import SwiftletTensor

/// The low-rank updates of one adapter, made for one model.
///
/// Reads adapters of the library PEFT (`adapter_config.json` beside `adapter_model.safetensors`) and GGUF files of the
/// type `adapter`. Whatever an adapter holds beside updates of linear layers is refused by name.
package final class LoRAAdapter: Sendable {
    /// The file or directory.
    package let path: String
    /// By layer, such as `blk.0.attn_q`; factors are those of the adapter at a scale of 1.
    package let updates: [String: LowRankUpdate]
    /// Tells adapters apart: a checksum of names, shapes and numbers.
    package let fingerprint: String

    /// Numbers in all matrices.
    package var parameterCount: Int {
        updates.values.reduce(0) { $0 + $1.down.tensor.elementCount + $1.up.tensor.elementCount }
    }

    /// Reads an adapter.
    ///
    /// - Parameters:
    ///   - path: a GGUF file, a directory of PEFT, or its safetensors file.
    ///   - target: the model that it shall change.
    /// - Throws: `.unsupported` for what is not read, `.mismatch` if it was made for another model, `.missing`,
    ///   `.malformed`, `.unreadable`.
    package init(path: String, for target: AdapterTarget) throws(SwiftletError) {
        self.path = path
        let file: any LoRAFile
        if try Self.isGGUF(path) {
            file = try LoRAInGGUF(path, target)
        } else {
            file = try LoRAInPEFT(path, target)
        }
        var updates: [String: LowRankUpdate] = [:]
        var unused = Set(file.layers)
        for (name, shape) in target.shapes {
            guard let found = file.find(name, target) else { continue }
            unused.remove(found.layer)
            let pair = try file.pair(found.layer)
            updates[name] = try Self.update(pair, found, name, shape, file, target)
        }
        if let layer = unused.min() {
            throw SwiftletError(
                .unsupported,
                "\(path): changes '\(layer)', which is no layer of \(target.path) that adapters can change; expected "
                    + "projections of attention and feed-forward blocks")
        }
        guard !updates.isEmpty else {
            throw SwiftletError(.malformed, "\(path): holds no updates, expected tensors of a LoRA adapter")
        }
        self.updates = updates
        fingerprint = Self.fingerprint(updates)
    }

    private static func isGGUF(_ path: String) throws(SwiftletError) -> Bool {
        guard System.kind(of: path) == .file else { return false }
        let file = try MappedFile(path: path)
        return withExtendedLifetime(file) { file.bytes.starts(with: "GGUF".utf8) }
    }

    private static func update(
        _ pair: LoRAPair, _ found: LoRALayer, _ name: String, _ shape: [Int], _ file: any LoRAFile,
        _ target: AdapterTarget
    ) throws(SwiftletError) -> LowRankUpdate {
        var up = pair.up
        if let part = found.part {
            guard up.shape.count == 2, up.shape[0] == part.groups * part.groupSize else {
                throw mismatch(file.path, found.layer, pair, shape)
            }
            up = up.gathering(
                (0..<part.groups).map {
                    $0 * part.groupSize + part.range.lowerBound..<$0 * part.groupSize + part.range.upperBound
                })
        }
        guard pair.down.shape.count == 2, up.shape.count == 2, pair.down.shape[1] == shape[1],
            up.shape[0] == shape[0], up.shape[1] == pair.down.shape[0], up.shape[1] > 0
        else { throw mismatch(file.path, found.layer, pair, shape) }
        if file.interleavesHeads != (target.ggufArchitecture == "llama"), let heads = target.heads(of: name) {
            up = up.gathering(rowOrder(rows: shape[0], heads: heads, toPairs: !file.interleavesHeads))
        }
        return LowRankUpdate(
            down: Matrix(try pair.down.readable()), up: Matrix(try up.readable()), factor: pair.factor)
    }

    /// Row by row, where it is in the other order: of halves (i, i + n/2) or of pairs (2i, 2i + 1) of each head.
    private static func rowOrder(rows: Int, heads: Int, toPairs: Bool) -> [Range<Int>] {
        let size = rows / max(heads, 1), half = size / 2
        return (0..<rows).map { row in
            let (head, i) = row.quotientAndRemainder(dividingBy: max(size, 1))
            let from = toPairs ? i % 2 * half + i / 2 : i % max(half, 1) * 2 + i / max(half, 1)
            return head * size + from..<head * size + from + 1
        }
    }

    private static func mismatch(
        _ path: String, _ layer: String, _ pair: LoRAPair, _ shape: [Int]
    ) -> SwiftletError {
        SwiftletError(
            .mismatch,
            "\(path): the update of '\(layer)' is \(pair.up.shape) times \(pair.down.shape), the model has a weight of "
                + "\(shape); use the model that the adapter was made for")
    }

    private static func fingerprint(_ updates: [String: LowRankUpdate]) -> String {
        var sum = CRC32C(), size = 0
        for (name, update) in updates.sorted(by: { $0.key < $1.key }) {
            sum.update(Array("\(name) \(update.factor)".utf8))
            for tensor in [update.down.tensor, update.up.tensor] {
                withExtendedLifetime(tensor) { sum.update(tensor.bytes) }
                size += tensor.elementCount
            }
        }
        return "\(sum.value)-\(size)"
    }
}

/// Where an adapter keeps the update of a layer, and which rows of it.
struct LoRALayer {
    let layer: String
    let part: TensorMap.Part?
}

/// The two matrices of an update as they are stored.
struct LoRAPair {
    let down: Tensor  // [rank, columns]
    let up: Tensor  // [rows, rank]
    let factor: Float
}

/// A file of LoRA updates.
protocol LoRAFile {
    var path: String { get }
    /// The names of all layers that it changes, as they are called in it.
    var layers: [String] { get }
    /// Whether the rows of rotated heads lie in pairs, as in GGUF files of Llama.
    var interleavesHeads: Bool { get }
    /// The update that a layer of the model gets, if any.
    func find(_ name: String, _ target: AdapterTarget) -> LoRALayer?
    func pair(_ layer: String) throws(SwiftletError) -> LoRAPair
}

extension Tensor {
    /// This tensor, or a copy as f32 if its rows do not fill blocks or kernels do not read it.
    fileprivate func readable() throws(SwiftletError) -> Tensor {
        [.f32, .f16, .bf16].contains(format) ? self : Tensor(shape: shape, floats: try floats())
    }
}
