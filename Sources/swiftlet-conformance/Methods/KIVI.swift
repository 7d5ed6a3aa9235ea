import SwiftletCache
import SwiftletTensor

/// Handlers of the KIVI codec.
enum KIVI {
    static func cache(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let codec = try codec(oracle, residual: try oracle.params.read("residual"))
        let keys: [[[Float]]] = try oracle.inputs.read("k")
        let values: [[[Float]]] = try oracle.inputs.read("v")
        let query: [[Float]] = try oracle.inputs.read("q")
        let split = codec.coded(of: try EngineLayer.sizes(keys, "keys").1)
        let keyGroups = keys.map { codec.quantizeKeys(Array($0.prefix(split.keys))) }
        let valueGroups = values.map { codec.quantizeValues(Array($0.prefix(split.values))) }
        let layer = try EngineLayer(
            headCount: query.count,
            keys: zip(keys, keyGroups).map { KIVICodec.keys($1) + $0.dropFirst(split.keys) },
            values: zip(values, valueGroups).map { KIVICodec.values($1) + $0.dropFirst(split.values) })
        return [
            "quantised_key_tokens": split.keys,
            "quantised_value_tokens": split.values,
            "key_codes": keyGroups.map(tokenCodes),
            "key_scale": keyGroups.map { $0.map { $0.map(\.scale) } },
            "key_zero": keyGroups.map { $0.map { $0.map(\.zero) } },
            "value_codes": valueGroups.map { $0.map { $0.flatMap { $0.codes.map { Int($0) } } } },
            "value_scale": valueGroups.map { $0.map { $0.map(\.scale) } },
            "value_zero": valueGroups.map { $0.map { $0.map(\.zero) } },
            "decode_attention_output": try layer.attend(query).output,
        ]
    }

    static func constantGroup(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let keys: [[[Float]]] = try oracle.inputs.read("k")
        _ = try EngineLayer.sizes(keys, "keys")
        let codec = try codec(oracle, residual: 1)
        let groups = keys.map(codec.quantizeKeys)
        return [
            "key_codes": groups.map(tokenCodes),
            "key_scale": groups.map { $0.map { $0.map(\.scale) } },
            "key_zero": groups.map { $0.map { $0.map(\.zero) } },
            "dequantised": groups.map(KIVICodec.keys),
        ]
    }

    static func residualLengths(_ oracle: OracleCase) throws(SwiftletError) -> [String: any OracleResult] {
        let residual: Int = try oracle.params.read("residual")
        let prompt: Int = try oracle.params.read("prompt")
        let steps: Int = try oracle.params.read("decode_steps")
        guard residual > 0, prompt >= 0, steps >= 0 else {
            throw oracle.malformed("params must not be negative")
        }
        let codec = KIVICodec(bits: 2, residual: residual)
        let rows = (0..<steps).map { step in
            let count = prompt + step + 1
            let split = codec.coded(of: count)
            return [split.keys, count - split.keys, split.values, count - split.values]
        }
        return [
            "row": ["keys_quantised", "keys_full", "values_quantised", "values_full"],
            "after_each_step": rows,
        ]
    }

    private static func codec(_ oracle: OracleCase, residual: Int) throws(SwiftletError) -> KIVICodec {
        let bits: Int = try oracle.params.read("bits")
        let group: Int = try oracle.params.read("group")
        guard (1...8).contains(bits), group > 0, residual > 0 else {
            throw oracle.malformed("params ask for \(bits) bits in groups of \(group)")
        }
        return KIVICodec(bits: bits, group: group, residual: residual)
    }

    /// Codes of keys per token and channel.
    private static func tokenCodes(_ blocks: [[KIVICodec.Group]]) -> [[Int]] {
        blocks.flatMap { block in
            (block.first?.codes ?? []).indices.map { token in block.map { Int($0.codes[token]) } }
        }
    }
}
