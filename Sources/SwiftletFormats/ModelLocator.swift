public import SwiftletTensor

/// Where a model is.
public enum ModelLocation: Hashable, Sendable {
    /// One GGUF file.
    case gguf(String)
    /// A directory of Hugging Face's layout; see ``HuggingFaceDirectory``.
    case directory(String)

    /// The path of the file or directory.
    public var path: String {
        switch self {
        case .gguf(let path), .directory(let path): path
        }
    }
}

/// Finds the model that a person named, without touching the network.
public enum ModelLocator {
    /// Finds a model by path, or by name in the local Hugging Face cache.
    ///
    /// An existing path wins over a name. A directory with one GGUF file and no safetensors is that file.
    ///
    /// ```swift
    /// let environment = ProcessInfo.processInfo.environment
    /// try ModelLocator.resolve("model.gguf", environment: environment)
    /// try ModelLocator.resolve("Qwen/Qwen3-0.6B@main", environment: environment)
    /// ```
    ///
    /// - Parameters:
    ///   - argument: the path of a `.gguf` file, a `.safetensors` file or a directory; or
    ///     `organisation/name`, optionally with `@revision`, and with `:` and a GGUF file or its format.
    ///   - environment: read for `HF_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME` and `HOME`.
    ///   - note: receives a sentence if the answer was a choice, as when a download has no main revision.
    /// - Throws: ``SwiftletError/Code/missing`` if there is no such model, listing what was looked for;
    ///   ``SwiftletError/Code/invalidArgument`` if the argument names several.
    public static func resolve(
        _ argument: String, environment: [String: String], note: (String) -> Void = { _ in }
    ) throws(SwiftletError) -> ModelLocation {
        switch System.kind(of: argument) {
        case .directory: return try directory(argument)
        case .file, .other: return try file(argument)
        case nil: break
        }
        guard let name = HubName(argument),
            name.selector != nil || !isGGUF(argument) && !argument.hasSuffix(".safetensors")
        else {
            throw SwiftletError(
                .missing,
                "there is no file or directory '\(argument)', and it is not a name such as "
                    + "organisation/model; check the path"
            )
        }
        let cache = try HubCache(environment: environment)
        return try hub(name, try cache.snapshot(of: name, note: note))
    }

    /// The model in a snapshot of a repository, which may hold several GGUF files and folders.
    private static func hub(_ name: HubName, _ snapshot: String) throws(SwiftletError) -> ModelLocation {
        let paths = try System.paths(below: snapshot)
        let files = paths.filter { GGUFChoice.isModel($0) }
        if let selector = name.selector {
            guard let file = GGUFChoice.choose(from: paths, selector: selector) else {
                let others = files.isEmpty ? "no GGUF file" : files.joined(separator: ", ")
                throw SwiftletError(
                    .missing,
                    "\(name.repository): no file '\(selector)' in \(snapshot), which holds \(others); get it with "
                        + "`swiftlet pull \(name.text)`")
            }
            return .gguf("\(snapshot)/\(file)")
        }
        if paths.contains(where: { $0.hasSuffix(".safetensors") }) || files.isEmpty {
            return try directory(snapshot)
        }
        guard GGUFChoice.isOneModel(files) else {
            throw SwiftletError(
                .invalidArgument,
                "\(name.repository) is there as several models, expected one; name one of "
                    + files.map { "\(name.text):\($0)" }.joined(separator: ", "))
        }
        return .gguf("\(snapshot)/\(files[0])")
    }

    private static func file(_ path: String) throws(SwiftletError) -> ModelLocation {
        let file = try MappedFile(path: path)
        if file.bytes.starts(with: "GGUF".utf8) || isGGUF(path) { return .gguf(path) }
        let (parent, name) = split(path)
        guard name.hasSuffix(".safetensors") else {
            throw SwiftletError(
                .invalidArgument,
                "\(path) is neither a .gguf nor a .safetensors file; name one, or a model's directory")
        }
        guard try SafetensorsCheckpoint.fileNames(in: parent).contains(name) else {
            throw SwiftletError(
                .invalidArgument,
                "\(path) is not the checkpoint of its directory, which model.safetensors or its index names; "
                    + "move it to a directory of its own"
            )
        }
        return .directory(parent)
    }

    private static func directory(_ path: String) throws(SwiftletError) -> ModelLocation {
        let names = try System.names(in: path)
        if names.contains(where: { $0.hasSuffix(".safetensors") }) { return .directory(path) }
        let files = names.filter(isGGUF)
        if files.count > 1, !GGUFChoice.isOneModel(files) {
            throw SwiftletError(
                .invalidArgument,
                "\(path) holds several models, expected one; name one of \(files.joined(separator: ", "))")
        }
        if let file = files.first { return .gguf(path.hasSuffix("/") ? path + file : "\(path)/\(file)") }
        guard
            names.contains(where: { $0.hasPrefix("pytorch_model") || $0 == "config.json" || isTokenizer($0) })
        else {
            throw SwiftletError(
                .missing,
                "\(path): holds no .gguf file, no .safetensors file and no config.json, expected a model")
        }
        return .directory(path)
    }

    private static func isGGUF(_ name: String) -> Bool { name.lowercased().hasSuffix(".gguf") }

    private static func isTokenizer(_ name: String) -> Bool {
        ["tokenizer.json", "tokenizer.model", "tekken.json", "tiktoken.model"].contains(name)
            || name.hasSuffix(".tiktoken")
    }

    private static func split(_ path: String) -> (parent: String, name: String) {
        guard let slash = path.lastIndex(of: "/") else { return (".", path) }
        let parent = path[..<slash]
        return (parent.isEmpty ? "/" : String(parent), String(path[path.index(after: slash)...]))
    }
}
