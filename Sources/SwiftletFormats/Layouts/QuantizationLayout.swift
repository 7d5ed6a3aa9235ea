import SwiftletTensor

/// How the weights of a Hugging Face checkpoint are packed, as `quantization_config` in `config.json` says.
///
/// All layouts are read only: weights become a format of the engine when they are loaded. Integers with a scale per
/// group of at least 32 become `q4_0` or `q8_0` without any rounding; what these cannot hold becomes `f16`.
public struct QuantizationLayout: Hashable, Sendable {
    /// Who packed the weights.
    public enum Method: Hashable, Sendable {
        /// Frantar et al., 2022, arXiv:2210.17323; `zeroOffset` is 1 in files whose zeros are stored one less.
        case gptq(bits: Int, zeroOffset: Int)
        /// Lin et al., 2023, arXiv:2306.00978, in the order of its matrix kernel.
        case awq
        /// Numbers of 8 bits with a scale per tensor, per row, or per block of `rows` × `columns`.
        case fp8(rows: Int, columns: Int)
        /// Dettmers et al., 2023, arXiv:2305.14314 (4 bits) and 2022, arXiv:2208.07339 (8 bits).
        case bitsAndBytes
        /// The layouts of the library compressed-tensors.
        case compressedTensors(format: String, bits: Int)
    }

    /// Who packed the weights, and the options that matter for reading them.
    public let method: Method
    /// What people call it, such as `GPTQ, 4 bits`.
    public let summary: String

    /// Reads the layout, or `nil` if weights are stored plainly.
    ///
    /// - Parameters:
    ///   - config: the whole `config.json`.
    ///   - path: its path, for errors.
    /// - Throws: `.unsupported`, naming the method or the option that is not read; `.malformed` for a wrong value.
    init?(_ config: JSON, path: String) throws(SwiftletError) {
        // Models with several parts keep the configuration of their text part apart.
        let found = config["quantization_config"] ?? config["text_config"]?["quantization_config"]
        guard let json = found ?? config["compression_config"], !json.isNull else { return nil }
        let reader = Reader(json: json, path: path)
        guard let name = json["quant_method"]?.string else {
            throw reader.malformed("quant_method", "the name of a method")
        }
        switch name {
        case "gptq": self = try Self.gptq(reader)
        case "awq": self = try Self.awq(reader)
        case "fp8", "fbgemm_fp8": self = try Self.fp8(reader)
        case "bitsandbytes": self = try Self.bitsAndBytes(reader)
        case "compressed-tensors": self = try Self.compressedTensors(reader)
        default:
            throw reader.unsupported(
                "quant_method", name, "awq, bitsandbytes, compressed-tensors, fbgemm_fp8, fp8 or gptq")
        }
    }

    private init(_ method: Method, _ summary: String) { (self.method, self.summary) = (method, summary) }

    // MARK: Methods

    private static func gptq(_ reader: Reader) throws(SwiftletError) -> Self {
        let bits = try reader.integer("bits") ?? 4
        guard [2, 3, 4, 8].contains(bits) else {
            throw reader.unsupported("bits", "\(bits)", "2, 3, 4 or 8")
        }
        let format = reader.json["checkpoint_format"]?.string ?? "gptq"
        guard format == "gptq" || format == "gptq_v2" else {
            throw reader.unsupported("checkpoint_format", format, "gptq or gptq_v2")
        }
        return Self(
            .gptq(bits: bits, zeroOffset: format == "gptq" ? 1 : 0),
            "GPTQ, \(bits) bits" + (reader.json["desc_act"]?.bool == true ? ", ordered by activation" : ""))
    }

    private static func awq(_ reader: Reader) throws(SwiftletError) -> Self {
        let bits = try reader.integer(reader.json["bits"] == nil ? "w_bit" : "bits") ?? 4
        guard bits == 4 else { throw reader.unsupported("bits", "\(bits)", "4") }
        let order = reader.json["version"]?.string ?? reader.json["format"]?.string ?? "gemm"
        guard order.lowercased() == "gemm" else { throw reader.unsupported("version", order, "gemm") }
        return Self(.awq, "AWQ, 4 bits")
    }

    private static func fp8(_ reader: Reader) throws(SwiftletError) -> Self {
        guard let sizes = reader.json["weight_block_size"], !sizes.isNull else {
            return Self(.fp8(rows: 0, columns: 0), "FP8")
        }
        guard sizes.count == 2, let rows = sizes[0]?.int, let columns = sizes[1]?.int, rows > 0, columns > 0
        else { throw reader.malformed("weight_block_size", "two sizes such as [128, 128]") }
        return Self(.fp8(rows: rows, columns: columns), "FP8 in blocks of \(rows)×\(columns)")
    }

    private static func bitsAndBytes(_ reader: Reader) throws(SwiftletError) -> Self {
        if reader.json["load_in_8bit"]?.bool == true || reader.json["_load_in_8bit"]?.bool == true {
            return Self(.bitsAndBytes, "bitsandbytes, 8 bits")
        }
        let type = reader.json["bnb_4bit_quant_type"]?.string ?? "fp4"
        guard type == "nf4" || type == "fp4" else {
            throw reader.unsupported("bnb_4bit_quant_type", type, "nf4 or fp4")
        }
        return Self(.bitsAndBytes, "bitsandbytes, \(type.uppercased())")
    }

    private static func compressedTensors(_ reader: Reader) throws(SwiftletError) -> Self {
        let format = reader.json["format"]?.string ?? "dense"
        let known = ["pack-quantized", "float-quantized", "int-quantized", "naive-quantized", "dense"]
        guard known.contains(format) else {
            throw reader.unsupported("format", format, known.joined(separator: ", "))
        }
        var bits = 8
        for (_, group) in reader.json["config_groups"]?.members.map({ ($0.key, $0.value) }) ?? [] {
            bits = group["weights"]?["num_bits"]?.int ?? bits
        }
        guard bits == 4 || bits == 8 else {
            throw reader.unsupported("num_bits", "\(bits)", "4 or 8")
        }
        return Self(
            .compressedTensors(format: format, bits: bits), "compressed-tensors, \(format), \(bits) bits")
    }

    /// The members of `quantization_config`, with errors that name them.
    private struct Reader {
        let json: JSON
        let path: String

        func integer(_ key: String) throws(SwiftletError) -> Int? {
            guard let value = json[key], !value.isNull else { return nil }
            guard let number = value.int else { throw malformed(key, "an integer") }
            return number
        }

        func malformed(_ key: String, _ expected: String) -> SwiftletError {
            SwiftletError(
                .malformed,
                "\(path): quantization_config.\(key) is \(json[key].map { "a \($0.kind)" } ?? "missing"), "
                    + "expected \(expected)")
        }

        func unsupported(_ key: String, _ found: String, _ expected: String) -> SwiftletError {
            SwiftletError(
                .unsupported,
                "\(path): quantization_config.\(key) is '\(found)', expected \(expected); use a checkpoint with "
                    + "plain weights, or a GGUF file")
        }
    }
}
