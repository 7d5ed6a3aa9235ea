import SwiftletFormats
import SwiftletTensor

/// Puts the flags of a configuration file and of the environment in front of those that were typed.
///
/// `{"port": 9000, "metrics": true, "slots": false}` becomes `--port 9000 --metrics --no-slots`, and so does
/// `SWIFTLET_PORT=9000`. A flag that is given in several places counts where it counts most: typed, environment,
/// file.
enum ServeConfiguration {
    /// How a flag is written.
    enum Kind {
        /// With a value.
        case value
        /// Alone.
        case flag
        /// Alone, and with `no-` in front if it is false.
        case inversion
    }

    /// Every flag of `serve` that may stand in a file.
    static let flags: [(name: String, kind: Kind)] =
        [
            "model", "ctx-size", "threads", "batch-size", "cache-type-k", "cache-type-v", "kv-policy",
            "kv-budget",
            "chat-template", "chat-template-file", "chat-template-kwargs", "prompt-cache",
            "prompt-cache-size",
            "temp", "top-k", "top-p", "min-p", "typical", "repeat-penalty", "presence-penalty",
            "frequency-penalty", "repeat-last-n", "seed", "parallel", "kv-memory", "queue-limit", "cache-ram",
            "ubatch-size",
            "predict", "host", "port", "api-key", "api-key-file", "ssl-key-file", "ssl-cert-file",
            "cors-origins", "timeout", "shutdown-timeout", "body-limit", "sse-ping-interval", "alias", "tags",
            "slot-save-path", "reasoning-format", "reasoning", "log-format", "log-level", "pooling", "lora",
            "lora-scaled",
        ].map { ($0, .value) }
        + ["metrics", "verbose", "quiet", "embeddings"].map { ($0, .flag) }
        + ["jinja", "kv-unified", "cache-prompt", "slots", "ui"].map { ($0, .inversion) }

    /// Adds what file and environment say to the words behind `serve`.
    ///
    /// - Throws: errors of the file, with the member that is wrong.
    static func expand(
        _ words: [String], environment: [String: String]
    ) throws(SwiftletError) -> [String] {
        var known = Set(flags.map(\.name).filter { isTyped($0, words) })
        var more: [String] = []
        for (name, kind) in flags where !known.contains(name) {
            let variable = "SWIFTLET_" + name.uppercased().replacing("-", with: "_")
            guard let text = environment[variable], !text.isEmpty else { continue }
            more += try self.words(name, kind, text: text, source: variable)
            known.insert(name)
        }
        if let path = configPath(words) ?? environment["SWIFTLET_CONFIG"] {
            more = try fileWords(path, without: known) + more
        }
        return more + words
    }

    private static func isTyped(_ name: String, _ words: [String]) -> Bool {
        words.contains { $0 == "--\(name)" || $0.hasPrefix("--\(name)=") || $0 == "--no-\(name)" }
    }

    private static func configPath(_ words: [String]) -> String? {
        for (index, word) in words.enumerated().reversed() {
            if word == "--config" { return words.dropFirst(index + 1).first }
            if word.hasPrefix("--config=") { return String(word.dropFirst("--config=".count)) }
        }
        return nil
    }

    // MARK: File

    private static func fileWords(
        _ path: String, without known: Set<String>
    ) throws(SwiftletError) -> [String] {
        let json = try JSON.parse(contentsOf: path)
        guard json.kind == .object else {
            throw SwiftletError(
                .malformed, "\(path) is \(json.kind.rawValue), expected an object as in {\"port\": 9000}")
        }
        var words: [String] = []
        for (key, value) in json.members {
            let name = (key.string ?? "").replacing("_", with: "-")
            guard let flag = flags.first(where: { $0.name == name }) else {
                throw SwiftletError(
                    .invalidArgument,
                    "\(path): '\(name.prefix(60))' is no flag of serve"
                        + Spelling.suggestion(for: name, from: flags.map(\.name)))
            }
            guard !known.contains(name), !value.isNull else { continue }
            let texts = value.kind == .array ? value.elements.map(text) : [text(value)]
            for text in texts {
                guard let text else {
                    throw SwiftletError(
                        .malformed, "\(path): '\(name)' is \(value.kind.rawValue), expected a plain value")
                }
                words += try self.words(name, flag.kind, text: text, source: "\(path): '\(name)'")
            }
        }
        return words
    }

    /// A value as it would be typed.
    private static func text(_ value: JSON) -> String? {
        switch value.kind {
        case .string: value.string
        case .bool: value.bool == true ? "true" : "false"
        case .number: value.int.map(String.init) ?? value.double.map { "\($0)" }
        case .object: compact(value)
        case .null, .array: nil
        }
    }

    private static func compact(_ value: JSON) -> String {
        var json = JSONWriter()
        json.value(value)
        return json.text
    }

    private static func words(
        _ name: String, _ kind: Kind, text: String, source: String
    ) throws(SwiftletError) -> [String] {
        guard kind != .value else { return ["--\(name)=\(text)"] }
        switch text.lowercased() {
        case "true", "1", "on", "yes": return ["--\(name)"]
        case "false", "0", "off", "no": return kind == .inversion ? ["--no-\(name)"] : []
        default:
            throw SwiftletError(
                .invalidArgument, "\(source) is '\(text.prefix(40))', expected true or false")
        }
    }
}
