import SwiftletFormats
import SwiftletModels
import SwiftletTensor

/// How the states of a text's tokens become one vector.
public enum Pooling: String, Hashable, Sendable, CaseIterable {
    /// The mean of all tokens.
    case mean
    /// The first token, which encoders train for that.
    case cls
    /// The last token, which is the only one that sees the whole text in a decoder.
    case last
    /// None: every token has a vector of its own.
    case perToken = "none"

    /// Its number in GGUF files.
    var fileNumber: UInt32 {
        switch self {
        case .perToken: 0
        case .mean: 1
        case .cls: 2
        case .last: 3
        }
    }
}

/// What a model's files say about embeddings.
struct EmbeddingDefaults: Hashable, Sendable {
    var pooling: Pooling?
    var normalizes: Bool?

    init(of source: ModelSource) throws(SwiftletError) {
        switch source {
        case .gguf(let file): pooling = try Self.pooling(file)
        case .directory(let directory): try read(directory.path)
        }
    }

    /// `1_Pooling/config.json` and `modules.json` of sentence-transformers.
    private mutating func read(_ folder: String) throws(SwiftletError) {
        let path = "\(folder)/1_Pooling/config.json"
        if System.kind(of: path) == .file {
            let json = try JSON.parse(contentsOf: path)
            let flags = ["mean": "mean_tokens", "cls": "cls_token", "last": "lasttoken"]
            let given = json["pooling_mode"]?.string.map { $0 == "lasttoken" ? "last" : $0 }
            let name =
                given ?? flags.first { json["pooling_mode_\($0.value)"]?.bool == true }?.key ?? "unknown"
            guard let found = Pooling(rawValue: name), found != .perToken else {
                throw SwiftletError(
                    .unsupported,
                    "\(path): the pooling is '\(name)', which is not supported; expected mean, cls or last")
            }
            pooling = found
        }
        let modules = "\(folder)/modules.json"
        if System.kind(of: modules) == .file {
            normalizes = try JSON.parse(contentsOf: modules).elements.contains {
                $0["type"]?.string?.hasSuffix(".Normalize") == true
            }
        }
    }

    private static func pooling(_ file: GGUFFile) throws(SwiftletError) -> Pooling? {
        guard let name = file["general.architecture"]?.string,
            let kind = file["\(name).pooling_type"]?.int, kind != 0
        else { return nil }
        if let pooling = Pooling.allCases.first(where: { Int($0.fileNumber) == kind }) { return pooling }
        throw SwiftletError(
            .unsupported,
            "\(file.path): '\(name).pooling_type' is \(kind), which is not supported; expected 0 to 3")
    }
}
