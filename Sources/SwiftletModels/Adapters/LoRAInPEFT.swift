import SwiftletFormats
import SwiftletTensor

/// An adapter as the library PEFT writes it.
///
/// Source: huggingface.co/docs/peft, LoraConfig and the checkpoint format, version 0.17.
struct LoRAInPEFT: LoRAFile {
    let path: String
    let layers: [String]
    let interleavesHeads = false
    private let file: SafetensorsFile
    private let config: JSON
    /// Names of both matrices by layer.
    private let names: [String: (down: String, up: String)]

    init(_ path: String, _ target: AdapterTarget) throws(SwiftletError) {
        let isFile = path.hasSuffix(".safetensors")
        let folder = isFile ? String(path.dropLast(path.split(separator: "/").last?.count ?? 0)) : path + "/"
        let configPath = "\(folder)adapter_config.json"
        guard System.kind(of: configPath) == .file else {
            throw SwiftletError(
                .missing,
                "\(path): there is no \(configPath), expected the directory of a PEFT adapter or a GGUF adapter"
            )
        }
        self.path = path
        config = try JSON.parse(contentsOf: configPath)
        try Self.check(config, configPath)
        file = try SafetensorsFile(path: isFile ? path : "\(folder)adapter_model.safetensors")
        (names, layers) = try Self.names(in: file)
    }

    /// Refuses what is not a plain LoRA.
    private static func check(_ config: JSON, _ path: String) throws(SwiftletError) {
        func refuse(_ key: String, _ found: String, _ expected: String) -> SwiftletError {
            SwiftletError(
                .unsupported,
                "\(path): \(key) is \(found), expected \(expected); merge the adapter with PEFT and use the whole model"
            )
        }
        let type = config["peft_type"]?.string ?? "LORA"
        guard type == "LORA" else { throw refuse("peft_type", "'\(type)'", "LORA") }
        for key in ["use_dora", "use_qalora", "lora_bias"] where config[key]?.bool == true {
            throw refuse(key, "true", "false")
        }
        if let bias = config["bias"]?.string, bias != "none" { throw refuse("bias", "'\(bias)'", "none") }
        for key in [
            "modules_to_save", "trainable_token_indices", "target_parameters", "alora_invocation_tokens",
            "layer_replication",
        ] {
            if let value = config[key], value.count > 0 { throw refuse(key, "not empty", "none") }
        }
        if let start = config["init_lora_weights"]?.string,
            ["pissa", "olora", "corda", "lora_ga"].contains(where: { start.hasPrefix($0) })
        {
            throw refuse("init_lora_weights", "'\(start)', which changes the base model", "another start")
        }
    }

    /// `base_model.model.LAYER.lora_A.weight`, or with the adapter's name before `weight`.
    private static func names(
        in file: SafetensorsFile
    ) throws(SwiftletError) -> ([String: (down: String, up: String)], [String]) {
        var down: [String: String] = [:], up: [String: String] = [:]
        for name in file.tensorNames {
            var parts = name.split(separator: ".")[...]
            if parts.starts(with: ["base_model", "model"]) { parts = parts.dropFirst(2) }
            guard parts.last == "weight",
                let kind = parts.lastIndex(where: { $0 == "lora_A" || $0 == "lora_B" }),
                parts.endIndex - kind <= 3
            else {
                throw SwiftletError(
                    .unsupported,
                    "\(file.path): tensor '\(name)' is not an update of a linear layer (lora_A or lora_B); merge the "
                        + "adapter with PEFT and use the whole model")
            }
            let layer = parts[..<kind].joined(separator: ".")
            if parts[kind] == "lora_A" { down[layer] = name } else { up[layer] = name }
        }
        var names: [String: (down: String, up: String)] = [:]
        for layer in Set(down.keys).union(up.keys) {
            guard let a = down[layer], let b = up[layer] else {
                throw SwiftletError(
                    .malformed, "\(file.path): '\(layer)' has only one of lora_A and lora_B, expected both")
            }
            names[layer] = (a, b)
        }
        return (names, names.keys.sorted())
    }

    func find(_ name: String, _ target: AdapterTarget) -> LoRALayer? {
        let stems = target.checkpointNames.names(of: "\(name).weight").map { String($0.dropLast(7)) }
        if let layer = stems.first(where: { names[$0] != nil }) { return LoRALayer(layer: layer, part: nil) }
        guard let (part, wholes) = target.checkpointNames.part(of: "\(name).weight") else { return nil }
        let layer = wholes.map { String($0.dropLast(7)) }.first { names[$0] != nil }
        return layer.map { LoRALayer(layer: $0, part: part) }
    }

    func pair(_ layer: String) throws(SwiftletError) -> LoRAPair {
        guard let names = names[layer], let down = try file.tensor(named: names.down),
            let up = try file.tensor(named: names.up), let rank = down.shape.first, rank > 0
        else { throw SwiftletError(.malformed, "\(path): the update of '\(layer)' is empty") }
        let alpha = pattern("alpha_pattern", layer) ?? config["lora_alpha"]?.double ?? Double(rank)
        let divisor = config["use_rslora"]?.bool == true ? Double(rank).squareRoot() : Double(rank)
        return LoRAPair(down: down, up: up, factor: Float(alpha / divisor))
    }

    /// The value for the first pattern that is the end of a layer's name, from a dot on.
    private func pattern(_ key: String, _ layer: String) -> Double? {
        for (pattern, value) in config[key]?.members.map({ ($0.key.string ?? "", $0.value) }) ?? [] {
            let matches =
                layer == pattern || layer.hasSuffix("." + pattern)
                || (try? Regex("(.*\\.)?(\(pattern))").wholeMatch(in: layer)) ?? nil != nil
            if matches { return value.double }
        }
        return nil
    }
}
