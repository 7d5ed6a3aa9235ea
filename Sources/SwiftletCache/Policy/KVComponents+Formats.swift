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
}

extension KVArguments {
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
