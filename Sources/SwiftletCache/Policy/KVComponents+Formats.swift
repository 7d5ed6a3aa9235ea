import SwiftletTensor

extension KVComponent {
    /// One component per number format of cached rows.
    static let formats = KVFormat.supported.map { format in
        KVComponent(
            format.rawValue, parts: [.format], summary: "Stores keys and values as \(format.rawValue).",
            source: "GGUF number format", lowersPrefillMemory: format != .f32
        ) { (draft, _) throws(SwiftletError) in
            draft.policy.format = try KVFormat(key: format, value: format)
        }
    }

    /// Number formats of keys and values apart.
    static let cache = KVComponent(
        "cache", parts: [.format], summary: "Stores keys and values in number formats of their own.",
        source: "GGUF number formats", lowersPrefillMemory: true,
        options: [
            Option("k", "format of keys, \(KVFormat.names); default: f16"),
            Option("v", "format of values; default: f16"),
        ]
    ) { (draft, arguments) throws(SwiftletError) in
        draft.policy.format = try KVFormat(
            key: arguments.format("k", default: .f16), value: arguments.format("v", default: .f16))
    }

    /// KIVI's codes.
    static let kivi = KVComponent(
        "kivi", parts: [.format],
        summary:
            "Codes old keys per channel and old values per token with 2 or 4 bits; the newest rows stay f16.",
        source: "KIVI, Liu et al., 2024, arXiv:2402.02750",
        options: [
            Option("bits", "bits of a code, 2 or 4; default: 2"),
            Option("k", "bits of keys, if they differ"), Option("v", "bits of values, if they differ"),
            Option("residual", "newest rows that stay as they are, a multiple of 64; default: 128"),
        ]
    ) { (draft, arguments) throws(SwiftletError) in
        let bits = try arguments.bits("bits", default: 2)
        draft.policy.format = try .kivi(
            keyBits: arguments.bits("k", default: bits), valueBits: arguments.bits("v", default: bits),
            residual: arguments.integer("residual", default: 128, in: 1...Int(Int32.max)))
    }

    /// Precision by age.
    static let age = KVComponent(
        "age", parts: [.format],
        summary:
            "Stores the newest rows in one format, older ones in narrower ones, as age:f16=512,q8_0=4096,then=q4_0.",
        source:
            "as KIVI treats the newest rows, Liu et al., 2024, arXiv:2402.02750, with formats of whole rows",
        options: KVFormat.supported.map {
            Option($0.rawValue, "rows in this format, the widest being the newest")
        }
            + [Option("then", "format of all older rows; default: q4_0")]
    ) { (draft, arguments) throws(SwiftletError) in
        var parts: [(format: NumberFormat, rows: Int)] = []
        for format in KVFormat.supported {
            let rows = try arguments.integer(format.rawValue, default: 0, in: 1...Int(Int32.max))
            if rows > 0 { parts.append((format, rows)) }
        }
        if parts.isEmpty { parts = [(.f16, 512), (.q8_0, 4096)] }
        draft.policy.format = try .byAge(parts, then: arguments.format("then", default: .q4_0))
    }

    /// Rotation of rows.
    static let rotate = KVComponent(
        "rotate", parts: [.rotation],
        summary:
            "Rotates keys and values by a Walsh–Hadamard matrix before they are stored, for narrow formats.",
        source: "QuaRot, Ashkboos et al., 2024, arXiv:2404.00456, §4"
    ) { (draft, _) throws(SwiftletError) in draft.policy.rotates = true }
}

extension KVArguments {
    /// Takes the bits of a KIVI code.
    fileprivate mutating func bits(_ name: String, default fallback: Int) throws(SwiftletError) -> Int {
        try choice(name, default: fallback, from: ["2": 2, "4": 4])
    }

    /// Takes a number format that a cache can be written in.
    mutating func format(
        _ name: String, default fallback: NumberFormat
    ) throws(SwiftletError) -> NumberFormat {
        guard let text = word(name) else { return fallback }
        guard let format = NumberFormat(rawValue: text), KVFormat.supported.contains(format) else {
            throw refusal(name, text, KVFormat.names)
        }
        return format
    }
}
