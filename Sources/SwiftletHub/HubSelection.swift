import SwiftletFormats
import SwiftletTensor

/// Which files of a repository are downloaded.
struct HubSelection: Equatable {
    /// Files to get, in the order of the repository.
    var files: [HubFile]
    /// An index that must be read first: it names the files of the weights.
    var index: HubFile?
    /// What a person should know about the choice.
    var notes: [String] = []

    static let indexName = "model.safetensors.index.json"

    /// What tokenizers, templates and configurations are called.
    private static let companions: Set<String> = [
        "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model",
        "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt",
        "tekken.json",
        "tiktoken.model", "chat_template.jinja", "chat_template.json", "adapter_config.json",
        "adapter_model.safetensors", "modules.json", "sentence_bert_config.json",
        "config_sentence_transformers.json", "quantize_config.json", "quantization_config.json",
    ]

    /// Chooses.
    ///
    /// - Throws: `.missing` if there is no such file, `.unsupported` if there is nothing that Swiftlet opens.
    init(_ listing: HubListing, _ name: HubName) throws(SwiftletError) {
        files = []
        if let selector = name.selector {
            try choose(selector, listing, name)
        } else if listing.files.contains(where: { Self.isCompanion($0.path) && $0.path == "config.json" }),
            try chooseSafetensors(listing)
        {
            if listing.paths.contains(where: GGUFChoice.isModel) {
                notes.append("GGUF files are there, too: \(name.repository):FORMAT gets one")
            }
        } else if listing.file("adapter_model.safetensors") != nil {
            files = listing.files.filter { Self.isCompanion($0.path) }
        } else {
            try chooseGGUF(listing, name)
        }
    }

    /// Adds the files that the index names.
    mutating func add(shards: Set<String>, of listing: HubListing) throws(SwiftletError) {
        for shard in shards.sorted() {
            guard let file = listing.file(shard) else {
                throw SwiftletError(
                    .missing,
                    "\(Self.indexName) names '\(shard)', which is not in the repository; it is incomplete")
            }
            files.append(file)
        }
    }

    // MARK: Choices

    private mutating func choose(_ selector: String, _ listing: HubListing, _ name: HubName)
        throws(SwiftletError)
    {
        if let file = listing.file(selector), !selector.lowercased().hasSuffix(".gguf") {
            guard !Self.isPickle(selector) else {
                throw SwiftletError(
                    .unsupported,
                    "\(name.text): files of this kind (pickle) can run any code when they are opened, so they are not "
                        + "downloaded; expected safetensors or GGUF")
            }
            files = [file]
            return
        }
        guard let first = GGUFChoice.choose(from: listing.paths, selector: selector) else {
            let models = listing.paths.filter { GGUFChoice.isModel($0) }
            let others = models.isEmpty ? listing.paths : models
            let list = others.prefix(30).joined(separator: ", ") + (others.count > 30 ? ", …" : "")
            throw SwiftletError(
                .missing, "\(name.repository): no file or format '\(selector)'; the repository has \(list)")
        }
        try choose(gguf: first, listing, name)
    }

    private mutating func chooseGGUF(_ listing: HubListing, _ name: HubName) throws(SwiftletError) {
        if let first = GGUFChoice.choose(from: listing.paths, selector: nil) {
            return try choose(gguf: first, listing, name)
        }
        let pickles = listing.paths.filter(Self.isPickle)
        guard pickles.isEmpty else {
            throw SwiftletError(
                .unsupported,
                "\(name.repository) has its weights only as \(pickles[0]), a pickle, which can run any code when it is "
                    + "opened; look for a revision or repository with safetensors or GGUF")
        }
        throw SwiftletError(
            .unsupported,
            "\(name.repository) has no safetensors with a config.json and no GGUF file, expected a model")
    }

    private mutating func choose(
        gguf first: String, _ listing: HubListing, _ name: HubName
    ) throws(SwiftletError) {
        guard let parts = GGUFChoice.parts(of: first, in: listing.paths) else {
            throw SwiftletError(
                .missing, "\(name.repository): parts of \(first) are missing in the repository")
        }
        files = parts.compactMap(listing.file)
    }

    /// Chooses configuration, tokenizer and weights; whether there are any.
    private mutating func chooseSafetensors(_ listing: HubListing) throws(SwiftletError) -> Bool {
        let root = listing.files.filter { !$0.path.contains("/") && $0.path.hasSuffix(".safetensors") }
        let weights: [HubFile]
        if let whole = root.first(where: { $0.path == "model.safetensors" }) {
            weights = [whole]
        } else if let index = listing.file(Self.indexName) {
            self.index = index
            weights = []
        } else {
            // An adapter beside nothing else is a repository of its own kind.
            weights = root.filter { $0.path != "adapter_model.safetensors" }
            if weights.isEmpty { return false }
        }
        let paths = Set(weights.map(\.path) + [index?.path].compactMap { $0 })
        files = listing.files.filter { Self.isCompanion($0.path) || paths.contains($0.path) }
        if listing.paths.contains(where: Self.isPickle) {
            notes.append(
                "weights in pickle files (.bin, .pt, .pth) are left out: opening one can run any code")
        }
        return true
    }

    private static func isCompanion(_ path: String) -> Bool {
        companions.contains(path) || path.hasPrefix("additional_chat_templates/") && path.hasSuffix(".jinja")
            || path.hasSuffix("_Pooling/config.json") || (!path.contains("/") && path.hasSuffix(".tiktoken"))
    }

    private static func isPickle(_ path: String) -> Bool {
        [".bin", ".pt", ".pth", ".ckpt", ".pkl"].contains { path.lowercased().hasSuffix($0) }
    }
}
