import SwiftletTensor

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

extension KVComponent {
    /// PQCache in specifications.
    static let pqcache = KVComponent(
        "pqcache", parts: [.retrieval],
        summary:
            "Keeps every row, and reads for each generated token only those that an index of keys suggests.",
        source: "Zhang et al., SIGMOD 2025, arXiv:2407.12820",
        options: [
            Option("ratio", "share of the prompt that a token attends to (0.2)"),
            Option("local", "share of that which is the recent window (0.5)"),
            Option("sinks", "first tokens, always attended to (32)"),
            Option("m", "sub-spaces per key (2)"), Option("b", "bits per code (6)"),
            Option("iterations", "of k-means at most (10)"),
            Option(
                "reindex",
                "clusters again when generated tokens exceed this share of the indexed ones (never)"),
            Option("tier", "where rows lie that are only read when chosen: ram or file (ram)"),
            Option("dir", "directory of the temporary file (TMPDIR, or /var/tmp)"),
            Option("cache", "tokens per layer copied back from the file (4096)"),
            Option("evict", "which copies give way: lfu or lru (lfu)"),
        ]
    ) { (draft, arguments) throws(SwiftletError) in
        var settings = PQCacheSettings()
        settings.ratio = try arguments.number("ratio", default: settings.ratio, in: 0.001...1)
        settings.localFraction = try arguments.number("local", default: settings.localFraction, in: 0...1)
        settings.sinks = try arguments.integer("sinks", default: settings.sinks, in: 0...1 << 20)
        settings.subspaces = try arguments.integer("m", default: settings.subspaces, in: 1...1 << 10)
        settings.bits = try arguments.integer("b", default: settings.bits, in: 1...12)
        settings.limits.iterations = try arguments.integer(
            "iterations", default: settings.limits.iterations, in: 0...300)
        let reindex = try arguments.number("reindex", default: 0, in: 0...1000)
        let isFile = try arguments.choice("tier", default: false, from: ["ram": false, "file": true])
        let cachedTokens = try arguments.integer("cache", default: 4096, in: 0...1 << 30)
        let policy = try arguments.choice(
            "evict", default: PQBlockCache.Policy.lfu, from: ["lfu": .lfu, "lru": .lru])
        let directory = arguments.word("dir") ?? getenv("TMPDIR").map { String(cString: $0) } ?? "/var/tmp"
        let tier = isFile ? try slowTier(directory, cachedTokens, policy) : nil
        draft.policy.retrieval = PQCacheRetrieval(
            settings, reindexShare: reindex > 0 ? reindex : nil, slowTier: tier)
    }

    private static func slowTier(
        _ directory: String, _ cachedTokens: Int, _ policy: PQBlockCache.Policy
    ) throws(SwiftletError) -> PQCacheRetrieval.SlowTier {
        PQCacheRetrieval.SlowTier(
            pool: try KVPagePool(directory: directory), cachedTokens: cachedTokens, policy: policy)
    }
}
