import SwiftletFormats
public import SwiftletTensor

/// A kind of quantised file under llama-quantize's name: a format for most matrices, and a mix that keeps more
/// bits where the text depends on them most.
///
/// Source: names, mixes and `general.file_type` numbers are those of llama-quantize
/// (github.com/ggml-org/llama.cpp, `llama_ftype`), 2026.
public enum QuantizationType: String, CaseIterable, Hashable, Sendable {
    case f32, f16, bf16
    case q8_0, q4_0, q4_1, q5_0, q5_1
    case q2_K, q2_K_S, q3_K_S, q3_K_M, q3_K_L, q4_K_S, q4_K_M, q5_K_S, q5_K_M, q6_K
    case iq4_nl, iq4_xs, tq1_0, tq2_0
    /// The experts of a mixture in `mxfp4`, the rest in `q8_0`.
    case mxfp4_moe

    /// The type of a name in any case, such as `Q4_K_M`; `q3_K`, `q4_K` and `q5_K` mean the `M` mix, `mxfp4` means
    /// `mxfp4_moe`.
    ///
    /// - Throws: `.unsupported` or `.invalidArgument`, naming the types.
    public init(named name: String) throws(SwiftletError) {
        let lowercased = name.lowercased()
        let full =
            switch lowercased {
            case "q3_k", "q4_k", "q5_k": lowercased + "_m"
            case "mxfp4": "mxfp4_moe"
            default: lowercased
            }
        if let found = Self.allCases.first(where: { $0.rawValue.lowercased() == full }) {
            self = found
            return
        }
        let known = Self.allCases.map(\.rawValue).joined(separator: ", ")
        if let format = NumberFormat.allCases.first(where: { $0.rawValue.lowercased() == lowercased }) {
            throw SwiftletError(
                .unsupported, "\(format) can be read but not written; expected one of \(known)")
        }
        throw SwiftletError(.invalidArgument, "'\(name)' is not a file type; expected one of \(known)")
    }

    /// The format of most matrices.
    public var format: NumberFormat {
        switch self {
        case .f32: .f32
        case .f16: .f16
        case .bf16: .bf16
        case .q8_0: .q8_0
        case .q4_0: .q4_0
        case .q4_1: .q4_1
        case .q5_0: .q5_0
        case .q5_1: .q5_1
        case .q2_K, .q2_K_S: .q2_K
        case .q3_K_S, .q3_K_M, .q3_K_L: .q3_K
        case .q4_K_S, .q4_K_M: .q4_K
        case .q5_K_S, .q5_K_M: .q5_K
        case .q6_K: .q6_K
        case .iq4_nl: .iq4_nl
        case .iq4_xs: .iq4_xs
        case .tq1_0: .tq1_0
        case .tq2_0: .tq2_0
        case .mxfp4_moe: .mxfp4
        }
    }

    /// The value of `general.file_type` in the file.
    public var fileType: UInt32 {
        switch self {
        case .q3_K_S: 11
        case .q3_K_L: 13
        case .q4_K_S: 14
        case .q5_K_S: 16
        case .q2_K_S: 21
        default: format.ggufFileType
        }
    }
}
