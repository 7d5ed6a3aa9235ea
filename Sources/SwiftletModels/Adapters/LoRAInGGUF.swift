import SwiftletFormats
import SwiftletTensor

/// An adapter in a GGUF file, as llama.cpp's converter writes it.
struct LoRAInGGUF: LoRAFile {
    let path: String
    let layers: [String]
    let interleavesHeads: Bool
    private let file: GGUFFile
    private let alpha: Double

    init(_ path: String, _ target: AdapterTarget) throws(SwiftletError) {
        let file = try GGUFFile(path: path)
        func value(_ key: String) -> String { file[key]?.string ?? "missing" }
        guard value("general.type") == "adapter", value("adapter.type") == "lora" else {
            throw SwiftletError(
                .unsupported,
                "\(path): general.type is \(value("general.type")) and adapter.type is \(value("adapter.type")), "
                    + "expected adapter and lora; give models with -m")
        }
        let architecture = value("general.architecture")
        if let expected = target.ggufArchitecture, expected != architecture {
            throw SwiftletError(
                .mismatch,
                "\(path): changes a model of the architecture \(architecture), but \(target.path) is \(expected); use "
                    + "the model that the adapter was made for")
        }
        if (file["adapter.alora.invocation_tokens"]?.ints()?.count ?? 0) > 0 {
            throw SwiftletError(
                .unsupported,
                "\(path): begins at some tokens only (adapter.alora.invocation_tokens), expected a LoRA")
        }
        interleavesHeads = architecture == "llama"
        alpha = file["adapter.lora.alpha"]?.double ?? 0
        var layers: Set<String> = []
        for name in file.tensorNames {
            guard name.hasSuffix(".weight.lora_a") || name.hasSuffix(".weight.lora_b") else {
                throw SwiftletError(
                    .unsupported,
                    "\(path): tensor '\(name)' is no update, expected names that end in .lora_a or .lora_b")
            }
            layers.insert(String(name.dropLast(".weight.lora_a".count)))
        }
        (self.path, self.file, self.layers) = (path, file, layers.sorted())
    }

    func find(_ name: String, _ target: AdapterTarget) -> LoRALayer? {
        let isAlone = layers.contains(name)
        if let (part, wholes) = target.ggufNames.part(of: "\(name).weight"),
            let layer = wholes.map({ String($0.dropLast(7)) }).first(where: layers.contains)
        {
            // A whole may bear the name of one of its parts; then its size tells.
            let rows = isAlone ? (try? file.tensor(named: "\(layer).weight.lora_b"))?.shape.first : nil
            if !isAlone || layer == name && rows == part.groups * part.groupSize {
                return LoRALayer(layer: layer, part: part)
            }
        }
        return isAlone ? LoRALayer(layer: name, part: nil) : nil
    }

    func pair(_ layer: String) throws(SwiftletError) -> LoRAPair {
        guard let down = try file.tensor(named: "\(layer).weight.lora_a"),
            let up = try file.tensor(named: "\(layer).weight.lora_b"), let rank = up.shape.last, rank > 0
        else {
            throw SwiftletError(
                .malformed,
                "\(path): '\(layer)' has only one of lora_a and lora_b, or an empty one; expected both")
        }
        return LoRAPair(down: down, up: up, factor: alpha == 0 ? 1 : Float(alpha / Double(rank)))
    }
}
