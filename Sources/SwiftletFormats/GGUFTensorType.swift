package import SwiftletTensor

/// The number formats of tensors in GGUF files, by their numbers in the file.
///
/// Source: the enumeration `ggml_type` in the GGUF specification, github.com/ggml-org/ggml, docs/gguf.md.
struct GGUFTensorType: Hashable, Sendable {
    let number: UInt32

    /// The same format in Swiftlet, or `nil` if it is not read.
    var format: NumberFormat? { Self.formats[number]?.format }

    /// The customary name, such as `Q4_K`.
    var name: String { Self.formats[number]?.name ?? Self.otherNames[number] ?? "type \(number)" }

    /// Names of the formats that are read, in the order of their numbers.
    static var readable: [String] { formats.sorted { $0.key < $1.key }.map(\.value.name) }

    /// The number of a format, or `nil` if GGUF has none for it.
    static func of(_ format: NumberFormat) -> GGUFTensorType? {
        formats.first { $0.value.format == format }.map { GGUFTensorType(number: $0.key) }
    }

    private static let formats: [UInt32: (name: String, format: NumberFormat)] = [
        0: ("F32", .f32), 1: ("F16", .f16), 2: ("Q4_0", .q4_0), 3: ("Q4_1", .q4_1), 6: ("Q5_0", .q5_0),
        7: ("Q5_1", .q5_1), 8: ("Q8_0", .q8_0), 10: ("Q2_K", .q2_K), 11: ("Q3_K", .q3_K), 12: ("Q4_K", .q4_K),
        13: ("Q5_K", .q5_K), 14: ("Q6_K", .q6_K), 16: ("IQ2_XXS", .iq2_xxs), 17: ("IQ2_XS", .iq2_xs),
        18: ("IQ3_XXS", .iq3_xxs), 19: ("IQ1_S", .iq1_s), 20: ("IQ4_NL", .iq4_nl), 21: ("IQ3_S", .iq3_s),
        22: ("IQ2_S", .iq2_s), 23: ("IQ4_XS", .iq4_xs), 24: ("I8", .i8), 25: ("I16", .i16), 26: ("I32", .i32),
        27: ("I64", .i64), 28: ("F64", .f64), 29: ("IQ1_M", .iq1_m), 30: ("BF16", .bf16),
        34: ("TQ1_0", .tq1_0),
        35: ("TQ2_0", .tq2_0), 39: ("MXFP4", .mxfp4), 40: ("NVFP4", .nvfp4),
    ]

    private static let otherNames: [UInt32: String] = [
        4: "Q4_2", 5: "Q4_3", 9: "Q8_1", 15: "Q8_K", 31: "Q4_0_4_4", 32: "Q4_0_4_8", 33: "Q4_0_8_8",
        36: "IQ4_NL_4_4", 37: "IQ4_NL_4_8", 38: "IQ4_NL_8_8", 41: "Q1_0", 42: "Q2_0",
    ]
}

extension NumberFormat {
    /// The value of `general.file_type` for a file whose weights are mostly in this format: llama.cpp's
    /// `llama_ftype`, the `M` mix of K formats.
    package var ggufFileType: UInt32 {
        switch self {
        case .f16: 1
        case .q4_0: 2
        case .q4_1: 3
        case .q8_0: 7
        case .q5_0: 8
        case .q5_1: 9
        case .q2_K: 10
        case .q3_K: 12
        case .q4_K: 15
        case .q5_K: 17
        case .q6_K: 18
        case .iq2_xxs: 19
        case .iq2_xs: 20
        case .iq3_xxs: 23
        case .iq1_s: 24
        case .iq4_nl: 25
        case .iq3_s: 26
        case .iq2_s: 28
        case .iq4_xs: 30
        case .iq1_m: 31
        case .bf16: 32
        case .tq1_0: 36
        case .tq2_0: 37
        case .mxfp4: 38
        case .nvfp4: 39
        case .f32, .i8, .u8, .i16, .i32, .i64, .f64, .f8_e4m3, .f8_e5m2: 0
        }
    }
}
