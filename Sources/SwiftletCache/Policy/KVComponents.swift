import SwiftletTensor

extension KVComponent {
    /// Every component that a specification may name, in the order of `swiftlet kv list`.
    public static let all: [KVComponent] =
        [full] + selectors + [uniform] + allocators + [table] + methods + [
            pyramidInfer, uncomp, sharer, pqcache, slots,
        ] + formats + [cache, kivi, age, rotate]

    /// Shared layers.
    static let sharer = KVComponent(
        "kvsharer", parts: [.sharing],
        summary: "Lets layers read the cache of an earlier layer, as a map says, and store nothing.",
        source: "KVSharer, Yang et al., 2024, arXiv:2410.18517", lowersPrefillMemory: true,
        options: [Option("file", "path of the map; the name may be left out")]
    ) { (draft, arguments) throws(SwiftletError) in
        guard let path = arguments.path("file") else {
            throw SwiftletError(.invalidArgument, "'kvsharer' needs a map, as in kvsharer:map.json")
        }
        draft.policy.owners = try draft.profiles.sharingMap(at: path)
    }

    /// The full cache.
    static let full = KVComponent(
        "full", parts: [.selector], summary: "Keeps every row.", source: "the plain cache"
    ) { (_, _) throws(SwiftletError) in }

    /// Equal budgets, spelled out.
    static let uniform = KVComponent(
        "uniform", parts: [.layers], summary: "Gives every layer the same budget; the default.",
        source: "the usual baseline", lowersPrefillMemory: true
    ) { (draft, _) throws(SwiftletError) in draft.policy.layers = UniformLayers() }

    /// Budgets from a file.
    static let table = KVComponent(
        "table", parts: [.layers],
        summary: "Gives every layer the rows that a file lists, whatever the budget.",
        source: "whole numbers, one per layer that stores rows, apart by spaces, commas or lines",
        lowersPrefillMemory: true,
        options: [Option("file", "path of the list; the name may be left out")]
    ) { (draft, arguments) throws(SwiftletError) in
        guard let path = arguments.path("file") else {
            throw SwiftletError(.invalidArgument, "'table' needs a file, as in table:budgets.txt")
        }
        draft.policy.layers = LayerTable(rows: try LayerTable.rows(at: path))
    }

    /// Renumbered rows.
    static let slots = KVComponent(
        "slots", parts: [.positions],
        summary: "Renumbers kept rows without gaps and rotates their keys along.",
        source: "StreamingLLM, Xiao et al., 2023, arXiv:2309.17453, §3.2", lowersPrefillMemory: true
    ) { (draft, _) throws(SwiftletError) in draft.policy.positions = .slot }
}
